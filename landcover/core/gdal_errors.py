"""What GDAL raises through rasterio."""

from __future__ import annotations

from typing import Final

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
