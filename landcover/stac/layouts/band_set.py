"""Sets of band files: a GeoTIFF or JPEG 2000 file for each band on its native grid."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

from rasterio.crs import CRS

from landcover.core.bands import BAND_NAMES, BANDS, L1C_BAND_NAMES
from landcover.core.errors import BadInput
from landcover.io.guard import read_file, shown
from landcover.io.names import band_of, baseline_in, level_in, time_in
from landcover.stac.layouts.footprint import Polygons
from landcover.stac.layouts.found_scene import FoundScene, Grid
from landcover.stac.layouts.header import grid_of, header, place_of
from landcover.stac.layouts.metadata import (
    by_baseline,
    date_of,
    percent,
    platform_in,
    real_baseline,
)

__all__ = [
    "APPLIED",
    "FEW",
    "MAX_JSON_BYTES",
    "MAX_JSON_FILES",
    "RESOLUTIONS",
    "SUFFIXES",
    "BandFile",
    "BandSet",
    "band_file",
    "item_next_to",
    "read_set",
    "sets_in",
]

SUFFIXES: Final = (".tif", ".tiff", ".jp2")
FEW: Final = 6
"""Minimum number of bands of an incomplete set; fewer band files are not taken for a set."""
MAX_JSON_BYTES: Final = 2_000_000
MAX_JSON_FILES: Final = 20
APPLIED: Final = "earthsearch:boa_offset_applied"
"""Earth Search's flag; it is wrong for some items of 2022 (Element84/earth-search#66)."""

RESOLUTIONS: Final[Mapping[str, int]] = {
    **{band.name: band.resolution_m for band in BANDS},
    "B10": 60,
    "SCL": 20,
    "visual": 10,
}
"""Asset key → side of a pixel on the native grid in metres."""

_OTHERS: Final = {"scl": "SCL", "tci": "visual", "visual": "visual"}
"""Words in names of files that are not bands → asset key."""
_UNUSED: Final = frozenset({"aot", "wvp", "cld", "snw", "pvi", "preview", "thumbnail"})
"""Words in names of other files that ESA and others put next to the bands."""
_RESOLUTION: Final = re.compile(r"(?<![A-Za-z0-9])(10|20|60)m$", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True, kw_only=True)
class BandFile:
    """What the name of a file tells about its role in a set.

    Attributes:
        scene: the rest of the name, which the files of a scene share.
        key: its asset key, None for a file next to the bands.
        metres: side of a pixel, if the name states it.
    """

    scene: str
    key: str | None
    metres: int | None


@dataclass(kw_only=True)
class BandSet:
    """The files of one folder that belong to one scene.

    Attributes:
        folder: that contains them.
        scene: the common part of their names.
        files: asset key → file, one for each band.
        names: of all files of the scene, also those at other resolutions and unused ones.
    """

    folder: Path
    scene: str
    files: dict[str, Path] = field(default_factory=dict)
    names: frozenset[str] = frozenset()

    @property
    def bands(self) -> list[str]:
        """Its bands, in the standard order."""
        return [band for band in L1C_BAND_NAMES if band in self.files]

    @property
    def name(self) -> str:
        """Its name: the common name of its files, else of the folder."""
        return self.scene if any(c.isdigit() for c in self.scene) else self.folder.name


def band_file(name: str) -> BandFile | None:
    """Parse names such as ``T33UUP_20170613T101031_B02_10m.jp2``, ``B02.tif`` or ``blue.tif``."""
    path = Path(name)
    if path.suffix.lower() not in SUFFIXES:
        return None
    resolution = _RESOLUTION.search(path.stem)
    stem = path.stem[: resolution.start()].rstrip("_-. ") if resolution else path.stem
    for word in reversed(list(_WORD.finditer(stem))):
        plain = word.group().lower()
        key = _OTHERS.get(plain) or band_of(plain)
        if key is not None or plain in _UNUSED:
            scene = f"{stem[: word.start()]}{stem[word.end() :]}".strip("_-. ")
            return BandFile(
                scene=scene, key=key, metres=int(resolution.group(1)) if resolution else None
            )
    return None


