"""Imagery of an area from an archive: for each block the clearest pass, or one pass for all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Final

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from landcover.areas.area_file import Area
from landcover.areas.facts import JOINED
from landcover.areas.ground import ground_of
from landcover.areas.imagery_passes import PassesSpec, filled, grids_of
from landcover.core.errors import BadInput
from landcover.core.raster import ByteArray, Raster
from landcover.core.window import Window
from landcover.net import cache
from landcover.stac.archives import catalogue
from landcover.stac.candidates import SceneQuery
from landcover.stac.harmonise import OffsetDecision
from landcover.stac.passes import by_pass, newest_processing, shape_of
from landcover.stac.rectangles import decision_of, read_pass, read_pass_classes
from landcover.stac.scene import Scene, of_level
from landcover.stac.search import search_archive

__all__ = ["LivePass", "items_of", "live_spec"]

_PROBE: Final = 120
"""Side in pixels of the square whose dark pixels are looked at."""
_OVERCAST: Final = 0.9
"""Share of cloud over a scene from which others are looked at first."""
_MOST_SCENES: Final = 500
"""Scenes that an archive is asked for, the newest: ten pages of an answer."""
_ENOUGH: Final = 0.995
"""Share of an area that one pass must cover to be preferred to others that are less cloudy."""


@dataclass(frozen=True, kw_only=True)
class LivePass:
    """Scenes of an archive that a satellite took within minutes.

    Attributes:
        scenes: in all UTM zones.
        catalogue: name of the archive.
        ground: what they cover of the area: WKB in WGS 84 degrees.
        probes: latitude and longitude of each scene's square that decides on its offset.
    """

    scenes: tuple[Scene, ...]
    catalogue: str
    ground: bytes
    probes: tuple[tuple[float, float], ...]

    @property
    def name(self) -> str:
        """As :attr:`landcover.areas.imagery_passes.Pass.name`."""
        return JOINED.join(scene.id for scene in self.scenes)

    @property
    def acquired(self) -> datetime | None:
        """As :attr:`landcover.areas.imagery_passes.Pass.acquired`."""
        return self.scenes[0].acquired

    @property
    def identity(self) -> str:
        """As :attr:`landcover.areas.imagery_passes.Pass.identity`."""
        return f"{self.catalogue}:{self.name}:{[scene.baseline for scene in self.scenes]}"

    def read(self, window: Window, cancel: Event | None) -> Raster:
        """As :meth:`landcover.areas.imagery_passes.Pass.read`."""
        row = catalogue(self.catalogue)
        found: Raster | None = None
        for group in self._groups(window):
            decisions = [self._decision(scene, cancel) for scene in group]
            raster = read_pass(group, decisions, row, window, cancel=cancel)
            found = raster if found is None else filled(found, raster)
        assert found is not None
        return found

    def classes(self, window: Window, cancel: Event | None) -> ByteArray | None:
        """As :meth:`landcover.areas.imagery_passes.Pass.classes`."""
        row = catalogue(self.catalogue)
        found: ByteArray | None = None
        for group in self._groups(window):
            classes = read_pass_classes(group, row, window, cancel=cancel)
            if classes is None:
                return None
            found = classes if found is None else np.where(found == 0, classes, found)
        return found

    def _groups(self, window: Window) -> list[list[Scene]]:
        """The scenes that a window needs by zone, its own zone first."""
        groups: list[list[Scene]] = []
        left: BaseGeometry = ground_of(window)
        zones = sorted({str(scene.crs) for scene in self.scenes})
        for zone in sorted(zones, key=lambda one: one != window.crs):
            own = [(scene, shape_of(scene)) for scene in self.scenes if scene.crs == zone]
            here = [(scene, shape) for scene, shape in own if shapely.intersects(shape, left)]
            if here:
                groups.append([scene for scene, _ in here])
                left = shapely.difference(left, shapely.union_all([shape for _, shape in here]))
        return groups or [[self.scenes[0]]]

    def _decision(self, scene: Scene, cancel: Event | None) -> OffsetDecision:
        return _decided(scene, self.catalogue, self.probes[self.scenes.index(scene)], cancel)


_decisions: dict[tuple[str, str], OffsetDecision] = {}


def _decided(
    scene: Scene, name: str, probe: tuple[float, float], cancel: Event | None
) -> OffsetDecision:
    """Decide on a scene once in a process."""
    key = (name, f"{scene.id}:{scene.baseline}:{probe}")
    if key not in _decisions:
        square = Window.around(*probe, pixels=_PROBE, crs=scene.crs)
        _decisions[key] = decision_of(scene, catalogue(name), square, cancel=cancel)
        while len(_decisions) > 1_000:
            del _decisions[next(iter(_decisions))]
    return _decisions[key]


def live_spec(
    name: str,
    area: Area,
    query: SceneQuery,
    *,
    one_pass: bool = False,
    cancel: Event | None = None,
) -> PassesSpec:
    """Find the imagery of an area in an archive.

    Args:
        name: of the archive.
        area: the area.
        query: its dates, months and preferred day are used.
        one_pass: whether all of the area is read from one pass, the one that covers most of it
            with the least cloud, as its metadata state it.
        cancel: set to stop.

    Raises:
        BadInput: no scene shows the area.
        FetchError: the archive gives no usable answer.
        Cancelled: the user stopped it.
    """
    row = catalogue(name)
    shape = area.geometry
    answer = search_archive(
        row, _asked(shape), query, most=_MOST_SCENES, cache=cache.default(), cancel=cancel
    )
    scenes = [scene for scene in of_level(list(answer.scenes), "L2A") if scene.crs]
    passes = _passes(scenes, name, shape)

    def rank(one: LivePass) -> tuple[bool, int]:
        return _overcast(one), abs((one.scenes[0].acquired.date() - query.best_day).days)

    passes.sort(key=rank)
    if not passes:
        raise BadInput(
            f"No scene of {row.title} shows the area from {query.start} to {query.end}: widen the "
            "dates, or choose another catalogue."
        )
    if one_pass:
        passes = [_best(passes, shape)]
    places = [(scene.crs, shape_of(scene)) for one in passes for scene in one.scenes]
    notes: tuple[str, ...] = ()
    if len(answer.scenes) >= _MOST_SCENES:
        first = min(scene.acquired for scene in answer.scenes)
        notes = (f"only the newest {_MOST_SCENES} scenes were compared, from {first:%Y-%m-%d} on",)
    return PassesSpec(
        passes=tuple(passes), grids=grids_of(places, shape), title=row.title, notes=notes
    )


def items_of(spec: object) -> dict[str, str]:
    """Id of each scene of an archive → address of its STAC item; empty for other imagery."""
    passes = spec.passes if isinstance(spec, PassesSpec) else ()
    live = [one for one in passes if isinstance(one, LivePass)]
    return {
        scene.id: catalogue(one.catalogue).item_address(scene.id)
        for one in live
        for scene in one.scenes
    }


def _asked(shape: BaseGeometry) -> dict[str, object]:
    """The area as a catalogue is asked for it: its convex hull in each part, with few points."""
    parts = [shapely.convex_hull(part) for part in shapely.get_parts(shape)]
    joined = parts[0] if len(parts) == 1 else _hulls(parts)
    return dict(shapely.geometry.mapping(joined))


def _hulls(parts: list[BaseGeometry]) -> BaseGeometry:
    """Several parts as one hull on each side of the antimeridian."""
    east = [part for part in parts if part.centroid.x >= 0]
    west = [part for part in parts if part.centroid.x < 0]
    groups = [parts]
    if east and west and max(p.bounds[2] for p in east) - min(p.bounds[0] for p in west) > 180:
        groups = [east, west]
    return shapely.union_all([shapely.convex_hull(shapely.union_all(group)) for group in groups])


def _passes(scenes: list[Scene], name: str, shape: BaseGeometry) -> list[LivePass]:
    ordered = sorted(scenes, key=lambda scene: (scene.acquired, scene.id), reverse=True)
    found = []
    for group in by_pass(ordered):
        kept = []
        for scene in newest_processing(group):
            here = shapely.intersection(shape_of(scene), shape)
            if here.area > 0:
                kept.append((here, scene))
        if not kept:
            continue
        kept.sort(key=lambda pair: (-round(pair[0].area / shape.area, 3), pair[1].id))
        probes = [here.representative_point() for here, _ in kept]
        found.append(
            LivePass(
                scenes=tuple(scene for _, scene in kept),
                catalogue=name,
                ground=shapely.to_wkb(shapely.union_all([here for here, _ in kept])),
                probes=tuple((float(point.y), float(point.x)) for point in probes),
            )
        )
    return found


def _overcast(one: LivePass) -> bool:
    """Whether its metadata state that clouds hide nearly all of each scene."""
    stated = [scene.cloud for scene in one.scenes if scene.cloud is not None]
    return bool(stated) and min(stated) > _OVERCAST


def _best(passes: list[LivePass], shape: BaseGeometry) -> LivePass:
    """The pass that covers most of an area with the least cloud; of equal ones the first."""

    def rank(one: LivePass) -> tuple[float, float]:
        covered = float(shapely.from_wkb(one.ground).area / shape.area)
        clouds = [scene.cloud for scene in one.scenes if scene.cloud is not None]
        cloud = sum(clouds) / len(clouds) if clouds else 1.0
        return -min(round(covered, 2), _ENOUGH), round(cloud, 2)

    return min(passes, key=rank)
