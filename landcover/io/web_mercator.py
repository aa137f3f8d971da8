"""Images for web maps, which use Web Mercator (EPSG:3857)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from rasterio.transform import Affine, array_bounds

from landcover.core.bands import Composite
from landcover.core.projection import crs_of_code, project, project_bounds, warp_nearest
from landcover.core.raster import ByteArray, Raster
from landcover.core.window import WGS84, Window

__all__ = [
    "FINER",
    "MAX_SIDE",
    "WEB_MERCATOR",
    "MapPicture",
    "map_picture",
    "placed_picture",
    "warp_layers",
]

WEB_MERCATOR: Final = crs_of_code(3857)
MAX_SIDE: Final = 480
"""Maximum pixels along a side of a patch on the map; more would make the page slow."""
FINER: Final = 1.25
"""Pixels of the warped image per pixel of the patch, so that few pixels are lost."""


@dataclass(frozen=True)
class MapPicture:
    """An image that fills a rectangle of latitudes and longitudes on a web map.

    Attributes:
        rgba: uint8 ``(y, x, 4)`` on a Web Mercator grid, transparent outside the patch.
        south, west, north, east: edges in WGS 84 degrees.
    """

    rgba: ByteArray
    south: float
    west: float
    north: float
    east: float


def map_picture(patch: Raster, composite: Composite, side: int = MAX_SIDE) -> MapPicture:
    """Draw a patch's composite in Web Mercator, warped by nearest neighbour.

    Args:
        patch: the patch.
        composite: which bands.
        side: rasters with more pixels along a side are subsampled.

    Raises:
        BadInput: the position of the patch is not known, or not on the map.
    """
    step = max(1, -(-max(patch.height, patch.width) // side))
    picture = patch.image(composite)[::step, ::step]
    crs, (a, b, c, d, e, f) = patch.georeference
    height, width = picture.shape[:2]
    own = Window(
        crs=crs,
        transform=(a * step, b * step, c, d * step, e * step, f),
        width=width,
        height=height,
    )
    return placed_picture(picture, own)


def placed_picture(rgba: ByteArray, window: Window) -> MapPicture:
    """Warp an image uint8 ``(y, x, 4)`` on a window's grid to Web Mercator.

    Raises:
        BadInput: the window is not on the map.
    """
    warped, (south, west, north, east) = warp_layers(rgba.transpose(2, 0, 1), window)
    return MapPicture(warped.transpose(1, 2, 0), south, west, north, east)


def warp_layers(
    layers: ByteArray, window: Window, *, finer: float = FINER, empty: int = 0
) -> tuple[ByteArray, tuple[float, float, float, float]]:
    """Warp layers of bytes to Web Mercator, by nearest neighbour.

    Args:
        layers: uint8 ``(layer, y, x)`` on the window's grid.
        window: where they lie.
        finer: pixels of the result per pixel of the layers.
        empty: value of the result outside the window.

    Returns:
        The warped layers; and south, west, north and east of them in WGS 84 degrees.

    Raises:
        BadInput: the window is not on the map.
    """
    height, width = layers.shape[1:]
    own = window.affine
    west, south, east, north = project_bounds(
        window.crs, WEB_MERCATOR, array_bounds(height, width, own)
    )
    rows, columns = max(1, round(height * finer)), max(1, round(width * finer))
    grid = Affine((east - west) / columns, 0.0, west, 0.0, (south - north) / rows, north)
    warped = np.full((len(layers), rows, columns), empty, dtype=np.uint8)
    warp_nearest(
        np.ascontiguousarray(layers),
        warped,
        source=(window.crs, own),
        target=(WEB_MERCATOR, grid),
    )
    (west, east), (south, north) = project(WEB_MERCATOR, WGS84, [west, east], [south, north])
    return warped, (south, west, north, east)
