"""ESA's SAFE products of Level-2A and Level-1C, in the format since December 2016."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from landcover.core.bands import BAND_NAMES, L1C_BAND_NAMES, QUANTIFICATION
from landcover.core.errors import BadInput
from landcover.io.guard import read_file, shown
from landcover.io.names import time_in
from landcover.stac.layouts.band_set import RESOLUTIONS
from landcover.stac.layouts.footprint import (
    Polygons,
    crs_of,
    footprint_of_grid,
    footprint_of_points,
    pairs,
)
from landcover.stac.layouts.found_scene import FoundScene, Grid
from landcover.stac.layouts.metadata import (
    DN_OFFSET,
    by_baseline,
    percent,
    platform_in,
    real_baseline,
)

__all__ = [
    "MAX_XML_BYTES",
    "PRODUCT_FILES",
    "RESOLUTION_FOLDERS",
    "TILE_FILE",
    "Level",
    "product_file",
    "read_safe",
]

Level = Literal["L2A", "L1C"]

PRODUCT_FILES: Final[Mapping[str, Level]] = {"mtd_msil2a.xml": "L2A", "mtd_msil1c.xml": "L1C"}
"""Name of the product's metadata file in lower case → level."""
TILE_FILE: Final = "MTD_TL.xml"
MAX_XML_BYTES: Final = 20_000_000
"""Metadata of a tile has half a megabyte, that of a product a tenth of it."""
RESOLUTION_FOLDERS: Final = ("R10m", "R20m", "R60m")

_IMAGE: Final = re.compile(
    r"_(?P<what>B\d\d|B8A|SCL|TCI)(?:_(?P<metres>10|20|60)m)?\.(?:jp2|tiff?)$", re.IGNORECASE
)
_KEYS: Final = {"TCI": "visual"}
_OFFSETS: Final = ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")
_QUANTIFICATIONS: Final = ("BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE")


def product_file(names: Iterable[str]) -> str | None:
    """Name of the product's metadata file among the files of a folder, or None."""
    return next((name for name in sorted(names) if name.lower() in PRODUCT_FILES), None)


def read_safe(folder: Path, metadata: str) -> list[FoundScene]:
    """Read the granules of a product from its metadata, without opening an image.

    Args:
        folder: of the product.
        metadata: name of the file found by :func:`product_file`.

    Raises:
        BadInput: the metadata is damaged or not ESA's, or images are missing.
    """
    level = PRODUCT_FILES[metadata.lower()]
    product = _xml(folder / metadata)
    _check_quantification(product, folder.name)
    granules = sorted(path.parent for path in folder.glob(f"GRANULE/*/{TILE_FILE}"))
    if not granules:
        raise BadInput(
            f"'{shown(folder.name)}' has no granule with its {TILE_FILE}: "
            "download or unpack the product again."
        )
    return [_granule(folder, product, granule, level, len(granules)) for granule in granules]


def _granule(folder: Path, product: Element, granule: Path, level: Level, count: int) -> FoundScene:
    name = folder.name
    acquired = time_in(_text(product, "PRODUCT_START_TIME") or "")
    if acquired is None:
        raise BadInput(
            f"The metadata of '{shown(name)}' has no PRODUCT_START_TIME: download it again."
        )
    tile = _tile(granule / TILE_FILE, name)
    files = _images(granule, level, name)
    baseline = real_baseline(_text(product, "PROCESSING_BASELINE"))
    offset, offset_from = _offset(product, baseline)
    stem = name[:-5] if name.lower().endswith(".safe") else name
    # The footprint of a product is that of its data; several granules have those of their tiles.
    footprint = (_footprint(product, name) if count == 1 else None) or tile.footprint(name)
    return FoundScene(
        name=stem if count == 1 else f"{stem}_{granule.name}",
        layout="bands",
        level=level,
        acquired=acquired,
        acquired_from="PRODUCT_START_TIME",
        files=files,
        footprint=footprint,
        epsg=tile.epsg,
        offset=offset,
        offset_from=offset_from,
        baseline=baseline,
        platform=platform_in(_text(product, "SPACECRAFT_NAME")) or platform_in(name),
        cloud=percent(_text(product, "Cloud_Coverage_Assessment")),
        grids={key: tile.grids[RESOLUTIONS[key]] for key in files},
    )


