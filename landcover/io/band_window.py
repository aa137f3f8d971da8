"""Reading windows of band files on the user's own disk, on their native grids."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.errors import BadInput
from landcover.core.gdal_errors import GDAL_ERRORS
from landcover.core.projection import text_of
from landcover.core.window import Window
from landcover.io.guard import RasterFile, open_raster, shown

__all__ = ["read_band_window"]

_DAMAGE: Final[tuple[type[Exception], ...]] = (BadInput, *GDAL_ERRORS)


def read_band_window(path: Path, wanted: Window, *, pixel: int, kind: str) -> npt.NDArray[Any]:
    """Read the pixels ``(y, x)`` of a band file in a window, 0 outside the file.

    Args:
        path: of an existing GeoTIFF or JPEG 2000 file.
        wanted: the window, with pixels of any size.
        pixel: side of the file's pixels in metres: 10, 20 or 60.
        kind: type of its numbers, ``"uint16"`` or ``"uint8"``.

    Raises:
        BadInput: the file is missing or damaged, or has another grid or type.
    """
    if not path.is_file():
        raise BadInput(f"'{shown(path.name)}' no longer exists: index the folder again.")
    try:
        with open_raster(path) as file:
            pixels = _read(file, wanted.with_pixels_of(pixel), pixel, kind)
    except _DAMAGE:
        raise BadInput(
            f"'{shown(path.name)}' is damaged or not a raster: choose another date."
        ) from None
    if pixels is None:
        raise BadInput(
            f"'{shown(path.name)}' is not on Sentinel-2's grid of {pixel} m in {wanted.crs}: "
            "choose another date."
        )
    return pixels


def _read(file: RasterFile, window: Window, pixel: int, kind: str) -> npt.NDArray[Any] | None:
    """The pixels in a window; None if the file has another grid or type."""
    raster = file.header
    a, b, west, d, e, north = tuple(raster.transform)[:6]
    col, row = (window.west - west) / pixel, (north - window.north) / pixel
    fits = (
        (a, b, d, e) == (pixel, 0, 0, -pixel)
        and raster.crs is not None
        and text_of(raster.crs) == window.crs
        and raster.count == 1
        and raster.dtypes[0] == kind
        and row == int(row)
        and col == int(col)
    )
    if not fits:
        return None
    out = np.zeros((window.height, window.width), dtype=kind)
    top, left = max(int(row), 0), max(int(col), 0)
    bottom = min(int(row) + window.height, raster.height)
    right = min(int(col) + window.width, raster.width)
    if bottom > top and right > left:
        pixels = file.read([1], (top, left, bottom - top, right - left))[0]
        y, x = top - int(row), left - int(col)
        out[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    return out
