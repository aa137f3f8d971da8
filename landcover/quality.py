"""May this patch be trusted? Checks that are measured on its own pixels and place.

The constants were set on the 625 BigEarthNet v2 patches of the five countries in the
project's data folder. On them the checks of pixels warn of one, which lies under snow;
adding 0.1 to each (an offset not removed) is found in all 625, and taking 0.1 from each
(an offset removed twice) in all 625. ``tests/test_quality.py`` verifies these counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from landcover.patch import FloatArray, Patch
from landcover.sentinel2 import SCL_CLOUD, SCL_SHADOW
from landcover.sources.scaling import darkest, looks_shifted

NODATA_WARN: Final = 0.05
NODATA_ABSTAIN: Final = 0.50
"""Shares of pixels without data."""

TOO_HIGH: Final = 2.0
"""A median reflectance above this is a mistake of scale: fresh snow stays near 1."""
TOO_LOW: Final = 0.005
"""A picture with nothing brighter is one too: open sea in the data set reaches 0.018."""

NEGATIVE: Final = -0.02
"""The darkest band's first percentile lies above this unless an offset was taken twice."""
SATURATED: Final = 2.0
"""A pixel above this is saturated or a fill value; the data set's brightest has 1.77."""
SATURATED_SHARE: Final = 0.01

BRIGHT_BLUE: Final = 0.20
BRIGHT_SHARE: Final = 0.20
"""Snow and cloud are brighter than this in B02; dense roofs fill up to 0.13 of a patch."""

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

A box holds some of the neighbours' land too, which looks much the same.
"""
BORDER: Final = 0.1
"""Degrees by which a patch may lie outside a box: patches come from tiles across borders."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What the checks found.

    Attributes:
        nodata_fraction: share of pixels without data, 0 to 1.
        cloud_fraction: share of cloud, cirrus and cloud shadow, 0 to 1, or None: not
            measured, since that takes a scene classification.
        warnings: one sentence a finding, the gravest first.
        abstained: whether no label should be given at all.
    """

    nodata_fraction: float
    cloud_fraction: float | None
    warnings: tuple[str, ...]
    abstained: bool

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "nodata_fraction": self.nodata_fraction,
            "cloud_fraction": self.cloud_fraction,
            "warnings": list(self.warnings),
        }


def assess(patch: Patch) -> Quality:
    """Check a patch's pixels and place; never raises."""
    cloud = _cloud(patch)
    gaps = max(0.0, patch.nodata_fraction - (cloud or 0.0))
    values = _values(patch)
    grave = list(_grave(values, gaps, cloud or 0.0))
    # Where the scale is wrong or nothing is to be seen, finer checks would only echo that.
    slight = [] if grave else [*_gaps(gaps, cloud or 0.0), *_pixels(patch.bands, values)]
    return Quality(
        nodata_fraction=gaps,
        cloud_fraction=cloud,
        warnings=(*grave, *slight, *_place(patch)),
        abstained=bool(grave),
    )


def _cloud(patch: Patch) -> float | None:
    """Share of the pixels that cloud or its shadow hides, where a classification says so."""
    if patch.scl is None:
        return None
    hidden = np.isin(patch.scl, sorted(SCL_CLOUD | SCL_SHADOW)) & ~patch.valid
    return float(hidden.mean())


def _values(patch: Patch) -> FloatArray:
    """Reflectance ``(band, pixel)`` of the pixels with data."""
    if patch.valid.all():
        return patch.reflectance.reshape(len(patch.bands), -1)
    return patch.reflectance[:, patch.valid]


def _grave(values: FloatArray, gaps: float, cloud: float) -> Iterator[str]:
    """Findings after which no label should be given."""
    if gaps > NODATA_ABSTAIN:
        yield f"{gaps:.0%} of the pixels have no data: choose another window or date."
        return
    if gaps + cloud > NODATA_ABSTAIN:
        lost = f" and {gaps:.0%} have no data" if gaps > NODATA_WARN else ""
        yield f"Cloud or its shadow hides {cloud:.0%} of the pixels{lost}: choose another date."
        return
    if float(np.median(values)) > TOO_HIGH:
        yield (
            "The values are far too high for reflectance, as if they had not been divided by "
            "10000: check the file's scale."
        )
    elif float(np.abs(values).max()) < TOO_LOW:
        yield (
            "The values are far too low for reflectance, as if they had been divided by 10000 "
            "twice: check the file's scale."
        )
    elif (values == values[:, :1]).all():
        yield "Every band has one single value, so there is nothing to see: check the file."
    elif (values == values[:1]).all():
        yield "All bands hold the same pixels: check how the file was made."


def _gaps(gaps: float, cloud: float) -> Iterator[str]:
    if cloud > NODATA_WARN:
        yield (
            f"Cloud or its shadow hides {cloud:.0%} of the pixels, which were filled with the mean "
            "of the others."
        )
    if gaps > NODATA_WARN:
        yield f"{gaps:.0%} of the pixels have no data and were filled with the mean of the others."


def _pixels(bands: tuple[str, ...], values: FloatArray) -> Iterator[str]:
    dark = darkest(values)
    shifted = looks_shifted(dark)
    if shifted:
        yield (
            f"Even the darkest pixels have a reflectance of {dark:.2f} (usual are 0 to 0.06): it "
            "looks as if the offset of +1000 of processing baseline 04.00 was not removed."
        )
    if dark < NEGATIVE:
        yield (
            f"The darkest pixels have a reflectance of {dark:.2f}: it looks as if the offset of "
            "processing baseline 04.00 was removed twice."
        )
    saturated = float((values > SATURATED).any(axis=0).mean())
    if saturated > SATURATED_SHARE:
        yield f"{saturated:.0%} of the pixels are saturated or fill values (above {SATURATED:g})."
    bright = float((values[bands.index("B02")] > BRIGHT_BLUE).mean())
    # With an offset left in, everything is bright.
    if bright > BRIGHT_SHARE and not shifted:
        yield (
            f"{bright:.0%} of the pixels are as bright as snow or cloud (B02 above "
            f"{BRIGHT_BLUE:g}), which hide the cover beneath."
        )
    for names in _same_bands(bands, values):
        yield f"The bands {' and '.join(names)} hold the same pixels: check how the file was made."


def _same_bands(bands: tuple[str, ...], values: FloatArray) -> Iterator[list[str]]:
    groups: dict[bytes, list[str]] = defaultdict(list)
    for name, band in zip(bands, values, strict=True):
        # Over open sea several bands are one and the same small number throughout.
        if (band != band[0]).any():
            groups[band.tobytes()].append(name)
    yield from (names for names in groups.values() if len(names) > 1)


def _place(patch: Patch) -> Iterator[str]:
    latitude, longitude = patch.centre
    for south, west, north, east in COUNTRIES.values():
        if (
            south - BORDER <= latitude <= north + BORDER
            and west - BORDER <= longitude <= east + BORDER
        ):
            return
    yield (
        "This place lies outside the ten European countries that BigEarthNet covers "
        f"({', '.join(COUNTRIES)}), so expect more mistakes here."
    )
