"""Telling the maps that this program wrote from imagery, so that a folder may hold both."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

__all__ = ["own_maps"]

_SUFFIXES: Final = (".tif", ".tiff")
_ENDS: Final = ("-cover", "-decision", "-probability")
"""How names of rasters end that are written beside the one that the user named."""
_RECORD: Final = ".json"
"""What maps and changes have beside them. Only files with one are opened."""
_HEAD: Final = 64_000
"""GDAL's COG driver writes the tags of a file at its start."""
_TAGS: Final = (b'"LAYER"', b'"CARD"')


def own_maps(folder: Path, names: Collection[str]) -> set[str]:
    """Which of the files in a folder are rasters of ``landcover map`` or ``landcover change``.

    Args:
        folder: where they lie.
        names: of all files in it.
    """
    there = set(names)
    return {name for name in there if _has_record(name, there) and _is_map(folder / name)}


def _has_record(name: str, there: set[str]) -> bool:
    path = Path(name)
    if path.suffix.lower() not in _SUFFIXES:
        return False
    stems = [path.stem, *(path.stem.removesuffix(end) for end in _ENDS)]
    return any(f"{stem}{_RECORD}" in there for stem in stems)


def _is_map(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:  # reading it reports why
        return False
    return all(tag in head for tag in _TAGS)
