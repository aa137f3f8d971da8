"""Real scenes for which labels should be withheld or come with a warning.

All are in the project's data folder (its README has sources and licences): cloud and haze
over Boadella in Catalonia, clear dates of the same place, Level-1C scenes labelled as
Level-2A, and other continents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS
from landcover.core.raster import Raster
from landcover.io import sources
from landcover.trust.bench.synthetic import Group, Kind

__all__ = [
    "BRIGHTER",
    "BRIGHTER_SHARE",
    "CLEAR",
    "CLOUDED",
    "CONTINENTS",
    "DENMARK",
    "NEAR",
    "NEW_ZEALAND",
    "STEP",
    "as_level_2a",
    "scene_groups",
    "windows",
]

STEP: Final = 60
"""Distance in pixels between windows of a scene: they overlap by half, so they are dependent."""
NEAR: Final = 48
"""The same for the small scenes of 224 pixels."""

CLOUDED: Final[dict[str, tuple[str, str]]] = {
    "cloud": ("2020-01-23", "2020-01-28"),
    "haze": ("2020-01-13", "2020-01-28"),
}
"""Group → its date, and a clear date for comparison."""
BRIGHTER: Final = 0.05
BRIGHTER_SHARE: Final = 0.2
"""A window is cloudy if a fifth of its pixels are brighter in B02 by ``BRIGHTER`` than on the
clear date, five or fifteen days later."""
CLEAR: Final = ("2020-09-14", "2021-07-21", "2022-03-08", "2022-06-01")
"""Clear dates of Boadella. Left out: 2020-01-28, after a flood with mud on the entire lake, and
2020-06-21 and 2021-06-26 with thin cloud."""
CONTINENTS: Final[dict[str, str]] = {"282D_485L_3_3": "Brazil", "38D_378R_2_3": "Kenya"}
"""TerraMind's places outside Europe; the third, 637U_59R_1_3, is in Denmark."""
DENMARK: Final = "637U_59R_1_3"
NEW_ZEALAND: Final = "20201002T221611_20201002T221610_T60HWB"


def scene_groups(folder: Path) -> tuple[Group, ...]:
    """Return the groups of a folder that contains ``boadella``, ``terramind``, ``copernicusfm``.

    Groups with missing files are left out.
    """
    boadella, terramind = folder / "boadella", folder / "terramind"
    level_1c = [terramind / "S2L1C" / f"{name}.tif" for name in (*CONTINENTS, DENMARK)]
    level_1c.append(folder / "copernicusfm" / f"{NEW_ZEALAND}.tif")
    elsewhere = [terramind / "S2L2A" / f"{name}.tif" for name in CONTINENTS]
    groups = [
        *(
            _group(
                [_boadella(boadella, date), _boadella(boadella, clear)],
                _clouded,
                name=name,
                title=f"{name} over Boadella on {date}",
                kind="bad",
                made_of=f"windows that are brighter than on {clear}",
            )
            for name, (date, clear) in CLOUDED.items()
        ),
        _group(
            level_1c,
            _each(NEAR, as_level_2a),
            name="level-1c",
            title="Level-1C without its band B10, labelled as Level-2A",
            kind="bad",
            made_of="windows of Brazil (offset not removed), Kenya, Denmark and New Zealand",
        ),
        _group(
            elsewhere,
            _each(NEAR),
            name="other-continents",
            title="other continents, Level-2A",
            kind="elsewhere",
            made_of="windows of Brazil and Kenya",
        ),
        _group(
            [_boadella(boadella, date) for date in CLEAR],
            _each(STEP),
            name="clear-boadella",
            title="Boadella on four clear dates",
            kind="good",
            made_of="windows, Catalonia, outside the ten countries",
        ),
        _group(
            [terramind / "S2L2A" / f"{DENMARK}.tif"],
            _each(NEAR),
            name="clear-denmark",
            title="Denmark, Level-2A",
            kind="good",
            made_of="windows, outside the ten countries",
        ),
    ]
    return tuple(group for group in groups if group is not None)


def windows(scene: Raster, step: int) -> Iterator[Raster]:
    """Iterate over the 1200 m windows of a scene without gaps, ``step`` pixels apart."""
    for row in range(0, scene.height - PATCH_PIXELS + 1, step):
        for col in range(0, scene.width - PATCH_PIXELS + 1, step):
            patch = scene.window(row, col, PATCH_PIXELS)
            if patch.valid.all():
                yield patch


def as_level_2a(patch: Raster) -> Raster:
    """Convert a Level-1C patch to one that is wrongly labelled as Level-2A."""
    order = [patch.bands.index(name) for name in BAND_NAMES]
    return replace(
        patch,
        data=patch.data[order],
        bands=BAND_NAMES,
        provenance=replace(patch.provenance, level="L2A"),
    )


def _group(
    paths: list[Path],
    cut: Callable[[list[Raster]], Iterator[Raster]],
    *,
    name: str,
    title: str,
    kind: Kind,
    made_of: str,
) -> Group | None:
    if not all(path.is_file() for path in paths):
        return None
    return Group(
        name=name,
        title=title,
        kind=kind,
        real=True,
        made_of=made_of,
        patches=lambda: cut([_read(path) for path in paths]),
    )


def _boadella(folder: Path, date: str) -> Path:
    return folder / f"Boadella_{date}.tif"


def _read(path: Path) -> Raster:
    return sources.read(path)


def _each(
    step: int, change: Callable[[Raster], Raster] = lambda patch: patch
) -> Callable[[list[Raster]], Iterator[Raster]]:
    def cut(scenes: list[Raster]) -> Iterator[Raster]:
        for scene in scenes:
            yield from windows(change(scene), step)

    return cut


def _clouded(scenes: list[Raster]) -> Iterator[Raster]:
    scene, clear = scenes
    for patch, below in zip(windows(scene, STEP), windows(clear, STEP), strict=True):
        brighter = patch.band("B02") - below.band("B02") > BRIGHTER
        if float(np.mean(brighter)) >= BRIGHTER_SHARE:
            yield patch
