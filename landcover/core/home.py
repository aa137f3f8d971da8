"""The one folder in which the program keeps files of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import platformdirs

from landcover.core.errors import BadInput

__all__ = ["VARIABLE", "folder", "location"]

VARIABLE: Final = "LANDCOVER_HOME"
"""Environment variable that names another folder."""


def location() -> Path:
    """Where the folder is or would be, for readers: it is neither made nor checked.

    Returns:
        The absolute path of ``LANDCOVER_HOME``, else the user's cache folder on this system.
    """
    named = os.environ.get(VARIABLE, "").strip()
    return _absolute(named) if named else platformdirs.user_cache_path("landcover", appauthor=False)


def folder() -> Path:
    """The folder of :func:`location`, for writers.

    It is made where it is missing, for its user alone, since it tells where they looked.

    Returns:
        An absolute path of a folder that can be written to.

    Raises:
        BadInput: it is a file, or cannot be made or written to.
    """
    path = location()
    trouble = _trouble(path)
    if trouble:
        named = os.environ.get(VARIABLE, "").strip()
        subject = f"{VARIABLE} is {_short(path)}" if named else f"Files are kept in {_short(path)}"
        raise BadInput(
            f"{subject}, which {trouble}: set {VARIABLE} to a folder that you can write to."
        )
    return path


def _absolute(named: str) -> Path:
    """``~`` is the user's own folder here too, for not every way to set a variable expands it."""
    try:
        return Path(named).expanduser().absolute()
    except RuntimeError:  # no such user, or one without a folder
        return Path(named).absolute()


def _trouble(path: Path) -> str:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        return "is a file, not a folder"
    except OSError as error:
        return f"cannot be made ({error.strerror or error})"
    return "" if os.access(path, os.W_OK | os.X_OK) else "cannot be written to"


def _short(path: Path) -> str:
    text = str(path)
    return f"'{text}'" if len(text) <= 120 else f"'{text[:119]}…'"
