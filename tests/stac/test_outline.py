"""Outlines of scenes: real ones are read, and hostile ones cost no time."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import shapely

from landcover.core import limits
from landcover.stac.outline import MAX_REPAIRED, MAX_RINGS, rings_of, shape_of_rings
from landcover.stac.passes import passes
from landcover.stac.scene import Scene

Ring = list[tuple[float, float]]
PLACE = (48.5, 16.5)


def star(points: int) -> Ring:
    """A ring of which every side crosses every other one."""
    turn = math.pi * (1 + 1 / points)
    ring = [
        (16.5 + 0.5 * math.cos(turn * n), 48.5 + 0.5 * math.sin(turn * n)) for n in range(points)
    ]
    return [*ring, ring[0]]


def comb(teeth: int, *, turned: bool) -> Ring:
    """A valid ring of thin teeth over the place; two of them, one turned, cross everywhere."""
    size = 0.02
    points: Ring = [(-size / 2, -size / 2)]
    for n in range(teeth):
        low, high = (n + 0.2) / teeth * size - size / 2, (n + 0.6) / teeth * size - size / 2
        points += [(low, -size / 2), (low, size / 2), (high, size / 2), (high, -size / 2)]
    points += [(size / 2, -size / 2), (size / 2, -size), (-size / 2, -size)]
    ring = [(y, x) if turned else (x, y) for x, y in points]
    return [(16.5 + x, 48.5 + y) for x, y in [*ring, ring[0]]]


def polygons(*rings: Ring) -> dict[str, Any]:
    return {"type": "MultiPolygon", "coordinates": [[[*map(list, ring)]] for ring in rings]}


@pytest.mark.parametrize("points", [limits.Limits().footprint_points, 9_999])
def test_a_ring_of_too_many_points_is_refused_before_it_is_drawn(points: int) -> None:
    shape = polygons(star(points))
    start = time.perf_counter()
    with pytest.raises(ValueError, match="too many points"):
        rings_of(shape)
    assert time.perf_counter() - start < 1


def test_too_many_rings_are_refused() -> None:
    ring = [(16.0, 48.0), (17.0, 48.0), (17.0, 49.0), (16.0, 48.0)]
    assert len(rings_of(polygons(*[ring] * MAX_RINGS))) == MAX_RINGS
    with pytest.raises(ValueError, match="too many points"):
        rings_of(polygons(*[ring] * (MAX_RINGS + 1)))


@pytest.mark.parametrize("points", [MAX_REPAIRED + 1, 99, 299])
def test_a_long_ring_that_crosses_itself_is_refused_at_once(points: int) -> None:
    start = time.perf_counter()
    with pytest.raises(ValueError, match="crosses itself"):
        shape_of_rings(rings_of(polygons(star(points))))
    assert time.perf_counter() - start < 1


def test_a_short_ring_that_crosses_itself_is_repaired() -> None:
    bow = [(16.0, 48.0), (17.0, 49.0), (17.0, 48.0), (16.0, 49.0), (16.0, 48.0)]
    shape = shape_of_rings([bow])
    assert shape.is_valid
    assert shape.area == pytest.approx(0.5)
    start = time.perf_counter()
    assert shape_of_rings([star(MAX_REPAIRED - 1)]).is_valid
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("ring", [[(16.0, 48.0)] * 4, [(16.0, 48.0), (17.0, 48.0)] * 2])
def test_an_outline_without_an_area_is_refused(ring: Ring) -> None:
    with pytest.raises(ValueError, match="without an area"):
        shape_of_rings([ring])


def test_many_outlines_that_cross_each_other_in_the_square_are_joined_in_time() -> None:
    """Each of 150 scenes of one pass is valid, but together they have millions of crossings."""
    first = Scene(
        id="0",
        catalogue="earth-search",
        acquired=datetime(2022, 6, 18, 10, tzinfo=UTC),
        footprint=polygons(comb(60, turned=False)),
        bands={},
        crs="EPSG:32633",
    )
    scenes = [
        replace(
            first,
            id=str(n),
            acquired=first.acquired + timedelta(seconds=n),
            footprint=polygons(comb(60 - n % 7, turned=n % 2 == 1)),
        )
        for n in range(150)
    ]
    assert shapely.is_valid(shape_of_rings(rings_of(scenes[1].footprint)))
    start = time.perf_counter()
    (found,) = passes(scenes, *PLACE)
    assert time.perf_counter() - start < 4
    assert found.scenes
