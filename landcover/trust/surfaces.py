"""Kinds of ground that the spectrum of a pixel shows: water, vegetation, bare or built ground.

They depend on no model, and they are coarser than land covers: a spectrum shows water, but not
whether it is a lake or the sea, and not whether bare ground is a field or a car park.

The bounds are conventional values of spectral indices (Rouse et al. 1974, McFeeters 1996), with
limits of brightness that we chose on BigEarthNet's training and validation patches in the
project's data folder: all 68 patches whose only class is Marine or Inland waters have more than
99 % of water, and 95 of 100 of the 73 patches of one or two classes on dry land less than 2 %
(``tests/trust/test_surfaces.py``).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from landcover.core.raster import BoolArray, ByteArray, FloatArray, Raster

__all__ = ["BANDS", "SURFACES", "UNKNOWN", "is_water", "shares", "surfaces", "water"]

SURFACES: Final[tuple[str, ...]] = (
    "water",
    "dark vegetation",
    "bright vegetation",
    "sparse vegetation",
    "bare or built ground",
    "snow or cloud",
)
"""Dark vegetation is mostly coniferous or shaded forest; bright vegetation is crops, meadows and
broad-leaved trees; snow or cloud is whatever is as bright in blue light."""
UNKNOWN: Final = 255
"""Number of pixels without data."""
BANDS: Final = ("B02", "B03", "B04", "B08")
"""The bands that are needed; B11 is used if there is one."""

_GREEN_NDVI: Final = 0.5
_SPARSE_NDVI: Final = 0.25
_BRIGHT_INFRARED: Final = 0.25
"""Reflectance in B08 that separates dark from bright vegetation."""
_WATER_INFRARED: Final = 0.15
_BLACK_INFRARED: Final = 0.05
"""Reflectance in B08 below which dark lakes count as water although their NDWI is below 0."""
_WATER_SHORTWAVE: Final = 0.08
_WHITE: Final = 0.25
_SMALLEST: Final = 0.005


def surfaces(patch: Raster) -> ByteArray | None:
    """Find the kind of ground of each pixel.

    Returns:
        uint8 ``(y, x)``: numbers of :data:`SURFACES`, :data:`UNKNOWN` without data; None if the
        patch is a colour picture or lacks one of :data:`BANDS`.
    """
    if patch.is_rgb or not set(BANDS) <= set(patch.bands):
        return None
    blue, green, red, infrared = (patch.band(name) for name in BANDS)
    ndvi = _difference(infrared, red)
    white = (blue > _WHITE) & (green > _WHITE)
    planted = ndvi >= _GREEN_NDVI
    conditions = [
        ~patch.valid,
        white,
        water(patch),
        planted & (infrared < _BRIGHT_INFRARED),
        planted,
        ndvi >= _SPARSE_NDVI,
    ]
    numbers = [UNKNOWN, 5, 0, 1, 2, 3]
    found: npt.NDArray[np.uint8] = np.select(conditions, numbers, 4).astype(np.uint8)
    return found


def water(patch: Raster) -> BoolArray:
    """Find the pixels that are water by their spectrum, ``(y, x)``.

    Args:
        patch: reflectance with B03 and B08; B11 is used if there is one. Without the bands that are
            needed, no pixel is water.
    """
    if patch.is_rgb or not {"B03", "B08"} <= set(patch.bands):
        return np.zeros(patch.data.shape[1:], dtype=bool)
    green, infrared = patch.band("B03"), patch.band("B08")
    shortwave = patch.band("B11") if "B11" in patch.bands else np.zeros_like(green)
    return is_water(green, infrared, shortwave)


def is_water(green: FloatArray, infrared: FloatArray, shortwave: FloatArray) -> BoolArray:
    """Find water by its reflectance in B03, B08 and B11; arrays of one shape.

    Cloud and dense haze over water are too bright in B08 or B11 to count as water.
    """
    wet = (_difference(green, infrared) > 0) | (infrared < _BLACK_INFRARED)
    found: BoolArray = wet & (infrared < _WATER_INFRARED) & (shortwave < _WATER_SHORTWAVE)
    return found


def shares(found: ByteArray) -> dict[str, float]:
    """Share of each kind of ground among the pixels with data; they add up to 1.

    Args:
        found: from :func:`surfaces`; without any data, all shares are 0.
    """
    counts = np.bincount(found[found != UNKNOWN].ravel(), minlength=len(SURFACES))
    total = max(int(counts.sum()), 1)
    return {name: float(count) / total for name, count in zip(SURFACES, counts, strict=True)}


def _difference(a: FloatArray, b: FloatArray) -> FloatArray:
    """(a − b) / (a + b), where reflectance below 0 counts as 0."""
    a, b = np.maximum(a, 0), np.maximum(b, 0)
    ratio: FloatArray = (a - b) / np.maximum(a + b, _SMALLEST)
    return ratio
