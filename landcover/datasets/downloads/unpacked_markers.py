"""Which archives were unpacked into a folder to their end: a small file in it says so.

The archives themselves are deleted then, so that it cannot be told from them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from landcover.datasets.downloads.partial_file import unwritable
from landcover.datasets.downloads.unpack import Unpacked
from landcover.datasets.downloads.zenodo import RemoteFile

__all__ = ["MARKER_FILE", "MAX_BYTES", "note", "units", "unpacked"]

MARKER_FILE: Final = ".landcover-unpacked.json"
MAX_BYTES: Final = 100_000


def unpacked(file: RemoteFile, root: Path) -> dict[str, Any] | None:
    """What was noted when this very archive was unpacked; None where it was not, or is gone.

    Returns:
        ``md5`` of the archive, ``files`` that came out of it.
    """
    if file.contents is None or not (root / file.contents.folder).is_dir():
        return None
    mark = _read(root).get(file.name)
    return mark if isinstance(mark, dict) and mark.get("md5") == file.md5 else None


def note(file: RemoteFile, root: Path, what: Unpacked) -> None:
    """Note that an archive was unpacked to its end.

    Raises:
        BadInput: the folder cannot be written to.
    """
    marks = {**_read(root), file.name: {"md5": file.md5, "files": what.files}}
    path, new = root / MARKER_FILE, root / f"{MARKER_FILE}.new"
    try:
        new.write_text(json.dumps(marks, indent=2), "utf-8")
        new.replace(path)
    except OSError as error:
        raise unwritable(path, error) from None


def units(file: RemoteFile, root: Path) -> int:
    """How many patches or pictures are unpacked, by listing folders only."""
    if file.contents is None:
        return 0
    count = 0
    try:
        with os.scandir(root / file.contents.folder) as groups:
            for group in groups:
                if group.is_dir():
                    with os.scandir(group.path) as found:
                        count += sum(1 for _ in found)
    except OSError:
        return count
    return count


def _read(root: Path) -> dict[str, Any]:
    path = root / MARKER_FILE
    try:
        if path.stat().st_size > MAX_BYTES:
            return {}
        marks = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return marks if isinstance(marks, dict) else {}
