"""A real scene of clouds and cloud shadows with its mask, for the checks that look at the sky.

It is the Sentinel-2 test scene of ukis-csmask (Wieland, Li and Martinis 2019, Apache-2.0):
six bands at the top of the atmosphere, and a class for each pixel. That package's own tests
read the classes 0 as shadow and 4 as cloud; of the others the spectra tell that 1 is water
and 3 is land, and 2 does not occur. The scene has no georeference, but its fields follow the
American grid of square miles, one of which (1609 m) spans 53.5 pixels: pixels of 30 m, to
which that package resamples. So a cell of 60 m is 2 × 2 pixels, and a patch 40 × 40.

Surface reflectance is approached by dark-object subtraction (Chavez 1988): what the darkest
thousandth of the pixels has beyond 0.01 is taken for the air's own light, in blue, green and
red. In the infrared it is too little to matter, and what the air swallows is not corrected.

Six bands are no patch: no model can look at it, and of all checks only those of
:func:`landcover.trust.pixel_checks.of_sky` are run. Its band "NIR" stands for both B08 and B8A.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS
from landcover.core.errors import BadInput
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
"""All that is run on these windows."""
SHADOW: Final = 0
CLOUD: Final = 4
BANDS: Final = (("B02",), ("B03",), ("B04",), ("B08", "B8A"), ("B11",), ("B12",))
"""Which of our bands each of the file's six stands for."""
VISIBLE: Final = 3
"""So many of them, the first, are of visible light."""
DARKEST: Final = 0.001
BLACK: Final = 0.01
"""Hardly anything on the ground is darker (Chavez 1988)."""
SIDE: Final = 2
"""Pixels along a cell of 60 m."""
WINDOW: Final = PATCH_PIXELS // CELL
"""Cells along a patch of 1200 m."""
STEP: Final = WINDOW // 2
"""Windows overlap by half, so they are not independent."""
HIDDEN: Final = 0.30
"""Share of a window under shadow, or cloud, from which it should be doubted."""
CLEAR: Final = 0.01
"""A window with less of both is a good one."""
LARGEST: Final = 100_000_000
"""Bytes of the file."""


@dataclass(frozen=True, kw_only=True)
class Sky:
    """The scene in cells of 60 m.

    Attributes:
        values: near surface reflectance ``(12, row, col)``; 0 in bands that the file lacks.
        shadow: share of each cell that is shadow, ``(row, col)``.
        cloud: likewise.
    """

    values: FloatArray
    shadow: FloatArray
    cloud: FloatArray


@dataclass(frozen=True, kw_only=True)
class SkyGroup:
    """Windows of the scene, named as a :class:`landcover.trust.bench.synthetic.Group` is.

    Attributes:
        name: short, for files and tests.
        title: for people, what is in them.
        kind: what they are.
        windows: cells of each, ``(12, 400)``.
    """

    name: str
    title: str
    kind: Kind
    windows: tuple[FloatArray, ...]


def read(path: Path) -> Sky:
    """The scene from its file ``.npz``: ``img`` ``(y, x, 6)`` and ``msk`` ``(y, x, 1)``.

    Raises:
        BadInput: there is no such file, or it holds something else.
    """
    wrong = BadInput(
        f"'{path.name}' is not the scene of ukis-csmask (.npz with img and msk): check --sky."
    )
    try:
        if path.stat().st_size > LARGEST:
            raise wrong
        with path.open("rb") as data, np.load(data, allow_pickle=False) as file:
            pixels, mask = np.asarray(file["img"]), np.asarray(file["msk"])
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile):
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
    """Windows with much shadow, those with much cloud but not so much shadow, and clear ones."""
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
            title="neither cloud nor shadow beside them",
            kind="good",
            windows=tuple(clear),
        ),
    )


def cell_counts(sky: Sky) -> dict[str, dict[str, Any]]:
    """How the checks of single cells agree with the mask, in windows that do not overlap.

    Returns:
        by check, ``shade`` and ``haze``: the counts ``found`` (by the check), ``there``
        (at least half of the cell, by the mask) and ``both``.
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
    """Means over cells of ``(…, y, x)``; an odd last row or column is left out."""
    rows, cols = pixels.shape[-2] // SIDE, pixels.shape[-1] // SIDE
    cut = pixels[..., : rows * SIDE, : cols * SIDE]
    found: FloatArray = cut.reshape(*pixels.shape[:-2], rows, SIDE, cols, SIDE).mean(axis=(-3, -1))
    return found
