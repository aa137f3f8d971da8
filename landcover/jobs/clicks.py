"""Short computations that somebody waits for, such as a classification: before everything else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from landcover.core.threads import usable_cores

__all__ = ["PAUSE_S", "Clicks"]

PAUSE_S: Final = 0.5
"""Longest pause of a job at one question, in seconds, so that it is slow but never stands still."""

Result = TypeVar("Result")


class Clicks:
    """Runs short computations in the threads of their callers, as many at a time as cores.

    Args:
        slots: how many run at the same time; by default one for each core.
    """

    def __init__(self, slots: int | None = None) -> None:
        self._slots = threading.BoundedSemaphore(slots or usable_cores())
        self._idle = threading.Condition()
        self._active = 0

    def run(self, work: Callable[[], Result]) -> Result:
        """Do some work as soon as a core is free; jobs pause meanwhile."""
        with self._idle:
            self._active += 1
        try:
            with self._slots:
                return work()
        finally:
            with self._idle:
                self._active -= 1
                if not self._active:
                    self._idle.notify_all()

    @property
    def active(self) -> int:
        """How many are running or waiting for a core."""
        return self._active

    def wait_until_idle(self, most_s: float = PAUSE_S) -> None:
        """Wait while clicks are being served, at most ``most_s`` seconds."""
        if not self._active:
            return
        until = time.monotonic() + most_s
        with self._idle:
            while self._active and (left := until - time.monotonic()) > 0:
                self._idle.wait(left)