@dataclass(frozen=True)
class _Tile:
    """Geocoding of a granule: the CRS, and a grid for each of 10, 20 and 60 m."""

    epsg: int
    grids: Mapping[int, Grid]

    def footprint(self, name: str) -> Polygons:
        grid = self.grids[10]
        return footprint_of_grid(crs_of(self.epsg), grid.shape, grid.transform, shown(name))


def _tile(path: Path, name: str) -> _Tile:
    root = _xml(path)
    try:
        sizes = {node.get("resolution"): _numbers(node) for node in root.iter("Size")}
        places = {node.get("resolution"): _numbers(node) for node in root.iter("Geoposition")}
        grids = {metres: _grid(sizes[str(metres)], places[str(metres)]) for metres in (10, 20, 60)}
        epsg = int((_text(root, "HORIZONTAL_CS_CODE") or "").removeprefix("EPSG:"))
    except (KeyError, ValueError, OverflowError):
        raise BadInput(
            f"The {TILE_FILE} of '{shown(name)}' lacks the tile's position: download it again."
        ) from None
    return _Tile(epsg, grids)


def _grid(size: Mapping[str, float], place: Mapping[str, float]) -> Grid:
    return Grid(
        shape=(int(size["NROWS"]), int(size["NCOLS"])),
        transform=(place["XDIM"], 0.0, place["ULX"], 0.0, place["YDIM"], place["ULY"]),
    )


def _images(granule: Path, level: Level, name: str) -> dict[str, Path]:
    """The granule's images on their native grids, by asset key.

    Raises:
        BadInput: a band is missing.
    """
    images = granule / "IMG_DATA"
    folders = [images / part for part in RESOLUTION_FOLDERS] if level == "L2A" else [images]
    found = {}
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            match = _IMAGE.search(path.name)
            key = _KEYS.get(what := match["what"].upper(), what) if match else ""
            metres = match["metres"] if match else None
            if key in RESOLUTIONS and (metres is None or int(metres) == RESOLUTIONS[key]):
                found[key] = path
    wanted = L1C_BAND_NAMES if level == "L1C" else BAND_NAMES
    if missing := [band for band in wanted if band not in found]:
        raise BadInput(
            f"'{shown(name)}' lacks the image{'s' * (len(missing) > 1)} of {', '.join(missing)} "
            "at native resolution: download or unpack the product again."
        )
    return {key: found[key] for key in (*wanted, "SCL", "visual") if key in found}


def _offset(product: Element, baseline: str | None) -> tuple[int | None, str]:
    for tag in _OFFSETS:
        values = {(node.text or "").strip() for node in product.iter(tag)}
        if len(values) > 1:
            return None, f"{tag} differs between bands"
        if values in ({str(DN_OFFSET)}, {"0"}):
            return int(values.pop()), tag
        if values:
            return None, f"{tag} has an unknown value"
    return by_baseline(baseline)


def _footprint(product: Element, name: str) -> Polygons | None:
    """Outline of the product's data, None if the metadata has no valid one."""
    text = _text(product, "EXT_POS_LIST") or ""
    try:
        return footprint_of_points(pairs(float(number) for number in text.split()[:10_000]), name)
    except (ValueError, BadInput):
        return None


def _check_quantification(product: Element, name: str) -> None:
    for tag in _QUANTIFICATIONS:
        text = _text(product, tag)
        if text is not None and not _is(text, QUANTIFICATION):
            raise BadInput(
                f"'{shown(name)}' states {text[:20]} numbers for a reflectance of 1, not 10000: "
                "download it in ESA's current format."
            )


def _is(text: str, number: float) -> bool:
    try:
        return float(text) == number
    except ValueError:
        return False


def _xml(path: Path) -> Element:
    """Parse a metadata file and return its root element; document types are refused.

    Raises:
        BadInput: it is too large, damaged or not plain XML.
    """
    data = read_file(path, MAX_XML_BYTES)
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise BadInput(
            f"'{shown(path.name)}' of '{shown(path.parent.name)}' is not a metadata file of ESA: "
            "download the product again."
        ) from None
    return root


def _text(root: Element, tag: str) -> str | None:
    """Text of the first element with a name, at any depth, because formats differ in nesting."""
    node = next(root.iter(tag), None)
    return node.text.strip()[:200_000] if node is not None and node.text else None


def _numbers(node: Element) -> dict[str, float]:
    return {child.tag: float(child.text or "") for child in node}
