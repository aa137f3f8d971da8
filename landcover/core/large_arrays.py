"""Memory for the arrays of a block, hundreds of megabytes, which the next block uses again.

The C library either takes such memory anew from the system for each block, which fills every page
with zeros, or keeps it among smaller pieces, which leaves gaps: a process with two blocks at a time
grew by a quarter.
"""

from __future__ import annotations

import math
import mmap
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["kept", "large_array"]

_MUCH: Final = 4_000_000
"""Bytes of an array below which it is nothing special."""
_SLACK: Final = 1.25
"""A piece is used again for an array that is at most so many times smaller."""

_idle: Final[list[mmap.mmap]] = []
_users = 0
_lock: Final = RLock()  # a finaliser may run inside


@contextmanager
def kept() -> Iterator[None]:
    """Keep the memory of arrays that are gone for the next ones, until all such contexts end."""
    global _users  # noqa: PLW0603 - one count for the process
    with _lock:
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _idle.clear()


def large_array(shape: tuple[int, ...], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Make an array with any content. Its memory is used again when all views of it are gone.

    Raises:
        MemoryError: there is not so much memory.
    """
    dtype = np.dtype(kind)
    size = math.prod(shape) * dtype.itemsize
    if size < _MUCH:
        return np.empty(shape, dtype)
    piece = _piece(size)
    found = np.frombuffer(piece, np.uint8, size)
    weakref.finalize(found, _give_back, piece).atexit = False
    return found.view(dtype).reshape(shape)


def _piece(size: int) -> mmap.mmap:
    with _lock:
        fitting = [one for one in _idle if size <= len(one) <= _SLACK * size]
        if fitting:
            best = min(fitting, key=len)
            _idle.remove(best)
            return best
    try:
        return mmap.mmap(-1, size)
    except OSError as error:
        raise MemoryError(str(error)) from error


def _give_back(piece: mmap.mmap) -> None:
    with _lock:
        if _users:
            _idle.append(piece)
