"""Converting digital numbers to reflectance: nodata, scale and the offset of baseline 04.00."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.bands import NODATA, QUANTIFICATION
from landcover.core.large_arrays import large_array
from landcover.core.raster import BoolArray, FloatArray

__all__ = [
    "DARK_HIGH",
    "DARK_LOW",
    "DARK_PERCENTILE",
    "OFFSET",
    "OFFSET_BASELINE",
    "PERCENT",
    "PLAIN",
    "SHIFTED",
    "SIXTEEN_BITS",
    "UNITY",
    "Scaling",
    "any_empty",
    "darkest",
    "looks_shifted",
    "valid_numbers",
]

OFFSET: Final = -0.1
"""Reflectance to add since processing baseline 04.00 (ESA's BOA_ADD_OFFSET of -1000)."""
OFFSET_BASELINE: Final = 4.0

_AT_ONCE: Final = 50_000
"""Pixels that are converted at once."""

DARK_PERCENTILE: Final = 1.0
DARK_LOW: Final = 0.09
DARK_HIGH: Final = 0.20
"""If the offset was not removed, dark pixels of the darkest band are in this range."""


@dataclass(frozen=True)
class Scaling:
    """reflectance = number · scale + offset, with a description for the provenance."""

    scale: float
    offset: float
    description: str

    def apply(self, numbers: npt.NDArray[Any], valid: BoolArray) -> FloatArray:
        """Convert numbers to reflectance float32 ``(band, y, x)``, 0 where not valid."""
        out: FloatArray = large_array(numbers.shape, np.float32)
        gaps = None if valid.all() else ~valid
        # Some rows at a time, which stay in the processor's cache. Pixels without data may hold
        # any number.
        step = max(1, _AT_ONCE // max(1, valid.shape[1]))
        exact = np.empty((step, valid.shape[1]), dtype=np.float64)
        with np.errstate(all="ignore"):
            for band, pixels in zip(out, numbers, strict=True):
                for row in range(0, len(band), step):
                    part = slice(row, row + step)
                    scaled = exact[: len(band[part])]
                    np.multiply(pixels[part], self.scale, out=scaled)
                    np.add(scaled, self.offset, out=scaled)
                    band[part] = scaled
                if gaps is not None:
                    band[gaps] = 0
        return out

    def of(self, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Convert numbers of pixels with data, in any shape, to reflectance."""
        return numbers * self.scale + self.offset


PLAIN: Final = Scaling(1 / QUANTIFICATION, 0.0, "reflectance = DN / 10000")
SHIFTED: Final = Scaling(1 / QUANTIFICATION, OFFSET, "reflectance = (DN − 1000) / 10000")
UNITY: Final = Scaling(1.0, 0.0, "values are reflectance already")
PERCENT: Final = Scaling(0.01, 0.0, "reflectance = percent / 100")
SIXTEEN_BITS: Final = Scaling(1 / 65535, 0.0, "reflectance = number / 65535")


def valid_numbers(numbers: npt.NDArray[Any], *, shifted: bool = False) -> BoolArray:
    """Pixels with data, bool ``(y, x)``, of digital numbers ``(band, y, x)``.

    A pixel has no data if its number is 0 in all bands. A 0 in some bands only is a reflectance
    of 0 (dark water, deep shadow). If the product has the offset (``shifted``), ESA reserves 0
    for nodata, so a 0 in one band is enough.
    """
    return ~(any_empty(numbers) if shifted else _all_empty(numbers))


def any_empty(numbers: npt.NDArray[Any]) -> BoolArray:
    """Pixels ``(y, x)`` whose number is 0 in some band."""
    found = np.zeros(numbers.shape[1:], dtype=np.bool_)
    # Band by band: a mask of all bands is as large as half of the numbers.
    for band in numbers:
        found |= band == NODATA
    return found


def _all_empty(numbers: npt.NDArray[Any]) -> BoolArray:
    found = np.ones(numbers.shape[1:], dtype=np.bool_)
    for band in numbers:
        found &= band == NODATA
        if not found.any():  # nearly always after the first band
            break
    return found


def darkest(values: FloatArray) -> float:
    """The lowest of the bands' first percentiles.

    In 1200 m there is almost always water, shadow or vegetation that is dark in some band, so
    this is near 0 in both Level-1C and Level-2A.

    Args:
        values: reflectance ``(band, pixel)`` of pixels with data, at least one.
    """
    # Some ten thousand pixels are enough for a percentile, so tiles are not sorted completely.
    step = max(1, values.shape[1] // 50_000)
    return float(np.percentile(values[:, ::step], DARK_PERCENTILE, axis=1).min())


def looks_shifted(dark: float) -> bool:
    """Whether the :func:`darkest` reflectance suggests that the numbers still contain +1000."""
    return DARK_LOW <= dark <= DARK_HIGH
