"""The parts of the Earth that the UTM zones cover."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import shapely
from shapely.geometry.base import BaseGeometry

__all__ = ["is_utm", "zone_strip", "zones_of"]

_UTM: Final = re.compile(r"EPSG:32([67])(0[1-9]|[1-5][0-9]|60)")
_NORWAY: Final = (56.0, 64.0)
_SVALBARD: Final = (72.0, 84.0)
_WIDE: Final = {31: (0.0, 9.0), 33: (9.0, 21.0), 35: (21.0, 33.0), 37: (33.0, 42.0)}
"""Zones of Svalbard → first and last degree of longitude; the even ones between have no part."""


def is_utm(crs: str) -> bool:
    """Whether a CRS is the EPSG code of a UTM zone."""
    return _UTM.fullmatch(crs) is not None


@lru_cache(maxsize=256)
def _own(crs: str) -> BaseGeometry:
    """The strip of a zone in degrees, with the exceptions for Norway and Svalbard."""
    match = _UTM.fullmatch(crs)
    assert match is not None
    zone, north = int(match[2]), match[1] == "6"
    west = -180.0 + 6 * (zone - 1)
    if not north:
        return shapely.box(west, -90, west + 6, 0)
    rows = [(0.0, _NORWAY[0], west, west + 6), (_NORWAY[1], _SVALBARD[0], west, west + 6)]
    if zone in (31, 32):
        rows.append((*_NORWAY, 0.0, 3.0) if zone == 31 else (*_NORWAY, 3.0, 12.0))
    else:
        rows.append((*_NORWAY, west, west + 6))
    if zone in _WIDE:
        rows.append((*_SVALBARD, *_WIDE[zone]))
    elif zone not in (32, 34, 36):
        rows.append((*_SVALBARD, west, west + 6))
    rows.append((_SVALBARD[1], 90.0, west, west + 6))
    boxes = [shapely.box(left, south, right, north) for south, north, left, right in rows]
    return shapely.union_all(boxes)


def zones_of(shape: BaseGeometry) -> tuple[str, ...]:
    """EPSG codes of the UTM zones that an area (WGS 84 degrees) touches, in order."""
    every = [f"EPSG:32{half}{number:02d}" for half in (6, 7) for number in range(1, 61)]
    return tuple(zone for zone in every if float(shapely.intersection(_own(zone), shape).area) > 0)


def zone_strip(zone: str, *, among: Sequence[str]) -> BaseGeometry:
    """The part of the Earth that is mapped in a zone, if only some zones are used.

    Args:
        zone: EPSG code of a UTM zone.
        among: the zones that are used. A strip of another one is given to the nearest of them.
    """
    numbers = sorted({_place(one) for one in among})
    mine = _place(zone)
    every = [f"EPSG:32{half}{number:02d}" for half in (6, 7) for number in range(1, 61)]
    strips = [
        _own(one)
        for one in every
        if min(numbers, key=lambda used: (_distance(_place(one), used), used)) == mine
    ]
    return shapely.union_all(strips)


def _place(zone: str) -> tuple[int, int]:
    """Number of a zone, and 6 for north or 7 for south."""
    match = _UTM.fullmatch(zone)
    assert match is not None
    return int(match[2]), int(match[1])


def _distance(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    apart = abs(one[0] - other[0])
    return min(apart, 60 - apart), abs(one[1] - other[1])
