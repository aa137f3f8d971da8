"""Placing pixels of one grid in a window, which may lie on another grid or reach beyond."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.window import Window
from landcover.io.guard import Part
from landcover.io.regrid import Raw, regrid

__all__ = ["offset_in", "on_grid", "overlap", "placed"]

_TOLERANCE: Final = 1e-4
"""Fraction of a pixel by which a window may be beside a grid and still lie on it."""


def on_grid(raw: Raw, window: Window) -> Raw:
    """The pixels of a window: those of the same place, or the nearest ones if the grid is another.

    What is outside ``raw`` is 0 and not valid.

    Raises:
        OffEarth: the two do not exist in each other's CRS.
    """
    at = offset_in(raw.window, window)
    if at is None:
        return regrid(raw, window)
    top, left, height, width = overlap(at, window, raw.window)
    y, x = slice(top, top + height), slice(left, left + width)
    corner = top - at[0], left - at[1]
    numbers = placed(raw.numbers[:, y, x], window, corner)
    return Raw(numbers, placed(raw.valid[y, x], window, corner), window)


def offset_in(grid: Window, window: Window) -> tuple[int, int] | None:
    """Row and column of a window's corner on a grid; None if its pixels are not the grid's."""
    a, b, _, d, e, _ = grid.transform
    if grid.crs != window.crs or (a, b, d, e) != tuple(window.transform[i] for i in (0, 1, 3, 4)):
        return None
    ((row, col),) = grid.pixels_of([window.west], [window.north])
    near = abs(row - round(row)) <= _TOLERANCE and abs(col - round(col)) <= _TOLERANCE
    return (round(row), round(col)) if near else None


def placed(pixels: npt.NDArray[Any], window: Window, corner: tuple[int, int]) -> npt.NDArray[Any]:
    """Put pixels ``(…, y, x)`` into zeros of a window's size, at a row and column of it."""
    row, col = corner
    height, width = pixels.shape[-2:]
    out = np.zeros((*pixels.shape[:-2], window.height, window.width), dtype=pixels.dtype)
    out[..., row : row + height, col : col + width] = pixels
    return out


def overlap(at: tuple[int, int], window: Window, grid: Window) -> Part:
    """The part of a grid that a window at a row and column of it covers, perhaps nothing."""
    top, left = min(max(at[0], 0), grid.height), min(max(at[1], 0), grid.width)
    bottom = min(max(at[0] + window.height, top), grid.height)
    right = min(max(at[1] + window.width, left), grid.width)
    return top, left, bottom - top, right - left
