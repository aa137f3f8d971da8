"""Indexing stacks: Level-2A or Level-1C bands in one file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import BadInput
from landcover.core.window import Cut
from landcover.io import sources
from landcover.io.band_order import BandOrder, order_of
from landcover.io.headers import header
from landcover.io.layouts.header import grid_of
from landcover.io.layouts.metadata import DN_OFFSET, date_of, platform_in, real_baseline
from landcover.io.regrid import target_of, window_of
from landcover.io.scaling import PLAIN, SHIFTED, Scaling
from landcover.io.stack_header import Facts, check_kind, facts_of, stated_scaling
from landcover.stac.layouts.footprint import place_of
from landcover.stac.layouts.found_scene import FoundScene

__all__ = ["KEY", "read_stack"]

KEY: Final = "stack"
"""Key of the only asset of a stack."""

_STATED: Final[dict[Scaling, tuple[int, str]]] = {
    PLAIN: (0, "the file's own scale and offset"),
    SHIFTED: (DN_OFFSET, "the file's own scale and offset"),
}


def read_stack(path: Path, date: datetime | None) -> FoundScene:
    """Read a stack from its header.

    Args:
        path: the file.
        date: sensing time (UTC) if neither tags nor name state it.

    Raises:
        BadInput: it is not such a stack, is too small to be classified, or has no date.
    """
    with header(path) as raster:
        check_kind(raster)
        order = order_of(raster)
        stated = stated_scaling(raster, order)
        target_of(window_of(raster)).check_size()
        facts = facts_of(raster, path.name)
        footprint, epsg = place_of(raster, path.name)
        grid = grid_of(raster)
    baseline = real_baseline(facts.baseline)
    acquired, acquired_from = _dated(facts, date, path.name)
    offset, offset_from = _offset(stated, facts, baseline)
    return FoundScene(
        name=path.stem,
        layout="stack",
        level=_level(path, order, facts),
        acquired=acquired,
        acquired_from=acquired_from,
        files={KEY: path},
        footprint=footprint,
        epsg=epsg,
        offset=offset,
        offset_from=offset_from,
        baseline=baseline,
        platform=platform_in(path.stem),
        grids={KEY: grid},
    )


def _level(path: Path, order: BandOrder, facts: Facts) -> Literal["L1C", "L2A"]:
    """The level that the file states; if it only has a band B10, a part of its pixels decides."""
    level = facts.level
    if level is None and "B10" in order.bands:
        try:
            level = sources.read(path, Cut(size=PATCH_PIXELS)).level
        except BadInput:
            level = "L1C"
    return "L1C" if level == "L1C" else "L2A"


def _dated(facts: Facts, given: datetime | None, name: str) -> tuple[datetime, str]:
    if facts.acquired is None:
        return date_of([], given, name)
    # A note means that the date is the file's time stamp, which is when it was written.
    if not facts.notes:
        return facts.acquired, "the file's tags or name"
    if given is not None:
        return date_of([], given, name)
    return facts.acquired, facts.notes[0]


def _offset(stated: Scaling | None, facts: Facts, baseline: str | None) -> tuple[int | None, str]:
    if stated is not None:
        return _STATED.get(stated, (0, "the file's own scale and offset"))
    if facts.offset_stated:
        return DN_OFFSET, "the file's tags"
    if baseline is None:
        return None, "nothing states an offset or a processing baseline"
    # Unlike ESA's files, a stack was exported by other software, which may have removed it.
    return None, f"processing baseline {baseline}, but nothing states what the export did"
