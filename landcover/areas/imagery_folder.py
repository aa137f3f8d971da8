"""Imagery of an area from the user's own scenes: a folder of them, or a catalogue of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from landcover.areas.area_file import Area
from landcover.areas.ground import ground_of
from landcover.areas.imagery_base import ImagerySpec
from landcover.areas.imagery_files import FileSpec
from landcover.areas.imagery_passes import PassesSpec, filled, grids_of
from landcover.core import limits, progress
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report, check
from landcover.core.raster import ByteArray, Raster
from landcover.core.window import Window
from landcover.io import sources
from landcover.io.guard import shown
from landcover.io.placing import offset_in
from landcover.io.rectangles import Facts, Rectangles
from landcover.stac.passes import ONE_PASS

__all__ = [
    "Dates",
    "FilePass",
    "OwnScene",
    "close_scenes",
    "extent_of",
    "folder_spec",
    "scenes_spec",
]

_OLDEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Dates:
    """Acceptable days (UTC), and the preferred one; None for any."""

    start: date | None = None
    end: date | None = None
    near: date | None = None
    months: frozenset[int] = frozenset()

    @property
    def any(self) -> bool:
        """Whether all days are acceptable."""
        return self.start is None and self.end is None and not self.months

    def has(self, when: datetime | None) -> bool:
        """Whether a scene of a time is acceptable; one without a time only if all are."""
        if when is None:
            return self.any
        day = when.date()
        inside = (self.start is None or day >= self.start) and (self.end is None or day <= self.end)
        return inside and (not self.months or day.month in self.months)

    def rank(self, when: datetime | None) -> float:
        """How far a time is from the preferred day, or how old it is."""
        seconds = ((when or _OLDEST) - _OLDEST).total_seconds()
        if self.near is None:
            return -seconds
        return abs(((when or _OLDEST).date() - self.near).days)


_ANY: Final = Dates()


@dataclass(frozen=True, kw_only=True)
class OwnScene:
    """A scene on the user's disk: its files, and what its header states."""

    spec: FileSpec
    facts: Facts

    @property
    def ground(self) -> BaseGeometry:
        """What it covers, WGS 84 degrees."""
        return ground_of(self.facts.extent)


@dataclass(frozen=True, kw_only=True)
class FilePass:
    """Scenes on the user's disk that a satellite took within minutes."""

    scenes: tuple[OwnScene, ...]

    @property
    def name(self) -> str:
        """As :attr:`landcover.areas.imagery_passes.Pass.name`."""
        return " + ".join(scene.spec.name for scene in self.scenes)

    @property
    def acquired(self) -> datetime | None:
        """As :attr:`landcover.areas.imagery_passes.Pass.acquired`."""
        return self.scenes[0].facts.acquired

    @property
    def ground(self) -> bytes:
        """As :attr:`landcover.areas.imagery_passes.Pass.ground`."""
        return shapely.to_wkb(shapely.union_all([scene.ground for scene in self.scenes]))

    @property
    def identity(self) -> str:
        """As :attr:`landcover.areas.imagery_passes.Pass.identity`."""
        return "|".join(scene.spec.identity for scene in self.scenes)

    def read(self, window: Window, cancel: Event | None) -> Raster:
        """As :meth:`landcover.areas.imagery_passes.Pass.read`."""
        found: Raster | None = None
        names = []
        for scene in self._needed(window):
            raster = _open(scene.spec).read(window, cancel)
            names.append(raster.provenance.scene or raster.provenance.source)
            found = raster if found is None else filled(found, raster)
            if found.valid.all():
                break
        assert found is not None
        facts = replace(found.provenance, scene=" + ".join(dict.fromkeys(names)))
        return replace(found, provenance=facts)

    def classes(self, window: Window, cancel: Event | None) -> ByteArray | None:
        """As :meth:`landcover.areas.imagery_passes.Pass.classes`."""
        found: ByteArray | None = None
        for scene in self._needed(window):
            if not scene.facts.classified:
                return None
            classes = _open(scene.spec).classes(window, cancel)
            if classes is None:
                return None
            found = classes if found is None else np.where(found == 0, classes, found)
        return found

    def _needed(self, window: Window) -> list[OwnScene]:
        """The scenes that a window touches, those of its CRS first."""
        place = ground_of(window)
        here = [scene for scene in self.scenes if shapely.intersects(scene.ground, place)]
        here.sort(key=lambda scene: scene.facts.extent.crs != window.crs)
        return here or [self.scenes[0]]


_MOST_OPEN: Final = 40
_opened: dict[FileSpec, Rectangles] = {}


def _open(spec: FileSpec) -> Rectangles:
    """The open source; a process keeps those that it used last."""
    found = _opened.pop(spec, None) or spec.rectangles()
    _opened[spec] = found
    while len(_opened) > _MOST_OPEN:
        del _opened[next(iter(_opened))]
    return found


def close_scenes(spec: ImagerySpec) -> None:
    """Close the sources of imagery of scenes in this process."""
    for each in spec.passes if isinstance(spec, PassesSpec) else ():
        for scene in each.scenes if isinstance(each, FilePass) else ():
            _opened.pop(scene.spec, None)


