"""Answers that are asked for once within a block, such as facts about files.

A page of the app asks for the same model cards hundreds of times. Each question to the system lets
go of the interpreter's lock, and on a busy server the page then waits for its turn again.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["asked", "block", "facts", "folders_with", "forget", "is_file"]

T = TypeVar("T")


class _Answers(threading.local):
    known: dict[Hashable, Any] | None = None


_answers = _Answers()


@contextmanager
def block() -> Iterator[None]:
    """Remember what this thread asks for while the block lasts.

    What others change meanwhile is noticed in the next block. Without a block nothing is
    remembered.
    """
    before, _answers.known = _answers.known, {}
    try:
        yield
    finally:
        _answers.known = before


def forget() -> None:
    """Forget what this thread has asked for in the block, after it has changed such facts."""
    if _answers.known is not None:
        _answers.known.clear()


def asked(key: Hashable, answer: Callable[[], T]) -> T:
    """Return an answer; within a block it is computed once for each key.

    An error is not remembered.
    """
    known = _answers.known
    if known is None:
        return answer()
    if key not in known:
        known[key] = answer()
    found: T = known[key]
    return found


def facts(path: Path) -> os.stat_result | None:
    """Return what the system knows of a file; None if it cannot be looked at."""

    def look() -> os.stat_result | None:
        try:
            return path.stat()
        except (OSError, ValueError):
            return None

    return asked(("facts", path), look)


def is_file(path: Path) -> bool:
    """Whether there is a regular file, or a link to one."""
    found = facts(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def folders_with(root: Path, file: str) -> tuple[str, ...]:
    """Return the names of the folders in a folder that have a file of that name, sorted."""
    return asked(
        ("folders", root, file),
        lambda: tuple(sorted(path.parent.name for path in root.glob(f"*/{file}"))),
    )
