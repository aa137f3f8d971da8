"""Windows of files on the user's own disk, on their native grids."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from landcover.core.bands import PATCH_M
from landcover.core.errors import FetchError
from landcover.io.guard import shown
from landcover.stac.candidates import Target

DRIVERS: Final = ("GTiff", "JP2OpenJPEG")
MAX_BLOCK: Final = 64_000_000
"""Pixels of one block; a JPEG 2000 may be a single one of 5490 × 5490."""


def read_window(path: Path, target: Target, *, pixel: int, kind: str) -> npt.NDArray[Any]:
    """The pixels of a band file in a square ``(y, x)``, 0 where the file does not reach.

    Args:
        path: of an existing GeoTIFF or JPEG 2000 file.
        target: the square.
        pixel: side of the file's pixels in metres: 10, 20 or 60.
        kind: type of its numbers, ``"uint16"`` or ``"uint8"``.

    Raises:
        FetchError: the file is missing, damaged, or not what it should be.
    """
    side = PATCH_M // pixel
    out = np.zeros((side, side), dtype=kind)
    driver = DRIVERS[path.suffix.lower() == ".jp2"]
    try:
        if not path.is_file():
            raise FetchError(f"'{shown(path.name)}' is not there any more: index the folder again.")
        with rasterio.open(path.resolve(), driver=driver) as raster:
            a, b, west, d, e, north = tuple(raster.transform)[:6]
            col, row = (target.west - west) / pixel, (north - target.north) / pixel
            fits = (
                (a, b, d, e) == (pixel, 0, 0, -pixel)
                and raster.crs is not None
                and raster.crs.to_string() == target.crs
                and raster.count == 1
                and raster.dtypes[0] == kind
                and row == int(row)
                and col == int(col)
                and max(rows * cols for rows, cols in raster.block_shapes) <= MAX_BLOCK
            )
            if not fits:
                raise FetchError(
                    f"'{shown(path.name)}' is not on Sentinel-2's grid of {pixel} m in "
                    f"{target.crs}: choose another date."
                )
            top, left = max(int(row), 0), max(int(col), 0)
            bottom, right = min(int(row) + side, raster.height), min(int(col) + side, raster.width)
            if bottom > top and right > left:
                pixels = raster.read(1, window=Window(left, top, right - left, bottom - top))
                y, x = top - int(row), left - int(col)
                out[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    except (RasterioError, OSError, ValueError):
        raise FetchError(
            f"'{shown(path.name)}' is damaged or no such raster: choose another date."
        ) from None
    return out
