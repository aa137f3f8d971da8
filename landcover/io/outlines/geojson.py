"""Outlines in GeoJSON: RFC 7946, and older files that name their CRS."""

from __future__ import annotations

import re
from typing import Any, Final

from landcover.core.errors import BadInput
from landcover.core.projection import crs_of, text_of
from landcover.core.untrusted_json import BadJson, parse
from landcover.core.window import WGS84
from landcover.io.messages import FILE
from landcover.io.outlines.drawn import Drawn

__all__ = ["read_geojson"]

_CRS84: Final = re.compile(r"(?:urn:ogc:def:crs:OGC:[\d.]*:|OGC:)?CRS84", re.IGNORECASE)
_EPSG: Final = re.compile(r"(?:urn:ogc:def:crs:)?EPSG:(?:[\d.]*:)?(\d{1,6})", re.IGNORECASE)
_DEEPEST: Final = 20
_LISTS: Final = {"FeatureCollection": "features", "GeometryCollection": "geometries"}


def read_geojson(data: bytes) -> Drawn:
    """Read a geometry, a feature or a collection.

    Raises:
        BadInput: it is not GeoJSON, or in a CRS that is not known.
    """
    try:
        raw = parse(data)
    except BadJson as error:
        raise BadInput(
            f"{FILE} cannot be read as GeoJSON, because {error}: export it again."
        ) from None
    if not isinstance(raw, dict):
        raise BadInput(f"{FILE} is no GeoJSON object: give a Feature or a FeatureCollection.")
    found = Drawn(crs=_crs(raw), name=_name(raw))
    _add(found, raw, 0)
    return found


def _crs(raw: dict[str, Any]) -> str:
    if "crs" not in raw:
        return WGS84
    member = raw["crs"]
    properties = member.get("properties") if isinstance(member, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if isinstance(name, str):
        if _CRS84.fullmatch(name.strip()):
            return WGS84
        if match := _EPSG.fullmatch(name.strip()):
            return text_of(crs_of(f"EPSG:{match[1]}"))
    raise BadInput(
        f"{FILE} states no coordinate reference system that is known (its member 'crs'): export it "
        "in WGS 84 (EPSG:4326)."
    )


def _name(raw: dict[str, Any]) -> str:
    """The name that a collection or its only feature has."""
    features = raw.get("features")
    only = features[0] if isinstance(features, list) and len(features) == 1 else raw
    places = [raw] + [one for one in (only,) if isinstance(one, dict)]
    for place in places:
        properties = place.get("properties")
        for values in (place, properties if isinstance(properties, dict) else {}):
            for key in ("name", "NAME", "Name", "title"):
                if isinstance(values.get(key), str) and values[key].strip():
                    return str(values[key]).strip()
    return ""


def _add(found: Drawn, value: Any, depth: int) -> None:  # noqa: ANN401 - untrusted JSON
    if not isinstance(value, dict) or depth > _DEEPEST:
        return
    kind, coordinates = value.get("type"), value.get("coordinates")
    inside = value.get(_LISTS.get(str(kind), ""))
    if isinstance(inside, list):
        for one in inside:
            _add(found, one, depth + 1)
    elif kind == "Feature":
        _add(found, value.get("geometry"), depth + 1)
    elif kind in ("Polygon", "MultiPolygon"):
        polygons = [coordinates] if kind == "Polygon" else coordinates
        for rings in polygons if isinstance(polygons, list) else [None]:
            listed = rings if isinstance(rings, list) else []
            found.add(listed if all(isinstance(ring, list) for ring in listed) else [])
    elif kind in ("Point", "MultiPoint", "LineString", "MultiLineString"):
        found.others += 1
