"""Physical checks of the pixels: haze, cloud, snow, shade, level, noise, missing bands.

They work on *cells* of 60 m, the coarsest grid of the product, so that resampled 60 m
bands and 10 m bands are comparable. Values below were measured on the 510 training
and validation patches of BigEarthNet v2 in the project's data folder; "good" patches are the
validation ones. ``landcover trust measure`` measures the rates of each check again, and
``docs/trust.md`` lists them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from landcover.core.bands import BAND_NAMES
from landcover.core.raster import BoolArray, FloatArray, Raster
from landcover.io.level import LIT, VAPOUR
from landcover.trust.surfaces import is_water
from landcover.trust.verdict import Finding, finding

__all__ = [
    "CELL",
    "CLOUD",
    "CLOUD_SHARE",
    "HAZE",
    "HAZE_LAND",
    "HAZE_SHARE",
    "HAZE_SLOPE",
    "LAND",
    "LIT_QUANTILE",
    "MIN_CELLS",
    "NIR_RATIO_HIGH",
    "NIR_RATIO_LOW",
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
    "SNOW_GREEN",
    "SNOW_INDEX",
    "SNOW_INFRARED",
    "SNOW_SEVERE",
    "SNOW_SHARE",
    "VAPOUR_HIGH",
    "VAPOUR_WARN",
    "cells",
    "haze_share",
    "hazy",
    "pixel_findings",
    "ratio_to_b8a",
    "roughness",
    "shade_share",
    "shaded",
    "sky_findings",
    "snow_share",
    "snowy",
]

CELL: Final = 6
"""Side of a cell in pixels of 10 m."""
MIN_CELLS: Final = 20
"""Cells with data that the checks need at least: 5 % of a patch."""

HAZE_SLOPE: Final = 0.5
HAZE: Final = 0.03
"""A cell is hazy or cloudy if B02 − 0.5 · B04 exceeds this: the haze-optimised transform
(Zhang et al. 2002) with the slope of Fmask (Zhu and Woodcock 2012). Soil and plants lie along
that line. The bound is ours, for surface reflectance: half of all good patches have a median of
0.010 or less, haze over Boadella has 0.044 to 0.055."""
HAZE_SHARE: Final = 0.40
"""Good validation patches have a share of such cells of up to 0.37 (bright roofs, beaches). Only
land counts: clear water with some sediment or sun glint lies above that line too, so that a tenth
of the good patches of water had an alarm (``landcover trust measure --surfaces``)."""
HAZE_LAND: Final = 0.20
"""Share of the cells that must be land for this check; below it, haze is not looked for."""
CLOUD: Final = 0.10
CLOUD_SHARE: Final = 0.15
"""Dense clouds need a smaller share: of the 510 good patches only one has more than 0.09 of
such cells, and it is under snow; nearly all windows of a real scene of clouds
(:mod:`landcover.trust.bench.cloud_scene`) with a cloud cover of a third have more than 0.15."""
OPAQUE: Final = 0.15
OPAQUE_SHARE: Final = 0.50
"""Above ``OPAQUE`` the ground is invisible; on more than half a patch this is severe."""

SNOW_INDEX: Final = 0.4
SNOW_GREEN: Final = 0.15
SNOW_INFRARED: Final = 0.11
"""A cell is snow if (B03 − B11) / (B03 + B11) exceeds ``SNOW_INDEX`` (Dozier 1989; Hall et al.
1995, with their bound of 0.11 in the near infrared, which excludes water) and B03
``SNOW_GREEN``."""
SNOW_BLUE: Final = 0.9
"""Snow is as bright in B02 as in B03; this excludes bands in reverse order, which resemble snow."""
SNOW_SHARE: Final = 0.25
SNOW_SEVERE: Final = 0.95
"""Good validation patches have a share of such cells of up to 0.003, thick cloud over Boadella up
to 0.20; the sample finland-snow, whose forest is still recognisable, has 0.89."""

SHADE_LOW: Final = 0.03
SHADE_DEEP: Final = 0.10
SHADE_INDEX: Final = 0.35
"""A cell is shaded vegetation if (B8A − B04) / (B8A + B04) exceeds ``SHADE_INDEX`` and B8A is
between ``SHADE_LOW`` and ``SHADE_DEEP`` (lit vegetation has 0.2 and more, water less than
0.03) …"""
SHADE_HIGH: Final = 0.20
SHADE_INFRARED: Final = 0.12
SHADE_OF_LIT: Final = 0.40
LIT_QUANTILE: Final = 0.90
"""… or if B8A is below ``SHADE_HIGH``, B11 below ``SHADE_INFRARED``, and B8A below ``SHADE_OF_LIT``
times the ``LIT_QUANTILE`` of the patch's B8A: a shadow is dark compared with its surroundings in
the near infrared (Fmask: Zhu and Woodcock 2012). In the shadows of a real scene
(:mod:`landcover.trust.bench.cloud_scene`) the near infrared is 0.09 to 0.23, 0.31 times that of
their surroundings, so a fixed bound alone misses half of them. Bare soil next to meadows is as dark
there, but not in B11."""
SHADE_SHARE: Final = 0.18
"""Chosen on the training patches and the western half of that scene: 3 of 301 exceed it (dark
spruce, shores), and so does 1 of the 209 validation patches."""

VAPOUR_WARN: Final = 0.88
VAPOUR_HIGH: Final = 1.12
"""Bounds of the median of B09 / B8A over all cells with B8A above ``LIT``; below ``VAPOUR``, the
bound by which readers recognise Level-1C, it is severe. Level-2A corrects for
the water vapour that B09 measures, so that B09 is about equal to the adjacent B8A (0.86 to 1.03 in
all good patches). Level-1C has 0.26 to 0.52 in nine of ten windows, and over cloud Level-2A
corrects too much (1.2 to 1.6)."""

NIR_RATIO_LOW: Final = 0.85
NIR_RATIO_HIGH: Final = 1.15
"""Bounds of the same median of B08 / B8A: 0.92 to 1.04 in all good patches, 0.90 to 0.99 in Brazil,
Kenya, Catalonia and Denmark, up to 1.14 over cloud. Both measure the near infrared, so another
ratio means that one of them is another band."""

ROUGH: Final = 0.9
"""Bound of :func:`roughness`: good patches have about 0.1, open sea up to 0.75; noise and shuffled
pixels have 0.98 and more."""

LAND: Final = 0.05
"""Mean reflectance of the brightest band below which a patch may be open sea."""


def cells(patch: Raster) -> FloatArray:
    """Compute the mean reflectance ``(band, cell)`` of the 60 m cells without gaps.

    Bands are in the order of :data:`~landcover.core.bands.BAND_NAMES`. If a band is missing,
    there are no cells.
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


