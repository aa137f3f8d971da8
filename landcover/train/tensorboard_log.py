"""Write a run's history for TensorBoard, if it is installed."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landcover.core import disk_errors
from landcover.core.errors import BadInput
from landcover.core.text import one_line
from landcover.train.run_settings import settings_of

if TYPE_CHECKING:
    from landcover.train.callbacks import Outcome, StepProgress, Training
    from landcover.train.history import Epoch

__all__ = ["TensorBoardLog", "check_place"]


class TensorBoardLog:
    """A :class:`landcover.train.callbacks.Tracker` that writes event files, one folder a fit.

    Args:
        folder: for the event files.
        training: what is recorded; with it, the settings of each fit are written as text.

    Raises:
        ImportError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, training: Training | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - an extra

        self._new, self.folder, self.training = SummaryWriter, folder, training
        self._writers: dict[str, Any] = {}

    def step(self, progress: StepProgress) -> None:
        """Do nothing: curves have one point an epoch."""

    def epoch(self, run: str, entry: Epoch, epochs: int) -> None:  # noqa: ARG002 - the interface has it
        """Write the metrics of an epoch."""
        if run not in self._writers:
            # A resumed run replaces the points after its checkpoint.
            with disk_errors.explained(self.folder, folder=True):
                self._writers[run] = self._new(str(self.folder / run), purge_step=entry.epoch)
                self._write_settings(run, entry.epoch)
        with disk_errors.explained(self.folder, folder=True):
            for name, value in asdict(entry).items():
                if name != "epoch" and math.isfinite(value):
                    self._writers[run].add_scalar(name, value, entry.epoch)
            self._writers[run].flush()

    def _write_settings(self, run: str, step: int) -> None:
        if self.training is not None:
            settings = {**self.training.settings, **settings_of(self.training.folder, run)}
            lines = [
                f"- {name}: {json.dumps(value, default=str)}" for name, value in settings.items()
            ]
            self._writers[run].add_text("settings", "\n".join(lines), step)

    def close(self, outcome: Outcome = "finished") -> None:  # noqa: ARG002 - the interface has it
        """Close the files."""
        with disk_errors.explained(self.folder, folder=True):
            for writer in self._writers.values():
                writer.close()


def check_place(place: str) -> str:
    """The folder's path as it is seen from any folder.

    Raises:
        BadInput: it is no folder and none can be made there.
    """
    try:
        path = Path(place).expanduser().absolute()
        lowest = next(each for each in (path, *path.parents) if each.exists())
        usable = lowest.is_dir() and os.access(lowest, os.W_OK) and "\0" not in place
    except (OSError, RuntimeError, ValueError):  # a name too long, no such user, a null character
        usable = False
    if not usable:
        raise BadInput(
            f"TensorBoard's place is a folder that can be written, not '{one_line(place[:80])}'."
        )
    return str(path)
