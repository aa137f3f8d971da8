"""Recognising the product level by the pixels, for files that do not state it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from landcover.core.raster import FloatArray

__all__ = [
    "CIRRUS",
    "CLEAR",
    "HAZE",
    "LIT",
    "PIXELS_OF_1C",
    "VAPOUR",
    "is_empty",
    "level_of_pixels",
]

LIT: Final = 0.1
"""Only pixels that are brighter in B8A show how much water vapour absorbs in B09."""
VAPOUR: Final = 0.75
CLEAR: Final = 0.86
"""Bounds of the median of B09 / B8A. Level-2A corrects for water vapour: 99 % of the 614
BigEarthNet patches with enough lit pixels have ``CLEAR`` or more. Level-1C has 0.26 to 0.52 in
nine of ten windows."""
HAZE: Final = 0.025
"""Level-1C contains the light that the air scatters, most in B01: its first percentile is above
the lowest of B02, B03 and B04 by 0.030 to 0.105 in six real scenes. Of the BigEarthNet patches
with B09 / B8A below ``VAPOUR`` none reaches this."""
CIRRUS: Final = 0.05
"""Largest median of B10: 0.001 in six real scenes, without high clouds."""
PIXELS_OF_1C: Final = (
    "recognised as Level-1C by its pixels, because the air brightens B01 and darkens B09"
)
"""Note on a file that does not state its level."""
_LIT_SHARE: Final = 0.05


def is_empty(band: npt.NDArray[np.generic]) -> bool:
    """Whether a band has a single value everywhere, as if it was only padding."""
    return not band.size or bool((band == band.flat[0]).all())


def level_of_pixels(reflectance: FloatArray, bands: Sequence[str]) -> Literal["L1C", "L2A"] | None:
    """The level that the pixels show; None if they do not decide.

    Args:
        reflectance: ``(band, pixel)``.
        bands: names of the bands; without B01, B8A and B09 nothing is decided.
    """
    if not {"B01", "B02", "B03", "B04", "B8A", "B09"} <= set(bands) or not reflectance.size:
        return None
    near = reflectance[bands.index("B8A")]
    lit = near > LIT
    if lit.mean() < _LIT_SHARE:
        return None
    ratio = float(np.median(reflectance[bands.index("B09")][lit] / near[lit]))
    if ratio >= CLEAR:
        return "L2A"
    dark = {
        name: float(np.percentile(reflectance[bands.index(name)], 1))
        for name in ("B01", "B02", "B03", "B04")
    }
    haze = dark["B01"] - min(dark["B02"], dark["B03"], dark["B04"])
    return "L1C" if ratio < VAPOUR and haze > HAZE else None
