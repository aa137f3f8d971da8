"""Recognising by the pixels how a file stores reflectance, where it does not state a scale.

Tools store reflectance as digital numbers (× 10000) in integers or floats, as a fraction, as
percent, or so that 65535 is a reflectance of 1. The numbers are recognised by their range, by the
spacing of their values and by colours that no surface has. If they fit nothing, the file is refused
because of its scale, before any check of cloud, snow or offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.errors import BadInput
from landcover.io.guard import FILE
from landcover.io.scaling import PERCENT, PLAIN, SIXTEEN_BITS, UNITY, Scaling

__all__ = [
    "BLUEISH",
    "BRIGHTEST",
    "BRIGHT_INFRARED",
    "BRIGHT_WATER",
    "DARKEST",
    "FAINTEST",
    "HINT",
    "IMPOSSIBLE_RATIO",
    "IMPOSSIBLE_SHARE",
    "OFFSET_NUMBER",
    "PERCENT_HIGH",
    "PERCENT_LOW",
    "SPACING",
    "WRAPPED_SHARE",
    "check_reflectance",
    "recognise_scaling",
    "wrapped",
]

BRIGHTEST: Final = 2.5
"""The 99th percentile of the brightest band is below this reflectance: clouds reach 1.8."""
FAINTEST: Final = 0.003
"""And above this: the darkest sea of 786 BigEarthNet patches has 0.0066."""
DARKEST: Final = -0.5
"""The first percentile of each band is above this reflectance, however often an offset was
removed."""
BRIGHT_INFRARED: Final = 0.8
IMPOSSIBLE_RATIO: Final = 0.5
IMPOSSIBLE_SHARE: Final = 0.02
"""Only cloud and snow are brighter than ``BRIGHT_INFRARED`` in B08, and they are white: a scale is
wrong if in more than this share of the pixels B04 is less than half as bright."""

PERCENT_LOW: Final = 25.0
PERCENT_HIGH: Final = 180.0
"""Range of the brightest band's 99th percentile in which numbers can be percent of land, cloud or
snow, or digital numbers of a dark sea."""
BLUEISH: Final = 0.8
"""Water is darker than this fraction of B02 in B08 (99th percentiles): at most 0.70 in the 87
BigEarthNet patches of sea whose digital numbers are below 250. Land, cloud and snow are brighter:
at least 0.89 in the 360 patches that exceed 5000."""
BRIGHT_WATER: Final = 1.0
"""No surface of this reflectance has the colour of water."""

OFFSET_NUMBER: Final = 1000
"""Numbers that wrapped around at 0 are this close to the end of their type, because ESA's offset
of 1000 was subtracted."""
WRAPPED_SHARE: Final = 0.001
_EMPTY_FROM: Final = 25_000
_EMPTY_TO: Final = 60_000
"""In a file with wrapped numbers, nearly none is in this range."""

SPACING: Final = 6.5535
_ROUNDED: Final = 0.5 / SPACING
_CUT_OFF: Final = 1 / SPACING
_TOLERANCE: Final = 1e-3
_LEAST_VALUES: Final = 50
_SPACED_SHARE: Final = 0.995
"""Digital numbers × 6.5535, rounded or cut off, leave out five of six numbers. If nearly all of
at least 50 different values fit, this is no coincidence: of random numbers a quarter do."""

HINT: Final = (
    "state the true scale in the file (gdal_edit -scale, for example 0.0001), or export digital "
    "numbers (reflectance × 10000)"
)


@dataclass(frozen=True)
class _Range:
    """Range of a sample's numbers.

    Attributes:
        low: lowest of the bands' first percentiles.
        high: highest of the bands' 99th percentiles.
        largest: largest number.
        whole: whether all are whole numbers.
        blueish: whether the infrared is as much darker than blue as over water; None if a band
            is missing.
    """

    low: float
    high: float
    largest: float
    whole: bool
    blueish: bool | None


def recognise_scaling(
    numbers: npt.NDArray[Any], bands: Sequence[str], *, floats: bool
) -> tuple[Scaling, str]:
    """The scaling of numbers ``(band, pixel)`` whose file states none, and how it is known.

    Args:
        numbers: of pixels with data, as stored; at least one pixel.
        bands: names of the bands.
        floats: whether the file stores floats.

    Returns:
        The scaling, and a clause for the provenance, empty for the usual digital numbers.

    Raises:
        BadInput: the numbers fit no scale, or have wrapped around at 0.
    """
    found = _range_of(numbers, bands)
    if found.whole:
        _check_not_wrapped(numbers)
        if found.high > 1 and _is_spaced(numbers):
            return SIXTEEN_BITS, "the spacing of the numbers shows the scale"
    scaling = _by_range(found, floats=floats)
    if scaling is None:
        raise BadInput(
            f"{FILE} holds numbers from about {found.low:.4g} to {found.high:.4g}, which fit no "
            f"scale of reflectance (0 to 1, percent, × 10000): {HINT}."
        )
    check_reflectance(scaling.of(numbers), bands, scaling)
    if scaling is PLAIN and floats:
        return scaling, f"floats up to {found.largest:,.0f} are digital numbers"
    return scaling, f"numbers up to {found.largest:.3g}" if scaling is PERCENT else ""


def check_reflectance(reflectance: npt.NDArray[Any], bands: Sequence[str], by: Scaling) -> None:
    """Check that a scaling gives reflectance ``(band, pixel)`` that a surface can have.

    Raises:
        BadInput: it is too bright, too faint, too dark, or has a colour that no surface has.
    """
    low, high = _percentiles(reflectance)
    if not FAINTEST <= high <= BRIGHTEST or low < DARKEST:
        raise BadInput(
            f"{FILE} would have a reflectance from {low:.3g} to {high:.3g} ({by.description}), "
            f"which no surface has: {HINT}."
        )
    share = _impossible_share(reflectance, bands)
    if share > IMPOSSIBLE_SHARE:
        raise BadInput(
            f"{FILE} would reflect more than {BRIGHT_INFRARED:.0%} in the near infrared, but less "
            f"than half of that in red, in {share:.0%} of its pixels ({by.description}), which no "
            f"surface does, so its scale is another: {HINT}."
        )


def wrapped(numbers: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which numbers are as close to 2¹⁶ or 2³² as a subtraction of 1000 below 0 leaves them."""
    found = np.zeros(numbers.shape, dtype=np.bool_)
    for end in (2**16, 2**32):
        found |= (numbers >= end - OFFSET_NUMBER) & (numbers < end - 1)
    return found