def pixel_findings(patch: Raster, found: FloatArray | None = None) -> tuple[Finding, ...]:
    """Run the checks of this module on a patch.

    Args:
        patch: a patch of twelve bands; with fewer bands there are no findings.
        found: its :func:`cells`, if already computed.
    """
    values = cells(patch) if found is None else found
    if values.shape[1] < MIN_CELLS:
        return ()
    return (
        *_bands(patch),
        *_noise(patch),
        *_nir_ratio(values),
        *_vapour(values),
        *sky_findings(values),
    )


def sky_findings(values: FloatArray) -> tuple[Finding, ...]:
    """Run the checks of haze, cloud, snow and shade on cells ``(band, cell)``.

    They use only B02, B03, B04, B08, B8A and B11; the other rows are ignored.
    """
    snow = tuple(_snow(values))
    # Next to snow all vegetation is dark, and snow itself is as bright as cloud.
    return snow or (*_clouds(values), *_shade(values))


def haze_share(values: FloatArray) -> float:
    """Share of the land cells ``(band, cell)`` that are hazy or cloudy, 0 to 1.

    It is 0 if less than :data:`HAZE_LAND` of the cells are land.
    """
    green, infrared, shortwave = (_band(values, name) for name in ("B03", "B08", "B11"))
    land = ~is_water(green, infrared, shortwave)
    return float(hazy(values)[land].mean()) if land.mean() >= HAZE_LAND else 0.0


def hazy(values: FloatArray, bound: float = HAZE) -> BoolArray:
    """Which of the cells ``(band, cell)`` are hazy, or with a higher bound cloudy."""
    blue, red = _band(values, "B02"), _band(values, "B04")
    found: BoolArray = blue - np.float32(HAZE_SLOPE) * red > bound
    return found


def snow_share(values: FloatArray) -> float:
    """Share of the cells ``(band, cell)`` under snow, 0 to 1."""
    return float(snowy(values).mean())


def snowy(values: FloatArray) -> BoolArray:
    """Which of the cells ``(band, cell)`` are under snow."""
    green, short = _band(values, "B03"), _band(values, "B11")
    bright = (green > SNOW_GREEN) & (_band(values, "B08") > SNOW_INFRARED)
    bluish = _band(values, "B02") > SNOW_BLUE * green
    found: BoolArray = bright & bluish & (_index(green, short) > SNOW_INDEX)
    return found


def shade_share(values: FloatArray) -> float:
    """Share of the cells ``(band, cell)`` that are vegetation in a shadow, 0 to 1."""
    return float(shaded(values).mean())


