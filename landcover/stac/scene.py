"""A granule of an archive as validated values, made from an untrusted STAC item."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput, FetchError
from landcover.net.hosts import allowed, host_of
from landcover.stac.archives import Catalogue
from landcover.stac.harmonise import Claims
from landcover.stac.outline import rings_of, shape_of_rings

__all__ = ["EXTRAS", "Layout", "Scene", "local_scene", "of_level", "scene_of"]

Layout = Literal["bands", "patch", "stack"]
"""One file per band; the files of a BigEarthNet patch; one file with all bands."""

_UTM: Final = re.compile(r"^(?:EPSG:)?(32[67](?:0[1-9]|[1-5][0-9]|60))$")
_BASELINE: Final = re.compile(r"^[0-9]{2}\.[0-9]{2}$")
_TILE: Final = re.compile(r"(?<![A-Z0-9])(?:MGRS-|T)?([0-9]{2}[C-X][A-Z]{2})(?![A-Z0-9])")
_PLAIN: Final = re.compile(r"[^\w.+:\-]")

EXTRAS: Final = frozenset({"SCL", "visual", "TCI"})
"""Assets that a scene can lack: the scene classification and pictures for display."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A granule: its footprint, sensing time and the addresses of its bands.

    Attributes:
        id: id of the item.
        catalogue: name of the archive, or path of the user's own catalogue.
        acquired: sensing time, UTC.
        footprint: GeoJSON geometry of the pixels with data, WGS 84 degrees.
        bands: band → address of its file; for a stack, ``"stack"`` → address of the file.
        crs: UTM zone of its pixels as ``"EPSG:326xx"`` or ``"EPSG:327xx"``, if stated.
        scl: address of the scene classification.
        visual: address of a true-colour image.
        level: ``"L2A"`` or ``"L1C"``.
        platform: such as ``"Sentinel-2A"``.
        tile: MGRS tile, such as ``"33UUP"``.
        cloud: cloud fraction of the entire scene, 0 to 1, as its metadata states it.
        claims: what the metadata states about the offset.
        layout: layout of its files.
    """

    id: str
    catalogue: str
    acquired: datetime
    footprint: Mapping[str, Any] = field(hash=False)
    bands: Mapping[str, str] = field(hash=False)
    crs: str | None = None
    scl: str | None = None
    visual: str | None = None
    level: Literal["L2A", "L1C"] = "L2A"
    platform: str | None = None
    tile: str | None = None
    cloud: float | None = None
    claims: Claims = field(default_factory=Claims)
    layout: Layout = "bands"

    @property
    def baseline(self) -> str | None:
        """ESA's processing baseline, such as ``"05.10"``."""
        return self.claims.baseline


def scene_of(item: object, row: Catalogue) -> Scene:
    """Make a scene from an item of an archive.

    Args:
        item: decoded JSON, not validated.
        row: the archive it came from.

    Raises:
        FetchError: it has no id, time or footprint, lacks a band, or has an address on a host
            that is not the archive's.
    """
    found = _Item(item, row.title)
    assets = found.mapping("assets")
    bands = {band: found.href(assets, key, row) for band, key in row.assets.items()}
    if missing := [band for band, href in bands.items() if href is None]:
        raise FetchError(
            f"Scene '{found.id}' of {row.title} lacks the bands {', '.join(missing)}: "
            "choose another date."
        )
    return Scene(
        id=found.id,
        catalogue=row.name,
        acquired=found.acquired(),
        footprint=found.footprint(),
        bands={band: href for band, href in bands.items() if href is not None},
        crs=found.crs(assets.get(row.assets["B02"])),
        scl=found.href(assets, row.scl, row),
        visual=found.href(assets, row.visual, row) if row.visual else None,
        level=found.level(),
        platform=found.platform(),
        tile=found.tile(),
        cloud=found.cloud(),
        claims=Claims(
            baseline=found.baseline(), applied=found.flag("earthsearch:boa_offset_applied")
        ),
    )


def local_scene(item: object, catalogue: str) -> Scene:
    """Make a scene from an item of the user's own catalogue.

    Its addresses are paths that :mod:`landcover.stac.local_catalog` has validated.

    Raises:
        FetchError: as for :func:`scene_of`.
    """
    found = _Item(item, "your catalogue")
    layout = found.properties.get("landcover:layout")
    if layout not in ("bands", "patch", "stack"):
        raise FetchError(f"Scene '{found.id}' of your catalogue has no layout: index it again.")
    assets = found.mapping("assets")
    needed = ("stack",) if layout == "stack" else BAND_NAMES
    paths = {key: path for key, asset in assets.items() if (path := found.path(asset))}
    if missing := [key for key in needed if key not in paths]:
        raise FetchError(
            f"Scene '{found.id}' of your catalogue lacks the file{'s' * (len(missing) > 1)} "
            f"{', '.join(missing)}: index its folder again."
        )
    stated = found.properties.get("landcover:offset")
    known = not isinstance(stated, bool) and stated in (0, -1000)
    return Scene(
        id=found.id,
        catalogue=catalogue,
        acquired=found.acquired(),
        footprint=found.footprint(),
        bands={key: path for key, path in paths.items() if key not in EXTRAS},
        crs=found.crs(None),
        scl=paths.get("SCL"),
        visual=paths.get("visual"),
        level=found.level(),
        platform=found.platform(),
        tile=found.tile(),
        cloud=found.cloud(),
        claims=Claims(baseline=found.baseline(), stated=int(stated) if known else None),  # type: ignore[arg-type]
        layout=layout,
    )


