"""Real disks that are full or read-only, for a block of code in a child process."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
import traceback
from collections.abc import Callable
from os import _exit as leave
from pathlib import Path

import pytest

__all__ = ["needs_mounts", "on_disk"]

_NEW_MOUNTS = 0x00020000
_READ_ONLY, _REMOUNT, _PRIVATE, _ALL = 1, 32, 1 << 18, 1 << 14


def _can_mount() -> bool:
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/tmp"]
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except OSError:
        return False


needs_mounts = pytest.mark.skipif(
    not _can_mount(), reason="needs the right to mount a small disk (root on Linux)"
)


def on_disk(
    options: str, attempt: Callable[[Path], str], prepare: Callable[[Path], object] | None = None
) -> str:
    """Call a function on a new small disk, in a child process that alone sees it.

    Args:
        options: those of ``mount -t tmpfs``, such as ``size=1m``; ``ro`` makes it read-only after
            ``prepare``.
        attempt: called with the disk's folder; returns a text.
        prepare: called with the folder before.

    Returns:
        The text that ``attempt`` returned.
    """
    with tempfile.TemporaryDirectory() as folder:
        disk, read, write = Path(folder), *os.pipe()
        child = os.fork()
        if child == 0:
            text, status = "", 1
            try:
                _mount(options, disk)
                if prepare:
                    prepare(disk)
                if options == "ro":
                    _call(None, disk, None, _REMOUNT | _READ_ONLY, None)
                text, status = attempt(disk), 0
            except BaseException:  # noqa: BLE001 - the parent raises it
                text = traceback.format_exc()
            finally:
                os.write(write, text.encode()[:60_000])
                leave(status)
        os.close(write)
        with os.fdopen(read, encoding="utf-8") as pipe:
            text = pipe.read()
        _, status = os.waitpid(child, 0)
    assert status == 0, text
    return text


def _mount(options: str, disk: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS):
        raise OSError(ctypes.get_errno(), "unshare")
    _call(None, Path("/"), None, _PRIVATE | _ALL, None)
    _call(b"none", disk, b"tmpfs", 0, None if options == "ro" else options.encode())


def _call(
    source: bytes | None, at: Path, kind: bytes | None, flags: int, data: bytes | None
) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source, str(at).encode(), kind, flags, data):
        raise OSError(ctypes.get_errno(), "mount")
