"""Basic checks of a raster's pixels and place: gaps, scale, offset, saturation, equal bands.

The constants were set on the 625 BigEarthNet v2 patches of the five countries in the
project's data folder. On them the pixel checks flag one patch, which is covered by snow.
Adding 0.1 to all pixels (an offset not removed) is detected in all 625, and so is subtracting
0.1 (an offset removed twice). ``tests/trust/test_quality.py`` verifies these counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from landcover.core.bands import RGB, SCL_CLOUD, SCL_SHADOW
from landcover.core.raster import FloatArray, Raster
from landcover.io.regrid import COARSE_M
from landcover.io.scaling import DARK_LOW, darkest, looks_shifted
from landcover.trust import picture_checks
from landcover.trust.verdict import NODATA_ABSTAIN, NODATA_WARN, Finding, Quality, finding

__all__ = [
    "BORDER",
    "BRIGHT_BLUE",
    "BRIGHT_SHARE",
    "CHECKS",
    "COUNTRIES",
    "DETAIL_COST",
    "NEGATIVE",
    "PADDED_COST",
    "PADDED_WARN",
    "SATURATED",
    "SATURATED_SHARE",
    "TOO_HIGH",
    "TOO_LOW",
    "cloud_fraction",
    "findings",
    "quality_from",
    "quality_of",
    "valid_values",
]

TOO_HIGH: Final = 2.0
"""A median reflectance above this is an error of scale: fresh snow has about 1."""
TOO_LOW: Final = 0.005
"""So is a largest reflectance below this: open sea in the data set reaches 0.018."""

NEGATIVE: Final = -0.02
"""The darkest band's first percentile is above this unless an offset was removed twice."""
SATURATED: Final = 2.0
"""A pixel above this is saturated or a fill value; the brightest in the data set has 1.77."""
SATURATED_SHARE: Final = 0.01

PADDED_WARN: Final = 0.05
"""Share of reflected pixels above which there is a warning."""
PADDED_COST: Final = ((0.325, 0.02), (0.56, 0.04), (0.75, 0.07), (0.89, 0.11))
DETAIL_COST: Final = ((20.0, 0.04), (30.0, 0.06), (65.0, 0.08))
"""Share of reflected pixels, and side of a pixel in metres, and by how much macro average precision
falls: ``tools.window_cost`` with ``landcover-mosaic`` on 324 validation and test patches."""

BRIGHT_BLUE: Final = 0.20
BRIGHT_SHARE: Final = 0.20
"""Snow and cloud exceed ``BRIGHT_BLUE`` in B02; so do dense roofs, on up to 0.13 of a patch."""

COUNTRIES: Final[dict[str, tuple[float, float, float, float]]] = {
    "Austria": (46.3, 9.4, 49.1, 17.2),
    "Belgium": (49.4, 2.4, 51.6, 6.5),
    "Finland": (59.7, 19.4, 70.2, 31.7),
    "Ireland": (51.3, -10.8, 55.5, -5.9),
    "Kosovo": (41.8, 20.0, 43.3, 21.9),
    "Lithuania": (53.8, 20.9, 56.5, 26.9),
    "Luxembourg": (49.4, 5.7, 50.2, 6.6),
    "Portugal": (36.9, -9.6, 42.2, -6.1),
    "Serbia": (42.2, 18.8, 46.2, 23.1),
    "Switzerland": (45.8, 5.9, 47.9, 10.6),
}
"""BigEarthNet's ten countries as coarse boxes: south, west, north, east in degrees.

A box also contains land of neighbouring countries, which looks similar.
"""
BORDER: Final = 0.1
"""Degrees by which a patch may be outside a box: patches come from tiles across borders."""


def quality_of(raster: Raster) -> Quality:
    """Check the pixels of a patch or picture, and its place if it has one. Never raises."""
    return quality_from(raster, findings(raster))


