"""Parsing of places as people type them."""

from __future__ import annotations

import re
from typing import Final

from landcover.core.errors import BadInput

__all__ = ["parse_place", "wrap_longitude"]

_NUMBER: Final = r"([+-]?\d+(?:\.\d+)?)\s*(?:°|deg)?"
_PARTS: Final = r"(?:\s*(\d+(?:\.\d+)?)\s*['′’])?(?:\s*(\d+(?:\.\d+)?)\s*(?:[\"″”]|''))?"
_ANGLE: Final = rf"\s*([NSEW])?\s*{_NUMBER}{_PARTS}\s*([NSEW])?\s*"
_PLACE: Final = re.compile(rf"^[(\[]?{_ANGLE}(?:[,;]|\s){_ANGLE}[)\]]?$", re.IGNORECASE)


def parse_place(text: str) -> tuple[float, float] | None:
    """Parse latitude and longitude (WGS 84 degrees); None if the text is not a place.

    Reads ``48.2, 16.37``, ``48.2 16.37``, ``48.2N 16.37E``, ``16.37° E 48.2° N``,
    ``48°12'0"N 16°22'12"E`` and decimal commas if a semicolon or a space separates the numbers.
    A longitude that a web map counted on beyond the date line is wrapped.

    Raises:
        BadInput: latitude or longitude is out of range, or both numbers are marked as
            latitude or both as longitude.
    """
    if len(text) > 100:
        return None
    plain = text.strip().replace("−", "-")
    match = _PLACE.match(plain) or _PLACE.match(re.sub(r"(\d),(\d)", r"\1.\2", plain))
    if match is None:
        return None
    first, second = match.groups()[:5], match.groups()[5:]
    (a, axis_a), (b, axis_b) = _angle(first), _angle(second)
    if axis_a is not None and axis_a == axis_b:
        raise BadInput(
            f"'{text.strip()}' has two latitudes or two longitudes: "
            "give LAT,LON such as 48.2,16.37."
        )
    swapped = axis_a == "longitude" or axis_b == "latitude"
    latitude, longitude = (b, a) if swapped else (a, b)
    if abs(latitude) > 90 or abs(longitude) > 540:
        raise BadInput(
            f"'{text.strip()}' is nowhere on Earth: give a latitude from -90 to 90, "
            "then a longitude from -180 to 180."
        )
    return latitude, wrap_longitude(longitude)


def wrap_longitude(longitude: float) -> float:
    """A longitude from -180 to 180; web maps count on beyond the date line."""
    return longitude if abs(longitude) <= 180 else (longitude + 180) % 360 - 180


def _angle(groups: tuple[str | None, ...]) -> tuple[float, str | None]:
    """Degrees, and the axis that the letter N, S, E or W stands for, if any."""
    before, degrees, minutes, seconds, after = groups
    letter = (before or after or "").upper()
    whole = float(degrees or 0)
    part = float(minutes or 0) / 60 + float(seconds or 0) / 3600
    value = whole - part if (degrees or "").startswith("-") else whole + part
    axis = {"N": "latitude", "S": "latitude", "E": "longitude", "W": "longitude"}.get(letter)
    return (-value if letter in {"S", "W"} else value), axis
