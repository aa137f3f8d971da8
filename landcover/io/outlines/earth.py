"""From what was drawn to a valid area on Earth, in WGS 84 degrees."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from landcover.core.errors import BadInput
from landcover.core.projection import OffEarth, project
from landcover.core.text import plain
from landcover.core.window import WGS84
from landcover.io.messages import FILE
from landcover.io.outlines.drawn import Drawn

__all__ = ["NORTH", "SOUTH", "Outline", "outline_of", "split"]

NORTH: Final = 84.0
SOUTH: Final = -80.0
"""Limits of UTM, the projection of Sentinel-2's tiles."""
_SLIVER: Final = 0.01
"""Share of an area up to which loops where its outline crosses itself are slips of the hand."""
_MOST_REPAIRED: Final = 500
"""Points of an outline that is repaired."""
_MOST_CROSSINGS: Final = 30
"""Crossings of an outline that is repaired: the time grows with a power of their number."""
_STEPS: Final = 32
"""Parts of the longer side of a projected polygon between which its edges get points, because
straight edges in one CRS are curves in another."""
_PLACE: Final = re.compile(r"\[(-?[\d.eE+-]+) (-?[\d.eE+-]+)\]")
_EARTH: Final = shapely.box(-180, -90, 180, 90)


@dataclass(frozen=True)
class Outline:
    """A valid area.

    Attributes:
        shape: polygon or polygons, longitude and latitude within ±180° and between 80° south and
            84° north.
        name: of the area; empty if it has none.
        notes: what was repaired or left out, a sentence each.
    """

    shape: BaseGeometry
    name: str
    notes: tuple[str, ...]


def outline_of(drawn: Drawn) -> Outline:
    """Check what was drawn and make an area of it.

    Raises:
        BadInput: it has no area, crosses itself, or is not on the part of the Earth that
            Sentinel-2 maps.
    """
    if not drawn.polygons:
        raise _nothing(drawn)
    try:
        return _outline(drawn)
    except shapely.errors.GEOSException:  # also without memory
        raise BadInput(
            f"{FILE} has outlines that cross each other too often: draw them again."
        ) from None


def _outline(drawn: Drawn) -> Outline:
    notes, parts = [], []
    for polygon in drawn.polygons:
        repaired, note = _valid(polygon, drawn.crs)
        if note and note not in notes:
            notes.append(note)
        parts += [split(one) for one in _in_degrees(repaired, drawn.crs)]
    shape = shapely.union_all([part for part in parts if part.area > 0])
    if shape.is_empty or not shape.area > 0:
        raise BadInput(f"{FILE} is empty: its outline encloses no area.")
    _check_latitudes(shape)
    left = drawn.others + drawn.damaged
    if left:
        things = f"{left:,} thing{'s' * (left > 1)}"
        notes.append(f"{things} without an area (points, lines, damaged outlines) left out.")
    return Outline(shape, plain(drawn.name)[:80], tuple(notes))


def _nothing(drawn: Drawn) -> BadInput:
    if drawn.others:
        return BadInput(
            f"{FILE} holds only points or lines, which have no area: draw a polygon around it."
        )
    if drawn.damaged:
        return BadInput(f"{FILE} holds no outline of at least four points: draw it again.")
    return BadInput(f"{FILE} is empty: give an area with a polygon.")


def _valid(polygon: shapely.Polygon, crs: str) -> tuple[BaseGeometry, str]:
    """A polygon that does not cross itself, and what was repaired.

    Raises:
        BadInput: it crosses itself so that it is not clear which area is meant.
    """
    if shapely.is_valid(polygon):
        return polygon, ""
    why = shapely.is_valid_reason(polygon)
    if _many_crossings(polygon):
        raise _crosses(why, crs)
    drawn = shapely.make_valid(polygon, method="linework")
    filled = shapely.make_valid(polygon, method="structure", keep_collapsed=False)
    parts = [part for part in shapely.get_parts(drawn) if part.area > 0]
    even = shapely.union_all(parts)
    total = float(even.area)
    if not total:
        return shapely.Polygon(), ""
    loops = total - max(float(part.area) for part in parts)
    same = float(shapely.symmetric_difference(even, filled).area) <= _SLIVER * total
    if same and (loops <= _SLIVER * total or not _new_corners(polygon, even)):
        where = _where(why, crs)
        return filled, f"The outline crossed or touched itself ({where}) and was repaired."
    raise _crosses(why, crs)


