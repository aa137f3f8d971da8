"""Footprints in longitude and latitude, correct at the antimeridian."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import shapely
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from shapely import Polygon, box
from shapely.affinity import translate

from landcover.core.errors import BadInput
from landcover.core.projection import OffEarth, crs_of_code, epsg_of, project
from landcover.core.window import WGS84, Geo
from landcover.io.guard import shown
from landcover.io.layouts.header import grid_of

__all__ = [
    "SMALL_M",
    "STEPS",
    "Box",
    "Polygons",
    "bbox_of",
    "crs_of",
    "footprint_of_grid",
    "footprint_of_points",
    "geojson_of",
    "pairs",
    "place_of",
    "split",
]

Polygons = tuple[tuple[tuple[float, float], ...], ...]
"""Closed rings of longitude and latitude: one, or two if the antimeridian cuts it."""
Box = tuple[float, float, float, float]
"""West, south, east and north in degrees; west is greater than east across the antimeridian."""

STEPS: Final = 4
"""Points along each side of a tile. A straight line between the corners differs from the true side
by some 300 m at 60° north; with these points by 20 m."""
SMALL_M: Final = 20_000.0
"""Shorter sides are straight enough without further points."""


def footprint_of_grid(crs: CRS, shape: tuple[int, int], transform: Geo, name: str) -> Polygons:
    """Footprint of a raster with ``shape`` (rows, columns).

    Raises:
        BadInput: its corners cannot be converted to longitude and latitude.
    """
    rows, columns = shape
    a, b, c, d, e, f = transform
    steps = 1 if max(abs(a) * columns, abs(e) * rows) < SMALL_M else STEPS
    walk = [i / steps for i in range(steps)]
    edge = [(t, 0.0) for t in walk] + [(1.0, t) for t in walk]
    edge += [(1 - t, 1.0) for t in walk] + [(0.0, 1 - t) for t in walk]
    points = [(x * columns, y * rows) for x, y in edge]
    xs = [a * x + b * y + c for x, y in points]
    ys = [d * x + e * y + f for x, y in points]
    try:
        longitudes, latitudes = project(crs, WGS84, xs, ys)
    except OffEarth:
        raise _nowhere(name) from None
    return footprint_of_points(list(zip(longitudes, latitudes, strict=True)), name)


def place_of(raster: DatasetReader, name: str) -> tuple[Polygons, int | None]:
    """Footprint of an open raster, and the EPSG code of its CRS (None if it has none).

    Raises:
        BadInput: it has no CRS or is not on Earth.
    """
    if raster.crs is None:
        raise BadInput(f"'{shown(name)}' has no CRS: export it as a georeferenced file.")
    grid = grid_of(raster)
    outline = footprint_of_grid(raster.crs, grid.shape, grid.transform, shown(name))
    return outline, epsg_of(raster.crs)


def footprint_of_points(points: Sequence[tuple[float, float]], name: str) -> Polygons:
    """Footprint inside a ring of longitude and latitude, open or closed.

    If two neighbouring points are more than 180° apart, the line between them is assumed to
    cross the antimeridian.

    Raises:
        BadInput: a coordinate is out of range, or the ring has no area.
    """
    if not all(math.isfinite(v) and abs(v) <= 360 for point in points for v in point):
        raise _nowhere(name)
    ring: list[tuple[float, float]] = []
    for longitude, latitude in points:
        turn = round((ring[-1][0] - longitude) / 360) * 360 if ring else 0
        ring.append((longitude + turn, latitude))
    if len(ring) < 3 or not all(abs(latitude) <= 90 for _, latitude in ring):
        raise _nowhere(name)
    shape = Polygon(ring)
    plain = shape.is_valid and all(abs(longitude) <= 180 for longitude, _ in ring)
    parts = (shape,) if plain and shape.area > 0 else split(shapely.make_valid(shape))
    if not parts:
        raise _nowhere(name)
    return tuple(
        tuple((round(x, 7), round(y, 7)) for x, y in part.exterior.coords) for part in parts
    )


def split(shape: Any) -> tuple[Polygon, ...]:  # noqa: ANN401  (shapely has no types)
    """Polygons of a shape, cut at the antimeridian and shifted to -180 … 180 degrees."""
    parts: list[Polygon] = []
    for turn in (-360, 0, 360):
        piece = translate(shape, xoff=turn).intersection(_EARTH)
        pieces = getattr(piece, "geoms", [piece])
        parts += [part for part in pieces if isinstance(part, Polygon) and part.area > 0]
    return tuple(parts)


def geojson_of(polygons: Polygons) -> dict[str, Any]:
    """Convert to GeoJSON: a Polygon, or a MultiPolygon if the antimeridian cuts it."""
    rings = [[[list(point) for point in ring]] for ring in polygons]
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}
    return {"type": "MultiPolygon", "coordinates": rings}


def bbox_of(polygons: Polygons) -> Box:
    """Box around a footprint; across the antimeridian west > east (RFC 7946, section 5.2)."""
    south = min(y for ring in polygons for _, y in ring)
    north = max(y for ring in polygons for _, y in ring)
    spans = [(min(x for x, _ in ring), max(x for x, _ in ring)) for ring in polygons]
    east_of = [span for span in spans if span[1] == 180.0]
    west_of = [span for span in spans if span[0] == -180.0]
    if east_of and west_of and len(spans) > 1:
        return min(w for w, _ in east_of), south, max(e for _, e in west_of), north
    return min(w for w, _ in spans), south, max(e for _, e in spans), north


@lru_cache(maxsize=256)
def crs_of(epsg: int) -> CRS:
    """Look up a CRS by its EPSG code.

    Raises:
        BadInput: there is none.
    """
    try:
        return crs_of_code(epsg)
    except OffEarth:
        raise BadInput(f"There is no CRS EPSG:{epsg}: download the scene again.") from None


def pairs(numbers: Iterable[float]) -> list[tuple[float, float]]:
    """Convert latitude, longitude, latitude, … to points of longitude and latitude."""
    values = list(numbers)
    return list(zip(values[1::2], values[::2], strict=False))


def _nowhere(name: str) -> BadInput:
    return BadInput(f"'{name}' lies nowhere on Earth: export it again with its CRS.")


_EARTH: Final = box(-180, -90, 180, 90)