def quality_from(patch: Raster, found: Sequence[Finding]) -> Quality:
    """Build the quality of a patch or picture from its findings."""
    cloud = cloud_fraction(patch)
    return Quality(
        nodata_fraction=max(0.0, patch.nodata_fraction - (cloud or 0.0)),
        cloud_fraction=cloud,
        warnings=tuple(one.sentence for one in found),
        abstained=any(one.level == "severe" for one in found),
    )


def findings(raster: Raster) -> tuple[Finding, ...]:
    """Check a raster's pixels and place; findings come most severe first. Never raises.

    The raster's level decides which checks apply (:data:`CHECKS`).
    """
    return tuple(CHECKS.get(raster.level, _of_reflectance)(raster))


def _of_reflectance(patch: Raster) -> Iterator[Finding]:
    """Check a raster of reflectance."""
    cloud = cloud_fraction(patch) or 0.0
    gaps = max(0.0, patch.nodata_fraction - cloud)
    values = valid_values(patch)
    severe = list(_severe(values, gaps, cloud))
    # If the scale is wrong or the pixels are unusable, finer checks would only repeat that.
    slight = [] if severe else [*_gaps(gaps, cloud), *_grid(patch), *_pixels(patch.bands, values)]
    yield from (*severe, *slight, *(_place(patch) if patch.has_place else ()))


CHECKS: Final[dict[str, Callable[[Raster], Iterator[Finding]]]] = {RGB: picture_checks.findings}
"""Level → its checks, for levels other than reflectance."""


def cloud_fraction(patch: Raster) -> float | None:
    """Share of pixels under cloud or cloud shadow, 0 to 1; None without a classification."""
    if patch.scl is None:
        return None
    hidden = np.isin(patch.scl, sorted(SCL_CLOUD | SCL_SHADOW)) & ~patch.valid
    return float(hidden.mean())


def valid_values(patch: Raster) -> FloatArray:
    """Return the reflectance ``(band, pixel)`` of the pixels with data."""
    if patch.valid.all():
        return patch.data.reshape(len(patch.bands), -1)
    return patch.data[:, patch.valid]


def _severe(values: FloatArray, gaps: float, cloud: float) -> Iterator[Finding]:
    """Findings for which labels are withheld."""
    if gaps > NODATA_ABSTAIN:
        yield finding(
            "nodata",
            "severe",
            (gaps, NODATA_ABSTAIN),
            f"{gaps:.0%} of the pixels have no data: choose another window or date.",
        )
        return
    if gaps + cloud > NODATA_ABSTAIN:
        lost = f" and {gaps:.0%} have no data" if gaps > NODATA_WARN else ""
        yield finding(
            "cloud",
            "severe",
            (gaps + cloud, NODATA_ABSTAIN),
            f"Cloud or its shadow hides {cloud:.0%} of the pixels{lost}: choose another date.",
        )
        return
    middle, largest = float(np.median(values)), float(np.abs(values).max())
    if middle > TOO_HIGH:
        yield finding(
            "scale",
            "severe",
            (middle, TOO_HIGH),
            "The values are far too high for reflectance, as if they had not been divided by "
            "10000: check the file's scale.",
        )
    elif largest < TOO_LOW:
        yield finding(
            "scale",
            "severe",
            (largest, TOO_LOW),
            "The values are far too low for reflectance, as if they had been divided by 10000 "
            "twice: check the file's scale.",
        )
    elif (values == values[:, :1]).all():
        yield finding(
            "constant",
            "severe",
            (0.0, 0.0),
            "Every band has a single value everywhere: check the file.",
        )
    elif (values == values[:1]).all():
        yield finding(
            "same-bands",
            "severe",
            (float(len(values)), 2.0),
            "All bands hold the same pixels: check how the file was made.",
        )


def _gaps(gaps: float, cloud: float) -> Iterator[Finding]:
    if cloud > NODATA_WARN:
        yield finding(
            "cloud",
            "warn",
            (cloud, NODATA_WARN),
            f"Cloud or its shadow hides {cloud:.0%} of the pixels, which were filled with the mean "
            "of the other pixels.",
        )
    if gaps > NODATA_WARN:
        yield finding(
            "nodata",
            "warn",
            (gaps, NODATA_WARN),
            f"{gaps:.0%} of the pixels have no data and were filled with the mean of the other "
            "pixels.",
        )


