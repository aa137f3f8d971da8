"""Messages between the program and its workers: a JSON object, and bytes that belong to it."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO, Final

__all__ = ["MAX_BYTES", "MAX_TEXT", "receive", "send"]

_LENGTHS: Final = struct.Struct("<II")
MAX_TEXT: Final = 50_000_000
"""Most bytes of the JSON of a message: the addresses of 100,000 sources have about 10 MB."""
MAX_BYTES: Final = 100_000_000


def send(pipe: BinaryIO, message: dict[str, Any], data: bytes = b"") -> None:
    """Write one message.

    Raises:
        OSError: the other process is gone.
    """
    text = json.dumps(message).encode("ascii")
    pipe.write(_LENGTHS.pack(len(text), len(data)))
    pipe.write(text)
    pipe.write(data)
    pipe.flush()


def receive(pipe: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Read one message; None if the other process is gone or sends something else."""
    lengths = pipe.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    text_length, data_length = _LENGTHS.unpack(lengths)
    if text_length > MAX_TEXT or data_length > MAX_BYTES:
        return None
    text, data = pipe.read(text_length), pipe.read(data_length)
    if len(text) < text_length or len(data) < data_length:
        return None
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return (message, data) if isinstance(message, dict) else None
