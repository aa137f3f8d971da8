"""All files of a map in one zip, to download."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from landcover.core import files

__all__ = ["write_bundle"]

_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
"""The same files give the same bytes."""
_PACKED: Final = (".tif", ".tiff", ".png")
"""Endings of files that are compressed already."""


def write_bundle(out: Path, paths: Iterable[Path], more: Mapping[str, bytes]) -> Path:
    """Write a zip.

    Args:
        out: the zip.
        paths: files to put in under their names; those that do not exist are left out.
        more: name → content of further files.

    Raises:
        BadInput: it cannot be written.
    """
    with files.replacing(out, durable=False) as part, zipfile.ZipFile(part, "w") as archive:
        for path in paths:
            if path.is_file():
                archive.writestr(_entry(path.name), path.read_bytes())
        for name, content in more.items():
            archive.writestr(_entry(name), content)
    return out


def _entry(name: str) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name, _MOMENT)
    packed = name.lower().endswith(_PACKED)
    found.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    found.external_attr = (stat.S_IFREG | 0o644) << 16
    return found
