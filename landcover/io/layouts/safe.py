"""ESA's SAFE products of Level-2A and Level-1C, in the format since December 2016."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final, Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from landcover.core.bands import BAND_NAMES, L1C_BAND_NAMES, QUANTIFICATION
from landcover.core.errors import BadInput
from landcover.io.guard import shown
from landcover.io.layouts.band_set import RESOLUTIONS
from landcover.io.layouts.header import Grid
from landcover.io.layouts.metadata import (
    DN_OFFSET,
    by_baseline,
    percent,
    platform_in,
    real_baseline,
)
from landcover.io.layouts.tree import Listing, Tree, join, name_of
from landcover.io.names import time_in

__all__ = [
    "MAX_XML_BYTES",
    "PRODUCT_FILES",
    "RESOLUTION_FOLDERS",
    "TILE_FILE",
    "Granule",
    "Level",
    "product_file",
    "read_product",
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


@dataclass(frozen=True, kw_only=True)
class Granule:
    """A granule of a product, from its metadata.

    Attributes:
        name: of the product, and of the granule if the product has several.
        level: product level.
        acquired: sensing time (UTC).
        files: asset key → path of its image on the native grid, in the tree.
        epsg: code of its CRS.
        grids: asset key → grid.
        offset: to add to the digital numbers of valid pixels, None if not known.
        offset_from: source of the offset.
        baseline: ESA's processing baseline, such as ``"05.09"``.
        platform: such as ``"sentinel-2a"``.
        cloud: cloud cover of the entire product, 0 to 100 percent.
        outline: latitude, longitude, latitude, … around the data of a product with one granule;
            empty if the metadata states none.
    """

    name: str
    level: Level
    acquired: datetime
    files: Mapping[str, str]
    epsg: int
    grids: Mapping[str, Grid]
    offset: int | None
    offset_from: str
    baseline: str | None
    platform: str | None
    cloud: float | None
    outline: tuple[float, ...]


def product_file(names: Iterable[str]) -> str | None:
    """Name of the product's metadata file among the files of a folder, or None."""
    return next((name for name in sorted(names) if name.lower() in PRODUCT_FILES), None)


def read_product(tree: Tree, folder: str, metadata: str) -> list[Granule]:
    """Read the granules of a product from its metadata, without opening an image.

    Args:
        tree: contains the product.
        folder: path of the product in the tree.
        metadata: name of the file found by :func:`product_file`.

    Raises:
        BadInput: the metadata is damaged or not ESA's, or images are missing.
    """
    level = PRODUCT_FILES[metadata.lower()]
    name = name_of(tree, folder)
    product = _xml(tree, join(folder, metadata), name)
    _check_quantification(product, name)
    inside = join(folder, "GRANULE")
    granules = [join(inside, one) for one in _listing(tree, inside).folders]
    granules = [one for one in granules if TILE_FILE in _listing(tree, one).files]
    if not granules:
        raise BadInput(
            f"'{shown(name)}' has no granule with its {TILE_FILE}: "
            "download or unpack the product again."
        )
    several = len(granules) > 1
    return [_granule(tree, name, product, one, level, several=several) for one in granules]


def _listing(tree: Tree, folder: str) -> Listing:
    try:
        return tree.listing(folder)
    except OSError:
        return Listing((), ())


def _granule(
    tree: Tree, name: str, product: Element, granule: str, level: Level, *, several: bool
) -> Granule:
    acquired = time_in(_text(product, "PRODUCT_START_TIME") or "")
    if acquired is None:
        raise BadInput(
            f"The metadata of '{shown(name)}' has no PRODUCT_START_TIME: download it again."
        )
    epsg, grids = _tile(tree, join(granule, TILE_FILE), name)
    files = _images(tree, granule, level, name)
    baseline = real_baseline(_text(product, "PROCESSING_BASELINE"))
    offset, offset_from = _offset(product, baseline)
    stem = name[:-5] if name.lower().endswith(".safe") else name
    return Granule(
        name=f"{stem}_{PurePosixPath(granule).name}" if several else stem,
        level=level,
        acquired=acquired,
        files=files,
        epsg=epsg,
        grids={key: grids[RESOLUTIONS[key]] for key in files},
        offset=offset,
        offset_from=offset_from,
        baseline=baseline,
        platform=platform_in(_text(product, "SPACECRAFT_NAME")) or platform_in(name),
        cloud=percent(_text(product, "Cloud_Coverage_Assessment")),
        outline=() if several else _outline(product),
    )


def _tile(tree: Tree, path: str, name: str) -> tuple[int, Mapping[int, Grid]]:
    """EPSG code of a granule, and a grid for each of 10, 20 and 60 m."""
    root = _xml(tree, path, PurePosixPath(path).parent.name)
    try:
        sizes = {node.get("resolution"): _numbers(node) for node in root.iter("Size")}
        places = {node.get("resolution"): _numbers(node) for node in root.iter("Geoposition")}
        grids = {metres: _grid(sizes[str(metres)], places[str(metres)]) for metres in (10, 20, 60)}
        epsg = int((_text(root, "HORIZONTAL_CS_CODE") or "").removeprefix("EPSG:"))
    except (KeyError, ValueError, OverflowError):
        raise BadInput(
            f"The {TILE_FILE} of '{shown(name)}' lacks the tile's position: download it again."
        ) from None
    return epsg, grids


def _grid(size: Mapping[str, float], place: Mapping[str, float]) -> Grid:
    return Grid(
        shape=(int(size["NROWS"]), int(size["NCOLS"])),
        transform=(place["XDIM"], 0.0, place["ULX"], 0.0, place["YDIM"], place["ULY"]),
    )


def _images(tree: Tree, granule: str, level: Level, name: str) -> dict[str, str]:
    """The granule's images on their native grids, by asset key.

    Raises:
        BadInput: a band is missing.
    """
    images = join(granule, "IMG_DATA")
    folders = [join(images, part) for part in RESOLUTION_FOLDERS] if level == "L2A" else [images]
    found = {}
    for folder in folders:
        for file in _listing(tree, folder).files:
            match = _IMAGE.search(file)
            key = _KEYS.get(what := match["what"].upper(), what) if match else ""
            metres = match["metres"] if match else None
            if key in RESOLUTIONS and (metres is None or int(metres) == RESOLUTIONS[key]):
                found[key] = join(folder, file)
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


def _outline(product: Element) -> tuple[float, ...]:
    """Latitude, longitude, … around the product's data; empty if they are not numbers."""
    text = _text(product, "EXT_POS_LIST") or ""
    try:
        return tuple(float(number) for number in text.split()[:10_000])
    except ValueError:
        return ()


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


def _xml(tree: Tree, path: str, place: str) -> Element:
    """Parse a metadata file and return its root element; document types are refused.

    Raises:
        BadInput: it is too large, damaged or not plain XML.
    """
    data = tree.read(path, MAX_XML_BYTES)
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise BadInput(
            f"'{shown(path)}' of '{shown(place)}' is not a metadata file of ESA: "
            "download the product again."
        ) from None
    return root


def _text(root: Element, tag: str) -> str | None:
    """Text of the first element with a name, at any depth, because formats differ in nesting."""
    node = next(root.iter(tag), None)
    return node.text.strip()[:200_000] if node is not None and node.text else None


def _numbers(node: Element) -> dict[str, float]:
    """The numbers below an element.

    Raises:
        ValueError: one is no number, or not finite.
    """
    found = {child.tag: float(child.text or "") for child in node}
    if not all(map(math.isfinite, found.values())):
        raise ValueError(node.tag)
    return found
