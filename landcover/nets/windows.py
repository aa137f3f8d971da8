"""Cells and windows of a large area, which the nets convolve once."""

from __future__ import annotations

from typing import Final

import torch.nn.functional as F
from torch import Tensor

from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import BadInput
from landcover.core.raster import FloatArray

__all__ = ["CELL_PIXELS", "check_size", "check_windows", "over_windows"]

CELL_PIXELS: Final = 8
"""Side of a cell, in 10 m pixels."""


def check_windows(pixels: Tensor | FloatArray, step: int) -> None:
    """Check that an area has windows at the given step.

    Raises:
        BadInput: the step is not a multiple of 8, or the area is smaller than one window.
    """
    if step <= 0 or step % CELL_PIXELS:
        raise BadInput(
            f"Windows start at multiples of {CELL_PIXELS} pixels, not {step}: "
            f"choose a step of {CELL_PIXELS}, {2 * CELL_PIXELS}, …"
        )
    check_size(pixels)


def check_size(pixels: Tensor | FloatArray, window: int = PATCH_PIXELS, what: str = "area") -> None:
    """Check that pixels ``(…, y, x)`` contain a window of the given side.

    Raises:
        BadInput: a side is shorter than a window.
    """
    if min(pixels.shape[-2:]) < window:
        raise BadInput(
            f"The {what} is smaller than one window of {window} × {window} "
            "pixels: choose a larger one."
        )


def over_windows(cells: Tensor, step: int) -> Tensor:
    """Average cells ``(n, channel, y/8, x/8)`` over each window, ``(n, channel, row, column)``."""
    return F.avg_pool2d(cells, PATCH_PIXELS // CELL_PIXELS, step // CELL_PIXELS)
