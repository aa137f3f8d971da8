"""From which input pixels each cell of a map is computed, along one axis.

A map's *reach* lists, for each of its cells, the first and last pixel of the input that the cell
depends on. Layers are followed on an axis of :data:`AXIS_PIXELS` pixels, whatever the size of the
input: in its middle, no edge cuts a receptive field off.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["AXIS_PIXELS", "Reach", "pixels"]

AXIS_PIXELS: Final = 7680
"""Length of the axis: a multiple of the cells of all nets (3 · 2⁹ · 5), and several times the
receptive field of the deepest one."""
_NOTHING: Final = np.iinfo(np.int64).max // 2
"""First pixel of a cell that depends on no pixel, such as one of zeros around a map."""

_Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Reach:
    """The first and last input pixel of each cell.

    Attributes:
        first, last: ``(cell,)``; a cell with first > last depends on no pixel.
    """

    first: _Indices
    last: _Indices

    @property
    def width(self) -> int:
        """The receptive field of the widest cell, in input pixels."""
        return int((self.last - self.first).max(initial=-1)) + 1

    def __len__(self) -> int:
        return len(self.first)

    def joined(self, other: Reach) -> Reach:
        """What depends on the same cell of two maps."""
        size = min(len(self), len(other))
        return Reach(
            np.minimum(self.first[:size], other.first[:size]),
            np.maximum(self.last[:size], other.last[:size]),
        )

    def cells(self, which: slice) -> Reach:
        """Some of the cells, such as every second one."""
        return Reach(self.first[which], self.last[which])

    def windows(self, kernel: int, stride: int, padding: int, dilation: int = 1) -> Reach:
        """What depends on windows of cells: convolutions and pooling."""
        wide = self.padded(padding, padding)
        count = (len(wide) - dilation * (kernel - 1) - 1) // stride + 1
        taps = [
            wide.cells(slice(begin, begin + (count - 1) * stride + 1, stride))
            for begin in range(0, dilation * kernel, dilation)
        ]
        return _union(taps)

    def padded(self, before: int, after: int, *, mirrored: bool = False) -> Reach:
        """The cells with others at both ends, which are zeros or mirrored."""
        if mirrored:
            sizes = (before, after)
            return Reach(*(np.pad(each, sizes, mode="reflect") for each in (self.first, self.last)))
        return Reach(
            np.pad(self.first, (before, after), constant_values=_NOTHING),
            np.pad(self.last, (before, after), constant_values=-_NOTHING),
        )

    def repeated(self, factor: Fraction) -> Reach:
        """Cells of a map that is enlarged by repetition."""
        index = np.arange(int(len(self) * factor)) * factor.denominator // factor.numerator
        return Reach(self.first[index], self.last[index])

    def interpolated(self, factor: Fraction) -> Reach:
        """Cells of a map that is enlarged by linear interpolation between the centres of cells."""
        count = int(len(self) * factor)
        # Where the centre of a new cell lies among the old ones, in units of 1 / (2 · numerator).
        unit = 2 * factor.numerator
        centre = (2 * np.arange(count) + 1) * factor.denominator - factor.numerator
        below = np.clip(centre // unit, 0, len(self) - 1)
        above = np.clip(-(-centre // unit), 0, len(self) - 1)
        return self._at(below).joined(self._at(above))

    def _at(self, index: _Indices) -> Reach:
        return Reach(self.first[index], self.last[index])


def pixels() -> Reach:
    """The pixels of the input: each depends on itself."""
    index = np.arange(AXIS_PIXELS, dtype=np.int64)
    return Reach(index, index)


def _union(parts: list[Reach]) -> Reach:
    return Reach(
        np.minimum.reduce([part.first for part in parts]),
        np.maximum.reduce([part.last for part in parts]),
    )