def _grid(patch: Raster) -> Iterator[Finding]:
    padded, native = patch.provenance.padded_fraction, patch.provenance.native_pixel_m
    if padded > PADDED_WARN:
        yield finding(
            "padded",
            "warn",
            (padded, PADDED_WARN),
            f"The source is smaller than the model's window: {padded:.0%} of the pixels are "
            f"reflections of the others, so expect more mistakes ({_cost(padded, PADDED_COST)}).",
        )
    if native is not None:
        yield finding(
            "detail",
            "warn",
            (native, COARSE_M),
            f"The source has pixels of {native:g} m, not 10 m: smaller fields, roads and buildings "
            f"do not show, so expect more mistakes ({_cost(native, DETAIL_COST)}).",
        )


def _cost(value: float, costs: tuple[tuple[float, float], ...]) -> str:
    """The measured cost at the next value of a table, or at its last one."""
    at = min((row for row in costs if row[0] >= value), default=costs[-1])
    return f"macro average precision fell by {at[1]:.2f} in a test with similar patches"


def _pixels(bands: tuple[str, ...], values: FloatArray) -> Iterator[Finding]:
    dark = darkest(values)
    shifted = looks_shifted(dark)
    if shifted:
        yield finding(
            "offset",
            "warn",
            (dark, DARK_LOW),
            f"Even the darkest pixels have a reflectance of {dark:.2f} (usually 0 to 0.06): the "
            "offset of +1000 of processing baseline 04.00 was probably not removed.",
        )
    if dark < NEGATIVE:
        yield finding(
            "negative",
            "warn",
            (dark, NEGATIVE),
            f"The darkest pixels have a reflectance of {dark:.2f}: the offset of processing "
            "baseline 04.00 was probably removed twice.",
        )
    saturated = float((values > SATURATED).any(axis=0).mean())
    if saturated > SATURATED_SHARE:
        yield finding(
            "saturated",
            "warn",
            (saturated, SATURATED_SHARE),
            f"{saturated:.0%} of the pixels are saturated or fill values (above {SATURATED:g}).",
        )
    bright = float((values[bands.index("B02")] > BRIGHT_BLUE).mean()) if "B02" in bands else 0.0
    # If the offset was not removed, everything is bright.
    if bright > BRIGHT_SHARE and not shifted:
        yield finding(
            "bright",
            "warn",
            (bright, BRIGHT_SHARE),
            f"{bright:.0%} of the pixels are as bright as snow or cloud (B02 above "
            f"{BRIGHT_BLUE:g}), which hide the land cover.",
        )
    for names in _same_bands(bands, values):
        yield finding(
            "same-bands",
            "warn",
            (float(len(names)), 2.0),
            f"The bands {' and '.join(names)} hold the same pixels: check how the file was made.",
        )


def _same_bands(bands: tuple[str, ...], values: FloatArray) -> Iterator[list[str]]:
    groups: dict[bytes, list[str]] = defaultdict(list)
    for name, band in zip(bands, values, strict=True):
        # Over open sea several bands have the same small value everywhere.
        if (band != band[0]).any():
            groups[band.tobytes()].append(name)
    yield from (names for names in groups.values() if len(names) > 1)


def _place(patch: Raster) -> Iterator[Finding]:
    latitude, longitude = patch.centre
    away = min(
        max(south - latitude, latitude - north, west - longitude, longitude - east, 0.0)
        for south, west, north, east in COUNTRIES.values()
    )
    if away > BORDER:
        yield finding(
            "place",
            "warn",
            (away, BORDER),
            "This place is outside the ten European countries of the training data "
            f"({', '.join(COUNTRIES)}), so expect more mistakes here.",
            "place",
        )
