"""The windows of 1200 m in a block, and means of its cells of 80 m over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from landcover.core.bands import PATCH_PIXELS
from landcover.nets.windows import CELL_PIXELS

__all__ = ["Edges", "WindowGrid"]

Edges = tuple[int, int, int, int]
"""Pixels at the left, right, top and bottom."""
_WINDOW: Final = PATCH_PIXELS // CELL_PIXELS


@dataclass(frozen=True)
class WindowGrid:
    """The windows of a block; all numbers are cells.

    Attributes:
        step: from one window to the next.
        first: where the first window starts, down and right.
        rows: of windows.
        columns: of windows.
    """

    step: int
    first: int
    rows: int
    columns: int

    @classmethod
    def within(
        cls, rows: int, columns: int, *, step: int, first: int, shape: tuple[int, int] | None
    ) -> WindowGrid:
        """The windows that fit into a block of so many cells, or those asked for.

        Args:
            rows: of cells.
            columns: of cells.
            step: pixels from one window to the next.
            first: where the first window starts, in pixels.
            shape: rows and columns of windows; None for all that fit.
        """
        every, begin = step // CELL_PIXELS, first // CELL_PIXELS
        found = shape or tuple((side - begin - _WINDOW) // every + 1 for side in (rows, columns))
        return cls(every, begin, *found)

    def beyond(self, rows: int, columns: int, mirror: int) -> Edges:
        """By how many pixels a block of so many cells is mirrored at each side.

        It is where a window lies so near to the side that a patch would be mirrored there.
        """
        near = self.first * CELL_PIXELS < mirror
        ends = [self.first + (n - 1) * self.step + _WINDOW for n in (self.columns, self.rows)]
        gaps = [side - end for side, end in zip((columns, rows), ends, strict=True)]
        right, bottom = (mirror if gap * CELL_PIXELS < mirror else 0 for gap in gaps)
        return mirror * near, right, mirror * near, bottom

    def mean(self, cells: Tensor) -> Tensor:
        """Average cells ``(1, channel, y/8, x/8)`` over windows, ``(row, column, channel)``."""
        own = cells[0].permute(1, 2, 0)
        across = self._across(own.shape[1])
        found = own.new_empty(self.rows, self.columns, own.shape[2])
        # Rows first: their sums read the memory of a block once, in its order. Pooling both ways
        # took two to five times as long.
        for number, out in enumerate(found):
            row = self.first + number * self.step
            torch.mm(across, own[row : row + _WINDOW].sum(dim=0), out=out)
        return found.div_(_WINDOW**2)  # afterwards, so that a mean of ones is one

    def moments(self, cells: Tensor, weights: Tensor | None) -> Tensor:
        """Average the cells with data over each window, ``(window, channel)``.

        Args:
            cells: ``(1, channel, y/8, x/8)``; the same afterwards.
            weights: 1 where a cell has data and 0 elsewhere, ``(1, 1, y/8, x/8)``; None for all.
        """
        if weights is None:
            return self.mean(cells).flatten(0, 1)
        own = cells[0].permute(1, 2, 0)
        # By their numbers: a mask would be compared with every channel of every cell.
        without = (weights[0, 0] == 0).nonzero(as_tuple=True)
        kept = own[without]  # a copy; weighing all cells would copy the block
        own[without] = 0.0
        try:
            found = self.mean(cells)
        finally:
            own[without] = kept
        # A window without data has no moments; any finite ones will do.
        return found.div_(self.mean(weights).clamp(min=1e-6)).flatten(0, 1)

    def folded(self, values: Tensor) -> Tensor:
        """``(window, channel)`` as ``(channel, row, column)``."""
        return values.T.reshape(values.shape[1], self.rows, self.columns)

    def _across(self, columns: int) -> Tensor:
        """1 where a column of cells is in a column of windows, else 0, ``(window, cell)``."""
        place = torch.arange(columns)[None] - self.first
        place = place - self.step * torch.arange(self.columns)[:, None]
        return ((place >= 0) & (place < _WINDOW)).float()
