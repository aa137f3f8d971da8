"""Outlines that are written as text: a bounding box, or WKT."""

from __future__ import annotations

import re
from typing import Final

import shapely

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.projection import crs_of, text_of
from landcover.core.window import WGS84
from landcover.io.outlines.drawn import Drawn, curved, too_many

__all__ = ["is_box", "is_wkt", "read_box", "read_wkt"]

_WIDEST: Final = 180.0
"""Degrees of longitude of a box across the antimeridian; in others west and east are swapped."""
_ROUND: Final = 360.0
_NUMBER: Final = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_BOX: Final = re.compile(rf"\s*\(?\[?\s*{_NUMBER}(?:\s*[,;\s]\s*{_NUMBER}){{3}}\s*\]?\)?\s*")
_WKT: Final = re.compile(
    r"\s*(?:SRID\s*=\s*(\d{1,6})\s*;)?\s*"
    r"((?:MULTI)?(?:POLYGON|POINT|LINESTRING)|GEOMETRYCOLLECTION|CURVEPOLYGON|CIRCULARSTRING)\b",
    re.IGNORECASE,
)


def is_box(text: str) -> bool:
    """Whether a text is four numbers."""
    return len(text) < 500 and _BOX.fullmatch(text) is not None


def read_box(text: str) -> Drawn:
    """Read "west,south,east,north" in degrees; west may be greater than east.

    Raises:
        BadInput: it is not a box on Earth.
    """
    west, south, east, north = (float(number) for number in re.findall(_NUMBER, text))
    if abs(west) > 360 or abs(east) > 360 or not -90 <= south <= 90 or not -90 <= north <= 90:
        raise BadInput(
            f"The box {text.strip()[:60]} is not in degrees: write west, south, east, north, such "
            "as 13.6,48.1,13.9,48.3."
        )
    if south >= north:
        raise BadInput(
            f"The box {text.strip()[:60]} has its south not below its north: write west, south, "
            "east, north."
        )
    if west == east:
        raise BadInput(f"The box {text.strip()[:60]} is empty: its west is its east.")
    if east - west > _ROUND:
        raise BadInput(
            f"The box {text.strip()[:60]} is wider than the Earth: write west, south, east, north, "
            "such as 13.6,48.1,13.9,48.3."
        )
    if west > east:  # across the antimeridian
        east += 360
        if east - west > _WIDEST:
            raise BadInput(
                f"The box {text.strip()[:60]} has its west not below its east: write west, south, "
                "east, north."
            )
    # A polygon of more than 180° would be taken as one across the antimeridian.
    middle = (west + east) / 2
    sides = [(west, middle), (middle, east)] if east - west > _WIDEST else [(west, east)]
    found = Drawn()
    for left, right in sides:
        found.add([[(left, south), (right, south), (right, north), (left, north), (left, south)]])
    return found


def is_wkt(text: str) -> bool:
    """Whether a text begins like WKT."""
    return _WKT.match(text) is not None


def read_wkt(text: str) -> Drawn:
    """Read WKT, in degrees or with the CRS in front of it (``SRID=32633;POLYGON …``).

    Raises:
        BadInput: it is damaged, or has too many points.
    """
    match = _WKT.match(text)
    assert match is not None
    code, start = match[1], match.start(2)
    if text.count(",") > limits.current().area_points:
        raise too_many()
    try:
        shape = shapely.from_wkt(text[start:].strip())
    except NotImplementedError:
        raise curved() from None
    except shapely.errors.GEOSException:
        raise BadInput(
            "The WKT is damaged: write a polygon such as "
            "POLYGON ((13.6 48.1, 13.9 48.1, 13.9 48.3, 13.6 48.1))."
        ) from None
    found = Drawn(crs=WGS84 if code in (None, "4326") else text_of(crs_of(f"EPSG:{code}")))
    found.add_shape(shape)
    return found
