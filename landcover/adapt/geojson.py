"""Corrections as GeoJSON (RFC 7946), for other programs and other computers.

Each correction is a feature: its geometry is the window's outline or centre in WGS 84, and its
properties are the other fields of :class:`~landcover.adapt.corrections.Correction`. A file may also
be written by hand: a feature needs only a place and the classes that are there or not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from landcover.adapt.corrections import Correction, complaint
from landcover.core import files, limits
from landcover.core.classes import CLASS_NAMES, resolve
from landcover.core.errors import BadInput, UnknownName
from landcover.core.regular_file import read_regular
from landcover.core.text import plain
from landcover.core.untrusted_json import BadJson, parse

__all__ = ["as_geojson", "as_text", "from_bytes", "read", "write"]

_WGS84: Final = ("EPSG:4326", "urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:EPSG::4326")
_CLASSES: Final = ("confirmed", "struck", "added")
_OWN: Final = tuple(name for name in Correction.model_fields if name != "outline")


def as_geojson(corrections: Iterable[Correction]) -> dict[str, Any]:
    """Return a FeatureCollection, JSON-ready."""
    return {"type": "FeatureCollection", "features": [_feature(one) for one in corrections]}


def as_text(corrections: Iterable[Correction]) -> str:
    """Return the text of a GeoJSON file."""
    text = json.dumps(as_geojson(corrections), ensure_ascii=False, allow_nan=False, indent=1)
    return text + "\n"


def write(corrections: Iterable[Correction], path: Path) -> None:
    """Write a GeoJSON file.

    Raises:
        BadInput: it cannot be written.
    """
    files.write_text(path, as_text(corrections))


def read(path: Path) -> tuple[Correction, ...]:
    """Read corrections from an untrusted GeoJSON file.

    Properties that are not ours are ignored. Classes may have their short names.

    Raises:
        BadInput: it is not GeoJSON in WGS 84, too large, or a feature is not a correction.
    """
    name = plain(path.name)
    try:
        data = read_regular(path, limits.current().json_bytes)
    except FileNotFoundError:
        raise BadInput(f"There is no file '{name}': check the path.") from None
    except (OSError, ValueError):
        raise BadInput(f"'{name}' cannot be read, or is too large: export it again.") from None
    return from_bytes(data, name)


def from_bytes(data: bytes, name: str) -> tuple[Correction, ...]:
    """Read corrections from the untrusted content of a GeoJSON file, as :func:`read` does.

    Args:
        data: the content.
        name: of the file, for messages.

    Raises:
        BadInput: as for :func:`read`.
    """
    name = plain(name)
    try:
        raw = parse(data)
    except BadJson as error:
        raise BadInput(
            f"'{name}' cannot be read as GeoJSON, because {error}: export it again."
        ) from None
    try:
        return _corrections(raw)
    except UnknownName:
        raise
    except BadInput as error:
        raise BadInput(f"'{name}' has no usable corrections: {error}") from None


def _corrections(raw: Any) -> tuple[Correction, ...]:  # noqa: ANN401 - untrusted JSON
    if not (isinstance(raw, dict) and raw.get("type") == "FeatureCollection"):
        raise BadInput("it is not a FeatureCollection.")
    crs = raw.get("crs")
    if crs is not None and not (isinstance(crs, dict) and _name_of(crs) in _WGS84):
        raise BadInput("its coordinates are not in WGS 84: export it as EPSG:4326.")
    features = raw.get("features")
    if not isinstance(features, list) or len(features) > limits.current().corrections:
        raise BadInput(f"it has no list of at most {limits.current().corrections:,} features.")
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    found = []
    for number, feature in enumerate(features, start=1):
        try:
            found.append(_correction(feature, now))
        except UnknownName:
            raise
        except BadInput as error:
            raise BadInput(f"feature {number:,}: {error}") from None
    return tuple(found)


def _feature(one: Correction) -> dict[str, Any]:
    values = one.as_dict()
    corners = [[lon, lat] for lat, lon in values.pop("outline")]
    geometry = (
        {"type": "Point", "coordinates": corners[0]}
        if len(corners) == 1
        else {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}
    )
    return {"type": "Feature", "id": one.id, "geometry": geometry, "properties": values}


def _correction(feature: Any, now: str) -> Correction:  # noqa: ANN401 - untrusted JSON
    if not (isinstance(feature, dict) and isinstance(feature.get("properties"), dict)):
        raise BadInput("it is not a feature with properties.")
    given = feature["properties"]
    values = {key: given[key] for key in _OWN if given.get(key) is not None}
    for key in _CLASSES:
        values[key] = _labels(values.get(key, []))
    values["outline"] = _outline(feature.get("geometry"))
    try:
        return Correction.model_validate({"made": now, **values})
    except ValidationError as error:
        raise BadInput(f"{complaint(error)}.") from None


def _labels(raw: object) -> list[str]:
    most = limits.current().text_letters
    if not (
        isinstance(raw, list)
        and len(raw) <= len(CLASS_NAMES)
        and all(isinstance(name, str) and len(name) <= most for name in raw)
    ):
        raise BadInput(f"its classes are not a list of at most {len(CLASS_NAMES)} names.")
    return [resolve(name).name for name in raw]


def _outline(geometry: Any) -> list[tuple[float, float]]:  # noqa: ANN401 - untrusted JSON
    """Return the corners of a point or of a polygon without holes, as latitude and longitude."""
    given: dict[str, Any] = geometry if isinstance(geometry, dict) else {}
    kind, values = given.get("type"), given.get("coordinates")
    ring = None
    if kind == "Point":
        ring = [values]
    elif kind == "Polygon" and isinstance(values, list) and len(values) == 1:
        ring = values[0]
    if not (isinstance(ring, list) and all(_is_point(point) for point in ring)):
        raise BadInput("its geometry is not a point or a polygon without holes.")
    closed = len(ring) > 1 and ring[0] == ring[-1]
    return [(float(point[1]), float(point[0])) for point in (ring[:-1] if closed else ring)]


def _is_point(point: object) -> bool:
    return (
        isinstance(point, list)
        and len(point) in (2, 3)
        and all(isinstance(v, int | float) and not isinstance(v, bool) for v in point)
        and all(abs(v) < 1e6 for v in point)
    )


def _name_of(crs: dict[str, Any]) -> object:
    properties = crs.get("properties")
    return properties.get("name") if isinstance(properties, dict) else None