def sets_in(folder: Path, names: Iterable[str]) -> list[BandSet]:
    """Find the sets of at least :data:`FEW` bands among the files of a folder.

    If a band exists at several resolutions, the native one is used.
    """
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    everything: dict[str, set[str]] = defaultdict(set)
    for name in sorted(names, key=lambda name: (not _is_native(name), name)):
        file = band_file(name)
        if file is None:
            continue
        everything[file.scene].add(name)
        if file.key is not None:
            found[file.scene].setdefault(file.key, folder / name)
    sets = [
        BandSet(folder=folder, scene=scene, files=files, names=frozenset(everything[scene]))
        for scene, files in found.items()
    ]
    return [one for one in sets if len(one.bands) >= FEW]


def _is_native(name: str) -> bool:
    file = band_file(name)
    return file is not None and file.key is not None and file.metres == RESOLUTIONS[file.key]


def read_set(files: BandSet, date: datetime | None) -> FoundScene:
    """Read a scene from the headers of its band files and a STAC item next to them.

    Args:
        files: a set found by :func:`sets_in`.
        date: sensing time (UTC) if neither item nor names state it.

    Raises:
        BadInput: a band is missing, damaged or not on its native grid, or there is no date.
    """
    if missing := [band for band in BAND_NAMES if band not in files.files]:
        raise BadInput(
            f"'{shown(files.name)}' lacks the band{'s' * (len(missing) > 1)} "
            f"{', '.join(missing)}: add the file{'s' * (len(missing) > 1)}."
        )
    grids, (footprint, epsg) = _grids(files)
    names = [files.scene, files.folder.name, files.folder.parent.name]
    facts = item_next_to(files)
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
        files=files.files,
        footprint=footprint,
        epsg=epsg,
        offset=offset,
        offset_from=offset_from,
        baseline=baseline,
        platform=_first(*map(platform_in, [facts.get("platform"), *names])),
        cloud=percent(facts.get("eo:cloud_cover")),
        grids=grids,
    )


def item_next_to(files: BandSet) -> Mapping[str, Any]:
    """Properties of a STAC item of these files in the same folder, empty if there is none."""
    own = {path.name for path in files.files.values()}
    for path in sorted(files.folder.glob("*.json"))[:MAX_JSON_FILES]:
        try:
            item = json.loads(read_file(path, MAX_JSON_BYTES))
        except (BadInput, ValueError, RecursionError):
            continue
        if not isinstance(item, dict) or item.get("type") != "Feature":
            continue
        assets, facts = item.get("assets"), item.get("properties")
        values = assets.values() if isinstance(assets, dict) else ()
        hrefs = [str(asset.get("href", "")) for asset in values if isinstance(asset, dict)]
        matches = item.get("id") in {files.name, files.folder.name}
        matches = matches or bool(own & {PurePosixPath(href).name for href in hrefs})
        if matches and isinstance(facts, dict):
            return facts
    return {}


def _grids(files: BandSet) -> tuple[dict[str, Grid], tuple[Polygons, int | None]]:
    """Grids by asset key, and the footprint and EPSG code that they share.

    Raises:
        BadInput: a file is damaged, not on its native grid, or covers another place.
    """
    grids: dict[str, Grid] = {}
    corners: set[tuple[CRS, float, float]] = set()
    place: tuple[Polygons, int | None] | None = None
    for key, path in files.files.items():
        with header(path) as raster:
            grids[key] = grid_of(raster)
            place = place or place_of(raster, path.name)
            _check_native(grids[key], key, path.name)
            corners.add((raster.crs, *grids[key].transform[2::3]))
        if len(corners) > 1:
            raise BadInput(
                f"'{shown(path.name)}' covers another place than other bands of "
                f"'{shown(files.name)}': give the files of one tile only."
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
