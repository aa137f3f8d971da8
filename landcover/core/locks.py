"""Locks of the kernel on files and folders, which end with the process that holds them.

They are the ground of :mod:`landcover.core.files`, which others use. On Windows and on file systems
without locks nothing is locked.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from landcover.core.errors import BadInput
from landcover.core.text import plain

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "LOCK_FILE",
    "POSSIBLE",
    "beside",
    "close",
    "flock",
    "is_held",
    "is_locked",
    "release",
    "take",
]

LOCK_FILE: Final = ".landcover-lock"
"""Name of the file that locks a folder; it exists while a run writes to the folder."""
POSSIBLE: Final = fcntl is not None
"""Whether this system has such locks."""
_ASK_AGAIN_S: Final = 0.02
_held: set[int] = set()
"""Handles of the locks of this process."""


def beside(path: Path) -> Path:
    """The lock file of a file."""
    return path.with_name(f".{path.name[:40]}{LOCK_FILE}")


def take(path: Path, output: Path, *, wait_s: float = 0.0) -> int:
    """Make and lock a lock file that names this process; returns its handle.

    Args:
        path: the lock file.
        output: what is locked, for the message.
        wait_s: how long to wait for another process that holds the lock, in seconds.

    Raises:
        BadInput: another run holds it.
    """
    until = time.monotonic() + wait_s
    while True:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        handle = os.open(path, flags, 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 100, 0).decode("utf-8", "replace")
            os.close(handle)
            if time.monotonic() < until:
                time.sleep(_ASK_AGAIN_S)
                continue
            raise BadInput(
                f"'{plain(output.name)}' is being written by another run ({plain(holder)}): "
                "wait until it ends, or choose another place."
            ) from None
        except OSError:  # a file system without locks
            pass
        if _same(handle, path):
            break
        os.close(handle)  # the run that held it has just removed it
    _held.add(handle)
    with suppress(OSError):  # on a full disk the lock holds although it names nobody
        os.truncate(handle, 0)
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        os.pwrite(handle, f"process {os.getpid()} since {since}".encode(), 0)
    return handle


def release(handle: int | None, path: Path) -> None:
    """Give a lock of :func:`take` back and remove its file."""
    if handle in _held:  # not in a forked child, which must not remove its parent's lock
        with suppress(OSError):
            path.unlink()
    close(handle)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock beside a file now.

    Whoever takes the lock at the moment of the question finds it held, and should wait a little.
    Where there are no locks, a lock file counts.
    """
    return is_held(beside(path))


def is_held(file: Path) -> bool:
    """Whether a process holds a lock file now, as :func:`is_locked` says."""
    if fcntl is None:
        return file.exists()
    try:
        handle = os.open(file, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # held, or a file system without locks
        return True
    finally:
        os.close(handle)
    return False


def flock(path: Path, *, wait: bool = False) -> int | None:
    """Lock a folder; None if another process has it, or if locks are not possible here."""
    if fcntl is None:
        return None
    handle = None
    try:
        handle = os.open(path, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        if handle is not None:
            os.close(handle)
        return None
    _held.add(handle)
    return handle


def close(handle: int | None) -> None:
    """Close the handle of a lock."""
    if handle in _held:
        _held.discard(handle)
        os.close(handle)


def _same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except OSError:
        return False


def _forget() -> None:
    """Close the locks in a forked child: they are of its parent, and must end with it."""
    for handle in list(_held):
        close(handle)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
