"""Checks of a colour picture: whether it resembles the EuroSAT pictures used for training.

EuroSAT's pictures are Sentinel-2 scenes with 10 m pixels, all stretched in the same way. The
bounds below were measured on the 24,293 pictures in the project's data folder
(``tests/trust/test_picture_checks.py`` verifies the share of them with a warning).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from landcover.core.bands import PIXEL_M
from landcover.core.raster import Raster
from landcover.trust.verdict import NODATA_ABSTAIN, NODATA_WARN, Finding, finding

__all__ = ["CHECK", "RATIO", "USUAL", "findings"]

CHECK: Final = "quality"
"""Name of all picture checks in the JSON; their value and bound are 1."""
USUAL: Final[tuple[tuple[float, float], ...]] = ((0.09, 0.93), (0.15, 0.77), (0.23, 0.75))
"""Range of the mean red, green and blue of all but about one in a thousand EuroSAT pictures."""
RATIO: Final = 1.3
"""Pixels larger or smaller than 10 m by more than this factor get a warning."""


def findings(picture: Raster) -> Iterator[Finding]:
    """Check one window of a picture; findings come most severe first. Never raises."""
    gaps = picture.nodata_fraction
    severe = list(_severe(picture, gaps))
    for sentence in severe or (*_gaps(gaps), *_size(picture), *_stretch(picture)):
        yield finding(CHECK, "severe" if severe else "warn", (1.0, 1.0), sentence)


def _severe(picture: Raster, gaps: float) -> Iterator[str]:
    """Findings for which labels are withheld."""
    values = picture.data[:, picture.valid]
    if gaps > NODATA_ABSTAIN:
        yield f"{gaps:.0%} of the pixels are transparent: choose another window or picture."
    elif (values == values[:, :1]).all():
        yield "The entire picture has one colour: check the file."
    elif (values == values[:1]).all():
        yield (
            "The picture is grey, and the model needs colours to tell land covers apart: "
            "give a colour picture."
        )


def _gaps(gaps: float) -> Iterator[str]:
    if gaps > NODATA_WARN:
        yield f"{gaps:.0%} of the pixels are transparent and were filled with the mean colour."


def _size(picture: Raster) -> Iterator[str]:
    side = picture.pixel_m
    if side is not None and not PIXEL_M / RATIO <= side <= PIXEL_M * RATIO:
        yield (
            f"The file has pixels of {side:.3g} m, and the model was trained on pixels of "
            f"{PIXEL_M} m: resample the picture, or expect more mistakes."
        )


def _stretch(picture: Raster) -> Iterator[str]:
    means = picture.data[:, picture.valid].mean(axis=1, dtype=np.float64)
    unusual = [
        f"{name} {mean:.2f} (usual {low:g} to {high:g})"
        for name, mean, (low, high) in zip(picture.bands, means, USUAL, strict=True)
        if not low <= mean <= high
    ]
    if unusual:
        yield (
            "The colours differ from those of EuroSAT's pictures, so expect more mistakes: mean "
            f"{', '.join(unusual)}."
        )
