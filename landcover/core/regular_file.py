"""Reading files that others have put into a folder: regular ones only, and none outside it.

The kernel's own files, such as ``/proc/kmsg``, are regular ones of zero bytes, and reading them may
wait for ever. So nothing is read from a file without bytes.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

__all__ = ["open_regular", "read_regular"]

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: Path, *, inside: Path | None = None) -> BinaryIO:
    """Open a file for reading, without waiting for a pipe or reading a device.

    Args:
        path: the file; a link is followed.
        inside: a folder in which the file must really be, so that a link cannot lead elsewhere.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be read, is not a regular file, or lies outside the folder.
        ValueError: the path contains a NUL character.
    """
    try:
        if inside is not None and not path.resolve().is_relative_to(inside.resolve()):
            raise OSError(f"{path.name} leads out of its folder")
    except RuntimeError:  # a circle of links, before Python 3.13
        raise OSError(f"{path.name} leads nowhere") from None
    # Without the flag, opening a pipe waits until somebody writes to it.
    handle = os.open(path, _FLAGS)
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and found.st_size:
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISREG(found.st_mode):
        return io.BytesIO()
    raise OSError(f"{path.name} is not a regular file")


def read_regular(path: Path, most: int, *, inside: Path | None = None) -> bytes:
    """Read a file as :func:`open_regular` opens it.

    Args:
        path: the file.
        most: its size limit in bytes.
        inside: as for :func:`open_regular`.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: as for :func:`open_regular`.
        ValueError: it is larger than the limit.
    """
    with open_regular(path, inside=inside) as file:
        if file.seek(0, io.SEEK_END) <= most:
            file.seek(0)
            data = file.read(most + 1)
            if len(data) <= most:
                return data
    raise ValueError(f"{path.name} has more than {most:,} bytes")
