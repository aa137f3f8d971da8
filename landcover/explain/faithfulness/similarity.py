"""Similarity of two maps: rank correlation and structural similarity."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from landcover.core.raster import FloatArray

__all__ = ["CELL_PIXELS", "WINDOW", "Doubles", "cells", "spearman", "ssim"]

Doubles = npt.NDArray[np.float64]

CELL_PIXELS: Final = 8
"""Side of the cells for comparing maps: 80 m, the finest feature map that all the nets use for
their scores; 225 cells per patch of 1200 m."""

WINDOW: Final = 7
"""Side of the windows of SSIM in cells, as in Wang et al. 2004 and Adebayo et al. 2018."""
_C1, _C2 = 0.01**2, 0.03**2
"""SSIM's constants for values between 0 and 1."""


def cells(values: FloatArray, side: int = CELL_PIXELS) -> Doubles:
    """Average a map ``(y, x)`` in square cells: ``(y/side, x/side)``.

    Pixels that do not fill a cell at the lower and right edge are left out.
    """
    rows, columns = values.shape[0] // side, values.shape[1] // side
    filled = values[: rows * side, : columns * side].astype(np.float64)
    means: Doubles = filled.reshape(rows, side, columns, side).mean(axis=(1, 3))
    return means


def spearman(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> float:
    """Compute the rank correlation of two arrays of one shape, -1 to 1; ties share a rank.

    0 if one of them is constant.
    """
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first, second, axis=None).statistic)


def ssim(first: Doubles, second: Doubles) -> float:
    """Compute the structural similarity of two maps ``(y, x)`` (Wang et al. 2004), -1 to 1.

    Each map is first scaled to 0 to 1 like its colours, with 0 in the middle and the
    largest absolute value at one end; pixels of a window have equal weights.
    """
    one, two = (
        0.5 + 0.5 * values / max(float(np.abs(values).max()), 1e-12) for values in (first, second)
    )
    mean_1, mean_2 = _means(one), _means(two)
    var_1, var_2 = _means(one * one) - mean_1**2, _means(two * two) - mean_2**2
    both = _means(one * two) - mean_1 * mean_2
    likeness = ((2 * mean_1 * mean_2 + _C1) * (2 * both + _C2)) / (
        (mean_1**2 + mean_2**2 + _C1) * (var_1 + var_2 + _C2)
    )
    return float(likeness.mean())


def _means(values: Doubles) -> Doubles:
    windows = np.lib.stride_tricks.sliding_window_view(values, (WINDOW, WINDOW))
    means: Doubles = windows.mean(axis=(2, 3))
    return means
