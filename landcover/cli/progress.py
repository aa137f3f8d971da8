"""Progress of a command on standard error: a bar on a terminal, occasional lines in a log.

`rich` draws the bar and estimates rate and time left. Nothing is written to standard output,
which is for the result, and a command that ends within seconds writes nothing to a log.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Final, TextIO

from landcover.core.progress import BYTES, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import Task

__all__ = ["Display", "show"]

LOG_EVERY_S: Final = 60.0
"""Seconds between two lines in a log, and from the first report to the first line."""
LOG_NEW_EVERY_S: Final = 10.0
"""The same if a new job has started since the last line."""
RATE_OVER_S: Final = 60.0
"""Period over which the rate is averaged."""
BAR_WIDTH: Final = 24


@contextmanager
def show(
    stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Display]:
    """Show the progress of the jobs inside; pass the result as their ``report``.

    Args:
        stream: output stream; default standard error.
        clock: returns seconds, for rates and for the interval of lines in a log.
    """
    display = Display(sys.stderr if stream is None else stream, clock)
    try:
        yield display
    finally:
        display.close()


class Display:
    """A callback (:data:`landcover.core.progress.Report`) that displays each report."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream, self.terminal = stream, stream.isatty()
        self._clock, self._lock = clock, Lock()
        self._logged_at, self._logged_what = 0.0, ""
        self._bar: RichProgress | None = None

    def __call__(self, progress: Progress) -> None:
        """Display a report; it may come from any thread."""
        with self._lock:
            first = self._bar is None
            task = self._updated(progress)
            if first:
                self._logged_at, self._logged_what = self._clock(), progress.what
            elif not self.terminal and self._due(progress):
                self._logged_what = progress.what
                self.log(f"{progress.what}: {task.fields['numbers']}".removesuffix(": "))

    def log(self, line: str) -> None:
        """Write a line, such as that of an epoch, to a log; does nothing on a terminal."""
        if not self.terminal:
            print(line, file=self.stream, flush=True)
            self._logged_at = self._clock()

    @property
    def left(self) -> str:
        """The estimated time left, such as ``"0:24 left"``; empty if unknown."""
        tasks = self._bar.tasks if self._bar else []
        return _left(tasks[0].time_remaining) if tasks else ""

    def pause(self) -> None:
        """Remove the bar from a terminal until the next report, so that text can be printed."""
        if self.terminal:
            self.close()

    def close(self) -> None:
        """Remove the bar from the terminal."""
        if self._bar is not None and self.terminal:
            self._bar.stop()
        self._bar = None

    def _due(self, progress: Progress) -> bool:
        new = progress.what != self._logged_what
        return self._clock() - self._logged_at >= (LOG_NEW_EVERY_S if new else LOG_EVERY_S)

    def _updated(self, progress: Progress) -> Task:
        """Update the bar's task from a report; a report on another job starts a new task."""
        bar = self._bar = self._bar or self._made()
        if all(task.description != progress.what for task in bar.tasks):
            for task in bar.tasks:
                bar.remove_task(task.id)
            bar.add_task(
                progress.what,
                total=progress.total,
                completed=progress.done,
                numbers=_numbers(progress),
            )
        (task,) = bar.tasks
        bar.update(task.id, total=progress.total, completed=progress.done)
        numbers = _numbers(progress, task.speed or 0.0, task.time_remaining)
        bar.update(task.id, numbers=numbers)
        return task

    def _made(self) -> RichProgress:
        from rich.console import Console  # noqa: PLC0415 - most commands show no progress
        from rich.progress import BarColumn, TextColumn  # noqa: PLC0415 - as above
        from rich.progress import Progress as RichProgress  # noqa: PLC0415 - as above

        bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(BAR_WIDTH),
            TextColumn("{task.fields[numbers]}", markup=False),
            console=Console(file=self.stream, force_terminal=self.terminal),
            get_time=self._clock,
            speed_estimate_period=RATE_OVER_S,
            redirect_stdout=False,
            redirect_stderr=self.stream is sys.stderr,
            transient=True,
        )
        if self.terminal:
            bar.start()
        return bar


def _numbers(progress: Progress, speed: float = 0.0, left: float | None = None) -> str:
    """Text such as ``12.3 of 94.7 MB, 3.4 MB/s, 0:24 left``, with the report's detail."""
    received = f"{progress.bytes / 1e6:,.1f} MB" if progress.bytes else ""
    parts = [
        progress.amount,
        _rate(speed, progress.unit),
        received if progress.unit != BYTES else "",
        _left(left),
        progress.detail,
    ]
    return ", ".join(filter(None, parts))


def _rate(speed: float, unit: str) -> str:
    if speed < 0.05 or not unit:  # "0.0 folds/s" says nothing; the time left does
        return ""
    if unit == BYTES:
        return f"{speed / 1e6:,.1f} MB/s"
    return f"{speed:,.0f} {unit}/s" if speed >= 10 else f"{speed:.1f} {unit}/s"


def _left(seconds: float | None) -> str:
    if not seconds:
        return ""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02} left" if hours else f"{minute}:{second:02} left"
