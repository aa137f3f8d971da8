"""Plans of an area on the grid of its imagery: one for each coordinate reference system.

The pixels of a file keep the file's grid. Imagery of many scenes is mapped in the UTM zones that
the area touches, each up to the edge of its zone, so that no place is mapped twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from landcover.areas.area_file import Area
from landcover.areas.ground import box_of, ground_of
from landcover.areas.imagery import ImagerySpec
from landcover.areas.plan import ALIGN, DEFAULT_BLOCK, DEFAULT_STEP, Plan, plan
from landcover.core import limits
from landcover.core.bands import PIXEL_M
from landcover.core.errors import BadInput
from landcover.core.projection import OffEarth, project
from landcover.core.text import place_text
from landcover.core.window import SOUTHERN_FALSE_NORTHING_M, WGS84, Window
from landcover.core.zones import is_utm, zone_strip

__all__ = ["notes_of", "plans_of"]

_LATTICE_M: Final = ALIGN * PIXEL_M
_EDGE_DEG: Final = 0.02
"""Edges of an area are divided into parts of this length before they are projected, since a line
of constant latitude is curved in a UTM zone: over 2 km by 0.1 m."""
_MARGIN_DEG: Final = 0.1
_MENTIONED: Final = 0.001
"""Share of an area outside the imagery from which a note says so."""


def plans_of(
    area: Area | None,
    spec: ImagerySpec,
    *,
    step: int = DEFAULT_STEP,
    block: int = DEFAULT_BLOCK,
    cancel: Event | None = None,
) -> tuple[Plan, ...]:
    """Plan the map of an area.

    Args:
        area: the area; None for all of the imagery.
        spec: the imagery.
        step: pixels from window to window, a multiple of 8.
        block: side of a block in pixels.
        cancel: set to stop.

    Returns:
        A plan for each CRS. In a UTM zone the corner is on the lattice of 240 m, so that maps of
        several dates have the same pixels.

    Raises:
        BadInput: the area does not overlap the imagery, is too large or smaller than a cell, or
            step or block are out of range.
        LandcoverError: the imagery cannot be opened.
        Cancelled: the user stopped it.
    """
    grids = spec.open(cancel=cancel).grids
    covers = [ground_of(grid) for grid in grids]
    strips = _strips(grids)
    plans, tiny = [], False
    for grid, ground, strip in zip(grids, covers, strips, strict=True):
        wanted = ground if area is None else area.geometry
        if strip is not None:
            wanted = shapely.intersection(wanted, strip)
        if area is None and strip is None:
            shape = box_of(grid)
        else:
            shape = _in_crs(shapely.intersection(wanted, _around(ground)), grid)
        if shape.is_empty or not shape.area > 0:
            continue
        # The window reaches beyond the shape, up to the lines of the lattice.
        window = _snapped(grid, shape.bounds)
        _check_size(window)
        found = plan(window, step=step, block=block, outline=shapely.to_wkb(shape), even=True)
        if found.is_empty:
            tiny = True
        else:
            plans.append(found)
    if tiny and not plans:
        raise BadInput(
            "The area, or its part within the imagery, holds the centre of no cell of 80 m: give "
            "a larger one."
        )
    if not plans:
        raise _elsewhere(area, covers)
    return tuple(plans)


def notes_of(
    area: Area | None, spec: ImagerySpec, *, cancel: Event | None = None
) -> tuple[str, ...]:
    """What a reader of a map of an area has to know: what was repaired, and what is not mapped.

    Args:
        area: the area; None for all of the imagery.
        spec: the imagery.
        cancel: set to stop.

    Raises:
        LandcoverError: the imagery cannot be opened.
        Cancelled: the user stopped it.
    """
    if area is None:
        return ()
    covers = [ground_of(grid) for grid in spec.open(cancel=cancel).grids]
    beyond = shapely.difference(area.geometry, shapely.union_all(covers))
    km2 = replace(area, wkb=shapely.to_wkb(beyond)).km2
    share = km2 / area.km2
    if share < _MENTIONED:
        return area.notes
    return (
        *area.notes,
        f"{share:.1%} of the area ({km2:,.2f} km²) lies outside the imagery and is not mapped.",
    )


def _around(ground: BaseGeometry) -> BaseGeometry:
    """The ground with a margin; what is farther away may not exist in the grid's CRS."""
    return shapely.buffer(ground, _MARGIN_DEG)


