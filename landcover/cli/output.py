"""Files that commands write: checked before the work, written aside and renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from landcover.core.errors import BadInput

__all__ = ["check", "write"]


def check(path: Path, suffixes: Collection[str]) -> None:
    """Check that a file can be written, before anything is computed.

    Raises:
        BadInput: its suffix is none of ``suffixes``, its folder does not exist, or it is a folder.
    """
    if path.suffix.lower() not in suffixes:
        *others, last = sorted(suffixes)
        kinds = f"{', '.join(others)} or {last}" if others else last
        raise BadInput(f"--out must name a {kinds} file, not '{path.name}'.")
    if not _is_folder(path.parent):
        raise BadInput(f"The folder '{path.parent}' does not exist: make it, or name another.")
    if _is_folder(path):
        raise BadInput(f"'{path.name}' is a folder: name a file for --out.")


def write(path: Path, content: bytes) -> None:
    """Write a file under another name and rename it, so that it is never seen half written.

    Raises:
        BadInput: it cannot be written; an older file of that name is kept.
    """
    part: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name[:40]}-", delete=False
        ) as file:
            part = Path(file.name)
            file.write(content)
        # A temporary file is private; a result has the usual permissions of new files.
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except OSError as error:
        if part is not None:
            part.unlink(missing_ok=True)
        raise BadInput(
            f"'{path.name}' cannot be written ({error.strerror or error}): name another file."
        ) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # not a valid file name; writing reports it
        return False
