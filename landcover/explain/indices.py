"""Spectral indices for vegetation, water, buildings and burnt ground.

Each is a normalised difference of two bands, (a − b) / (a + b), between −1 and 1. They do not
depend on a model: next to an explanation, they describe the pixels themselves.

All four maps have the same diverging scale from −1 to 1. Its colours differ from those of
attributions, since an index is not evidence for or against a class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from landcover.core.errors import BadInput
from landcover.core.raster import ByteArray, FloatArray, Raster

__all__ = [
    "HIGH_RGB",
    "INDICES",
    "LOW_RGB",
    "MIDDLE_RGB",
    "MIN_BRIGHTNESS",
    "Index",
    "IndexSummary",
    "colour_bar",
    "coloured",
    "indices",
    "normalised_difference",
    "number",
]

MIN_BRIGHTNESS: Final = 0.005
"""Sum of two reflectances below which their ratio is noise: Level-2A pixels have such errors."""

LOW_RGB: Final = (140, 81, 10)
HIGH_RGB: Final = (1, 102, 94)
"""The ends of ColorBrewer's BrBG scheme, brown and teal. Colour-blind people can distinguish them
from each other and from the red and blue of attributions."""
MIDDLE_RGB: Final = (245, 245, 245)


@dataclass(frozen=True, kw_only=True)
class Index:
    """One spectral index, (first − second) / (first + second).

    Attributes:
        name, title: short and long name.
        first, second: names of bands.
        source: the publication.
        steps: ascending upper bounds of the mean, each with its meaning; the last bound is 1.
    """

    name: str
    title: str
    first: str
    second: str
    source: str
    steps: tuple[tuple[float, str], ...]

    def reading(self, mean: float) -> str:
        """Describe a mean value in words."""
        return next((words for bound, words in self.steps if mean <= bound), self.steps[-1][1])


INDICES: Final[dict[str, Index]] = {
    index.name: index
    for index in (
        Index(
            name="NDVI",
            title="vegetation",
            first="B08",
            second="B04",
            source="Rouse et al. 1974",
            steps=(
                (0.0, "water, snow or cloud rather than plants"),
                (0.2, "hardly any green plants"),
                (0.4, "sparse or dry plants"),
                (0.7, "green plants"),
                (1.0, "dense green plants"),
            ),
        ),
        Index(
            name="NDWI",
            title="open water",
            first="B03",
            second="B08",
            source="McFeeters 1996",
            # Dark northern lakes, with hardly more green light than infrared, are near −0.2.
            steps=(
                (-0.3, "land prevails"),
                (0.0, "land, or a dark lake"),
                (1.0, "open water prevails"),
            ),
        ),
        Index(
            name="NDBI",
            title="buildings and bare ground",
            first="B11",
            second="B08",
            source="Zha et al. 2003",
            steps=(
                (-0.2, "plants or water rather than buildings"),
                (0.0, "mixed, with some bare or built ground"),
                (1.0, "bare or built ground, or dry plants"),
            ),
        ),
        Index(
            name="NBR",
            title="burnt ground (low)",
            first="B08",
            second="B12",
            source="López García and Caselles 1991",
            steps=(
                (-0.1, "burnt, bare or built ground"),
                (0.1, "bare ground or sparse plants"),
                (0.4, "moist plants in places"),
                (1.0, "moist plants"),
            ),
        ),
    )
}
"""The indices. Their bounds are conventional values that fit typical cases, not exact limits."""


@dataclass(frozen=True, kw_only=True)
class IndexSummary:
    """One index over a patch.

    Attributes:
        name: key of :data:`INDICES`.
        map: float32 ``(y, x)``, −1 to 1; NaN without data or where both bands are dark.
            Read-only.
        mean, low, high: mean, 10th and 90th percentile; None if no pixel has a value.
        share: share of the patch's pixels that have a value, 0 to 1.
        reading: a sentence that describes the values.
    """

    name: str
    map: FloatArray
    mean: float | None
    low: float | None
    high: float | None
    share: float
    reading: str


def indices(patch: Raster) -> dict[str, IndexSummary]:
    """Compute all indices whose bands the patch has; there may be none. Never raises."""
    found = {}
    for index in INDICES.values():
        try:
            values = normalised_difference(patch, index.first, index.second)
        except BadInput:
            continue
        found[index.name] = _summary(index, values)
    return found


def normalised_difference(patch: Raster, first: str, second: str) -> FloatArray:
    """Compute (first − second) / (first + second), float32 ``(y, x)``, −1 to 1, NaN if unknown.

    Negative reflectance, which dark water may have, counts as 0.

    Raises:
        BadInput: the patch does not have one of the bands.
    """
    a, b = (np.maximum(patch.band(name), 0.0) for name in (first, second))
    total = a + b
    known = patch.valid & (total > MIN_BRIGHTNESS)
    out = np.full(total.shape, np.nan, dtype=np.float32)
    np.divide(a - b, total, out=out, where=known)
    out.flags.writeable = False
    return out


def coloured(values: FloatArray) -> ByteArray:
    """Colour the map of an index, uint8 RGBA ``(y, x, 4)``: brown −1, near white 0, teal 1.

    Args:
        values: float ``(y, x)``, −1 to 1; values outside are clipped, NaN becomes transparent.
    """
    known = np.isfinite(values)
    part = np.clip(np.where(known, values, 0.0), -1.0, 1.0).astype(np.float64)[..., None]
    middle = np.array(MIDDLE_RGB, dtype=np.float64)
    ends = np.where(part > 0, HIGH_RGB, LOW_RGB)
    out = np.zeros((*values.shape, 4), dtype=np.uint8)
    out[..., :3] = np.round(middle + np.abs(part) * (ends - middle))
    out[..., 3] = np.where(known, 255, 0)
    return out


def colour_bar(width: int = 256, height: int = 14) -> ByteArray:
    """Draw the scale of all maps, from −1 on the left to 1 on the right, uint8 ``(y, x, 4)``."""
    return coloured(np.tile(np.linspace(-1.0, 1.0, width, dtype=np.float32), (height, 1)))


def _summary(index: Index, values: FloatArray) -> IndexSummary:
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size:
        return IndexSummary(
            name=index.name,
            map=values,
            mean=None,
            low=None,
            high=None,
            share=0.0,
            reading=f"{index.name} is unknown here: no pixel is bright enough in both bands.",
        )
    mean = float(known.mean())
    low, high = np.percentile(known, (10, 90)).tolist()
    return IndexSummary(
        name=index.name,
        map=values,
        mean=mean,
        low=low,
        high=high,
        share=known.size / values.size,
        reading=(
            f"{index.name} {number(mean)} ({index.title}): {index.reading(mean)}; "
            f"80 % of the pixels lie between {number(low)} and {number(high)}."
        ),
    )


def number(value: float) -> str:
    """Format a value with two decimals, a typographic minus and no minus before zero."""
    text = f"{value:.2f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")
