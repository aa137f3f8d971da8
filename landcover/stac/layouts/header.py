"""Headers of raster files on one's own disk: opened by path, no pixel is read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader

from landcover.core.errors import BadInput
from landcover.io.guard import DAMAGE, GEOTIFF, JPEG2000, MAX_BANDS, hush, shown
from landcover.stac.layouts.footprint import Polygons, of_grid
from landcover.stac.layouts.found_scene import Grid

DRIVERS: Final = {".tif": GEOTIFF, ".tiff": GEOTIFF, ".jp2": JPEG2000}
"""Suffix → the one driver that may open it: GDAL never guesses from a file's content."""
_GDAL: Final = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}


@contextmanager
def header(path: Path) -> Iterator[DatasetReader]:
    """Open a GeoTIFF or JPEG 2000 file for its header.

    Raises:
        BadInput: it is no such file, or damaged.
    """
    driver = DRIVERS.get(path.suffix.lower())
    if driver is None or not path.is_file():
        raise BadInput(f"'{shown(path.name)}' is no GeoTIFF or JPEG 2000 file: export it as one.")
    try:
        with hush(), warnings.catch_warnings(), rasterio.Env(**_GDAL):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            # An absolute path is never taken for one of GDAL's own notations.
            with rasterio.open(path.absolute(), driver=driver) as raster:
                yield raster
    except DAMAGE:
        raise BadInput(
            f"'{shown(path.name)}' is damaged or truncated: copy or export it again."
        ) from None


def grid_of(raster: DatasetReader) -> Grid:
    """Rows, columns and transform of an open raster."""
    a, b, c, d, e, f = tuple(raster.transform)[:6]
    return Grid(shape=(raster.height, raster.width), transform=(a, b, c, d, e, f))


def place_of(raster: DatasetReader, name: str) -> tuple[Polygons, int | None]:
    """Footprint of an open raster and the EPSG code of its CRS, None where it has none.

    Raises:
        BadInput: it has no CRS or lies nowhere on Earth.
    """
    if raster.count > MAX_BANDS:
        raise BadInput(f"'{shown(name)}' has {raster.count} bands: give the twelve of Level-2A.")
    if raster.crs is None:
        raise BadInput(f"'{shown(name)}' has no CRS: export it with its georeference.")
    grid = grid_of(raster)
    return of_grid(raster.crs, grid.shape, grid.transform, shown(name)), raster.crs.to_epsg()
