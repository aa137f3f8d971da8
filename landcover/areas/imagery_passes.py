"""Imagery of many scenes: for each block the pass of the satellite that shows most of the ground.

A pass is clear in one place and cloudy in another. So each block is read from the pass that hides
least of it, and of equally clear ones from the first in order, which is the newest or the nearest
to a preferred day. The choice depends on the block alone, and stands in its provenance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from threading import Event
from typing import Final, Protocol

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from landcover.areas.ground import ground_of
from landcover.areas.imagery_base import Imagery
from landcover.areas.plan import CELL
from landcover.areas.sky import CLOUD, NO_ANSWER, SHADE, cell_flags
from landcover.core.bands import BAND_NAMES, PIXEL_M, SCL_HIDDEN
from landcover.core.errors import BadInput
from landcover.core.progress import check
from landcover.core.projection import project
from landcover.core.raster import ByteArray, Provenance, Raster
from landcover.core.window import SOUTHERN_FALSE_NORTHING_M, WGS84, Window, grid, zone_of
from landcover.core.zones import is_utm, zone_strip

__all__ = ["MOST_COMPARED", "Pass", "PassesSpec", "filled", "grids_of"]

MOST_COMPARED: Final = 8
"""Passes whose clouds over a block are compared, the first in order that cover the block."""
_SAME: Final = 0.005
"""Share of a block by which a pass must be clearer than one before it."""
_LATTICE_M: Final = 240


class Pass(Protocol):
    """The scenes that a satellite took within minutes."""

    @property
    def name(self) -> str:
        """Names of its scenes."""
        ...

    @property
    def acquired(self) -> datetime | None:
        """Sensing time of the first scene, UTC."""
        ...

    @property
    def ground(self) -> bytes:
        """What its scenes cover: WKB in WGS 84 degrees, split at the antimeridian."""
        ...

    @property
    def identity(self) -> str:
        """Text that is the same as long as its pixels are."""
        ...

    def read(self, window: Window, cancel: Event | None) -> Raster:
        """Read a rectangle, as :meth:`landcover.areas.imagery_base.Imagery.read`."""
        ...

    def classes(self, window: Window, cancel: Event | None) -> ByteArray | None:
        """Read the scene classification of a rectangle; None if there is none."""
        ...


@dataclass(frozen=True, kw_only=True)
class PassesSpec:
    """Imagery of several passes.

    Attributes:
        passes: in the order in which they are preferred.
        grids: the rectangle of each UTM zone that may be mapped.
        title: of the folder or archive, for the provenance.
        bands: of the scenes.
        level: product level of the scenes.
        notes: what was left out, a sentence each.
    """

    passes: tuple[Pass, ...]
    grids: tuple[Window, ...]
    title: str
    bands: tuple[str, ...] = BAND_NAMES
    level: str = "L2A"
    notes: tuple[str, ...] = ()

    @cached_property
    def identity(self) -> str:
        """As :attr:`landcover.areas.imagery_base.ImagerySpec.identity`."""
        found = hashlib.sha256()
        for each in self.passes:
            found.update(f"{each.identity}\0".encode())
        return f"passes:{self.title}:{found.hexdigest()}:{self.grids}"

    def open(self, *, cancel: Event | None = None) -> Imagery:
        """As :meth:`landcover.areas.imagery_base.ImagerySpec.open`."""
        del cancel
        return _Passes(self)


class _Passes:
    """See :class:`~landcover.areas.imagery_base.Imagery`."""

    def __init__(self, spec: PassesSpec) -> None:
        self._passes = spec.passes
        self._grounds = [shapely.from_wkb(each.ground) for each in spec.passes]
        self.bands = spec.bands
        self.level = spec.level
        self.grids = spec.grids
        self.extent = spec.grids[0]
        only = spec.passes[0] if len(spec.passes) == 1 else None
        self.acquired = only.acquired if only else None
        many = f"for each block the clearest of {len(spec.passes)} passes was used"
        chosen = () if only else (many,)
        self.provenance = Provenance(
            source=spec.title,
            level=spec.level,
            scene=only.name[:200] if only else None,
            scaling="as stated for each block",
            notes=(*spec.notes, *chosen),
        )

    def read(self, window: Window, *, cancel: Event | None = None) -> Raster:
        place = ground_of(window)
        covering = [
            each
            for each, ground in zip(self._passes, self._grounds, strict=True)
            if shapely.intersects(ground, place)
        ][:MOST_COMPARED]
        if not covering:
            return _nothing(window, self.bands, self.provenance)
        if len(covering) == 1:
            return covering[0].read(window, cancel)
        return _clearest(covering, window, cancel)


def _clearest(passes: Sequence[Pass], window: Window, cancel: Event | None) -> Raster:
    """The rectangle of the pass that hides least of it."""
    best: tuple[float, Pass, Raster | None] | None = None
    for each in passes:
        check(cancel)
        classes, raster = each.classes(window, cancel), None
        if classes is None:
            raster = each.read(window, cancel)
            hidden = _hidden(raster)
        else:
            hidden = float(np.isin(classes, sorted(SCL_HIDDEN)).mean())
        if best is None or hidden < best[0] - _SAME:
            best = hidden, each, raster
        if hidden <= _SAME:
            break  # none can be clearer
    assert best is not None
    return best[2] or best[1].read(window, cancel)


def _hidden(raster: Raster) -> float:
    """The share of a raster without a classification that clouds hide, or that has no data."""
    if raster.height % CELL or raster.width % CELL:
        return float(1 - raster.valid.mean())
    return float(np.isin(cell_flags(raster), (CLOUD, SHADE, NO_ANSWER)).mean())


def filled(first: Raster, other: Raster) -> Raster:
    """The first raster, and the other one where the first has neither data nor a class."""
    gaps = ~first.valid
    if first.scl is not None:
        gaps &= first.scl == 0
    scl = None
    if first.scl is not None and other.scl is not None:
        scl = np.where(gaps, other.scl, first.scl)
    return replace(
        first,
        data=np.where(gaps, other.data, first.data),
        valid=np.where(gaps, other.valid, first.valid),
        scl=scl,
    )


def _nothing(window: Window, bands: tuple[str, ...], facts: Provenance) -> Raster:
    shape = window.height, window.width
    return Raster(
        data=np.zeros((len(bands), *shape), dtype=np.float32),
        valid=np.zeros(shape, dtype=np.bool_),
        bands=bands,
        crs=window.crs,
        transform=window.transform,
        provenance=replace(facts, notes=("no scene covers this block",)),
    )


def grids_of(
    places: Sequence[tuple[str | None, BaseGeometry]], area: BaseGeometry | None
) -> tuple[Window, ...]:
    """The rectangles, one for each UTM zone, in which scenes are mapped.

    Args:
        places: zone and ground of each scene; a scene in no UTM zone is mapped in that of its
            centre.
        area: the area, WGS 84 degrees; None for all that the scenes cover.

    Raises:
        BadInput: no scene covers a part of the area.
    """
    zones, grounds = set(), []
    for zone, ground in places:
        here = ground if area is None else shapely.intersection(ground, area)
        if not here.is_empty and here.area > 0:
            centre = here.centroid
            own = zone if zone is not None and is_utm(zone) else None
            zones.add(own or zone_of(centre.y, centre.x))
            grounds.append(here)
    if not grounds:
        raise BadInput("No scene covers a part of the area: give other scenes, or another area.")
    every = shapely.union_all(grounds)
    if len(zones) == 1:
        return (_grid(zones.pop(), every),)
    parts = [
        (zone, shapely.intersection(every, zone_strip(zone, among=sorted(zones))))
        for zone in sorted(zones)
    ]
    return tuple(_grid(zone, part) for zone, part in parts if part.area > 0)


def _grid(zone: str, ground: BaseGeometry) -> Window:
    """The rectangle on the lattice of a zone that contains a place."""
    points = shapely.get_coordinates(shapely.segmentize(ground, 0.1))
    xs, ys = project(WGS84, zone, points[:, 0].tolist(), points[:, 1].tolist())
    base = SOUTHERN_FALSE_NORTHING_M if zone.startswith("EPSG:327") else 0
    west, north = min(xs) // _LATTICE_M, -((base - max(ys)) // _LATTICE_M)
    left, top = west * _LATTICE_M, base + north * _LATTICE_M
    width, height = (max(xs) - left) / PIXEL_M, (top - min(ys)) / PIXEL_M
    return Window(crs=zone, transform=grid(left, top), width=int(width) + 1, height=int(height) + 1)
