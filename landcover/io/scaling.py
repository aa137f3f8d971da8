"""From digital numbers to reflectance: nodata, scale and the offset of baseline 04.00."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.bands import NODATA, QUANTIFICATION
from landcover.core.raster import BoolArray, FloatArray

__all__ = [
    "DARK_HIGH",
    "DARK_LOW",
    "DARK_PERCENTILE",
    "OFFSET",
    "OFFSET_BASELINE",
    "PLAIN",
    "SHIFTED",
    "UNITY",
    "Scaling",
    "darkest",
    "looks_shifted",
    "valid_numbers",
]

OFFSET: Final = -0.1
"""Reflectance to add from processing baseline 04.00 on (ESA's BOA_ADD_OFFSET of -1000)."""
OFFSET_BASELINE: Final = 4.0

DARK_PERCENTILE: Final = 1.0
DARK_LOW: Final = 0.09
DARK_HIGH: Final = 0.20
"""An offset that was not removed leaves the darkest band's dark pixels between these two."""


@dataclass(frozen=True)
class Scaling:
    """reflectance = number · scale + offset, with the words that say so."""

    scale: float
    offset: float
    description: str

    def apply(self, numbers: npt.NDArray[Any], valid: BoolArray) -> FloatArray:
        """Reflectance float32 ``(band, y, x)`` of such numbers, 0 where not valid."""
        out = np.zeros(numbers.shape, dtype=np.float32)
        for band, pixels in zip(out, numbers, strict=True):
            band[valid] = pixels[valid] * self.scale + self.offset
        return out


PLAIN: Final = Scaling(1 / QUANTIFICATION, 0.0, "reflectance = DN / 10000")
SHIFTED: Final = Scaling(1 / QUANTIFICATION, OFFSET, "reflectance = (DN − 1000) / 10000")
UNITY: Final = Scaling(1.0, 0.0, "values are reflectance already")


def valid_numbers(numbers: npt.NDArray[Any], *, shifted: bool = False) -> BoolArray:
    """Pixels with data, bool ``(y, x)``, of digital numbers ``(band, y, x)``.

    A pixel has none where the number is 0 in every band. One 0 among other numbers is
    a reflectance of 0 (dark water, deep shadow), unless the product carries the offset
    (``shifted``): there ESA keeps 0 for nodata, and one band without data is enough.
    """
    empty = numbers == NODATA
    gaps: BoolArray = empty.any(axis=0) if shifted else empty.all(axis=0)
    return ~gaps


def darkest(values: FloatArray) -> float:
    """The first percentile of the band in which that is lowest.

    Somewhere in 1200 m there is water, shadow or vegetation that is dark in some band,
    so this is near 0 in Level-1C and Level-2A alike.

    Args:
        values: reflectance ``(band, pixel)`` of pixels with data, at least one.
    """
    # Whole tiles need not be sorted: some ten thousand pixels fix a percentile well.
    step = max(1, values.shape[1] // 50_000)
    return float(np.percentile(values[:, ::step], DARK_PERCENTILE, axis=1).min())


def looks_shifted(dark: float) -> bool:
    """Whether the :func:`darkest` reflectance looks as if +1000 were still in the numbers."""
    return DARK_LOW <= dark <= DARK_HIGH
