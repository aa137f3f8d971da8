"""A marker file that lists which archives were completely unpacked into a folder.

Archives are deleted after unpacking, so their presence cannot show this.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from landcover.core import files, untrusted_json
from landcover.datasets.downloads.unpack import Unpacked
from landcover.datasets.downloads.zenodo import RemoteFile

__all__ = ["MARKER_FILE", "MAX_BYTES", "units", "unpacked", "write_marker"]

MARKER_FILE: Final = ".landcover-unpacked.json"
MAX_BYTES: Final = 100_000


def unpacked(file: RemoteFile, root: Path) -> dict[str, Any] | None:
    """Return the marker of an unpacked archive; None if it was not unpacked, or was removed.

    Returns:
        ``md5`` of the archive, and number of ``files`` in it.
    """
    if file.contents is None or not (root / file.contents.folder).is_dir():
        return None
    marker = _read(root).get(file.name)
    return marker if isinstance(marker, dict) and marker.get("md5") == file.md5 else None


def write_marker(file: RemoteFile, root: Path, what: Unpacked) -> None:
    """Record that an archive was completely unpacked.

    Raises:
        BadInput: the folder cannot be written to.
    """
    markers = {**_read(root), file.name: {"md5": file.md5, "files": what.files}}
    files.write_text(root / MARKER_FILE, json.dumps(markers, indent=2))


def units(file: RemoteFile, root: Path) -> int:
    """Count the unpacked patches or pictures by listing folders."""
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
        markers = untrusted_json.parse(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return markers if isinstance(markers, dict) else {}
