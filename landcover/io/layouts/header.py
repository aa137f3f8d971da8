"""The grid of a raster file, and the suffixes of such files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rasterio.io import DatasetReader

from landcover.core.window import Geo

__all__ = ["SUFFIXES", "Grid", "grid_of"]

SUFFIXES: Final = (".tif", ".tiff", ".jp2")
"""Suffixes of raster files."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Shape (rows, columns) of a file, and the transform of its pixels in the scene's CRS."""

    shape: tuple[int, int]
    transform: Geo


def grid_of(raster: DatasetReader) -> Grid:
    """Shape and transform of an open raster."""
    a, b, c, d, e, f = tuple(raster.transform)[:6]
    return Grid(shape=(raster.height, raster.width), transform=(a, b, c, d, e, f))
