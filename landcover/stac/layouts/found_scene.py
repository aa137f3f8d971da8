"""A scene found on a disk, and its STAC item."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, Final, Literal

from landcover.core.errors import BadInput
from landcover.io.guard import shown
from landcover.io.layouts.header import Grid
from landcover.stac.layouts.footprint import Polygons, bbox_of, geojson_of

__all__ = [
    "COLLECTION",
    "EXTENSIONS",
    "MEDIA_TYPES",
    "STAC_VERSION",
    "FoundScene",
    "Layout",
    "address",
    "is_odd",
    "stamp",
]

Layout = Literal["bands", "patch", "stack"]
"""One file per band on native grids; a BigEarthNet folder; all bands in one file."""

COLLECTION: Final = "local"
STAC_VERSION: Final = "1.1.0"
EXTENSIONS: Final = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
)
MEDIA_TYPES: Final = {
    ".tif": "image/tiff; application=geotiff",
    ".tiff": "image/tiff; application=geotiff",
    ".jp2": "image/jp2",
}
"""Allowed suffixes of files in an index → media type."""
_ODD: Final = re.compile("[\\x00-\\x1f\\x7f\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundScene:
    """A scene on a disk.

    Attributes:
        name: name of the product, folder or file, which becomes the id of the item.
        layout: layout of its files.
        level: product level.
        acquired: sensing time (UTC).
        acquired_from: source of the sensing time.
        files: asset key (``B01`` … ``B12``, ``SCL``, ``visual``, or ``stack``) → file.
        footprint: outline of its data, in longitude and latitude.
        epsg: code of its CRS, None if it has none.
        offset: to add to the digital numbers of valid pixels, None if not known.
        offset_from: source of the offset.
        baseline: ESA's processing baseline, such as ``"05.09"``.
        platform: such as ``"sentinel-2a"``.
        cloud: cloud cover of the entire scene, 0 to 100 percent.
        grids: asset key → grid, for files whose grid is known without opening them.
    """

    name: str
    layout: Layout
    level: Literal["L2A", "L1C"]
    acquired: datetime
    acquired_from: str
    files: Mapping[str, Path]
    footprint: Polygons
    epsg: int | None
    offset: int | None
    offset_from: str
    baseline: str | None = None
    platform: str | None = None
    cloud: float | None = None
    grids: Mapping[str, Grid] = field(default_factory=dict)

    def item(self, base: Path) -> dict[str, Any]:
        """Convert to a STAC item with addresses relative to the folder ``base``.

        Raises:
            BadInput: there is no relative path from that folder to the files (another drive).
        """
        facts = {
            "datetime": stamp(self.acquired),
            "landcover:date_from": self.acquired_from,
            "landcover:level": self.level,
            "landcover:layout": self.layout,
            "landcover:offset": self.offset,
            "landcover:offset_from": self.offset_from,
            "proj:code": None if self.epsg is None else f"EPSG:{self.epsg}",
            "s2:processing_baseline": self.baseline,
            "platform": self.platform,
            "eo:cloud_cover": self.cloud,
        }
        may_be_null = {"landcover:offset"}
        return {
            "type": "Feature",
            "stac_version": STAC_VERSION,
            "stac_extensions": list(EXTENSIONS),
            "id": self.name,
            "collection": COLLECTION,
            "geometry": geojson_of(self.footprint),
            "bbox": list(bbox_of(self.footprint)),
            "properties": {k: v for k, v in facts.items() if v is not None or k in may_be_null},
            "links": [],
            "assets": {key: self._asset(key, path, base) for key, path in self.files.items()},
        }

    def _asset(self, key: str, path: Path, base: Path) -> dict[str, Any]:
        asset: dict[str, Any] = {
            "href": address(path, base),
            "type": MEDIA_TYPES[path.suffix.lower()],
            "roles": ["visual"] if key == "visual" else ["data"],
        }
        if (grid := self.grids.get(key)) is not None:
            asset["proj:shape"] = list(grid.shape)
            asset["proj:transform"] = [float(number) for number in grid.transform]
        return asset


def address(path: Path, base: Path) -> str:
    """Path of a file relative to a folder: ``./…`` or ``../…``, with ``/`` as separator.

    Raises:
        BadInput: there is no such path (another drive), or it contains control characters.
    """
    folder = _relative(path.parent, base)
    relative = "\0" if folder is None else f"{folder}/{path.name}".removeprefix("./")
    if is_odd(relative):
        raise BadInput(
            f"The file '{shown(path.name)}' has no path relative to the catalogue: "
            "write the catalogue on the same drive, and give files names that are plain text."
        )
    # Without the dot, a colon in a folder's name would look like the scheme of an address.
    return relative if relative.startswith("../") else f"./{relative}"


@lru_cache(maxsize=64)
def _relative(folder: Path, base: Path) -> str | None:
    try:
        return PurePath(os.path.relpath(folder, base)).as_posix()
    except ValueError:
        return None


def is_odd(path: str) -> bool:
    """Whether a path contains control characters or bytes that are not text."""
    return _ODD.search(path) is not None


def stamp(time: datetime) -> str:
    """Format a time for STAC: ``2020-01-23T10:10:31Z``, with milliseconds if it has any."""
    plain = time.astimezone(UTC)
    precision = "milliseconds" if plain.microsecond >= 1000 else "seconds"
    return plain.isoformat(timespec=precision).replace("+00:00", "Z")
