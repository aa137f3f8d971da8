"""Sampling pixels from all over a file, so that each of its windows is read in the same way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from landcover.io.guard import Part
from landcover.io.regrid import Raw

__all__ = [
    "FEW_SQUARES",
    "FINER_SIDE",
    "FINER_SQUARES",
    "LEAST_SAMPLED",
    "SAMPLE_PIXELS",
    "SAMPLE_SIDE",
    "SAMPLE_SQUARES",
    "PartReader",
    "lattice",
    "squares",
]

SAMPLE_PIXELS: Final = 1_000_000
"""Number of pixels sampled to find the scaling of a file that fits into memory."""
SAMPLE_SQUARES: Final = 4
SAMPLE_SIDE: Final = 256
"""A larger file is sampled by 4 × 4 squares with this number of pixels along a side."""
FEW_SQUARES: Final = 2
"""Squares along a side where metadata state nearly everything."""
LEAST_SAMPLED: Final = 20_000
"""Pixels with data in these squares that are enough."""
FINER_SQUARES: Final = 24
FINER_SIDE: Final = 32
"""Where they are too few, 24 × 24 smaller squares are read."""

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


def squares(
    read: PartReader,
    shape: tuple[int, int],
    *,
    count: int = SAMPLE_SQUARES,
    side: int = SAMPLE_SIDE,
) -> Raw:
    """Squares spread evenly over the entire file.

    Args:
        read: reads a part of the file.
        shape: number of rows and columns of the file.
        count: squares along each side of the file.
        side: pixels along each side of a square.
    """
    height, width = shape
    side = min(side, height, width)
    places = [(i + 0.5) / count for i in range(count)]
    corners = [(int((height - side) * y), int((width - side) * x)) for y in places for x in places]
    return _joined([read((*corner, side, side)) for corner in corners])


def _joined(parts: Sequence[Raw]) -> Raw:
    """Stack parts of equal width below each other; their position does not matter."""
    numbers = np.concatenate([part.numbers for part in parts], axis=1)
    return Raw(numbers, np.concatenate([part.valid for part in parts]), parts[0].window)
