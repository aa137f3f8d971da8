"""Checks of a colour picture: whether it looks like those that EuroSAT's models trained on.

EuroSAT's pictures are Sentinel-2 scenes of 10 m a pixel, stretched in one way. The bounds
below were measured on the 24,293 of them in the project's data folder
(``tests/trust/test_picture_checks.py`` verifies the share that is warned of).
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
"""Name of all checks of pictures in the JSON; their value and bound are 1."""
USUAL: Final[tuple[tuple[float, float], ...]] = ((0.09, 0.93), (0.15, 0.77), (0.23, 0.75))
"""Mean red, green and blue of all but about one in a thousand of EuroSAT's pictures."""
RATIO: Final = 1.3
"""Pixels larger or smaller than 10 m by this factor show another piece of land."""


def findings(picture: Raster) -> Iterator[Finding]:
    """Reasons to doubt one window of a picture, the gravest first; never raises."""
    gaps = picture.nodata_fraction
    grave = list(_grave(picture, gaps))
    for sentence in grave or (*_gaps(gaps), *_size(picture), *_stretch(picture)):
        yield finding(CHECK, "grave" if grave else "warn", (1.0, 1.0), sentence)


def _grave(picture: Raster, gaps: float) -> Iterator[str]:
    """Findings after which no label should be given."""
    values = picture.data[:, picture.valid]
    if gaps > NODATA_ABSTAIN:
        yield f"{gaps:.0%} of the pixels are see-through: choose another window or picture."
    elif (values == values[:, :1]).all():
        yield "The picture has one single colour, so there is nothing to see: check the file."
    elif (values == values[:1]).all():
        yield (
            "The picture is grey, and the model tells covers apart by their colours: "
            "give a colour picture."
        )


def _gaps(gaps: float) -> Iterator[str]:
    if gaps > NODATA_WARN:
        yield f"{gaps:.0%} of the pixels are see-through and were filled with the mean colour."


def _size(picture: Raster) -> Iterator[str]:
    side = picture.pixel_m
    if side is not None and not PIXEL_M / RATIO <= side <= PIXEL_M * RATIO:
        yield (
            f"The file states pixels of {side:.3g} m, and the model knows pixels of {PIXEL_M} m: "
            "bring the picture to that, or expect more mistakes."
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
            "The colours are not as EuroSAT stretched them, so expect more mistakes: mean "
            f"{', '.join(unusual)}."
        )
