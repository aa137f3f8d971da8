"""A real scene of clouds and cloud shadows with a mask, for the checks of cloud and shade.

It is the Sentinel-2 test scene of ukis-csmask (Wieland, Li and Martinis 2019, Apache-2.0):
six bands of top-of-atmosphere reflectance, and a class for each pixel. That package's own tests
use class 0 for shadow and 4 for cloud; according to the spectra, 1 is water and 3 is land, and
2 does not occur. The scene has no georeference, but its fields follow the American grid of square
miles, one of which (1609 m) spans 53.5 pixels. The pixels therefore have 30 m, to which that
package resamples. So a cell of 60 m is 2 × 2 pixels, and a patch 40 × 40.

Surface reflectance is approximated by dark-object subtraction (Chavez 1988): in blue, green and
red, the excess of the darkest thousandth of the pixels over 0.01 is attributed to atmospheric
scattering. In the infrared scattering is negligible, and absorption is not corrected.

A model cannot be run on six bands, and of all checks only those of
:func:`landcover.trust.pixel_checks.sky_findings` are run. The band "NIR" is used for both B08
and B8A.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS
from landcover.core.errors import BadInput
from landcover.core.numpy_files import DAMAGED
from landcover.core.raster import BoolArray, FloatArray
from landcover.trust.bench.synthetic import Kind
from landcover.trust.pixel_checks import CELL, hazy, shaded

__all__ = [
    "BANDS",
    "BLACK",
    "CHECKS",
    "CLEAR",
    "CLOUD",
    "DARKEST",
    "HIDDEN",
    "LARGEST",
    "SHADOW",
    "SIDE",
    "STEP",
    "VISIBLE",
    "WINDOW",
    "Sky",
    "SkyGroup",
    "cell_counts",
    "groups",
    "read",
]

CHECKS: Final = ("haze", "snow", "shade")
"""The checks that are run on these windows."""
SHADOW: Final = 0
CLOUD: Final = 4
BANDS: Final = (("B02",), ("B03",), ("B04",), ("B08", "B8A"), ("B11",), ("B12",))
"""Our names of each of the file's six bands."""
VISIBLE: Final = 3
"""The first three bands are visible light."""
DARKEST: Final = 0.001
BLACK: Final = 0.01
"""Reflectance of the darkest objects on the ground (Chavez 1988)."""
SIDE: Final = 2
"""Pixels along a cell of 60 m."""
WINDOW: Final = PATCH_PIXELS // CELL
"""Cells along a patch of 1200 m."""
STEP: Final = WINDOW // 2
"""Windows overlap by half, so they are not independent."""
HIDDEN: Final = 0.30
"""Share of a window under shadow, or cloud, from which it should be flagged."""
CLEAR: Final = 0.01
"""Windows with a smaller share of both are good."""
LARGEST: Final = 100_000_000
"""Size limit of the file in bytes."""


@dataclass(frozen=True, kw_only=True)
class Sky:
    """The scene in cells of 60 m.

    Attributes:
        values: approximate surface reflectance ``(12, row, col)``; 0 in bands not in the file.
        shadow: share of shadow in each cell ``(row, col)``, 0 to 1.
        cloud: share of cloud, likewise.
    """

    values: FloatArray
    shadow: FloatArray
    cloud: FloatArray


@dataclass(frozen=True, kw_only=True)
class SkyGroup:
    """Windows of the scene, described as in :class:`landcover.trust.bench.synthetic.Group`.

    Attributes:
        name: short name for files and tests.
        title: their content, in words.
        kind: kind of the windows.
        windows: cells of each window, ``(12, 400)``.
    """

    name: str
    title: str
    kind: Kind
    windows: tuple[FloatArray, ...]


