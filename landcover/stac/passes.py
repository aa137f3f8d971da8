"""Grouping granules into the satellite passes that cover a place."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import shapely
import shapely.affinity
from shapely.geometry.base import BaseGeometry

from landcover.core.bands import PATCH_PIXELS
from landcover.core.window import Window, zone_of
from landcover.stac.candidates import Candidate
from landcover.stac.scene import Scene, rings_of

__all__ = ["ONE_PASS", "area_of", "passes", "shape_of"]

ONE_PASS: Final = timedelta(minutes=15)
"""Granules closer in time than this belong to one pass: the next pass is days later."""


def area_of(window: Window) -> BaseGeometry:
    """A window as a shape in WGS 84 degrees, with two parts if it crosses the antimeridian."""
    return _unwrapped([(lon, lat) for lat, lon in window.outline])


def shape_of(scene: Scene) -> BaseGeometry:
    """Footprint of a scene in WGS 84 degrees, split at the antimeridian."""
    shapes = [_unwrapped(ring) for ring in rings_of({**scene.footprint})]
    return shapely.union_all([shapely.make_valid(shape) for shape in shapes])


def _unwrapped(ring: list[tuple[float, float]]) -> BaseGeometry:
    lons = [lon for lon, _ in ring]
    if max(lons) - min(lons) > 180:
        ring = [(lon + 360 if lon < 0 else lon, lat) for lon, lat in ring]
    shape: BaseGeometry = shapely.Polygon(ring)
    if max(lon for lon, _ in ring) <= 180:
        return shape
    shape = shapely.make_valid(shape)
    inside = shapely.intersection(shape, shapely.box(-180, -90, 180, 90))
    beyond = shapely.intersection(shape, shapely.box(180, -90, 540, 90))
    return shapely.union_all([inside, shapely.affinity.translate(beyond, -360)])


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
    for group in _by_pass(ordered):
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


def _by_pass(ordered: list[Scene]) -> Iterable[list[Scene]]:
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
    kept = []
    for _, tile in itertools.groupby(sorted(scenes, key=_tile), key=_tile):
        same = list(tile)
        newest = max(scene.baseline or "" for scene in same)
        kept += [scene for scene in same if (scene.baseline or "") == newest]
    shapes = [(shape_of(scene), scene) for scene in kept]
    pieces: list[tuple[Any, Scene]] = [
        (shapely.intersection(s, square), scene) for s, scene in shapes
    ]
    pieces = [(piece, scene) for piece, scene in pieces if not piece.is_empty and piece.area > 0]
    pieces.sort(key=lambda pair: (-round(pair[0].area / square.area, 3), pair[1].id))
    joined = shapely.union_all([piece for piece, _ in pieces])
    share = float(joined.area / square.area) if pieces else 0.0
    return _Cover(tuple(scene for _, scene in pieces), target, share)


def _tile(scene: Scene) -> str:
    return scene.tile or scene.id
