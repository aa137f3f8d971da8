"""What hides the ground in a map: cloud, shade and snow, for each cell of 80 m and each window.

With ESA's scene classification, its classes decide. Without one, the physical checks of a patch
(:mod:`landcover.trust.pixel_checks`) are made for each cell, and their bounds on the share of a
patch are those on the share of a window. Haze counts as cloud where it covers so much of the 1200 m
around a cell as a patch may not have; single hazy cells are bright roofs and sand.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from landcover.areas.layout import FLAGS, NODATA
from landcover.areas.plan import CELL
from landcover.core.bands import BAND_NAMES, PATCH_PIXELS, SCL_CLOUD, SCL_SHADOW, SCL_SNOW
from landcover.core.raster import BoolArray, ByteArray, FloatArray, Raster
from landcover.trust import pixel_checks as checks
from landcover.trust.surfaces import is_water

__all__ = [
    "CLEAR",
    "CLOUD",
    "NO_ANSWER",
    "SHADE",
    "SNOW",
    "UNLIKE",
    "cell_flags",
    "cell_means",
    "per_window",
    "window_means",
]

CLEAR, CLOUD, SHADE, SNOW, UNLIKE = range(len(FLAGS))
NO_ANSWER: Final = NODATA
_NEEDED: Final = ("B02", "B03", "B04", "B08", "B8A", "B11")
_BOUNDS: Final = {
    CLOUD: checks.CLOUD_SHARE,
    SNOW: checks.SNOW_SHARE,
    SHADE: checks.SHADE_SHARE,
}
"""Share of a window's cells from which the window is flagged, most important first."""
_HALF: Final = 0.5
_CLOUDS: Final = 0.01
"""Share of the cells of a block that must be under cloud for others to be in its shade."""


def cell_flags(raster: Raster) -> ByteArray:
    """Flag each cell of 80 m of a raster whose sides are multiples of 8 pixels.

    Returns:
        uint8 ``(y/8, x/8)``: numbers of :data:`~landcover.areas.layout.FLAGS`; :data:`NO_ANSWER`
        where less than half of the pixels have data and nothing says why.
    """
    found = np.zeros((raster.height // CELL, raster.width // CELL), dtype=np.uint8)
    seen = cell_means(raster.valid)
    if raster.scl is not None:
        for flag, classes in ((SNOW, SCL_SNOW), (SHADE, SCL_SHADOW), (CLOUD, SCL_CLOUD)):
            found[cell_means(_is_in(raster.scl, classes)) >= _HALF] = flag
    elif set(_NEEDED) <= set(raster.bands):
        _by_spectrum(found, raster, seen >= _HALF)
    found[(seen < _HALF) & (found == CLEAR)] = NO_ANSWER
    return found


def per_window(flags: ByteArray, first: int, step: int, shape: tuple[int, int]) -> ByteArray:
    """Flag each window of 1200 m.

    Args:
        flags: of the cells.
        first: row and column of the cell at which the first window starts.
        step: cells from window to window.
        shape: rows and columns of windows.

    Returns:
        uint8 of that shape; :data:`NO_ANSWER` where less than half of the window has data.
    """
    found = np.zeros(shape, dtype=np.uint8)
    for flag, bound in reversed(_BOUNDS.items()):
        found[window_means(flags == flag, first, step, shape) > bound] = flag
    # Cells under cloud have no valid pixels either, but their flag says why.
    found[window_means(flags == NO_ANSWER, first, step, shape) > _HALF] = NO_ANSWER
    return found


def window_means(
    cells: npt.NDArray[np.bool_] | FloatArray, first: int, step: int, shape: tuple[int, int]
) -> FloatArray:
    """Average cells ``(y, x)`` over each window; arguments as for :func:`per_window`."""
    side = PATCH_PIXELS // CELL
    sums = np.zeros((cells.shape[0] + 1, cells.shape[1] + 1), dtype=np.float64)
    sums[1:, 1:] = cells.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    rows, columns = (first + step * np.arange(count) for count in shape)
    total = (
        sums[np.ix_(rows + side, columns + side)]
        - sums[np.ix_(rows, columns + side)]
        - sums[np.ix_(rows + side, columns)]
        + sums[np.ix_(rows, columns)]
    )
    means: FloatArray = (total / side**2).astype(np.float32)
    return means


def _by_spectrum(found: ByteArray, raster: Raster, seen: BoolArray) -> None:
    """Flag cells by their mean reflectance; where less than half has data, nothing is flagged."""
    if not seen.any():
        return
    weight = cell_means(raster.valid)[seen]
    values = np.zeros((len(BAND_NAMES), int(seen.sum())), dtype=np.float32)
    for name in _NEEDED:
        # Pixels without data are 0.
        values[BAND_NAMES.index(name)] = cell_means(raster.band(name))[seen] / weight
    flags = np.zeros(values.shape[1], dtype=np.uint8)
    clouds = checks.hazy(values, checks.CLOUD) | _haze(values, seen)
    # Without clouds, what is as dark as a shadow is a shore, half water and half wood, or spruce.
    if clouds.mean() >= _CLOUDS:
        flags[checks.shaded(values)] = SHADE
    flags[clouds] = CLOUD
    flags[checks.snowy(values)] = SNOW
    found[seen] = flags


def _haze(values: FloatArray, seen: BoolArray) -> BoolArray:
    """Which of the cells are hazy, with haze on much of the land around them."""
    hazy = checks.hazy(values)
    if not hazy.any():
        return hazy
    green, near, short = (values[BAND_NAMES.index(name)] for name in ("B03", "B08", "B11"))
    land = ~is_water(green, near, short)
    around_hazy, around_land, around = (
        _around(seen, of) for of in (hazy & land, land, np.ones_like(land))
    )
    widespread = around_hazy > checks.HAZE_SHARE * around_land
    found: BoolArray = hazy & widespread & (around_land >= checks.HAZE_LAND * around)
    return found


def _around(seen: BoolArray, which: BoolArray) -> FloatArray:
    """Number of the chosen ones among the cells within 600 m of each cell."""
    side = PATCH_PIXELS // CELL
    grid = np.zeros(seen.shape, dtype=np.float32)
    grid[seen] = which
    padded = np.pad(grid, side // 2)
    counts = window_means(padded, 0, 1, seen.shape)[seen] * side**2
    found: FloatArray = np.rint(counts)
    return found


def cell_means(pixels: BoolArray | FloatArray) -> FloatArray:
    """Average pixels ``(y, x)`` over whole cells of 80 m, float32."""
    rows, columns = (side // CELL for side in pixels.shape)
    own = pixels[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns * CELL)
    # Down first, along rows in memory: both axes at once take five times as long.
    sums = own.sum(axis=1, dtype=np.float32).reshape(rows, columns, CELL).sum(axis=2)
    means: FloatArray = sums / np.float32(CELL**2)
    return means


def _is_in(scl: ByteArray, classes: frozenset[int]) -> BoolArray:
    table = np.zeros(256, dtype=bool)
    table[sorted(classes)] = True
    found: BoolArray = table[scl]
    return found