def _strips(grids: Sequence[Window]) -> list[BaseGeometry | None]:
    """The part of the Earth that each grid maps; None for the only one, which maps all of it."""
    if len(grids) == 1:
        return [None]
    zones = [grid.crs for grid in grids]
    return [zone_strip(zone, among=zones) for zone in zones]


def _in_crs(shape: BaseGeometry, grid: Window) -> BaseGeometry:
    """An area in the CRS of a grid, cut at the grid's edges."""

    def convert(pairs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        xs, ys = project(WGS84, grid.crs, pairs[:, 0].tolist(), pairs[:, 1].tolist())
        return np.column_stack([xs, ys])

    polygons = [one for one in shapely.get_parts(shape) if one.geom_type.endswith("Polygon")]
    try:
        there = [shapely.transform(shapely.segmentize(one, _EDGE_DEG), convert) for one in polygons]
    except OffEarth:
        raise BadInput(
            f"The area reaches to where {grid.crs[:40]}, the coordinate reference system of the "
            "imagery, does not exist: give the part near the imagery."
        ) from None
    valid = [shapely.make_valid(one) for one in there]
    found = shapely.intersection(shapely.union_all(valid), box_of(grid))
    parts = [one for one in shapely.get_parts(found) if one.geom_type == "Polygon"]
    return shapely.union_all(parts)


def _snapped(grid: Window, bounds: tuple[float, float, float, float]) -> Window:
    """The window of the grid's pixels that contains the bounds, with its corner on the lattice."""
    west, south, east, north = bounds
    ((top, left), (bottom, right)) = grid.pixels_of([west, east], [north, south])
    row, col = math.floor(top + 1e-6), math.floor(left + 1e-6)
    up, back = row % ALIGN, col % ALIGN
    if is_utm(grid.crs) and not (grid.west % PIXEL_M or grid.north % PIXEL_M):
        corner = grid.part(row, col, 1, 1)
        base = SOUTHERN_FALSE_NORTHING_M if grid.crs.startswith("EPSG:327") else 0
        back = round(corner.west % _LATTICE_M) // PIXEL_M
        up = round((base - corner.north) % _LATTICE_M) // PIXEL_M
    row, col = row - up, col - back
    return grid.part(row, col, math.ceil(bottom - 1e-6) - row, math.ceil(right - 1e-6) - col)


def _check_size(window: Window) -> None:
    """Check that a rectangle is not larger than what one job maps."""
    km2 = window.width * window.height * (PIXEL_M / 1000) ** 2
    most = limits.current().area_km2
    if km2 > most:
        size = window.width * window.height * 12 * 2
        raise BadInput(
            f"The area lies in a rectangle of {km2:,.0f} km², whose imagery has {size / 1e9:,.0f} "
            f"GB, more than the {most:,} km² of one map: map it in parts."
        )


def _elsewhere(area: Area | None, covers: Sequence[BaseGeometry]) -> BadInput:
    whole = shapely.union_all(list(covers))
    west, south, east, north = whole.bounds
    there = f"{place_text(south, west)} to {place_text(north, east)}"
    where = "" if area is None else f" ({area.where})"
    remedy = "give an area inside it, or other imagery"
    if area is not None:
        exchanged = shapely.transform(area.geometry, lambda pairs: pairs[:, ::-1])
        if shapely.intersects(exchanged, whole):
            remedy = "its latitudes and longitudes seem to be exchanged, so give longitudes first"
    return BadInput(f"The area{where} does not overlap the imagery ({there}): {remedy}.")
