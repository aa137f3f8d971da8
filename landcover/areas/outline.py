"""The outline of the ground that a map answers for, in longitude and latitude."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import shapely
from affine import Affine
from rasterio.features import shapes
from shapely.geometry.base import BaseGeometry

from landcover.areas.layout import Layer
from landcover.core.projection import project
from landcover.core.raster import BoolArray, ByteArray
from landcover.core.window import WGS84
from landcover.stac.layouts.footprint import Polygons, footprint_of_points

__all__ = ["outline_of"]

_MOST_POINTS: Final = 400
"""An outline of more points is replaced by its convex hull: a catalogue searches with it."""
_LONG_M: Final = 20_000.0
"""Sides are divided into parts of this length, because they are curved in degrees."""


def outline_of(layer: Layer, values: ByteArray) -> Polygons:
    """The outline of the pixels with data, to a pixel of a small version of the layer.

    Args:
        layer: presence or cover.
        values: a small version of it, uint8 ``(band, row, column)``; the last band is its validity.

    Returns:
        Closed rings; of a map without any data the rectangle of its grid.

    Raises:
        OffEarth: the grid is nowhere on Earth.
    """
    validity = values[-1]
    known: BoolArray = (validity != layer.nodata) & (validity > 0)
    grid, (rows, columns) = layer.grid, known.shape
    to_ground = grid.affine @ Affine.scale(grid.width / columns, grid.height / rows)
    area = _area(known if known.any() else np.ones_like(known), to_ground)
    rings: list[tuple[tuple[float, float], ...]] = []
    for part in shapely.get_parts(area):
        outer = shapely.segmentize(part.exterior, _LONG_M)
        xs, ys = zip(
            *shapely.geometry.polygon.orient(shapely.Polygon(outer)).exterior.coords, strict=True
        )
        longitudes, latitudes = project(grid.crs, WGS84, xs, ys)
        points = list(zip(longitudes, latitudes, strict=True))
        rings += footprint_of_points(points, layer.name)
    return tuple(rings)


def _area(known: BoolArray, to_ground: Affine) -> BaseGeometry:
    """The pixels as one shape in the CRS of the grid, with few points."""
    found: list[tuple[dict[str, Any], float]] = shapes(
        known.astype(np.uint8), mask=known, transform=to_ground
    )
    squares = [shapely.geometry.shape(outline) for outline, _ in found]
    whole = shapely.union_all(squares)
    pixel = abs(to_ground.a) + abs(to_ground.b)
    area: BaseGeometry = shapely.simplify(whole, pixel)
    return area if shapely.get_num_coordinates(area) <= _MOST_POINTS else shapely.convex_hull(whole)
