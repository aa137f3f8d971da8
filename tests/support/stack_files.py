"""Small stacks: GeoTIFF files of Sentinel-2 bands with made-up pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

SIDE = 120


def from_origin(west: float, north: float, x: float, y: float) -> rasterio.Affine:
    return rasterio.Affine(x, 0, west, 0, -y, north)


def numbers(count: int = 12, side: int = SIDE, dtype: str = "uint16") -> npt.NDArray[Any]:
    """Band i has 500 + 100·i plus a gradient, so that exchanged bands are detected."""
    ramp = np.arange(side * side).reshape(side, side) % 7
    return (np.arange(count)[:, None, None] * 100 + 500 + ramp).astype(dtype)


def tif(
    pixels: npt.NDArray[Any] | None = None,
    *,
    bands: tuple[str, ...] | None = None,
    tags: dict[str, str] | None = None,
    items: Sequence[dict[str, str]] = (),
    scales: tuple[float, float] | None = None,
    alpha: bool = False,
    colours: Sequence[ColorInterp] = (),
    **profile: Any,
) -> bytes:
    """Write a GeoTIFF with rasterio; its bytes."""
    data = numbers() if pixels is None else pixels
    options = {
        "driver": "GTiff",
        "count": data.shape[0],
        "height": data.shape[1],
        "width": data.shape[2],
        "dtype": data.dtype,
        "crs": "EPSG:32633",
        "transform": from_origin(400_000, 5_300_000, 10, 10),
        "compress": "deflate",
    } | profile
    with MemoryFile() as memory:
        with memory.open(**options) as raster:
            if alpha:
                middle = [ColorInterp.undefined] * (data.shape[0] - 2)
                raster.colorinterp = (ColorInterp.gray, *middle, ColorInterp.alpha)
            if colours:
                raster.colorinterp = colours
            raster.write(data)
            if bands:
                raster.descriptions = bands
            if tags:
                raster.update_tags(**tags)
            for i, item in enumerate(items, 1):
                raster.update_tags(i, **item)
            if scales:
                raster.scales = (scales[0],) * data.shape[0]
                raster.offsets = (scales[1],) * data.shape[0]
        return bytes(memory.getbuffer())