def _many_crossings(polygon: shapely.Polygon) -> bool:
    """Whether repairing an outline would take long; a star of 99 points takes minutes."""
    if shapely.get_num_coordinates(polygon) > _MOST_REPAIRED:
        return True
    sides = []
    for ring in (polygon.exterior, *polygon.interiors):
        points = shapely.get_coordinates(ring)
        sides.append(np.stack([points[:-1], points[1:]], axis=1))
    lines = np.asarray(shapely.linestrings(np.concatenate(sides)))
    touching = shapely.STRtree(lines).query(lines, predicate="intersects").shape[1]
    # Each side touches itself and its two neighbours, and is counted from both.
    return bool((touching - 3 * np.size(lines)) / 2 > _MOST_CROSSINGS)


def _crosses(why: str, crs: str) -> BadInput:
    return BadInput(
        f"{FILE} has an outline that crosses itself ({_where(why, crs)}), so that its area is not "
        "clear: draw it again without crossings."
    )


def _new_corners(before: BaseGeometry, after: BaseGeometry) -> bool:
    """Whether the outline crosses itself between its points, rather than touching in one."""
    known = {tuple(pair) for pair in shapely.get_coordinates(before).tolist()}
    return any(tuple(pair) not in known for pair in shapely.get_coordinates(after).tolist())


def _where(why: str, crs: str) -> str:
    """A place in words, from the reason that GEOS gives."""
    found = _PLACE.search(why)
    if not found:
        return "also in its holes"
    x, y = float(found[1]), float(found[2])
    return f"near {y:.5f}, {x:.5f}" if crs == WGS84 else f"near {x:,.0f}, {y:,.0f} in {crs[:40]}"


def _in_degrees(shape: BaseGeometry, crs: str) -> list[BaseGeometry]:
    """The polygons of a shape, in longitude and latitude; longitudes may exceed 180."""
    polygons = [one for one in shapely.get_parts(shape) if one.area > 0]
    if crs == WGS84:
        if polygons:
            _check_degrees(shape)
        return polygons
    return [_converted(polygon, crs) for polygon in polygons]


def _converted(polygon: BaseGeometry, crs: str) -> BaseGeometry:
    west, south, east, north = polygon.bounds
    fine = shapely.segmentize(polygon, max(east - west, north - south) / _STEPS)

    def convert(pairs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        xs, ys = project(crs, WGS84, pairs[:, 0].tolist(), pairs[:, 1].tolist())
        return np.column_stack([xs, ys])

    try:
        found: BaseGeometry = shapely.transform(fine, convert)
    except OffEarth:
        raise BadInput(
            f"{FILE} has coordinates that are nowhere on Earth in {crs[:40]}: check its coordinate "
            "reference system."
        ) from None
    return found


def _check_degrees(shape: BaseGeometry) -> None:
    west, south, east, north = shape.bounds
    if not (west >= -360 and east <= 360 and south >= -90 and north <= 90):
        raise BadInput(
            f"{FILE} has coordinates up to {_largest(shape.bounds):,.0f}, which are no degrees, "
            "and names no coordinate reference system: export it in WGS 84 (EPSG:4326)."
        )


def _largest(values: Sequence[float]) -> float:
    return max(values, key=abs)


def split(polygon: BaseGeometry) -> BaseGeometry:
    """A polygon with longitudes within ±180°, in two parts if it crosses the antimeridian.

    One that would be wider than 180° is taken as one that crosses it, as GeoJSON files often have
    longitudes on both sides.
    """
    west, _, east, _ = polygon.bounds
    shape = polygon
    if east - west > 180 and west >= -180 and east <= 180:

        def eastwards(pairs: npt.NDArray[Any]) -> npt.NDArray[Any]:
            lons = pairs[:, 0]
            return np.column_stack([np.where(lons < 0, lons + 360, lons), pairs[:, 1]])

        shape = shapely.transform(polygon, eastwards)
    west, _, east, _ = shape.bounds
    if west >= -180 and east <= 180:
        return shape
    first, last = math.floor((west + 180) / 360), math.floor((east + 180) / 360)
    pieces = [
        translate(shape, xoff=-360.0 * turn).intersection(_EARTH) for turn in range(first, last + 1)
    ]
    joined: BaseGeometry = shapely.union_all([piece for piece in pieces if piece.area > 0])
    return joined


def _check_latitudes(shape: BaseGeometry) -> None:
    _, south, _, north = shape.bounds
    if north > NORTH or south < SOUTH:
        far, side = (north, "north") if north > NORTH else (-south, "south")
        raise BadInput(
            f"{FILE} reaches to {far:.2f}° {side}, but Sentinel-2's grid ends at {-SOUTH:.0f}° "
            f"south and {NORTH:.0f}° north: give the part in between."
        )