def read(path: Path) -> Sky:
    """Read the scene from its ``.npz`` file: ``img`` ``(y, x, 6)`` and ``msk`` ``(y, x, 1)``.

    Raises:
        BadInput: there is no such file, or it has other content.
    """
    wrong = BadInput(
        f"'{path.name}' is not the scene of ukis-csmask (.npz with img and msk): check --sky."
    )
    try:
        if path.stat().st_size > LARGEST:
            raise wrong
        with path.open("rb") as data, np.load(data, allow_pickle=False) as file:
            pixels, mask = np.asarray(file["img"]), np.asarray(file["msk"])
    except DAMAGED:
        raise wrong from None
    whole = WINDOW * SIDE
    if (
        pixels.ndim != 3
        or pixels.shape[2] != len(BANDS)
        or mask.size != pixels[..., 0].size
        or min(pixels.shape[:2]) < whole
        or not np.issubdtype(pixels.dtype, np.floating)
        or not np.isfinite(pixels).all()
    ):
        raise wrong
    mask = mask.reshape(pixels.shape[:2])
    ground = np.moveaxis(pixels, -1, 0).astype(np.float32)
    dark = np.quantile(ground[:VISIBLE], DARKEST, axis=(1, 2)).astype(np.float32)
    ground[:VISIBLE] -= np.maximum(dark - BLACK, 0)[:, None, None]
    means = _in_cells(ground)
    values = np.zeros((len(BAND_NAMES), *means.shape[1:]), dtype=np.float32)
    for names, band in zip(BANDS, means, strict=True):
        for name in names:
            values[BAND_NAMES.index(name)] = band
    return Sky(
        values=values,
        shadow=_in_cells((mask == SHADOW).astype(np.float32)),
        cloud=_in_cells((mask == CLOUD).astype(np.float32)),
    )


def groups(sky: Sky) -> tuple[SkyGroup, ...]:
    """Return windows with much shadow, with much cloud but less shadow, and clear ones."""
    shadowed, clouded, clear = [], [], []
    for rows, cols in _windows(sky, STEP):
        shadow, cloud = sky.shadow[rows, cols].mean(), sky.cloud[rows, cols].mean()
        window = sky.values[:, rows, cols].reshape(len(BAND_NAMES), -1)
        if shadow >= HIDDEN:
            shadowed.append(window)
        elif cloud >= HIDDEN:
            clouded.append(window)
        elif shadow + cloud < CLEAR:
            clear.append(window)
    return (
        SkyGroup(
            name="real-shadow",
            title="30 % and more under the shadow of clouds",
            kind="bad",
            windows=tuple(shadowed),
        ),
        SkyGroup(
            name="real-cloud",
            title="30 % and more under cloud",
            kind="bad",
            windows=tuple(clouded),
        ),
        SkyGroup(
            name="real-clear",
            title="neither cloud nor shadow",
            kind="good",
            windows=tuple(clear),
        ),
    )


def cell_counts(sky: Sky) -> dict[str, dict[str, Any]]:
    """Compare the checks of single cells with the mask, in windows that do not overlap.

    Returns:
        check (``shade``, ``haze``) → counts of cells ``found`` by the check, ``there``
        according to the mask (at least half of the cell), and ``both``.
    """
    counts = {name: {"found": 0, "there": 0, "both": 0} for name in ("shade", "haze")}
    for rows, cols in _windows(sky, WINDOW):
        window = sky.values[:, rows, cols].reshape(len(BAND_NAMES), -1)
        for name, found, share in (
            ("shade", shaded(window), sky.shadow),
            ("haze", hazy(window), sky.cloud),
        ):
            there: BoolArray = share[rows, cols].ravel() >= 0.5
            counts[name]["found"] += int(found.sum())
            counts[name]["there"] += int(there.sum())
            counts[name]["both"] += int((found & there).sum())
    return counts


def _windows(sky: Sky, step: int) -> Iterator[tuple[slice, slice]]:
    height, width = sky.shadow.shape
    for row in range(0, height - WINDOW + 1, step):
        for col in range(0, width - WINDOW + 1, step):
            yield slice(row, row + WINDOW), slice(col, col + WINDOW)


def _in_cells(pixels: FloatArray) -> FloatArray:
    """Average ``(…, y, x)`` over cells; an odd last row or column is left out."""
    rows, cols = pixels.shape[-2] // SIDE, pixels.shape[-1] // SIDE
    cut = pixels[..., : rows * SIDE, : cols * SIDE]
    found: FloatArray = cut.reshape(*pixels.shape[:-2], rows, SIDE, cols, SIDE).mean(axis=(-3, -1))
    return found
