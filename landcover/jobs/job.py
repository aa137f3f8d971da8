"""A job of the queue: its work, what it reports, its result, and how it is stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Protocol

from landcover.core import logs
from landcover.core.errors import Cancelled, LandcoverError
from landcover.core.progress import Progress, Report, check

__all__ = ["Cancel", "Job", "Places", "Work", "place_text"]

Work = Callable[[Report, threading.Event], Any]
"""The work of a job: it reports its progress and stops when the event is set.

If it is a generator function, the job lets others go first whenever it yields and others wait;
what the generator returns is the result.
"""


class Places(Protocol):
    """What a job asks its queue."""

    def text_of(self, job: Job) -> str:
        """Say where a waiting job is in the queue."""

    def remove(self, job: Job) -> None:
        """Remove a job that is not running."""


class Cancel(threading.Event):
    """Is set to stop a job. To ask whether it is set is where a job lets more urgent work go first.

    All long work asks through :func:`landcover.core.progress.check` between two steps, so nothing
    in it has to know about the queue.

    Args:
        pause: called at each question; waits while more urgent work is running.
    """

    def __init__(self, pause: Callable[[], None]) -> None:
        super().__init__()
        self._pause = pause
        self.until: float | None = None
        """Time (:func:`time.monotonic`) at which the job is stopped; None without a deadline."""

    @property
    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return self.until is not None and time.monotonic() > self.until

    def is_set(self) -> bool:
        """Whether to stop: on request, or because the deadline has passed."""
        self._pause()
        return self.is_late or super().is_set()


@dataclass(eq=False, kw_only=True)
class Job:
    """A job; a page only reads its attributes, and cancels it.

    Attributes:
        purpose: what the job is for, to distinguish it from other jobs.
        owner: whose job it is; empty for nobody's.
        outlives: whether it goes on when its owner has left.
        seconds: time to compute, after which it is stopped.
        progress: the latest progress report.
        result: the result, once ``done``.
        error: the message to show if the job failed.
        cancelled: whether the user stopped the job.
        done: whether the job has ended.
        waits: whether it is waiting for its first turn.
        spent_s: seconds for which it ran in the turns before this one.
    """

    purpose: Any
    work: Work = field(repr=False)
    stop: Cancel = field(repr=False)
    places: Places = field(repr=False)
    seconds: float
    owner: str = ""
    outlives: bool = False
    progress: Progress = field(default_factory=lambda: Progress(what="Starting"))
    result: Any = field(default=None, repr=False)
    error: str | None = None
    cancelled: bool = False
    done: bool = False
    waits: bool = True
    spent_s: float = 0.0
    _turn: float | None = None
    _slices: Generator[Any, None, Any] | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """Where the job is in the queue, or its latest progress report with the seconds so far."""
        if self.waits and not self.done:
            return self.places.text_of(self)
        now = 0.0 if self._turn is None else time.monotonic() - self._turn
        return f"{self.progress.text}, {self.spent_s + now:.1f} s"

    def cancel(self) -> None:
        """Stop the job: at the next check if it is running, else at once."""
        self.stop.set()
        self.places.remove(self)

    def run(self) -> bool:
        """Do the work up to the next point where others may go first; never raises.

        Returns:
            whether the job has ended.
        """
        self._turn, self.waits = time.monotonic(), False
        self.stop.until = self._turn + self.seconds - self.spent_s
        ended = True
        try:
            ended = self._go_on()
        except Cancelled:
            self._note_stop()
        except LandcoverError as error:
            logs.event("job failed", error=error, ms=1000 * (time.monotonic() - self._turn))
            self.error = str(error)
        except Exception as error:  # an error in a thread would go unnoticed
            logging.getLogger(__name__).exception("A background job failed")
            self.error = f"An internal error occurred ({type(error).__name__}). Try again."
        if ended and self._slices is not None:
            self._slices.close()
        self.spent_s += time.monotonic() - self._turn
        self._turn = None
        self.done = ended
        return ended

    def drop(self) -> None:
        """End a job that is not running."""
        if self._slices is not None:
            self._slices.close()
        self.cancelled = True
        self.done = True

    def _go_on(self) -> bool:
        check(self.stop)
        if self._slices is None:
            made = self.work(self._note, self.stop)
            if not isinstance(made, Generator):
                self.result = made
                return True
            self._slices = made
        try:
            next(self._slices)
        except StopIteration as end:
            self.result = end.value
            return True
        return False

    def _note_stop(self) -> None:
        if self.stop.is_late:
            self.error = (
                f"This took longer than {self.seconds:.0f} seconds and was stopped: try again "
                "when the server is less busy, or ask for less."
            )
        else:
            self.cancelled = True

    def _note(self, progress: Progress) -> None:
        self.progress = progress


def place_text(place: int, seconds: float) -> str:
    """Say where a job is in the queue: ``"3rd in the queue, about 20 s"``."""
    if place <= 1 and seconds < 1:
        return "Next in the queue"
    about = f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"
    return f"{_ordinal(place)} in the queue, {about}"


def _ordinal(number: int) -> str:
    """Write a number as ``"1st"``, ``"2nd"`` or ``"11th"``."""
    teen = number % 100 in {11, 12, 13}
    ending = "th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
