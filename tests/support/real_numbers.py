"""Digital numbers of the packaged samples, in the forms in which tools store them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.core.bands import BAND_NAMES
from landcover.io.samples import native

HOLE = (slice(10, 60), slice(20, 90))
"""Rows and columns without data in a patch with a hole."""


def digital_numbers(sample: str = "austria-fields") -> npt.NDArray[np.uint16]:
    """Digital numbers uint16 ``(12, 120, 120)`` of a sample."""
    return native(sample).stack()


def with_hole(numbers: npt.NDArray[Any], value: float) -> npt.NDArray[Any]:
    """Numbers with one value in all bands of :data:`HOLE`."""
    out = numbers.copy()
    out[:, HOLE[0], HOLE[1]] = value
    return out


def level_1c(numbers: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Thirteen bands like Level-1C: light scattered by the air, water vapour in B09, B10 dark."""
    bands = numbers.astype(np.float64)
    for name, scattered in (("B01", 1100), ("B02", 700), ("B03", 350), ("B04", 150)):
        bands[BAND_NAMES.index(name)] += scattered
    bands[BAND_NAMES.index("B09")] *= 0.35
    cirrus = 8 + bands[BAND_NAMES.index("B12")] % 5
    return np.insert(bands, 10, cirrus, axis=0).astype(np.uint16)
