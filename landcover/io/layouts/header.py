"""Headers of raster files on the user's own disk: opened by path, without reading pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rasterio.io import DatasetReader

from landcover.core.errors import BadInput
from landcover.core.window import Geo
from landcover.io.guard import FILE, JP2_MAGIC, TIFF_MAGIC, head_of, named, open_raster, shown

__all__ = ["SUFFIXES", "Grid", "grid_of", "header"]

SUFFIXES: Final = (".tif", ".tiff", ".jp2")
"""Suffixes of raster files."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Shape (rows, columns) of a file, and the transform of its pixels in the scene's CRS."""

    shape: tuple[int, int]
    transform: Geo


@contextmanager
def header(path: Path) -> Iterator[DatasetReader]:
    """Open a GeoTIFF or JPEG 2000 file to read its header.

    Raises:
        BadInput: it is not such a file, or damaged.
    """
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        raise BadInput(f"'{shown(path.name)}' is not a GeoTIFF or JPEG 2000 file: export it again.")
    with named(path.name):
        if not head_of(path).startswith((*TIFF_MAGIC, *JP2_MAGIC)):
            raise BadInput(f"{FILE} is damaged or truncated: copy or export it again.")
        with open_raster(path) as file:
            yield file.header


def grid_of(raster: DatasetReader) -> Grid:
    """Shape and transform of an open raster."""
    a, b, c, d, e, f = tuple(raster.transform)[:6]
    return Grid(shape=(raster.height, raster.width), transform=(a, b, c, d, e, f))