class _Item:
    """Reads a decoded JSON value and reports in one sentence what is missing."""

    def __init__(self, item: object, title: str) -> None:
        self._title = title
        self._raw: Mapping[str, Any] = item if isinstance(item, dict) else {}
        name = self._raw.get("id")
        if not isinstance(name, str) or not name.strip():
            raise FetchError(
                f"{title} answered with something that is not a scene: try again later, or choose "
                "another catalogue."
            )
        self.id = _PLAIN.sub("_", name.strip())[:120]
        self.properties = self.mapping("properties")

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self._raw.get(name)
        return value if isinstance(value, dict) else {}

    def _text(self, *names: str) -> str | None:
        for name in names:
            value = self.properties.get(name)
            if isinstance(value, str) and value.strip():
                return _PLAIN.sub("_", value.strip())[:120]
        return None

    def flag(self, name: str) -> bool | None:
        value = self.properties.get(name)
        return value if isinstance(value, bool) else None

    def acquired(self) -> datetime:
        for name in ("datetime", "start_datetime"):
            value = self.properties.get(name)
            if isinstance(value, str):
                try:
                    when = datetime.fromisoformat(value[:40])
                    return when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)
                except (ValueError, OverflowError):
                    continue
        raise FetchError(f"Scene '{self.id}' of {self._title} has no time: choose another date.")

    def footprint(self) -> Mapping[str, Any]:
        shape = self._raw.get("geometry")
        if isinstance(shape, dict) and shape.get("type") in ("Polygon", "MultiPolygon"):
            try:
                rings = rings_of(shape)
                if rings:
                    shape_of_rings(rings)
                    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}
            except ValueError as why:
                raise FetchError(
                    f"Scene '{self.id}' of {self._title} {why}: choose another date."
                ) from None
        raise FetchError(
            f"Scene '{self.id}' of {self._title} has no footprint: choose another date."
        )

    def crs(self, asset: object) -> str | None:
        places = [self.properties, asset if isinstance(asset, dict) else {}]
        for place in places:
            for name in ("proj:code", "proj:epsg"):
                value = place.get(name)
                match = _UTM.match(str(value)) if isinstance(value, str | int) else None
                if match:
                    return f"EPSG:{match.group(1)}"
        tile = self.tile()
        if tile:
            return f"EPSG:{'326' if tile[2] >= 'N' else '327'}{tile[:2]}"
        return None

    def level(self) -> Literal["L2A", "L1C"]:
        said = " ".join(
            self._text(name) or ""
            for name in ("landcover:level", "s2:product_type", "product:type", "processing:level")
        )
        return "L1C" if "1C" in said.upper() or "_MSIL1C_" in self.id else "L2A"

    def platform(self) -> str | None:
        text = self._text("platform")
        return text.capitalize()[:-1] + text[-1].upper() if text else None

    def tile(self) -> str | None:
        number = self.properties.get("mgrs:utm_zone")
        if isinstance(number, int) and not isinstance(number, bool):
            pieces = (self._text("mgrs:latitude_band"), self._text("mgrs:grid_square"))
            text = f"{number:02d}{''.join(piece or '' for piece in pieces)}"
        else:
            text = self._text("grid:code", "s2:mgrs_tile") or self.id
        match = _TILE.search(text.upper().replace("_", " "))
        return match.group(1) if match and 1 <= int(match.group(1)[:2]) <= 60 else None

    def cloud(self) -> float | None:
        value = self.properties.get("eo:cloud_cover")
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) / 100 if 0 <= value <= 100 else None

    def baseline(self) -> str | None:
        text = self._text("s2:processing_baseline", "processing:version")
        match = _BASELINE.match(text or "")
        return match.group(0) if match else None

    def href(self, assets: Mapping[str, Any], key: str, row: Catalogue) -> str | None:
        """The first address of an asset on one of the archive's hosts."""
        asset = assets.get(key)
        if not isinstance(asset, dict):
            return None
        offered = [asset.get("href")]
        alternates = asset.get("alternate")
        if isinstance(alternates, dict):
            offered += [
                other.get("href") for other in alternates.values() if isinstance(other, dict)
            ]
        texts = [text for text in offered if isinstance(text, str) and len(text) <= 2000]
        in_s3 = row.signing == "copernicus"
        for text in texts:
            if allowed(text, row.hosts) or (in_s3 and text.startswith("s3://eodata/")):
                return text
        if texts:
            raise FetchError(
                f"Scene '{self.id}' of {self._title} points to "
                f"'{host_of(texts[0])}', which is not one of the hosts "
                "of that archive: choose another date or catalogue."
            )
        return None

    def path(self, asset: object) -> str | None:
        value = asset.get("href") if isinstance(asset, dict) else None
        return value if isinstance(value, str) and value and "\0" not in value else None


def of_level(scenes: list[Scene], level: str) -> list[Scene]:
    """The scenes of one product level.

    Raises:
        BadInput: all scenes are of another level.
    """
    kept = [scene for scene in scenes if scene.level == level]
    if scenes and not kept:
        other = scenes[0].level
        raise BadInput(
            f"The catalogue has only {other} scenes of this place, and the model was made for "
            f"{level}: choose another catalogue or other dates."
        )
    return kept