def shaded(values: FloatArray) -> BoolArray:
    """Which of the cells ``(band, cell)`` of one patch are vegetation in a shadow."""
    near, short = _band(values, "B8A"), _band(values, "B11")
    plants = (near > SHADE_LOW) & (_index(near, _band(values, "B04")) > SHADE_INDEX)
    lit = float(np.quantile(near, LIT_QUANTILE))
    darker = (near < min(SHADE_HIGH, SHADE_OF_LIT * lit)) & (short < SHADE_INFRARED)
    found: BoolArray = plants & ((near < SHADE_DEEP) | darker)
    return found


def ratio_to_b8a(values: FloatArray, name: str) -> float | None:
    """Median ratio of a band to B8A over the lit cells; None if less than 5 % are lit."""
    lit = _band(values, "B8A") > LIT
    if lit.mean() < 0.05:
        return None
    return float(np.median(_band(values, name)[lit] / _band(values, "B8A")[lit]))


def roughness(patch: Raster) -> float:
    """Share of the variance that is between neighbouring pixels, 0 to about 1.

    Half the mean squared difference of neighbours in a row, divided by the variance: 1
    if neighbours are independent. The minimum over the four 10 m bands.
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
        return  # over open sea a band may have one small value everywhere
    flat = [name for name, band in zip(patch.bands, values, strict=True) if not np.ptp(band)]
    if flat:
        yield finding(
            "missing-bands",
            "severe",
            (float(len(flat)), 1.0),
            f"{', '.join(flat)} ha{'s' if len(flat) == 1 else 've'} a single value everywhere, as "
            "if missing: give all twelve bands.",
        )


def _noise(patch: Raster) -> Iterator[Finding]:
    rough = roughness(patch)
    if rough > ROUGH:
        yield finding(
            "noise",
            "severe",
            (rough, ROUGH),
            "Neighbouring pixels are unrelated, as in noise: check how the file was made.",
        )


def _vapour(values: FloatArray) -> Iterator[Finding]:
    ratio = ratio_to_b8a(values, "B09")
    if ratio is None:
        return
    if ratio < VAPOUR_WARN:
        severe = ratio < VAPOUR
        yield finding(
            "level",
            "severe" if severe else "warn",
            (ratio, VAPOUR if severe else VAPOUR_WARN),
            f"B09 is {ratio:.0%} of B8A, while Level-2A has about 100%: this is probably Level-1C, "
            "or the bands are in another order; use Level-2A.",
        )
    elif ratio > VAPOUR_HIGH:
        yield finding(
            "vapour",
            "warn",
            (ratio, VAPOUR_HIGH),
            f"B09 is {ratio:.0%} of B8A, while clear Level-2A has about 100%: cloud or haze "
            "disturbed the atmospheric correction, or bands are mixed up.",
        )


def _nir_ratio(values: FloatArray) -> Iterator[Finding]:
    ratio = ratio_to_b8a(values, "B08")
    if ratio is not None and not NIR_RATIO_LOW <= ratio <= NIR_RATIO_HIGH:
        yield finding(
            "order",
            "severe",
            (ratio, NIR_RATIO_LOW if ratio < 1 else NIR_RATIO_HIGH),
            f"B08 is {ratio:.0%} of B8A, though both measure the near infrared and should be about "
            "equal: bands are probably mixed up; check their order.",
        )


def _snow(values: FloatArray) -> Iterator[Finding]:
    snow = snow_share(values)
    if snow > SNOW_SHARE:
        severe = snow > SNOW_SEVERE
        yield finding(
            "snow",
            "severe" if severe else "warn",
            (snow, SNOW_SEVERE if severe else SNOW_SHARE),
            f"Snow covers {snow:.0%} of the square and hides the land cover: choose a date "
            "without snow.",
        )


def _clouds(values: FloatArray) -> Iterator[Finding]:
    opaque, clouded = (float(hazy(values, bound).mean()) for bound in (OPAQUE, CLOUD))
    thin = haze_share(values)
    if opaque > OPAQUE_SHARE:
        yield finding(
            "haze",
            "severe",
            (opaque, OPAQUE_SHARE),
            f"Cloud hides {opaque:.0%} of the square: choose another date.",
        )
    elif clouded > CLOUD_SHARE:
        yield finding(
            "haze",
            "warn",
            (clouded, CLOUD_SHARE),
            f"Cloud covers {clouded:.0%} of the square: choose a clearer date.",
        )
    elif thin > HAZE_SHARE:
        yield finding(
            "haze",
            "warn",
            (thin, HAZE_SHARE),
            f"Haze or cloud covers {thin:.0%} of the land in the square (too much blue light "
            "compared with red): choose a clearer date.",
        )


def _shade(values: FloatArray) -> Iterator[Finding]:
    shade = shade_share(values)
    if shade > SHADE_SHARE:
        yield finding(
            "shade",
            "warn",
            (shade, SHADE_SHARE),
            f"{shade:.0%} of the square is vegetation as dark as in the shadow of a cloud or "
            "mountain.",
        )
