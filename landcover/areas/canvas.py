"""The layers of a map in memory while its blocks arrive, and what they say about one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from landcover.areas.layout import NODATA, UNIT
from landcover.areas.plan import CELL, Block, Plan, coarser
from landcover.core.bands import COMPOSITES, PATCH_PIXELS
from landcover.core.errors import BadInput
from landcover.core.projection import OffEarth
from landcover.core.raster import ByteArray, Raster
from landcover.core.window import Window

if TYPE_CHECKING:
    from landcover.areas.block import BlockMap

__all__ = ["PICTURE_SIDE", "Canvas", "PlaceFacts"]

PICTURE_SIDE: Final = 1500
"""Most pixels along a side of the picture of an area."""


@dataclass(frozen=True, kw_only=True)
class PlaceFacts:
    """What a map says about one place.

    Attributes:
        latitude, longitude: of the place, WGS 84 degrees.
        window: the window of 1200 m whose pixel of the presence the place lies in.
        cell: the cell of 80 m that the place lies in.
        presence: probability of each class in the window; None if there is no answer.
        window_flag: number of the window's flag (:data:`landcover.areas.sky.FLAGS`); 255 if it has
            no data or is not mapped yet.
        cover: probability of each cover of the cell; None if there is no answer.
        cell_flag: number of the cell's flag, as ``window_flag``.
        decided: the cover that the cell was decided to be; None if nothing was decided.
        confidence: probability of that cover; None as above.
        window_valid, cell_valid: share of pixels with data; None if not mapped.
    """

    latitude: float
    longitude: float
    window: Window
    cell: Window
    presence: dict[str, float] | None
    window_flag: int
    cover: dict[str, float] | None
    cell_flag: int
    decided: str | None
    confidence: float | None
    window_valid: float | None
    cell_valid: float | None


class Canvas:
    """The layers of a map, into which blocks are put in any order, from any thread.

    Attributes:
        plan: the plan of the map.
        classes: names of the classes of the presence.
        covers: names of the covers; empty if the model knows none.
        presence, cover, decision: layers of the entire map, as those of
            :class:`~landcover.areas.block.BlockMap`.
        picture: uint8 ``(4, y, x)`` on :attr:`picture_window`, true colour.
        done: the blocks that were put.
        scenes: names of the scenes that their pixels come from.
    """

    def __init__(self, plan: Plan, classes: tuple[str, ...], covers: tuple[str, ...]) -> None:
        self.plan = plan
        self.classes = classes
        self.covers = covers
        rows, columns = plan.presence.height, plan.presence.width
        self.presence: ByteArray = np.full((len(classes) + 4, rows, columns), NODATA, np.uint8)
        rows, columns = plan.cover.height, plan.cover.width
        self.cover: ByteArray = np.full((len(covers) + 3, rows, columns), NODATA, np.uint8)
        self.decision: ByteArray = np.zeros((rows, columns), np.uint8)
        window = self.picture_window
        self.picture: ByteArray = np.zeros((4, window.height, window.width), np.uint8)
        self.done: set[tuple[int, int]] = set()
        self.scenes: set[str] = set()

    @property
    def picture_step(self) -> int:
        """Pixels of 10 m for a pixel of the picture; it divides the sides of blocks."""
        side = max(self.plan.window.height, self.plan.window.width)
        return next((step for step in (1, 2, 4, 8) if side <= step * PICTURE_SIDE), CELL)

    @property
    def picture_window(self) -> Window:
        """The grid of the picture."""
        return coarser(self.plan.window, self.picture_step)

    def put(self, block: Block, found: BlockMap, core: Raster | None = None) -> None:
        """Put the layers of a block, and its pixels if they are given.

        Args:
            block: the block.
            found: its layers.
            core: the raster of its core, without the halo.
        """
        for layers, values, pixels in (
            (self.presence, found.presence, self.plan.step),
            (self.cover, found.cover, CELL),
            (self.decision, found.decision, CELL),
        ):
            top, left = block.top // pixels, block.left // pixels
            rows, columns = values.shape[-2:]
            layers[..., top : top + rows, left : left + columns] = values
        if core is not None and core.composites:
            self._paint(block, core)
        self.scenes.add(found.scene)
        self.done.add(block.index)

    def _paint(self, block: Block, core: Raster) -> None:
        step = self.picture_step
        wanted = core.image(core.composites[0] if core.composites else COMPOSITES[0])
        small = wanted[step // 2 :: step, step // 2 :: step].transpose(2, 0, 1)
        top, left = block.top // step, block.left // step
        rows, columns = small.shape[1:]
        self.picture[:, top : top + rows, left : left + columns] = small

    @property
    def confidence(self) -> ByteArray:
        """How sure the decision is, in steps of :data:`UNIT`; :data:`NODATA` without an answer.

        It is on the grid of the cover, or on that of the presence if there is no cover.
        """
        unsure = self.cover[len(self.covers)] if self.covers else self.presence[-3]
        return np.where(unsure == NODATA, NODATA, 250 - np.minimum(unsure, 250)).astype(np.uint8)

    @property
    def confidence_window(self) -> Window:
        """The grid of :attr:`confidence`."""
        return self.plan.cover if self.covers else self.plan.presence

    @property
    def flags(self) -> ByteArray:
        """Flags of the cells: numbers of :data:`landcover.areas.sky.FLAGS`, or 255."""
        found: ByteArray = self.cover[len(self.covers) + 1]
        return found

    @property
    def flags_of_windows(self) -> ByteArray:
        """Flags of the windows, as :attr:`flags`."""
        found: ByteArray = self.presence[len(self.classes) + 2]
        return found

    def shown(self, covers: frozenset[str] | set[str], least: float) -> ByteArray:
        """The decision, 0 where it is filtered away.

        Args:
            covers: names of the covers to keep.
            least: least confidence, 0 to 1.
        """
        kept = np.zeros(256, dtype=np.uint8)
        for number, name in enumerate(self.covers, 1):
            kept[number] = number if name in covers else 0
        found: ByteArray = kept[self.decision]
        if self.covers and least > 0:
            sure = self.confidence
            found[(sure == NODATA) | (sure < round(least / UNIT))] = 0
        return found

    def facts_at(self, latitude: float, longitude: float) -> PlaceFacts:
        """Say what the map says about a place (WGS 84 degrees).

        Raises:
            BadInput: the place is not on the map.
        """
        outside = BadInput("This place is not on the map: choose one inside its outline.")
        try:
            row, column = (int(one // 1) for one in self.plan.cover.pixel_of(latitude, longitude))
        except OffEarth:
            raise outside from None
        height, width = self.decision.shape
        if not (0 <= row < height and 0 <= column < width):
            raise outside
        down, right = (int(one // 1) for one in self.plan.presence.pixel_of(latitude, longitude))
        # The grid of the presence may be moved by half a cell.
        down = min(max(down, 0), self.plan.presence.height - 1)
        right = min(max(right, 0), self.plan.presence.width - 1)
        plan, classes, covers = self.plan, len(self.classes), len(self.covers)
        cell, window = self.cover[:, row, column], self.presence[:, down, right]
        decided = int(self.decision[row, column])
        cover = _named(self.covers, cell[:covers])
        name = self.covers[decided - 1] if decided else None
        corner = plan.first + down * plan.step, plan.first + right * plan.step
        return PlaceFacts(
            latitude=latitude,
            longitude=longitude,
            window=plan.window.part(*corner, PATCH_PIXELS, PATCH_PIXELS),
            cell=plan.window.part(row * CELL, column * CELL, CELL, CELL),
            presence=_named(self.classes, window[:classes]),
            window_flag=int(window[classes + 2]),
            cover=cover,
            cell_flag=int(cell[covers + 1]),
            decided=name,
            confidence=cover[name] if cover is not None and name is not None else None,
            window_valid=_share(window[classes + 3]),
            cell_valid=_share(cell[covers + 2]),
        )


def _named(names: tuple[str, ...], values: ByteArray) -> dict[str, float] | None:
    if not names or (values == NODATA).any():
        return None
    return {name: float(value) * UNIT for name, value in zip(names, values, strict=True)}


def _share(value: np.uint8) -> float | None:
    return None if value == NODATA else float(value) * UNIT
