"""The place of a patch of one's own data, which is part of its name.

Names of BigEarthNet's patches say where they are, so that neighbours can be kept out of a test by
names alone. Names of other patches do not, so :func:`with_place` appends it: the EPSG code of the
UTM zone, and easting and northing of the upper left corner in metres, such as
``field_17@32633_601200_5301200``.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["BLOCK_M", "block_of", "corner_in", "with_place", "without_place"]

BLOCK_M: Final = 12_000
"""Side of the blocks of :func:`block_of`, as of those of BigEarthNet's patches."""
_PLACE: Final = re.compile(r".@(32[67]\d\d)_(-?\d{1,8})_(-?\d{1,8})$")


def with_place(name: str, corner: tuple[int, int, int] | None) -> str:
    """Append EPSG code, easting and northing (metres) of its upper left corner to a name."""
    return name if corner is None else "{}@{}_{}_{}".format(name, *corner)


def corner_in(name: str) -> tuple[int, int, int] | None:
    """EPSG code, easting and northing (metres) of the corner that a name states; None if none."""
    match = _PLACE.search(name)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def without_place(name: str) -> str:
    """Return a name as it was before :func:`with_place`; the same if it states no place."""
    match = _PLACE.search(name)
    return name[: match.start() + 1] if match else name


def block_of(name: str, side: int = BLOCK_M) -> str | None:
    """The block of ``side`` metres that a name states, as text; None if it states no place."""
    corner = corner_in(name)
    if corner is None:
        return None
    return f"{corner[0]}_{corner[1] // side}_{corner[2] // side}"
