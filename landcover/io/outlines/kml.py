"""Outlines in KML, and in KMZ, which is a zip with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.io.archive import Zip
from landcover.io.messages import FILE
from landcover.io.outlines.drawn import Drawn, too_many

__all__ = ["read_kml", "read_kmz"]

_OTHERS: Final = frozenset({"Point", "LineString", "Track", "MultiTrack", "Model"})


def read_kml(data: bytes) -> Drawn:
    """Read all polygons of a document; its coordinates are in WGS 84.

    Raises:
        BadInput: it is damaged, or not KML.
    """
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        raise BadInput(f"{FILE} is damaged XML, or has entities: export it as KML again.") from None
    if _tag(root) != "kml":
        raise BadInput(f"{FILE} is XML, but not KML: export it as KML or GeoJSON.")
    found = Drawn(name=_name(root))
    for element in root.iter():
        tag = _tag(element)
        if tag == "Polygon":
            found.add([list(_points(text)) for text in _rings(element)])
        elif tag in _OTHERS:
            found.others += 1
    return found


def read_kmz(path: Path, name: str) -> Drawn:
    """Read the KML in a KMZ.

    Raises:
        BadInput: the zip is damaged, or contains no KML.
    """
    packed = Zip(path, name, is_upload=True)
    names = sorted(file for file in packed.listing("").files if file.lower().endswith(".kml"))
    if not names:
        raise BadInput(f"{FILE} is a zip without a KML file: give GeoJSON, GeoPackage, KML or KMZ.")
    first = "doc.kml" if "doc.kml" in names else names[0]
    return read_kml(packed.read(first, limits.current().area_bytes))


def _tag(element: Element) -> str:
    """Name of an element without its namespace, which differs between versions."""
    return str(element.tag).rpartition("}")[2]


def _name(root: Element) -> str:
    """Name of the only placemark, or of the document."""
    for tag in ("Placemark", "Document", "Folder"):
        inside = [one for one in root.iter() if _tag(one) == tag]
        if len(inside) == 1:
            texts = [one.text for one in inside[0] if _tag(one) == "name"]
            if texts and texts[0] and texts[0].strip():
                return texts[0].strip()
    return ""


def _rings(polygon: Element) -> Iterator[str]:
    """Texts of the coordinates of a polygon's rings, the outer one first."""
    for side in ("outerBoundaryIs", "innerBoundaryIs"):
        for boundary in polygon:
            if _tag(boundary) == side:
                for element in boundary.iter():
                    if _tag(element) == "coordinates":
                        yield element.text or ""


def _points(text: str) -> Iterator[tuple[float, float]]:
    """Longitudes and latitudes; a word that is no point ends the ring."""
    if text.count(",") > 2 * limits.current().area_points:
        raise too_many()
    for word in text.split():
        try:
            lon, lat = word.split(",")[:2]
            yield float(lon), float(lat)
        except ValueError:
            return
