"""Write a run's history for TensorBoard, if it is installed."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landcover.core import disk_errors
from landcover.core.errors import BadInput

if TYPE_CHECKING:
    from landcover.train.callbacks import StepProgress
    from landcover.train.history import Epoch

__all__ = ["TensorBoardLog"]


class TensorBoardLog:
    """A :class:`landcover.train.callbacks.Callback` that writes event files, one folder a run.

    Raises:
        BadInput: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - an extra
        except ImportError:
            raise BadInput(
                "TensorBoard is not installed: run `pip install 'landcover[tensorboard]'`, or "
                "leave --tensorboard out: history.csv has the same metrics."
            ) from None
        self._new, self.folder = SummaryWriter, folder
        self._writers: dict[str, Any] = {}

    def step(self, progress: StepProgress) -> None:
        """Do nothing: curves have one point an epoch."""

    def epoch(self, run: str, entry: Epoch, epochs: int) -> None:  # noqa: ARG002 - the interface has it
        """Write the metrics of an epoch."""
        if run not in self._writers:
            # A resumed run replaces the points after its checkpoint.
            with disk_errors.explained(self.folder, folder=True):
                self._writers[run] = self._new(str(self.folder / run), purge_step=entry.epoch)
        with disk_errors.explained(self.folder, folder=True):
            for name, value in asdict(entry).items():
                if name != "epoch" and math.isfinite(value):
                    self._writers[run].add_scalar(name, value, entry.epoch)
            self._writers[run].flush()

    def close(self) -> None:
        """Close the files."""
        with disk_errors.explained(self.folder, folder=True):
            for writer in self._writers.values():
                writer.close()
