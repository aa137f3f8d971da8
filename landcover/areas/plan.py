"""What a map of an area consists of: its grids, its windows, and the blocks it is computed in.

An area in one CRS is mapped on two grids. *Cover* has a pixel for each cell of 80 m. *Presence* has
a pixel for each window of 1200 m, one every ``step`` pixels of 10 m; a pixel lies in the middle of
its window. The area is computed in blocks. A block is read with a margin, its halo, that contains
the windows of its outermost pixels and the surroundings that a net sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from landcover.areas.ground import box_of
from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray
from landcover.core.window import Window

__all__ = [
    "ALIGN",
    "CELL",
    "CONTEXT",
    "DEFAULT_BLOCK",
    "DEFAULT_STEP",
    "LARGEST_BLOCK",
    "MOST_HALO",
    "Block",
    "Plan",
    "coarser",
    "plan",
]

CELL: Final = 8
"""Side of a cell of the cover, in pixels of 10 m."""
ALIGN: Final = 24
"""Sides of blocks are multiples of this many pixels, so that cells of 80 m and pixels of 60 m are
whole."""
CONTEXT: Final = 16
"""Pixels beyond the outermost window of a block that are read as surroundings. Nets see farther,
but hardly use what is there (:mod:`landcover.areas.engine`)."""
MOST_HALO: Final = math.ceil((CONTEXT + PATCH_PIXELS / 2) / ALIGN) * ALIGN
"""The largest halo of any step."""
_AROUND_CELLS: Final = 72
"""Pixels that are read around a block at any step. At large steps its windows hardly reach beyond
it, but what a cell is said to be depends on its surroundings too."""
DEFAULT_STEP: Final = 24
DEFAULT_BLOCK: Final = 1200
LARGEST_BLOCK: Final = 4800


@dataclass(frozen=True, kw_only=True)
class Block:
    """A part of a plan that is computed at once.

    Attributes:
        row, column: number of the block.
        top, left: first row and column of its core in the plan's window, pixels of 10 m.
        height, width: of the core.
        read: the window to read, which is the core and its halo.
    """

    row: int
    column: int
    top: int
    left: int
    height: int
    width: int
    read: Window

    @property
    def index(self) -> tuple[int, int]:
        """Row and column of the block."""
        return self.row, self.column


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The grids and blocks of a map in one CRS. Make it with :func:`plan`.

    Attributes:
        window: the mapped rectangle, pixels of 10 m; its sides are multiples of 24 pixels and of
            ``step``.
        step: pixels from window to window, a multiple of 8.
        block: side of a block's core in pixels.
        outline: the area as WKB in the window's CRS; None for the entire rectangle.
    """

    window: Window
    step: int = DEFAULT_STEP
    block: int = DEFAULT_BLOCK
    outline: bytes | None = None

    @property
    def first(self) -> int:
        """Where the first window starts, in pixels from the corner of the rectangle; negative."""
        return math.floor((self.step / 2 - PATCH_PIXELS / 2) / CELL) * CELL

    @property
    def shift(self) -> int:
        """How far the presence grid is moved from the rectangle's corner: 0 or −4 pixels.

        Windows start at cells. With a step of an even number of cells, their centres would lie
        half a cell beside the pixels' centres.
        """
        return self.first + PATCH_PIXELS // 2 - self.step // 2

    @property
    def halo(self) -> int:
        """Pixels that a block is read beyond its core on each side, a multiple of 24."""
        return math.ceil(max(CONTEXT - self.first, _AROUND_CELLS) / ALIGN) * ALIGN

    @property
    def presence(self) -> Window:
        """The grid of the presence: a pixel for each window."""
        return coarser(self.window, self.step, self.shift)

    @property
    def cover(self) -> Window:
        """The grid of the cover: a pixel for each cell of 80 m."""
        return coarser(self.window, CELL)

    @property
    def rows(self) -> int:
        """Number of rows of blocks."""
        return math.ceil(self.window.height / self.block)

    @property
    def columns(self) -> int:
        """Number of columns of blocks."""
        return math.ceil(self.window.width / self.block)

    @cached_property
    def area(self) -> BaseGeometry | None:
        """The outline in the window's CRS, prepared; None for the entire rectangle."""
        if self.outline is None:
            return None
        found = shapely.from_wkb(self.outline)
        shapely.prepare(found)
        return found

    @property
    def km2(self) -> float:
        """Size of the area in square kilometres, on the plane of its CRS."""
        rectangle = box_of(self.window)
        area = self.area
        inside = rectangle if area is None else area.intersection(rectangle)
        return float(inside.area) / 1e6

    @cached_property
    def indices(self) -> tuple[tuple[int, int], ...]:
        """Row and column of each block that touches the area, row by row."""
        every = [(row, column) for row in range(self.rows) for column in range(self.columns)]
        area = self.area
        if area is None:
            return tuple(every)
        return tuple(one for one in every if area.intersects(box_of(self._core(*one))))

    def block_at(self, index: tuple[int, int]) -> Block:
        """The block of a row and column."""
        row, column = index
        core = self._core(row, column)
        top, left = row * self.block, column * self.block
        halo = self.halo
        read = core.part(-halo, -halo, core.height + 2 * halo, core.width + 2 * halo)
        return Block(
            row=row,
            column=column,
            top=top,
            left=left,
            height=core.height,
            width=core.width,
            read=read,
        )

    def inside(self, grid: Window, block: Block) -> BoolArray:
        """Which pixels of a block have their centre in the area.

        Args:
            grid: :attr:`presence` or :attr:`cover`.
            block: the block.
        """
        pixels = self.window.width // grid.width
        rows, columns = block.height // pixels, block.width // pixels
        area = self.area
        if area is None:
            return np.ones((rows, columns), dtype=bool)
        own = grid.part(block.top // pixels, block.left // pixels, rows, columns)
        a, b, c, d, e, f = own.transform
        down, across = np.mgrid[0.5:rows, 0.5:columns]
        xs, ys = a * across + b * down + c, d * across + e * down + f
        found: BoolArray = shapely.contains_xy(area, xs, ys)
        return found

    @property
    def is_empty(self) -> bool:
        """Whether the area has no cell."""
        return not any(
            self.inside(self.cover, self.block_at(index)).any() for index in self.indices
        )

    def _core(self, row: int, column: int) -> Window:
        top, left = row * self.block, column * self.block
        height = min(self.block, self.window.height - top)
        width = min(self.block, self.window.width - left)
        return self.window.part(top, left, height, width)


def plan(
    window: Window,
    *,
    step: int = DEFAULT_STEP,
    block: int = DEFAULT_BLOCK,
    outline: bytes | None = None,
    even: bool = False,
) -> Plan:
    """Plan the map of a rectangle.

    Args:
        window: the rectangle, pixels of 10 m. It is extended to the right and below so that its
            sides are multiples of 24 pixels and of the step.
        step: pixels from window to window, a multiple of 8.
        block: side of a block in pixels; it is rounded down to what suits the step.
        outline: the area as WKB in the window's CRS.
        even: make blocks smaller, without making more of them, so that all are nearly equal. Blocks
            of one size use the memory that others left, and workers end at the same time.

    Raises:
        BadInput: step or block are out of range, or the rectangle is empty.
    """
    if step % CELL or not CELL <= step <= PATCH_PIXELS:
        raise BadInput(
            f"Windows start every {CELL}, {2 * CELL}, … {PATCH_PIXELS} pixels, not every {step}: "
            f"choose a multiple of {CELL}, such as {DEFAULT_STEP}."
        )
    unit = math.lcm(ALIGN, step)
    if not ALIGN <= block <= LARGEST_BLOCK:
        raise BadInput(
            f"Blocks have {ALIGN} to {LARGEST_BLOCK} pixels a side, not {block}: choose "
            f"{DEFAULT_BLOCK}."
        )
    if window.width < 1 or window.height < 1:
        raise BadInput("The area is empty: draw a larger one.")
    width, height = (math.ceil(side / unit) * unit for side in (window.width, window.height))
    block = max(unit, block // unit * unit)
    if even:
        counts = (math.ceil(side / block) for side in (width, height))
        sides = zip((width, height), counts, strict=True)
        block = max(math.ceil(side / count / unit) * unit for side, count in sides)
    return Plan(
        window=window.part(0, 0, height, width),
        step=step,
        block=block,
        outline=outline,
    )


def coarser(window: Window, pixels: int, shift: int = 0) -> Window:
    """The same ground with pixels of ``pixels`` × ``pixels`` of a window's.

    Args:
        window: where its sides are no multiples of ``pixels``, what is left over is cut off.
        pixels: how many along a side of a new one.
        shift: pixels of the window by which it is moved down and right.
    """
    rows, columns = window.height // pixels, window.width // pixels
    return window.part(shift, shift, rows * pixels, columns * pixels).in_pixels(rows, columns)
