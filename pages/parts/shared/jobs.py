"""One longer job beside the page: it goes on while the page answers, and can be stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from landcover.core.errors import Cancelled, LandcoverError
from landcover.core.progress import Progress, Report

Work = Callable[[Report, threading.Event], Any]
"""What a job does: it reports its progress and stops when the event is set."""


@dataclass(eq=False)
class Job:
    """A job in a thread of its own; the page only reads what it writes.

    Attributes:
        about: what the job is for, to tell one from another.
        progress: the latest report.
        result: what came of it, once ``done``.
        error: the sentence to show, where it failed.
        cancelled: whether the user stopped it.
        done: whether it has ended.
    """

    about: Any
    progress: Progress = field(default_factory=lambda: Progress(what="Starting"))
    result: Any = None
    error: str | None = None
    cancelled: bool = False
    done: bool = False
    _cancel: threading.Event = field(default_factory=threading.Event)
    _began: float = field(default_factory=time.monotonic)

    @property
    def text(self) -> str:
        """The latest report in a line, with the seconds since the job began."""
        return f"{self.progress.text}, {time.monotonic() - self._began:.1f} s"

    def cancel(self) -> None:
        """Ask it to stop; it does so within a moment."""
        self._cancel.set()

    def run(self, work: Work) -> None:
        """Do the work and keep what came of it; never raises."""
        try:
            self.result = work(self._note, self._cancel)
        except Cancelled:
            self.cancelled = True
        except LandcoverError as error:
            self.error = str(error)
        except Exception as error:  # a thread's fault would be seen by nobody
            logging.getLogger(__name__).exception("A job beside the page failed")
            self.error = f"Something went wrong on our side ({type(error).__name__}): try again."
        finally:
            self.done = True

    def _note(self, progress: Progress) -> None:
        self.progress = progress


def start(about: Any, work: Work) -> Job:  # noqa: ANN401 - whatever tells jobs apart
    """Begin a job in the background."""
    job = Job(about)
    threading.Thread(target=job.run, args=(work,), daemon=True, name="landcover-job").start()
    return job
