"""The pixels of a block, of which tiles are cut, and what fills the gaps in them.

A gap gets the mean of the pixels around it, so that it has no strong edge that a net could mistake
for a border between classes. Only tiles with gaps are filled: a filled copy of a block of twelve
bands takes as long as a third of the net.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from landcover.areas.sky import cell_means, window_means
from landcover.core.bands import PATCH_PIXELS
from landcover.core.raster import BoolArray, FloatArray
from landcover.nets.windows import CELL_PIXELS

__all__ = ["BlockPixels"]

_WINDOW: Final = PATCH_PIXELS // CELL_PIXELS


@dataclass(frozen=True)
class BlockPixels:
    """The pixels of a block. Make it with :meth:`of`.

    Attributes:
        values: reflectance, float32 ``(band, y, x)``, sides multiples of 8; it is not changed.
        valid: which pixels have data, ``(y, x)``; None if all have.
        around: what gaps are filled with, ``(band, y/8, x/8)``; None without gaps.
    """

    values: FloatArray | Tensor
    valid: BoolArray | None = None
    around: Tensor | None = None

    @classmethod
    def of(cls, values: FloatArray | Tensor, valid: BoolArray | None) -> BlockPixels:
        """The pixels of a block, and the mean of those within 600 m of each cell.

        Args:
            values: see :attr:`values`. What is there without data does not count.
            valid: see :attr:`valid`.
        """
        if valid is None or valid.all():
            return cls(values)
        return cls(values, valid, _around(values, valid))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.values.shape[1:]
        return rows, columns

    def has_data(self, down: slice, across: slice) -> bool:
        """Whether any pixel of a part has data."""
        return self.valid is None or bool(self.valid[down, across].any())

    def part(self, down: slice, across: slice) -> Tensor:
        """Cut out a part without gaps, a new tensor ``(band, y, x)``.

        Args:
            down: rows, from a multiple of 8 to a multiple of 8.
            across: columns, in the same way.
        """
        own = self.values[:, down, across]
        found = own.clone() if isinstance(own, Tensor) else torch.from_numpy(own.copy())
        if self.valid is None or self.around is None:
            return found
        mask = self.valid[down, across]
        if mask.all():
            return found
        rows, columns = (
            slice(each.start // CELL_PIXELS, each.stop // CELL_PIXELS) for each in (down, across)
        )
        fill = F.interpolate(self.around[None, :, rows, columns], scale_factor=float(CELL_PIXELS))
        return torch.where(torch.from_numpy(mask.copy()), found, fill[0])

    def whole(self) -> Tensor:
        """All pixels without gaps, a new tensor."""
        rows, columns = self.shape
        return self.part(slice(0, rows), slice(0, columns))


def _around(values: FloatArray | Tensor, valid: BoolArray) -> Tensor:
    """The mean of the pixels with data within 600 m of each cell, or of all if there are none."""
    rows, columns = (side // CELL_PIXELS for side in valid.shape)
    # Each is a mean over a cell: of the pixels with data, and of their number.
    sums = np.empty((len(values), rows, columns), dtype=np.float32)
    for band, own in zip(sums, values, strict=True):
        band[:] = cell_means(np.where(valid, np.asarray(own), np.float32(0)))
    share = cell_means(valid)
    every = sums.mean(axis=(1, 2)) / max(float(share.mean()), 1e-6)
    count = _near(share)
    seen = count > 0
    for band, usual in zip(sums, every, strict=True):
        np.divide(_near(band), count, out=band, where=seen)
        band[~seen] = usual
    return torch.from_numpy(sums)


def _near(cells: FloatArray) -> FloatArray:
    """Average cells ``(y, x)`` over the 600 m around each, with zeros beyond the block."""
    return window_means(np.pad(cells, _WINDOW // 2), 0, 1, cells.shape)
