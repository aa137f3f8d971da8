"""Turns of threads that compute: a few at a time, in the order in which they came."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from landcover.core.threads import usable_cores

__all__ = ["Turns"]


class Turns:
    """Lets so many threads compute at a time as there are cores.

    Only one thread of a process runs Python at a time. Seven pages that are drawn side by side
    each take seven times as long, and longer, because they also wait for each other at every
    element; one after the other, the first is ready at once and the last no later.

    Args:
        slots: how many at the same time; by default one for each core.
        patience_s: longest wait in seconds. A thread that computes nothing, but waits for
            something else, then keeps nobody waiting for ever.
    """

    def __init__(self, slots: int | None = None, patience_s: float = 1.0) -> None:
        self._free = slots or usable_cores()
        self._patience_s = patience_s
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many threads wait for their turn."""
        return len(self._waiting)

    @contextmanager
    def turn(self) -> Iterator[float]:
        """Wait for a turn, and take it while the block lasts; yields the seconds waited."""
        began = time.monotonic()
        mine = self._take()
        try:
            yield time.monotonic() - began
        finally:
            if mine:
                self._give_back()

    def _take(self) -> bool:
        """Return whether a slot is taken; without one, the thread goes on all the same."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            called = threading.Event()
            self._waiting.append(called)
        if called.wait(self._patience_s):
            return True
        with self._lock:
            if called.is_set():
                return True
            self._waiting.remove(called)
        return False

    def _give_back(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
