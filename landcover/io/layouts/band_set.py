"""Sets of band files: a GeoTIFF or JPEG 2000 file for each band, recognised by their names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from landcover.core import untrusted_json
from landcover.core.bands import BANDS, L1C_BAND_NAMES
from landcover.core.errors import BadInput
from landcover.io.band_names import band_of
from landcover.io.layouts.header import SUFFIXES
from landcover.io.layouts.tree import Tree, join, name_of

__all__ = [
    "APPLIED",
    "FEW",
    "LEAST",
    "MAX_JSON_BYTES",
    "MAX_JSON_FILES",
    "RESOLUTIONS",
    "BandFile",
    "BandSet",
    "band_file",
    "item_next_to",
    "sets_in",
]

FEW: Final = 6
"""Minimum number of bands of an incomplete set; fewer band files are not taken for a set."""
LEAST: Final = frozenset({"B02", "B03", "B04"})
"""Bands that are a set however few there are: all models need them."""
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
        folder: path of the folder in its tree.
        place: name of the folder.
        scene: the common part of their names.
        files: asset key → name of the file, one for each band.
        names: of all files of the scene, also those at other resolutions and unused ones.
    """

    folder: str
    place: str
    scene: str
    files: dict[str, str] = field(default_factory=dict)
    names: frozenset[str] = frozenset()

    @property
    def bands(self) -> list[str]:
        """Its bands, in the standard order."""
        return [band for band in L1C_BAND_NAMES if band in self.files]

    @property
    def name(self) -> str:
        """Its name: the common name of its files, else of the folder."""
        return self.scene if any(c.isdigit() for c in self.scene) else self.place


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


def sets_in(tree: Tree, folder: str, names: Iterable[str]) -> list[BandSet]:
    """Find the sets of band files in a folder: six bands, or at least blue, green and red.

    If a band exists at several resolutions, the native one is used.

    Args:
        tree: contains the folder.
        folder: its path in the tree.
        names: of its files.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)
    everything: dict[str, set[str]] = defaultdict(set)
    for name in sorted(names, key=lambda name: (not _is_native(name), name)):
        file = band_file(name)
        if file is None:
            continue
        everything[file.scene].add(name)
        if file.key is not None:
            found[file.scene].setdefault(file.key, name)
    sets = [
        BandSet(
            folder=folder,
            place=name_of(tree, folder),
            scene=scene,
            files=files,
            names=frozenset(everything[scene]),
        )
        for scene, files in found.items()
    ]
    return [one for one in sets if len(one.bands) >= FEW or set(one.bands) >= LEAST]


def _is_native(name: str) -> bool:
    file = band_file(name)
    return file is not None and file.key is not None and file.metres == RESOLUTIONS[file.key]


def item_next_to(tree: Tree, files: BandSet) -> Mapping[str, Any]:
    """Properties of a STAC item of these files in the same folder, empty if there is none."""
    own = set(files.files.values())
    names = [name for name in tree.listing(files.folder).files if name.endswith(".json")]
    for name in names[:MAX_JSON_FILES]:
        try:
            item = untrusted_json.parse(tree.read(join(files.folder, name), MAX_JSON_BYTES))
        except (BadInput, ValueError):
            continue
        if not isinstance(item, dict) or item.get("type") != "Feature":
            continue
        assets, facts = item.get("assets"), item.get("properties")
        values = assets.values() if isinstance(assets, dict) else ()
        hrefs = [str(asset.get("href", "")) for asset in values if isinstance(asset, dict)]
        matches = item.get("id") in {files.name, files.place}
        matches = matches or bool(own & {PurePosixPath(href).name for href in hrefs})
        if matches and isinstance(facts, dict):
            return facts
    return {}
