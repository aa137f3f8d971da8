"""Write how far a run is, at most twice a second, and its epochs after each."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from landcover.core import files
from landcover.core.json_numbers import with_nulls
from landcover.core.progress import Progress
from landcover.jobs.runs import folder
from landcover.jobs.runs.record import RunProgress, read_epochs
from landcover.train import history
from landcover.train.callbacks import StepProgress
from landcover.train.history import Epoch

__all__ = ["AFTERWARDS", "RunLog", "write_history"]

AFTERWARDS: Final = "Choosing thresholds and calibration"
"""What a training does after the last epoch of a fit."""
_EVERY_S: Final = 0.5


class RunLog:
    """A callback of trainings, and a report of other work, that writes into a run's folder.

    Args:
        run: the run's folder.
        fits: how many times the net is trained, for the time left.
        clock: returns seconds.
    """

    def __init__(
        self, run: Path, *, fits: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.run, self.fits = run, fits
        self._clock, self._written_at = clock, -math.inf
        self._fit, self._began, self._done_at_start = "", 0.0, 0.0
        self._seen: list[str] = []

    def step(self, progress: StepProgress) -> None:
        """Note a step of a training."""
        steps = max(1, progress.steps)
        done = (progress.epoch - 1 + progress.step / steps) * progress.patches
        if progress.run != self._fit:
            # The first step is slow: it allocates memory.
            self._fit, self._began, self._done_at_start = progress.run, self._clock(), done
            self._seen.append(progress.run)
        rate, left = math.nan, None
        spent = self._clock() - self._began
        if done > self._done_at_start and spent > 0:
            rate = (done - self._done_at_start) / spent
            whole = progress.epochs * progress.patches
            others = max(0, self.fits - len(self._seen)) * whole
            left = (whole - done + others) / rate
        self._write(
            RunProgress(
                what=progress.run,
                epoch=progress.epoch,
                epochs=progress.epochs,
                step=progress.step,
                steps=progress.steps,
                loss=progress.loss,
                patches_per_second=rate,
                seconds_left=left,
            )
        )

    def epoch(self, run: str, entry: Epoch, epochs: int) -> None:
        """Note an epoch, whose checkpoint has been written."""
        write_history(self.run)
        if entry.epoch == epochs:  # what follows has no steps
            self._write(RunProgress(what=AFTERWARDS), at_once=True)
        print(f"{run}: {entry.text(epochs)}", flush=True)  # noqa: T201 - to the log

    def report(self, progress: Progress) -> None:
        """Note the progress of other work."""
        new = progress.what != self._fit
        if new:
            self._fit, self._began = progress.what, self._clock()
            print(progress.text, flush=True)  # noqa: T201 - to the log
        spent, total = self._clock() - self._began, progress.total or 0
        left = spent * (total - progress.done) / progress.done if progress.done and total else None
        self._write(
            RunProgress(what=progress.what, step=progress.done, steps=total, seconds_left=left),
            at_once=new,
        )

    def _write(self, progress: RunProgress, *, at_once: bool = False) -> None:
        if self._clock() - self._written_at < _EVERY_S and not at_once:
            return
        self._written_at = self._clock()
        text = json.dumps({**with_nulls(asdict(progress)), "at": folder.now().isoformat()})
        files.write_text(self.run / folder.PROGRESS_FILE, text, durable=False)


def write_history(run: Path) -> None:
    """Write the epochs of all fits of a run, in the order in which the fits began.

    They are read from the files beside the checkpoints, so that none is lost or doubled when a run
    is killed and resumed.

    Raises:
        BadInput: the file cannot be written.
    """
    model = run / folder.MODEL_FOLDER
    fits = [path.parent for path in model.glob(f"runs/**/{history.LINES_FILE}")]
    lines = []
    for fit in sorted(fits, key=lambda path: (_begin(path), path)):
        name = fit.relative_to(model / "runs").as_posix()
        for _, epoch in read_epochs((fit / history.LINES_FILE).read_bytes().splitlines()):
            lines.append(json.dumps({"fit": name, **with_nulls(asdict(epoch))}) + "\n")
    files.write_text(run / folder.HISTORY_FILE, "".join(lines))


def _begin(fit: Path) -> float:
    """When a fit began: its settings are written once, before its first epoch."""
    try:
        return (fit / "config.json").stat().st_mtime
    except OSError:
        return math.inf
