"""What GDAL raises through rasterio."""

from __future__ import annotations

import os
from typing import Final

# libgeotiff asks PROJ without a handler, and PROJ then prints what is wrong with a file itself.
os.environ.setdefault("PROJ_DEBUG", "0")

from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

__all__ = ["GDAL_ERRORS"]

GDAL_ERRORS: Final[tuple[type[Exception], ...]] = (
    RasterioError,
    CPLE_BaseError,  # a plain Exception since rasterio 1.4, without a public base class
    RuntimeError,
    ValueError,
    TypeError,
    OverflowError,
    OSError,
    SystemError,
)
"""Exceptions of rasterio on input that is not valid."""
