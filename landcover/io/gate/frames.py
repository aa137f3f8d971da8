"""Messages between the program and its workers: JSON objects, each after its length."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO, Final

__all__ = ["MAX_TEXT", "receive", "send"]

_LENGTH: Final = struct.Struct("<I")
MAX_TEXT: Final = 50_000_000
"""Most bytes of a message: the addresses of 100,000 sources have about 10 MB."""


def send(pipe: BinaryIO, message: dict[str, Any]) -> None:
    """Write one message.

    Raises:
        OSError: the other process is gone.
    """
    text = json.dumps(message).encode("ascii")
    pipe.write(_LENGTH.pack(len(text)))
    pipe.write(text)
    pipe.flush()


def receive(pipe: BinaryIO) -> dict[str, Any] | None:
    """Read one message; None if the other process is gone or sends something else."""
    start = pipe.read(_LENGTH.size)
    if len(start) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(start)
    if length > MAX_TEXT:
        return None
    text = pipe.read(length)
    if len(text) < length:
        return None
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
