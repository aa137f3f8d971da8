"""Grouping granules into the satellite passes that cover a place."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import shapely
from shapely.geometry.base import BaseGeometry

from landcover.core.bands import PATCH_PIXELS
from landcover.core.window import Window, zone_of
from landcover.stac.candidates import Candidate
from landcover.stac.outline import rings_of, shape_of_ring, shape_of_rings
from landcover.stac.scene import Scene

__all__ = ["ONE_PASS", "area_of", "by_pass", "newest_processing", "passes", "shape_of"]

ONE_PASS: Final = timedelta(minutes=15)
"""Granules closer in time than this belong to one pass: the next pass is days later."""
_MAX_PIECES: Final = 20
"""The most granules of a pass that are joined; at most six tiles overlap in a place."""
_MAX_CORNERS: Final = 20
"""A granule covers a part of the square with fewer corners; others are simplified."""


def area_of(window: Window) -> BaseGeometry:
    """A window as a shape in WGS 84 degrees, with two parts if it crosses the antimeridian."""
    return shape_of_ring([(lon, lat) for lat, lon in window.outline])


def shape_of(scene: Scene) -> BaseGeometry:
    """Footprint of a scene in WGS 84 degrees, split at the antimeridian."""
    return shape_of_rings(rings_of(scene.footprint))


@dataclass(frozen=True)
class _Cover:
    scenes: tuple[Scene, ...]
    target: Window
    share: float


def passes(
    scenes: Iterable[Scene], latitude: float, longitude: float, pixels: int = PATCH_PIXELS
) -> list[Candidate]:
    """Find the passes over a place, newest first, each in the UTM zone that covers it best.

    If granules of a tile were processed more than once, only the newest processing is used. If
    two zones cover the square equally, the zone of the place is used.

    Args:
        scenes: granules of any passes.
        latitude: of the place, WGS 84 degrees.
        longitude: of the place, WGS 84 degrees.
        pixels: number of 10 m pixels along a side of the square around the place.
    """
    ordered = sorted(scenes, key=lambda scene: (scene.acquired, scene.id), reverse=True)
    found = []
    for group in by_pass(ordered):
        covers = []
        for crs in sorted({scene.crs for scene in group if scene.crs}):
            target = Window.around(latitude, longitude, pixels=pixels, crs=crs)
            covers.append(_cover([scene for scene in group if scene.crs == crs], target))
        covers = [cover for cover in covers if cover.share > 0]
        if covers:
            own = zone_of(latitude, longitude)
            best = max(covers, key=lambda c: (round(c.share, 3), c.target.crs == own))
            found.append(Candidate(scenes=best.scenes, target=best.target))
    return found


def by_pass(ordered: list[Scene]) -> Iterable[list[Scene]]:
    """Group scenes, newest first, into passes."""
    group: list[Scene] = []
    for scene in ordered:
        if group and group[0].acquired - scene.acquired > ONE_PASS:
            yield group
            group = []
        group.append(scene)
    if group:
        yield group


def _cover(scenes: list[Scene], target: Window) -> _Cover:
    """The granules that overlap the square, ordered by how much of it they cover."""
    square = area_of(target)
    shapes = [(shape_of(scene), scene) for scene in newest_processing(scenes)]
    pieces: list[tuple[Any, Scene]] = [
        (_simple(shapely.intersection(s, square)), scene) for s, scene in shapes
    ]
    pieces = [(piece, scene) for piece, scene in pieces if not piece.is_empty and piece.area > 0]
    pieces.sort(key=lambda pair: (-round(pair[0].area / square.area, 3), pair[1].id))
    del pieces[_MAX_PIECES:]
    joined = shapely.union_all([piece for piece, _ in pieces])
    share = float(joined.area / square.area) if pieces else 0.0
    return _Cover(tuple(scene for _, scene in pieces), target, share)


def newest_processing(scenes: Iterable[Scene]) -> list[Scene]:
    """The granules of a pass without older processings of their tiles."""
    kept = []
    for _, tile in itertools.groupby(sorted(scenes, key=_tile), key=_tile):
        same = list(tile)
        newest = max(scene.baseline or "" for scene in same)
        kept += [scene for scene in same if (scene.baseline or "") == newest]
    return kept


def _simple(piece: BaseGeometry) -> BaseGeometry:
    """Bound the cost of joining pieces, which grows with the number of their crossings."""
    many = shapely.get_num_coordinates(piece) > _MAX_CORNERS
    simple: BaseGeometry = shapely.convex_hull(piece) if many else piece
    return simple


def _tile(scene: Scene) -> str:
    return scene.tile or scene.id
