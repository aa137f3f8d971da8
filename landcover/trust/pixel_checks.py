"""Checks of the pixels that rest on physics: haze, cloud, snow, shade, level, noise, gaps of bands.

They work on *cells* of 60 m, the coarsest grid of the product, so that a resampled 60 m
band and a 10 m band mean the same. Figures named below were measured on the 510 training
and validation patches of BigEarthNet v2 in the project's data folder, the validation ones
as "good"; ``landcover trust measure`` prints the rates of every check anew, and
``docs/trust.md`` has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from landcover.core.bands import BAND_NAMES
from landcover.core.raster import BoolArray, FloatArray, Raster
from landcover.trust.verdict import Finding, finding

__all__ = [
    "CELL",
    "CLOUD",
    "CLOUD_SHARE",
    "FEWEST",
    "HAZE",
    "HAZE_SHARE",
    "HAZE_SLOPE",
    "LAND",
    "LIT",
    "LIT_QUANTILE",
    "OPAQUE",
    "OPAQUE_SHARE",
    "ROUGH",
    "SHADE_DEEP",
    "SHADE_HIGH",
    "SHADE_INDEX",
    "SHADE_INFRARED",
    "SHADE_LOW",
    "SHADE_OF_LIT",
    "SHADE_SHARE",
    "SNOW_BLUE",
    "SNOW_GRAVE",
    "SNOW_GREEN",
    "SNOW_INDEX",
    "SNOW_INFRARED",
    "SNOW_SHARE",
    "TWINS_HIGH",
    "TWINS_LOW",
    "VAPOUR_GRAVE",
    "VAPOUR_HIGH",
    "VAPOUR_WARN",
    "cells",
    "haze_share",
    "hazy",
    "of_sky",
    "physical",
    "ratio_to_b8a",
    "roughness",
    "shade_share",
    "shaded",
    "snow_share",
]

CELL: Final = 6
"""Side of a cell in pixels of 10 m."""
FEWEST: Final = 20
"""Cells with data below which nothing is said: 5 % of a patch."""

HAZE_SLOPE: Final = 0.5
HAZE: Final = 0.03
"""A cell is hazy or clouded where B02 − 0.5 · B04 exceeds this: the haze-optimised transform
(Zhang et al. 2002) with the slope of Fmask (Zhu and Woodcock 2012). Soil and plants lie along
that line; its offset is ours, for surface reflectance: half of all good patches have 0.010 or
less in the middle, haze over Boadella 0.044 to 0.055."""
HAZE_SHARE: Final = 0.40
"""Good validation patches have up to 0.37 of such cells (bright roofs, beaches)."""
CLOUD: Final = 0.10
CLOUD_SHARE: Final = 0.15
"""Small dense clouds need not cover as much: of the 510 good patches one has more than 0.09 of
such cells, and that one lies under snow; nearly all windows of a real scene of clouds
(:mod:`landcover.trust.bench.cloud_scene`) that are clouded by a third have more than 0.15."""
OPAQUE: Final = 0.15
OPAQUE_SHARE: Final = 0.50
"""Above ``OPAQUE`` nothing is seen of the ground; with half a patch so, no answer is given."""

SNOW_INDEX: Final = 0.4
SNOW_GREEN: Final = 0.15
SNOW_INFRARED: Final = 0.11
"""A cell is snow where (B03 − B11) / (B03 + B11) exceeds the first (Dozier 1989; Hall et al.
1995, with their bound of 0.11 in the near infrared, which keeps water out) and B03 the second."""
SNOW_BLUE: Final = 0.9
"""Snow is as bright in B02 as in B03; bands in the reverse order look like snow but for this."""
SNOW_SHARE: Final = 0.25
SNOW_GRAVE: Final = 0.95
"""Good validation patches have up to 0.003 of such cells, thick cloud over Boadella up to 0.20;
the sample finland-snow, whose forest can still be told, has 0.89."""

SHADE_LOW: Final = 0.03
SHADE_DEEP: Final = 0.10
SHADE_INDEX: Final = 0.35
"""A cell is a shaded plant where (B8A − B04) / (B8A + B04) exceeds the third and B8A lies between
the first two (a lit one has 0.2 and more, water less than 0.03) …"""
SHADE_HIGH: Final = 0.20
SHADE_INFRARED: Final = 0.12
SHADE_OF_LIT: Final = 0.40
LIT_QUANTILE: Final = 0.90
"""… or where B8A lies below the first, B11 below the second, and B8A below this share of the lit
part of the patch, the given quantile of its B8A: shadow is what is dark beside its surroundings
in the near infrared (Fmask: Zhu and Woodcock 2012). In the shadows of a real scene
(:mod:`landcover.trust.bench.cloud_scene`) the near infrared is 0.09 to 0.23, 0.31 times that of
their surroundings, so a fixed bound alone misses half of them; bare soil beside meadows is as dark
there, but not in B11."""
SHADE_SHARE: Final = 0.18
"""Chosen on the training patches and the western half of that scene: 3 of 301 have more (dark
spruce, shores), and so has 1 of the 209 validation patches."""

LIT: Final = 0.1
VAPOUR_WARN: Final = 0.88
VAPOUR_GRAVE: Final = 0.75
VAPOUR_HIGH: Final = 1.12
"""Between these lies B09 / B8A in the middle of all cells with B8A above ``LIT``: Level-2A removes
the water vapour that B09 measures, so that it equals B8A next to it (0.86 to 1.03 in all good
patches); Level-1C has 0.26 to 0.52 in nine of ten windows, and over cloud Level-2A removes too
much (1.2 to 1.6)."""

TWINS_LOW: Final = 0.85
TWINS_HIGH: Final = 1.15
"""Between these lies B08 / B8A likewise: 0.92 to 1.04 in all good patches, 0.90 to 0.99 in Brazil,
Kenya, Catalonia and Denmark, up to 1.14 over cloud. Both see the near infrared, so another ratio
means that one of them is another band."""

ROUGH: Final = 0.9
"""Of the variance of B02, B03, B04 and B08, the share between neighbouring pixels, the least of
the four: up to 0.75 on open sea, mostly near 0.1; noise and shuffled pixels have 0.98 and more."""

LAND: Final = 0.05
"""Mean reflectance of the brightest band from which there is more than open sea."""


def cells(patch: Raster) -> FloatArray:
    """Mean reflectance ``(band, cell)`` of the cells of 60 m of which all pixels have data.

    Bands are in the order of :data:`~landcover.core.bands.BAND_NAMES`; none where one is
    missing.
    """
    if not set(BAND_NAMES) <= set(patch.bands):
        return np.empty((len(BAND_NAMES), 0), dtype=np.float32)
    rows, cols = patch.height // CELL, patch.width // CELL
    order = [patch.bands.index(name) for name in BAND_NAMES]
    cut = patch.data[order, : rows * CELL, : cols * CELL]
    means = cut.reshape(len(order), rows, CELL, cols, CELL).mean(axis=(2, 4))
    whole = patch.valid[: rows * CELL, : cols * CELL]
    full = whole.reshape(rows, CELL, cols, CELL).all(axis=(1, 3))
    found: FloatArray = means[:, full]
    return found


def physical(patch: Raster, found: FloatArray | None = None) -> tuple[Finding, ...]:
    """What the checks of this module find in a patch.

    Args:
        patch: of twelve bands; nothing is found in any other.
        found: its :func:`cells`, where the caller has them already.
    """
    values = cells(patch) if found is None else found
    if values.shape[1] < FEWEST:
        return ()
    return (
        *_bands(patch),
        *_noise(patch),
        *_twins(values),
        *_vapour(values),
        *of_sky(values),
    )


def of_sky(values: FloatArray) -> tuple[Finding, ...]:
    """What the checks of haze, cloud, snow and shade find in cells ``(band, cell)``.

    They read B02, B03, B04, B08, B8A and B11 only; the other rows may hold anything.
    """
    snow = tuple(_snow(values))
    # Beside snow all plants are dark, and all snow is bright.
    return snow or (*_clouds(values), *_shade(values))


def haze_share(values: FloatArray) -> float:
    """Share of the cells ``(band, cell)`` that are hazy or clouded, 0 to 1."""
    return float(hazy(values).mean())


def hazy(values: FloatArray, bound: float = HAZE) -> BoolArray:
    """Which of the cells ``(band, cell)`` are hazy, or clouded with a higher bound."""
    blue, red = _band(values, "B02"), _band(values, "B04")
    found: BoolArray = blue - np.float32(HAZE_SLOPE) * red > bound
    return found


def snow_share(values: FloatArray) -> float:
    """Share of the cells ``(band, cell)`` under snow, 0 to 1."""
    green, short = _band(values, "B03"), _band(values, "B11")
    bright = (green > SNOW_GREEN) & (_band(values, "B08") > SNOW_INFRARED)
    bluish = _band(values, "B02") > SNOW_BLUE * green
    return float((bright & bluish & (_index(green, short) > SNOW_INDEX)).mean())


def shade_share(values: FloatArray) -> float:
    """Share of the cells ``(band, cell)`` that are plants in a shadow, 0 to 1."""
    return float(shaded(values).mean())


def shaded(values: FloatArray) -> BoolArray:
    """Which of the cells ``(band, cell)`` of one patch are plants in a shadow."""
    near, short = _band(values, "B8A"), _band(values, "B11")
    plants = (near > SHADE_LOW) & (_index(near, _band(values, "B04")) > SHADE_INDEX)
    lit = float(np.quantile(near, LIT_QUANTILE))
    darker = (near < min(SHADE_HIGH, SHADE_OF_LIT * lit)) & (short < SHADE_INFRARED)
    found: BoolArray = plants & ((near < SHADE_DEEP) | darker)
    return found


def ratio_to_b8a(values: FloatArray, name: str) -> float | None:
    """A band over B8A in the middle of the lit cells; None where fewer than a twentieth are lit."""
    lit = _band(values, "B8A") > LIT
    if lit.mean() < 0.05:
        return None
    return float(np.median(_band(values, name)[lit] / _band(values, "B8A")[lit]))


def roughness(patch: Raster) -> float:
    """Share of the variance that lies between neighbouring pixels, 0 to about 1.

    Half the mean square of the difference of neighbours in a row, over the variance: 1
    where neighbours know nothing of each other. The least of the four bands of 10 m.
    """
    found = []
    for name in ("B02", "B03", "B04", "B08"):
        pixels = patch.band(name).astype(np.float64)
        both = patch.valid[:, 1:] & patch.valid[:, :-1]
        spread = pixels[patch.valid].var()
        # A flat band has no noise.
        step = np.diff(pixels, axis=1)[both]
        found.append(
            float((step**2).mean() / (2 * spread)) if spread > 1e-12 and both.any() else 0.0
        )
    return min(found)


def _band(values: FloatArray, name: str) -> FloatArray:
    found: FloatArray = values[BAND_NAMES.index(name)]
    return found


def _index(first: FloatArray, second: FloatArray) -> FloatArray:
    """Normalised difference, 0 where both are 0."""
    total = np.maximum(first + second, 1e-3)
    index: FloatArray = (first - second) / total
    return index


def _bands(patch: Raster) -> Iterator[Finding]:
    lost = patch.provenance.missing_bands
    if lost:
        yield finding(
            "missing-bands",
            "warn",
            (float(len(lost)), 1.0),
            f"The source lacks {', '.join(lost)}: give all twelve bands.",
        )
    values = patch.data[:, patch.valid]
    if float(values.mean(axis=1).max()) < LAND:
        return  # over open sea a band may be one small number throughout
    flat = [name for name, band in zip(patch.bands, values, strict=True) if not np.ptp(band)]
    if flat:
        yield finding(
            "missing-bands",
            "grave",
            (float(len(flat)), 1.0),
            f"{', '.join(flat)} hold{'s' * (len(flat) == 1)} one single value, as if left out: "
            "give all twelve bands.",
        )


def _noise(patch: Raster) -> Iterator[Finding]:
    rough = roughness(patch)
    if rough > ROUGH:
        yield finding(
            "noise",
            "grave",
            (rough, ROUGH),
            "Neighbouring pixels have nothing in common, as in noise: check how the file was made.",
        )


def _vapour(values: FloatArray) -> Iterator[Finding]:
    ratio = ratio_to_b8a(values, "B09")
    if ratio is None:
        return
    if ratio < VAPOUR_WARN:
        grave = ratio < VAPOUR_GRAVE
        yield finding(
            "level",
            "grave" if grave else "warn",
            (ratio, VAPOUR_GRAVE if grave else VAPOUR_WARN),
            f"B09 is {ratio:.0%} of B8A, where Level-2A has about 100%: it looks like Level-1C, "
            "or like bands in another order; use Level-2A.",
        )
    elif ratio > VAPOUR_HIGH:
        yield finding(
            "vapour",
            "warn",
            (ratio, VAPOUR_HIGH),
            f"B09 is {ratio:.0%} of B8A, where clear Level-2A has about 100%: cloud or haze misled "
            "the correction for the atmosphere, or bands are mixed up.",
        )


def _twins(values: FloatArray) -> Iterator[Finding]:
    ratio = ratio_to_b8a(values, "B08")
    if ratio is not None and not TWINS_LOW <= ratio <= TWINS_HIGH:
        yield finding(
            "order",
            "grave",
            (ratio, TWINS_LOW if ratio < 1 else TWINS_HIGH),
            f"B08 is {ratio:.0%} of B8A, where both see the near infrared and have about the same: "
            "bands seem to be mixed up; check their order.",
        )


def _snow(values: FloatArray) -> Iterator[Finding]:
    snow = snow_share(values)
    if snow > SNOW_SHARE:
        grave = snow > SNOW_GRAVE
        yield finding(
            "snow",
            "grave" if grave else "warn",
            (snow, SNOW_GRAVE if grave else SNOW_SHARE),
            f"Snow lies on {snow:.0%} of the square and hides the cover beneath: choose a date "
            "without snow.",
        )


def _clouds(values: FloatArray) -> Iterator[Finding]:
    opaque, clouded, thin = (float(hazy(values, bound).mean()) for bound in (OPAQUE, CLOUD, HAZE))
    if opaque > OPAQUE_SHARE:
        yield finding(
            "haze",
            "grave",
            (opaque, OPAQUE_SHARE),
            f"Cloud hides {opaque:.0%} of the square: choose another date.",
        )
    elif clouded > CLOUD_SHARE:
        yield finding(
            "haze",
            "warn",
            (clouded, CLOUD_SHARE),
            f"Cloud lies over {clouded:.0%} of the square: choose a clearer date.",
        )
    elif thin > HAZE_SHARE:
        yield finding(
            "haze",
            "warn",
            (thin, HAZE_SHARE),
            f"Haze or cloud lies over {thin:.0%} of the square (too much blue light for the red): "
            "choose a clearer date.",
        )


def _shade(values: FloatArray) -> Iterator[Finding]:
    shade = shade_share(values)
    if shade > SHADE_SHARE:
        yield finding(
            "shade",
            "warn",
            (shade, SHADE_SHARE),
            f"{shade:.0%} of the square are plants as dark as in a shadow of cloud or mountain.",
        )
