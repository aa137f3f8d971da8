"""What the map reports, checked: it comes from the browser, so it may be anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pages.parts.shared.links import Place

FARTHEST: Final = 36_000.0
"""Degrees of longitude: the map counts on when it is moved around the Earth."""
MOST_ZOOM: Final = 30.0
MOST_POINTS: Final = 16
"""Points of a drawn rectangle: five, its first one twice."""
MOST_CLICKS: Final = 10**9

Corners = tuple[float, float, float, float]
"""South, west, north and east in degrees."""


@dataclass(frozen=True, kw_only=True)
class MapAnswer:
    """What the user did on the map; None where the map reports nothing that can be used.

    Longitudes may lie beyond 180 degrees.

    Attributes:
        view: centre and zoom of the map.
        drawn: corners of the rectangle that was drawn last.
        on_map: where the map was clicked last.
        on_object: where something on the map was clicked last, and how often anything was.
    """

    view: tuple[Place, float] | None = None
    drawn: Corners | None = None
    on_map: Place | None = None
    on_object: tuple[Place, int] | None = None


def read(answer: object) -> MapAnswer:
    """Read the value of the map's component; never raises."""
    found = answer if isinstance(answer, Mapping) else {}
    centre, zoom = _place(found.get("center")), _number(found.get("zoom"), 0.0, MOST_ZOOM)
    clicked = _place(found.get("last_object_clicked"))
    count = _number(found.get("last_object_clicked_count"), 0.0, MOST_CLICKS)
    return MapAnswer(
        view=None if centre is None or zoom is None else (centre, zoom),
        drawn=_corners(found.get("last_active_drawing")),
        on_map=_place(found.get("last_clicked")),
        on_object=None if clicked is None else (clicked, int(count or 0)),
    )


def _number(value: object, low: float, high: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared before it becomes a float, which a whole number of 400 digits cannot.
    return float(value) if low <= value <= high and math.isfinite(value) else None


def place_of(latitude: object, longitude: object) -> Place | None:
    """Return a place if these are its numbers; the longitude may lie beyond 180 degrees."""
    north, east = _number(latitude, -90.0, 90.0), _number(longitude, -FARTHEST, FARTHEST)
    return None if north is None or east is None else (north, east)


def _place(value: object) -> Place | None:
    return place_of(value.get("lat"), value.get("lng")) if isinstance(value, Mapping) else None


def _corners(drawing: object) -> Corners | None:
    """Return the corners of a drawn rectangle; None for another shape.

    The component also reports the outline of a square that was clicked as a drawing. Squares
    are tilted against the meridians, and a drawn rectangle never is.
    """
    geometry: Any = drawing.get("geometry") if isinstance(drawing, Mapping) else None
    if not isinstance(geometry, Mapping) or geometry.get("type") != "Polygon":
        return None
    rings = geometry.get("coordinates")
    ring = rings[0] if isinstance(rings, list) and rings else None
    if not isinstance(ring, list) or len(ring) > MOST_POINTS:
        return None
    points = [
        place_of(*p[1::-1]) if isinstance(p, list) and len(p) in {2, 3} else None for p in ring
    ]
    known = [point for point in points if point is not None]
    lats, lons = ({point[axis] for point in known} for axis in (0, 1))
    if len(known) < len(points) or len(lats) != 2 or len(lons) != 2:
        return None
    if max(lons) - min(lons) > 360:
        return None
    return min(lats), min(lons), max(lats), max(lons)
