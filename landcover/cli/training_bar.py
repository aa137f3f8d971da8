"""How training goes, on standard error: a line that moves, or a line an epoch in a log."""

from __future__ import annotations

import math
import shutil
import time
from collections import deque
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from landcover.train.callbacks import Moment
    from landcover.train.history import Epoch

_EVERY_S: Final = 0.1
_RATE_OVER_S: Final = 60.0
"""Speed and time left are those of the last minute, validation included."""
_BLOCKS: Final = 20


class Bar:
    """A :class:`landcover.train.callbacks.Watcher` that writes to a terminal or a file.

    Attributes:
        run: the run that was last heard of; empty before the first.
        kept: its epochs whose checkpoint is on the disk.
        epochs: its epochs at most.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.watched = stream, stream.isatty()
        self.run, self.kept, self.epochs = "", 0, 0
        self.figures = ""
        self._seen: deque[tuple[float, float]] = deque()
        self._shown = -math.inf

    def step(self, moment: Moment) -> None:
        """A step was made."""
        if moment.run != self.run:
            self.run, self.figures = moment.run, ""
            self._seen.clear()
        self.kept, self.epochs = moment.epoch - 1, moment.epochs
        now = time.monotonic()
        self._seen.append((now, moment.epoch - 1 + moment.step / moment.steps))
        while now - self._seen[0][0] > _RATE_OVER_S and len(self._seen) > 2:
            self._seen.popleft()
        due = now - self._shown >= _EVERY_S or moment.step == moment.steps
        if self.watched and due:
            self._shown = now
            self._draw(moment)

    def epoch(self, run: str, entry: Epoch, epochs: int) -> None:
        """An epoch is over, and its checkpoint on the disk."""
        self.run, self.kept, self.epochs = run, entry.epoch, epochs
        if not math.isnan(entry.val_loss):
            self.figures = validation(entry)
        if not self.watched:
            parts = [
                f"{run}: epoch {entry.epoch} of {epochs}",
                f"loss {entry.train_loss:.4f}",
                f"{entry.patches_per_second:,.0f} patches/s",
                validation(entry),
                self._left(entry.epoch),
            ]
            print(", ".join(filter(None, parts)), file=self.stream, flush=True)

    def end(self) -> None:
        """Leave the moving line as it is and go to the next."""
        if self.watched and self.run:
            print(file=self.stream, flush=True)

    def _draw(self, moment: Moment) -> None:
        full = round(_BLOCKS * moment.step / moment.steps)
        per_epoch = self._epochs_per_second()
        blocks = "█" * full + "░" * (_BLOCKS - full)
        parts = [
            f"{moment.run} {moment.epoch}/{moment.epochs} {blocks} {moment.step}/{moment.steps}",
            f"{per_epoch * moment.patches:,.0f} patches/s" if per_epoch else "",
            self._left(self._seen[-1][1]),
            f"loss {moment.loss:.3f}",
            self.figures,
        ]
        line = ", ".join(filter(None, parts))
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{line[:width]}\033[K", end="", file=self.stream, flush=True)

    def _epochs_per_second(self) -> float:
        seconds = self._seen[-1][0] - self._seen[0][0] if self._seen else 0.0
        return (self._seen[-1][1] - self._seen[0][1]) / seconds if seconds > 0 else 0.0

    def _left(self, done: float) -> str:
        rate = self._epochs_per_second()
        if rate <= 0 or done >= self.epochs:
            return ""
        minutes, seconds = divmod(int((self.epochs - done) / rate), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02} left"


def validation(entry: Epoch) -> str:
    """The figures on validation in words; empty where none were taken."""
    if math.isnan(entry.val_loss):
        return ""
    if not math.isnan(entry.val_accuracy):
        return f"validation accuracy {entry.val_accuracy:.3f}"
    return f"validation AP macro {entry.val_macro_ap:.3f} micro {entry.val_micro_ap:.3f}"