def _check_not_wrapped(numbers: npt.NDArray[Any]) -> None:
    around = wrapped(numbers).any(axis=0)
    share = float(around.mean())
    between = (numbers > _EMPTY_FROM) & (numbers < _EMPTY_TO)
    if share > WRAPPED_SHARE and float(between.any(axis=0).mean()) < share / 100:
        raise BadInput(
            f"{FILE} holds numbers just below {2**16 if numbers.max() < 2**16 else 2**32:,} in "
            f"{share:.0%} of its pixels: dark pixels became negative when the offset of 1000 was "
            "subtracted, and wrapped around at 0; subtract it in a signed type (int16), or "
            "export the original digital numbers."
        )


def _by_range(found: _Range, *, floats: bool) -> Scaling | None:
    bright = found.high
    if not floats:
        # Whole percent is so rare and dark sea so common that only bright land decides.
        percent = PERCENT_LOW <= bright <= PERCENT_HIGH and found.blueish is False
        return PERCENT if percent else PLAIN
    if bright <= BRIGHT_WATER or (bright <= BRIGHTEST and not found.blueish):
        return UNITY
    if bright < PERCENT_LOW or (bright <= PERCENT_HIGH and not found.blueish):
        return PERCENT
    return PLAIN if bright <= BRIGHTEST / PLAIN.scale else None


def _range_of(numbers: npt.NDArray[Any], bands: Sequence[str]) -> _Range:
    low, high = _percentiles(numbers)
    near = _near_infrared(bands)
    blueish = None
    if near is not None and "B02" in bands:
        bright = np.percentile(numbers[[bands.index("B02"), bands.index(near)]], 99, axis=1)
        blueish = bool(bright[1] < BLUEISH * bright[0])
    whole = numbers.dtype.kind in "iu" or bool((numbers == np.round(numbers)).mean() > 0.999)
    return _Range(low, high, float(numbers.max()), whole, blueish)


def _near_infrared(bands: Sequence[str]) -> str | None:
    return next((name for name in ("B08", "B8A") if name in bands), None)


def _percentiles(numbers: npt.NDArray[Any]) -> tuple[float, float]:
    """The lowest of the bands' first percentiles and the highest of their 99th."""
    low, high = np.percentile(numbers, [1, 99], axis=1)
    return float(low.min()), float(high.max())


def _impossible_share(reflectance: npt.NDArray[Any], bands: Sequence[str]) -> float:
    near = _near_infrared(bands)
    if near is None or "B04" not in bands:
        return 0.0
    bright = reflectance[bands.index(near)]
    red = reflectance[bands.index("B04")]
    return float(((bright > BRIGHT_INFRARED) & (red < IMPOSSIBLE_RATIO * bright)).mean())


def _is_spaced(numbers: npt.NDArray[Any]) -> bool:
    """Whether the values are digital numbers × 6.5535, rounded or cut off."""
    values = np.unique(numbers)
    values = values[(values > 0) & (values < 2**16 - 1)]
    if values.size < _LEAST_VALUES:
        return False
    steps = values / SPACING
    rest = steps - np.round(steps)
    rounded = np.abs(rest) <= _ROUNDED + _TOLERANCE
    cut_off = (rest >= -_CUT_OFF - _TOLERANCE) & (rest <= _TOLERANCE)
    return bool(max(rounded.mean(), cut_off.mean()) >= _SPACED_SHARE)
