"""The folder in which the program keeps its own files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import platformdirs

from landcover.core.errors import BadInput

__all__ = ["VARIABLE", "folder", "location"]

VARIABLE: Final = "LANDCOVER_HOME"
"""Environment variable with the path of another folder."""


def location() -> Path:
    """Path of the folder, for code that only reads; it is neither created nor checked.

    Returns:
        The absolute path in ``LANDCOVER_HOME``, else the user's cache folder on this system.
    """
    named = os.environ.get(VARIABLE, "").strip()
    return _absolute(named) if named else platformdirs.user_cache_path("landcover", appauthor=False)


def folder() -> Path:
    """The folder of :func:`location`, for code that writes; it is created if missing.

    Only its user may read it, because its files show which places were viewed.

    Returns:
        The absolute path of a folder that can be written to.

    Raises:
        BadInput: it is a file, or cannot be created or written to.
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
    """Expand ``~``, which a shell does not do in every place where a variable can be set."""
    try:
        return Path(named).expanduser().absolute()
    except RuntimeError:  # no such user, or a user without a home folder
        return Path(named).absolute()


def _trouble(path: Path) -> str:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        return "is a file, not a folder"
    except OSError as error:
        return f"cannot be created ({error.strerror or error})"
    return "" if os.access(path, os.W_OK | os.X_OK) else "cannot be written to"


def _short(path: Path) -> str:
    text = str(path)
    return f"'{text}'" if len(text) <= 120 else f"'{text[:119]}…'"
