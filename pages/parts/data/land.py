"""Outlines of land for charts, from the lines that the map of the app draws (Natural Earth)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from shapely import MultiPolygon, Polygon, box, unary_union

from landcover.core import untrusted_json
from pages.parts.shared.basemap import STATIC

LINES: Final = STATIC / "map/lines.json"
STEPS: Final = 1000
"""Steps to a degree in the file; ``tools/make_map_data.py`` writes it."""
CELL: Final = 10.0
"""Degrees along the sides of the cells into which land is cut there."""
TOLERANCE: Final = 0.03
"""Degrees by which an outline may be off: less than a pixel of a chart of Europe."""
SMALLEST: Final = 0.01
"""Square degrees of the smallest island that is drawn."""


def outlines(
    south: float, west: float, north: float, east: float
) -> tuple[list[float | None], list[float | None]]:
    """Return longitudes and latitudes of the outlines of land; None separates two of them.

    Args:
        south: southern edge of the part of the Earth, degrees; outlines are cut at the edges.
        west: its western edge.
        north: its northern edge.
        east: its eastern edge.
    """
    view = box(west, south, east, north)
    near = view.buffer(CELL)
    parts = []
    for text in _land():
        start = next(_points(text))
        if near.intersects(box(*start, *start)):
            rings = [list(_points(ring)) for ring in text.split(" ")]
            holes = [ring for ring in rings[1:] if len(ring) > 2]
            parts.append(Polygon(rings[0], holes).buffer(0).intersection(view))
    joined = unary_union(parts).simplify(TOLERANCE)
    shapes = joined.geoms if isinstance(joined, MultiPolygon) else [joined]
    x: list[float | None] = []
    y: list[float | None] = []
    for shape in shapes:
        if isinstance(shape, Polygon) and shape.area >= SMALLEST:
            for longitude, latitude in shape.exterior.coords:
                x.append(round(longitude, 2))
                y.append(round(latitude, 2))
            x.append(None)
            y.append(None)
    return x, y


@cache
def _land() -> list[str]:
    found: list[str] = untrusted_json.parse(LINES.read_bytes())["land"]
    return found


def _points(text: str) -> Iterator[tuple[float, float]]:
    """Decode the first ring of a text: longitudes and latitudes, written as differences."""
    latitude = longitude = 0
    numbers = _numbers(text.split(" ", maxsplit=1)[0])
    for north, east in zip(numbers, numbers, strict=True):
        latitude += north
        longitude += east
        yield longitude / STEPS, latitude / STEPS


def _numbers(text: str) -> Iterator[int]:
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 63
        value |= (bits & 31) << shift
        shift += 5
        if bits < 32:
            yield ~(value >> 1) if value & 1 else value >> 1
            value = shift = 0
