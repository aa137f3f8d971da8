"""Files that programs write next to a raster: names of bands (``.aux.xml``), a mask (``.msk``).

GDAL does not read them here, because a sidecar can refer to any other file. This module reads
only the names in the one and the pixels of the other, within limits. A file that is given as
bytes, such as an upload, has no sidecars.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from rasterio.io import DatasetReader

from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray
from landcover.io.guard import FILE, Part, named, open_raster, read_file

__all__ = ["MAX_XML_BYTES", "NAME_KEYS", "mask_beside", "name_in", "names_beside"]

MAX_XML_BYTES: Final = 1_000_000
NAME_KEYS: Final = (
    "description",
    "bandname",
    "band_name",
    "name",
    "band",
    "long_name",
    "common_name",
)
"""Keys of metadata items in which programs keep the name of a band, in lower case."""


def names_beside(header: DatasetReader) -> list[str | None]:
    """Names of the bands in the file's ``.aux.xml``, one for each band; empty if there is none.

    Raises:
        BadInput: the sidecar cannot be read.
    """
    path = _beside(header, ".aux.xml")
    if path is None:
        return []
    data = read_file(path, MAX_XML_BYTES)
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise BadInput(
            f"The sidecar '{path.name}' is damaged: write it again, or remove it."
        ) from None
    found = {node.get("band"): _name_in(node) for node in root.iter("PAMRasterBand")}
    return [found.get(str(i)) for i in range(1, header.count + 1)]


def mask_beside(header: DatasetReader, part: Part | None) -> BoolArray | None:
    """Read the file's ``.msk``, True for data; None if there is none.

    Raises:
        BadInput: the sidecar cannot be read, or has another size than the file.
    """
    path = _beside(header, ".msk")
    if path is None:
        return None
    with named(path.name), open_raster(path) as mask:
        if mask.header.shape != header.shape:
            raise BadInput(
                f"The mask {FILE} has another size than its file: write it again, or remove it."
            )
        found: BoolArray = mask.read([1], part)[0] > 0
    return found


def name_in(items: Mapping[str, str]) -> str | None:
    """The name of a band in its metadata items; None if they contain none."""
    lower = {key.lower(): value for key, value in items.items()}
    return next((lower[key][:200] for key in NAME_KEYS if lower.get(key, "").strip()), None)


def _name_in(band: Element) -> str | None:
    """The name in a band of an ``.aux.xml``: its description, or a metadata item."""
    text = band.findtext("Description")
    items = {str(item.get("key")): item.text or "" for item in band.iter("MDI")}
    return text.strip()[:200] if text and text.strip() else name_in(items)


def _beside(header: DatasetReader, suffix: str) -> Path | None:
    """The existing sidecar of a file on disk; None for bytes, which GDAL keeps in its memory."""
    if header.name.startswith("/vsi"):
        return None
    path = Path(header.name + suffix)
    return path if path.is_file() else None