def folder_spec(
    source: Path,
    area: Area | None,
    dates: Dates,
    *,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> PassesSpec:
    """Find the scenes of an area in a folder, a zip or a catalogue made by ``landcover index``.

    Args:
        source: the folder, zip or catalogue.
        area: the area; None for all that the scenes cover.
        dates: acceptable days.
        report: called with the number of scenes that were opened.
        cancel: set to stop.

    Raises:
        BadInput: there is no scene of the area, they have different bands, or are too many.
        Cancelled: the user stopped it.
    """
    addresses = _addresses(source, area)
    most = limits.current().area_scenes
    if len(addresses) > most:
        raise BadInput(
            f"'{shown(source.name)}' has {len(addresses):,} scenes, more than the {most:,} of one "
            "map: give a folder of fewer, or a catalogue (landcover index) and an area."
        )
    specs = [FileSpec.of(address) for address in addresses]
    return scenes_spec(specs, source.name, area, dates, report=report, cancel=cancel)


def scenes_spec(
    specs: Sequence[FileSpec],
    title: str,
    area: Area | None = None,
    dates: Dates = _ANY,
    *,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> PassesSpec:
    """Join scenes to imagery of an area.

    Args:
        specs: the scenes.
        title: of all together.
        area: as for :func:`folder_spec`, like all that follows.
        dates: acceptable days.
        report: called with the number of scenes that were opened.
        cancel: set to stop.

    Raises:
        BadInput: no scene shows the area, or they have different bands.
        Cancelled: the user stopped it.
    """
    scenes, faults = [], []
    for done, spec in enumerate(specs):
        check(cancel)
        report(Progress(what="Opening", done=done, total=len(specs), unit="scenes"))
        try:
            facts = spec.rectangles().facts(cancel)
        except BadInput as fault:
            faults.append(str(fault))
            continue
        scene = OwnScene(spec=spec, facts=facts)
        here = area is None or shapely.intersects(scene.ground, area.geometry)
        if here and dates.has(facts.acquired):
            scenes.append(scene)
    if not scenes:
        rest = f"; {_left_out(faults)}" if faults else ": give other days, or another area."
        raise BadInput(f"No scene in '{shown(title)}' shows the area on these days{rest}")
    notes = (_left_out(faults),) if faults else ()
    return replace(_spec(scenes, title, area, dates), notes=notes)


def _left_out(faults: Sequence[str]) -> str:
    count = len(faults)
    return f"{count} scene{'s' * (count > 1)} left out, the first because: {faults[0]}"


def _spec(scenes: list[OwnScene], title: str, area: Area | None, dates: Dates) -> PassesSpec:
    bands = scenes[0].facts.bands
    other = next((scene for scene in scenes if scene.facts.bands != bands), None)
    if other is not None:
        raise BadInput(
            f"'{shown(scenes[0].spec.name)}' has the bands {' '.join(bands)}, and "
            f"'{shown(other.spec.name)}' {' '.join(other.facts.bands)}: map them one by one."
        )
    first = scenes[0].spec.open()
    passes = [FilePass(scenes=tuple(group)) for group in _by_pass(scenes)]
    passes.sort(key=lambda one: dates.rank(one.acquired))
    places = [(scene.facts.extent.crs, scene.ground) for scene in scenes]
    grids = grids_of(places, None if area is None else area.geometry)
    if len(grids) == 1:
        grids = (_common(grids[0], scenes),)
    return PassesSpec(
        passes=tuple(passes), grids=grids, title=title, bands=first.bands, level=first.level
    )


def _common(grid: Window, scenes: Sequence[OwnScene]) -> Window:
    """The grid that all scenes share if it is another one than the given, else the given."""
    if offset_in(grid, scenes[0].facts.extent) is not None:
        return grid
    return extent_of(scenes) or grid


def extent_of(scenes: Sequence[OwnScene]) -> Window | None:
    """The rectangle around scenes that share a grid; None if they do not."""
    extents = [scene.facts.extent for scene in scenes]
    first = extents[0]
    corners = [offset_in(first, extent) for extent in extents]
    found = [corner for corner in corners if corner is not None]
    if len(found) < len(corners):
        return None
    top, left = min(row for row, _ in found), min(col for _, col in found)
    bottom = max(row + each.height for (row, _), each in zip(found, extents, strict=True))
    right = max(col + each.width for (_, col), each in zip(found, extents, strict=True))
    return first.part(top, left, bottom - top, right - left)


def _by_pass(scenes: list[OwnScene]) -> Iterator[list[OwnScene]]:
    """Groups of scenes within minutes; a scene without a time is one of its own."""
    ordered = sorted(
        scenes, key=lambda one: (_time(one), one.spec.source, one.spec.name), reverse=True
    )
    group: list[OwnScene] = []
    for scene in ordered:
        if group and (scene.facts.acquired is None or _time(group[0]) - _time(scene) > ONE_PASS):
            yield group
            group = []
        group.append(scene)
    if group:
        yield group


def _time(scene: OwnScene) -> datetime:
    return scene.facts.acquired or _OLDEST


def _addresses(source: Path, area: Area | None) -> list[str]:
    """Paths of the scenes in a folder or zip, or of those of an area in a catalogue."""
    if source.suffix.lower() != ".parquet":
        return sources.expand(source)
    from landcover.stac.local_catalog import LocalCatalogue  # noqa: PLC0415 - loads slowly

    place: Any = (-180.0, -90.0, 180.0, 90.0)
    if area is not None:
        place = dict(shapely.geometry.mapping(shapely.convex_hull(area.geometry)))
    most = limits.current().area_scenes + 1
    items = LocalCatalogue.open(source).search(place, _OLDEST, datetime.now(UTC), most)
    found: dict[str, None] = {}
    for item in items:
        assets = item["assets"]
        path = assets.get("stack") or assets.get("B02")
        if path is not None:
            file = Path(path["href"])
            found[str(file if "stack" in assets else file.parent)] = None
    return list(found)
