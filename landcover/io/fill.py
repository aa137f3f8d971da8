"""Finding fill values that a file does not declare.

Tools write 65535, -9999, -0.1 or another number into all bands where a scene has no data, and
not all of them declare it. Measured reflectance is not the same number in all bands over an area,
except where it was clipped: water at the low end, a cloud at the high end. There the neighbouring
pixels have almost the same number, whereas next to a gap they do not. No tool clips at a negative
number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.bands import NODATA
from landcover.core.raster import BoolArray

__all__ = ["CUSTOMARY", "JUMP", "MAX_VALUES", "equal_in_all_bands", "find_fill_values", "is_fill"]

CUSTOMARY: Final = (-9999.0, -999.0, -32768.0, -32767.0, 65535.0)
"""Fill values of common tools, recognised on a single pixel; others need an area of 3 × 3."""
JUMP: Final = 0.05
"""Fraction of the range of the data by which every band changes at the edge of a gap."""
MAX_VALUES: Final = 4
"""Maximum number of fill values in a file."""
_OUTSIDE: Final = (0.1, 99.9)
"""A fill value is outside these percentiles of the data."""


def equal_in_all_bands(numbers: npt.NDArray[Any], valid: BoolArray) -> BoolArray:
    """Valid pixels ``(y, x)`` that have one number, other than 0, in all bands ``(band, y, x)``."""
    same: BoolArray = valid & (numbers[0] != NODATA)
    for pixels in numbers[1:]:
        same &= pixels == numbers[0]
    return same


def find_fill_values(numbers: npt.NDArray[Any], valid: BoolArray) -> tuple[float, ...]:
    """Find numbers that mark pixels without data.

    Args:
        numbers: as stored ``(band, y, x)``, at least two bands.
        valid: pixels ``(y, x)`` that the file does not declare as missing.

    Returns:
        The values, the most frequent first; usually none.
    """
    same = equal_in_all_bands(numbers, valid)
    if len(numbers) < 2 or not same.any():
        return ()
    values, counts = np.unique(numbers[0][same], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MAX_VALUES]
    places = {float(value): same & (numbers[0] == value) for value in values[order]}
    gaps = np.logical_or.reduce(list(places.values()))
    rest = valid & ~gaps
    if not rest.any():
        return tuple(value for value in places if value in CUSTOMARY)
    step = max(1, int(rest.sum()) // 100_000)
    data = numbers[:, rest][:, ::step]
    low, high = np.percentile(data, _OUTSIDE)
    return tuple(
        value
        for value, place in places.items()
        if (value in CUSTOMARY or _has_area(place))
        and not low <= value <= high
        and (value < 0 or _jump(numbers, place, rest, value) > JUMP * float(high - low))
    )


def is_fill(
    numbers: npt.NDArray[Any], fill_values: Sequence[float], *, any_band: bool
) -> BoolArray:
    """Pixels ``(y, x)`` with one of these values in all bands, or with ``any_band`` in any."""
    found = np.zeros(numbers.shape[1:], dtype=np.bool_)
    for value in fill_values:
        matches = numbers == value
        found |= matches.any(axis=0) if any_band else matches.all(axis=0)
    return found


def _has_area(place: BoolArray) -> bool:
    """Whether there is a block of 3 × 3 pixels in a mask ``(y, x)``."""
    if min(place.shape) < 3:
        return False
    rows = place[:-2] & place[1:-1] & place[2:]
    return bool((rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]).any())


def _jump(numbers: npt.NDArray[Any], place: BoolArray, rest: BoolArray, value: float) -> float:
    """How much the numbers change at the edge of an area, in the band that changes least."""
    near = np.zeros_like(place)
    near[1:] |= place[:-1]
    near[:-1] |= place[1:]
    near[:, 1:] |= place[:, :-1]
    near[:, :-1] |= place[:, 1:]
    edge = near & rest
    around = numbers[:, edge if edge.any() else rest].astype(np.float64)
    return float(np.median(np.abs(around - value).min(axis=0)))
