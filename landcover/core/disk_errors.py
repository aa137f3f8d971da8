"""One sentence for what a disk answers: full, read-only, no permission, a name too long."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from landcover.core.errors import BadInput
from landcover.core.text import plain

_LONG: Final = 120

__all__ = ["FAULTS", "FULL", "explained", "general", "no_scratch", "reason", "unwritable"]

FAULTS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG})
"""Errors that only a disk causes, whatever the program does."""
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors that only writing meets."""

_REMEDIES: Final[dict[int, tuple[str, str]]] = {
    errno.ENOSPC: ("the disk is full", "free some space, or choose a place on another disk"),
    errno.EDQUOT: (
        "your quota of the disk is used up",
        "remove files of yours, or choose a place on another disk",
    ),
    errno.EFBIG: (
        "it is larger than the disk or a limit of this process allows",
        "choose a place on another disk, or raise the limit (ulimit -f)",
    ),
    errno.EROFS: ("the disk is read-only", "choose a place that you can write to"),
    errno.EACCES: ("you have no permission", "choose a place that you can write to"),
    errno.EPERM: ("you have no permission", "choose a place that you can write to"),
    errno.ENAMETOOLONG: ("the name is too long", "give a shorter name"),
    errno.EISDIR: ("it is a folder", "name a file"),
    errno.ENOTDIR: ("a part of its path is a file", "choose another place"),
    errno.EEXIST: ("a file of that name is there", "choose another place"),
    errno.ENOTEMPTY: ("something of that name is there", "choose another place"),
    errno.ENOENT: ("its folder does not exist", "make the folder, or choose another place"),
    errno.EIO: (
        "the disk reports an error in reading or writing",
        "check the disk, and choose a place on another one",
    ),
    errno.ELOOP: ("it is a link", "choose another place"),
}


@contextmanager
def explained(path: Path, *, folder: bool = False, remedy: str = "") -> Iterator[None]:
    """Turn the errors of writing ``path`` into one sentence.

    Args:
        path: what is written.
        folder: whether it is a folder.
        remedy: what to do; by default a general advice for the error.

    Raises:
        BadInput: the block raised an error of the operating system, or the path is no valid name.
    """
    try:
        yield
    except OSError as error:
        raise unwritable(path, error, folder=folder, remedy=remedy) from None
    except ValueError as error:
        if "null" in str(error) and "\0" in str(path):
            raise BadInput(
                f"'{plain(path.name)}' is not a valid name: choose another one."
            ) from None
        raise


def unwritable(path: Path, error: OSError, *, folder: bool = False, remedy: str = "") -> BadInput:
    """The error that says why ``path`` cannot be written and what to do."""
    what = "The folder " if folder else ""
    _, general = _REMEDIES.get(error.errno or 0, ("", "choose another place"))
    return BadInput(
        f"{what}'{_shown(path)}' cannot be written: {reason(error)}; {remedy or general}."
    )


def no_scratch(error: OSError) -> BadInput:
    """The error that says why the folder for temporary files cannot be used and what to do."""
    return BadInput(
        f"The folder for temporary files cannot be used ({reason(error)}): make room there, or "
        "name another one in TMPDIR."
    )


def general(error: OSError) -> str:
    """A sentence for an error of an unnamed file, such as the terminal's redirected output."""
    where = f"'{plain(str(error.filename))}'" if error.filename else "The output"
    why, remedy = _REMEDIES.get(error.errno or 0, (reason(error), "choose another place"))
    return f"{where} cannot be written: {why}; {remedy}."


def _shown(path: Path) -> str:
    """The path, which says on which disk it is; of a long one the end."""
    text = plain(path.name) if len(path.name) > _LONG else plain(str(path)[-_LONG:])
    return text if len(str(path)) <= _LONG or len(path.name) > _LONG else f"…{text}"


def reason(error: OSError) -> str:
    """Why the operating system refused, in plain words."""
    known, _ = _REMEDIES.get(error.errno or 0, ("", ""))
    return known or plain(error.strerror or "no access")
