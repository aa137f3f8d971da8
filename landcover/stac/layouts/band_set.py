"""Indexing sets of band files: from their headers and a STAC item next to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from rasterio.crs import CRS

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput
from landcover.io.guard import shown
from landcover.io.headers import header
from landcover.io.layouts.band_set import APPLIED, RESOLUTIONS, BandSet, item_next_to
from landcover.io.layouts.header import Grid, grid_of
from landcover.io.layouts.metadata import (
    by_baseline,
    date_of,
    percent,
    platform_in,
    real_baseline,
)
from landcover.io.layouts.tree import Disk
from landcover.io.names import baseline_in, level_in, time_in
from landcover.stac.layouts.footprint import Polygons, place_of
from landcover.stac.layouts.found_scene import FoundScene

__all__ = ["read_set"]


def read_set(disk: Disk, files: BandSet, date: datetime | None) -> FoundScene:
    """Read a scene from the headers of its band files and a STAC item next to them.

    Args:
        disk: contains the files.
        files: a set found by :func:`landcover.io.layouts.band_set.sets_in`.
        date: sensing time (UTC) if neither item nor names state it.

    Raises:
        BadInput: a band is missing, damaged or not on its native grid, or there is no date.
    """
    if missing := [band for band in BAND_NAMES if band not in files.files]:
        raise BadInput(
            f"'{shown(files.name)}' lacks the band{'s' * (len(missing) > 1)} "
            f"{', '.join(missing)}: add the file{'s' * (len(missing) > 1)}."
        )
    folder = disk.path(files.folder)
    paths = {key: folder / name for key, name in files.files.items()}
    grids, (footprint, epsg) = _grids(files.name, paths)
    names = [files.scene, files.place, folder.parent.name]
    facts = item_next_to(disk, files)
    stated = str(facts.get("datetime"))
    acquired, dated = date_of([stated, *names], date, files.name)
    baseline = _first(real_baseline(facts.get("s2:processing_baseline")), *map(_baseline, names))
    offset, offset_from = by_baseline(baseline)
    if facts.get(APPLIED) is True:
        offset, offset_from = 0, f"{APPLIED} in the item next to it"
    levels = [level_in(str(facts.get("s2:product_type", ""))), *map(level_in, names)]
    cirrus = "B10" in files.files
    return FoundScene(
        name=files.name,
        layout="bands",
        level="L1C" if cirrus or _first(*levels) == "L1C" else "L2A",
        acquired=acquired,
        acquired_from="the item next to it" if time_in(stated) else dated,
        files=paths,
        footprint=footprint,
        epsg=epsg,
        offset=offset,
        offset_from=offset_from,
        baseline=baseline,
        platform=_first(*map(platform_in, [facts.get("platform"), *names])),
        cloud=percent(facts.get("eo:cloud_cover")),
        grids=grids,
    )


def _grids(
    scene: str, files: Mapping[str, Path]
) -> tuple[dict[str, Grid], tuple[Polygons, int | None]]:
    """Grids by asset key, and the footprint and EPSG code that they share.

    Raises:
        BadInput: a file is damaged, not on its native grid, or covers another place.
    """
    grids: dict[str, Grid] = {}
    corners: set[tuple[CRS, float, float]] = set()
    place: tuple[Polygons, int | None] | None = None
    for key, path in files.items():
        with header(path) as raster:
            grids[key] = grid_of(raster)
            place = place or place_of(raster, path.name)
            _check_native(grids[key], key, path.name)
            corners.add((raster.crs, *grids[key].transform[2::3]))
        if len(corners) > 1:
            raise BadInput(
                f"'{shown(path.name)}' covers another place than other bands of "
                f"'{shown(scene)}': give the files of one tile only."
            )
    assert place is not None
    return grids, place


def _check_native(grid: Grid, key: str, name: str) -> None:
    a, b, _, d, e, _ = grid.transform
    native = RESOLUTIONS[key]
    if (a, b, d, e) != (native, 0, 0, -native):
        raise BadInput(
            f"'{shown(name)}' has pixels of {abs(a):g}, not a north-up grid of {native} m: "
            "give each band on its native grid, or all bands in one stack."
        )


def _baseline(name: str) -> str | None:
    return real_baseline(baseline_in(f"_{name}_"))


def _first(*values: str | None) -> str | None:
    return next((value for value in values if value is not None), None)
