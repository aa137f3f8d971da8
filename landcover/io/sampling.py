"""Sampling pixels from all over a file, so that each of its windows is read in the same way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from landcover.io.guard import Part
from landcover.io.regrid import Raw

__all__ = ["SAMPLE_PIXELS", "SAMPLE_SIDE", "SAMPLE_SQUARES", "PartReader", "lattice", "squares"]

SAMPLE_PIXELS: Final = 1_000_000
"""Number of pixels sampled to find the scaling of a file that fits into memory."""
SAMPLE_SQUARES: Final = 4
SAMPLE_SIDE: Final = 256
"""A larger file is sampled by 4 × 4 squares with this number of pixels along a side."""

PartReader = Callable[[Part], Raw]
"""Reads a part of a file."""


def lattice(read: PartReader, shape: tuple[int, int], block: int) -> Raw:
    """Every n-th pixel along both sides of the entire file, read strip by strip.

    Args:
        read: reads a part of the file.
        shape: number of rows and columns of the file.
        block: number of rows of one of its blocks.
    """
    height, width = shape
    step = math.ceil(math.sqrt(height * width / SAMPLE_PIXELS))
    rows = step * math.ceil(max(SAMPLE_SIDE, block) / step)
    parts = []
    for row in range(0, height, rows):
        strip = read((row, 0, min(rows, height - row), width))
        thin = strip.numbers[:, ::step, ::step].copy(), strip.valid[::step, ::step].copy()
        parts.append(Raw(*thin, strip.window))
    return _joined(parts)


def squares(read: PartReader, shape: tuple[int, int]) -> Raw:
    """Squares spread evenly over the entire file.

    Args:
        read: reads a part of the file.
        shape: number of rows and columns of the file.
    """
    height, width = shape
    side = min(SAMPLE_SIDE, height, width)
    places = [(i + 0.5) / SAMPLE_SQUARES for i in range(SAMPLE_SQUARES)]
    corners = [(int((height - side) * y), int((width - side) * x)) for y in places for x in places]
    return _joined([read((*corner, side, side)) for corner in corners])


def _joined(parts: Sequence[Raw]) -> Raw:
    """Stack parts of equal width below each other; their position does not matter."""
    numbers = np.concatenate([part.numbers for part in parts], axis=1)
    return Raw(numbers, np.concatenate([part.valid for part in parts]), parts[0].window)
