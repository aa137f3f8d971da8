"""The outline of a scene, made from the untrusted geometry of a STAC item.

Real outlines have a few dozen points. Points are counted before shapely sees them, because the
cost of a geometry grows with the number of its crossings: repairing a star of 100 points takes
half a minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import shapely
import shapely.affinity
from shapely.geometry.base import BaseGeometry

from landcover.core import limits

__all__ = ["MAX_REPAIRED", "MAX_RINGS", "Ring", "rings_of", "shape_of_ring", "shape_of_rings"]

Ring = list[tuple[float, float]]
"""Longitudes and latitudes, WGS 84 degrees."""

MAX_RINGS: Final = 20
"""The most polygons of an outline; one that crosses the antimeridian has two."""
MAX_REPAIRED: Final = 30
"""The most points of a ring that crosses itself and is repaired."""


def rings_of(shape: Mapping[str, Any]) -> list[Ring]:
    """The outer rings of a GeoJSON polygon or multipolygon; invalid ones are ignored.

    Raises:
        ValueError: it has more rings or points than any real outline.
    """
    coordinates = shape.get("coordinates")
    polygons = [coordinates] if shape.get("type") == "Polygon" else coordinates
    polygons = polygons if isinstance(polygons, list) else []
    outer = [p[0] for p in polygons if isinstance(p, list) and p and isinstance(p[0], list)]
    if len(outer) > MAX_RINGS or sum(map(len, outer)) > limits.current().footprint_points:
        raise ValueError("has an outline of too many points")
    rings = []
    for ring in outer:
        points = [_point(pair) for pair in ring]
        whole = [point for point in points if point is not None]
        if len(whole) >= 4 and len(whole) == len(points):
            rings.append(whole)
    return rings


def _point(pair: object) -> tuple[float, float] | None:
    if not isinstance(pair, list | tuple) or len(pair) < 2:
        return None
    x, y = pair[:2]
    for value in (x, y):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
    if not (abs(x) <= 360 and abs(y) <= 90):  # also rejects NaN
        return None
    return float(x), float(y)


def shape_of_rings(rings: Sequence[Ring]) -> BaseGeometry:
    """The area in the rings, split at the antimeridian.

    Raises:
        ValueError: a long ring crosses itself, or nothing is left of the area.
    """
    try:
        shape = shapely.union_all([_repaired(shape_of_ring(ring)) for ring in rings])
    except shapely.errors.GEOSException:
        raise ValueError("has an outline that crosses itself") from None
    if shape.is_empty or not shape.area > 0:
        raise ValueError("has an outline without an area")
    return shape


def shape_of_ring(ring: Ring) -> BaseGeometry:
    """A ring as a shape, with two parts if it crosses the antimeridian.

    Raises:
        ValueError: it is long and crosses itself.
    """
    lons = [lon for lon, _ in ring]
    if max(lons) - min(lons) > 180:
        ring = [(lon + 360 if lon < 0 else lon, lat) for lon, lat in ring]
    shape: BaseGeometry = shapely.Polygon(ring)
    if max(lon for lon, _ in ring) <= 180:
        return shape
    shape = _repaired(shape)
    inside = shapely.intersection(shape, shapely.box(-180, -90, 180, 90))
    beyond = shapely.intersection(shape, shapely.box(180, -90, 540, 90))
    return shapely.union_all([inside, shapely.affinity.translate(beyond, -360)])


def _repaired(shape: BaseGeometry) -> BaseGeometry:
    if shapely.is_valid(shape):
        return shape
    if shapely.get_num_coordinates(shape) > MAX_REPAIRED:
        raise ValueError("has an outline that crosses itself")
    repaired: BaseGeometry = shapely.make_valid(shape, method="structure", keep_collapsed=True)
    return repaired
