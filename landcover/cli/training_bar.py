"""Progress of training on standard error: a bar over all epochs, or one line an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from landcover.cli.progress import Display
from landcover.core.progress import Progress

if TYPE_CHECKING:
    from landcover.train.callbacks import StepProgress
    from landcover.train.history import Epoch

__all__ = ["Bar"]


class Bar:
    """A :class:`landcover.train.callbacks.Callback` that draws on a display.

    Attributes:
        run: name of the latest run; empty before the first.
        kept: its epochs that are in the checkpoint.
        epochs: its maximum number of epochs.
    """

    def __init__(self, display: Display) -> None:
        self.display = display
        self.run, self.kept, self.epochs = "", 0, 0
        self._validated = ""

    def step(self, progress: StepProgress) -> None:
        """Update the bar after a step."""
        if progress.run != self.run:
            self.run, self._validated = progress.run, ""
        self.kept, self.epochs = progress.epoch - 1, progress.epochs
        parts = [
            f"epoch {progress.epoch} of {progress.epochs}",
            f"loss {progress.loss:.3f}",
            self._validated,
        ]
        self.display(
            Progress(
                what=progress.run,
                done=round(
                    (progress.epoch - 1 + progress.step / progress.steps) * progress.patches
                ),
                total=progress.epochs * progress.patches,
                unit="patches",
                detail=", ".join(filter(None, parts)),
            )
        )

    @property
    def stopped(self) -> str:
        """The message after Ctrl-C: how many epochs are kept and how to resume."""
        if not self.kept:
            return "Stopped before the end of an epoch: run the same command again to resume."
        return (
            f"Stopped; {self.kept} of {self.epochs} epochs of the fit '{self.run}' are kept: "
            "run the same command again to resume."
        )

    def epoch(self, run: str, entry: Epoch, epochs: int) -> None:
        """Log an epoch after its checkpoint was written."""
        self.run, self.kept, self.epochs = run, entry.epoch, epochs
        self._validated = entry.validation or self._validated
        parts = [f"{run}: {entry.text(epochs)}", self.display.left]
        self.display.log(", ".join(filter(None, parts)))
