"""What the map of the Area page reports, checked: it comes from the browser, so it may be anything.

A drawing becomes the text of a GeoJSON geometry, which is read like an uploaded one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from landcover.core import limits
from landcover.core.place import wrap_longitude
from pages.parts.classify import map_answer
from pages.parts.shared.links import Place

_DIGITS: Final = 6
"""Decimals of a degree that are kept: a tenth of a metre."""


@dataclass(frozen=True, kw_only=True)
class MapReply:
    """What the user did on the map; None where the map reports nothing that can be used.

    Attributes:
        view: centre and zoom of the map.
        drawn: the polygon or rectangle that was drawn last, as GeoJSON.
        clicked: where the map was clicked last.
    """

    view: tuple[Place, float] | None = None
    drawn: str | None = None
    clicked: Place | None = None


def read(answer: object) -> MapReply:
    """Read the value of the map's component; never raises."""
    known = map_answer.read(answer)
    found = answer if isinstance(answer, Mapping) else {}
    clicked = known.on_map
    return MapReply(
        view=known.view,
        drawn=_polygon(found.get("last_active_drawing")),
        clicked=None if clicked is None else (clicked[0], wrap_longitude(clicked[1])),
    )


def _polygon(drawing: object) -> str | None:
    geometry = drawing.get("geometry") if isinstance(drawing, Mapping) else None
    if not isinstance(geometry, Mapping) or geometry.get("type") != "Polygon":
        return None
    rings = geometry.get("coordinates")
    ring = rings[0] if isinstance(rings, list) and len(rings) == 1 else None
    if not isinstance(ring, list) or not 4 <= len(ring) <= limits.current().footprint_points:
        return None
    points = [_point(point) for point in ring]
    kept = [point for point in points if point is not None]
    if len(kept) < len(points):
        return None
    # The map counts on when it is moved around the Earth.
    turns = wrap_longitude(kept[0][0]) - kept[0][0]
    moved = [[round(x + turns, _DIGITS), round(y, _DIGITS)] for x, y in kept]
    return json.dumps({"type": "Polygon", "coordinates": [moved]})


def _point(point: object) -> tuple[float, float] | None:
    if not isinstance(point, list) or len(point) not in {2, 3}:
        return None
    place = map_answer.place_of(point[1], point[0])
    return None if place is None else (place[1], place[0])
