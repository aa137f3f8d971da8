"""A background job: it runs in a thread while the page stays usable, and can be cancelled."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from landcover.core import logs
from landcover.core.errors import Cancelled, LandcoverError
from landcover.core.progress import Progress, Report

Work = Callable[[Report, threading.Event], Any]
"""The work of a job: it reports its progress and stops when the event is set."""

PATIENCE_S: Final = 20.0
"""Seconds that the end of the program waits for jobs: no step between two checks takes longer."""


@dataclass(eq=False)
class Job:
    """A job in its own thread; the page only reads its attributes.

    Attributes:
        purpose: what the job is for, to distinguish it from other jobs.
        progress: the latest progress report.
        result: the result, once ``done``.
        error: the message to show if the job failed.
        cancelled: whether the user stopped the job.
        done: whether the job has ended.
    """

    purpose: Any
    progress: Progress = field(default_factory=lambda: Progress(what="Starting"))
    result: Any = None
    error: str | None = None
    cancelled: bool = False
    done: bool = False
    _cancel: threading.Event = field(default_factory=threading.Event)
    _began: float = field(default_factory=time.monotonic)

    @property
    def text(self) -> str:
        """The latest progress report in one line, with the seconds since the job began."""
        return f"{self.progress.text}, {time.monotonic() - self._began:.1f} s"

    def cancel(self) -> None:
        """Request the job to stop, which it does at the next check."""
        self._cancel.set()

    def run(self, work: Work) -> None:
        """Do the work and keep its result or error; never raises."""
        try:
            self.result = work(self._note, self._cancel)
        except Cancelled:
            self.cancelled = True
        except LandcoverError as error:
            logs.event("job failed", error=error, ms=1000 * (time.monotonic() - self._began))
            self.error = str(error)
        except Exception as error:  # an error in a thread would go unnoticed
            logging.getLogger(__name__).exception("A background job failed")
            self.error = f"An internal error occurred ({type(error).__name__}). Try again."
        finally:
            self.done = True

    def _note(self, progress: Progress) -> None:
        self.progress = progress


def start(purpose: Any, work: Work) -> Job:  # noqa: ANN401 - any value identifies a job
    """Start a job in the background."""
    job = Job(purpose)
    thread = threading.Thread(target=job.run, args=(work,), daemon=True, name="landcover-job")
    _running[thread] = job
    thread.start()
    return job


def stop_all(patience_s: float = PATIENCE_S) -> None:
    """Cancel all jobs and wait until they have ended.

    A thread that computes with torch while the interpreter ends aborts the process.

    Args:
        patience_s: seconds after which a job that does not end is left alone.
    """
    until = time.monotonic() + patience_s
    running = [(thread, job) for thread, job in list(_running.items()) if thread.is_alive()]
    for _, job in running:
        job.cancel()
    for thread, _ in running:
        thread.join(max(0.0, until - time.monotonic()))


_running: WeakKeyDictionary[threading.Thread, Job] = WeakKeyDictionary()
atexit.register(stop_all)
