"""The name of a file in messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Final

from landcover.core.errors import BadInput

__all__ = ["FILE", "named", "shown"]

FILE: Final = "<file>"
"""Placeholder for the name of the file in a message, replaced by :func:`named`."""


def shown(name: str) -> str:
    """A file's name for messages: without folders and control characters, 80 characters at most."""
    last = PurePosixPath(name.replace("\\", "/")).name
    clean = "".join(c for c in last if c.isprintable())
    return (clean if len(clean) <= 80 else clean[:77] + "…") or "the file"


@contextmanager
def named(name: str) -> Iterator[None]:
    """Put a file's name into the message of any :class:`BadInput` raised in the block."""
    try:
        yield
    except BadInput as error:
        error.args = (str(error).replace(FILE, f"'{shown(name)}'"),)
        raise
