"""Headers of raster files on the user's own disk: opened by path, without reading pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rasterio.io import DatasetReader

from landcover.core.errors import BadInput
from landcover.io.guard import FILE, JP2_MAGIC, TIFF_MAGIC, head_of, named, open_raster, shown
from landcover.stac.layouts.footprint import Polygons, footprint_of_grid
from landcover.stac.layouts.found_scene import Grid

__all__ = ["SUFFIXES", "grid_of", "header", "place_of"]

SUFFIXES: Final = (".tif", ".tiff", ".jp2")


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


def place_of(raster: DatasetReader, name: str) -> tuple[Polygons, int | None]:
    """Footprint of an open raster, and the EPSG code of its CRS (None if it has none).

    Raises:
        BadInput: it has no CRS or is not on Earth.
    """
    if raster.crs is None:
        raise BadInput(f"'{shown(name)}' has no CRS: export it as a georeferenced file.")
    grid = grid_of(raster)
    return footprint_of_grid(
        raster.crs, grid.shape, grid.transform, shown(name)
    ), raster.crs.to_epsg()
