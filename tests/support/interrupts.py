"""Ctrl+C in the middle of a command that a test runs in its own process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_S = 0.005
_AGAIN_S = 10.0


@contextmanager
def interrupted(when: Callable[[], bool]) -> Iterator[None]:
    """Interrupt the main thread as soon as a condition holds, and again if it goes on.

    Python drops an interrupt that arrives in a destructor or in a callback of the garbage
    collector, as a user sees by pressing Ctrl+C twice.
    """
    main, done = threading.main_thread().ident, threading.Event()
    assert main is not None

    def interrupt() -> None:
        while not when():
            if done.wait(_LOOK_S):
                return
        while not done.is_set():
            signal.pthread_kill(main, signal.SIGINT)
            done.wait(_AGAIN_S)

    user = threading.Thread(target=interrupt)
    user.start()
    try:
        yield
    finally:
        done.set()
        user.join()
