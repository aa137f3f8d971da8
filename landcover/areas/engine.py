"""Answers of a net for a large block: every pixel is convolved once, for all windows together.

A block is cut into tiles whose maps fit into the processor's cache, each with a margin that the
net sees beyond it. Each core computes tiles of its own, with one thread, so that a block's answer
is the same to the bit whatever else runs. Of each tile only the moments of its cells of 80 m are
kept, and a window's moments are the mean of those of its valid cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import ModelMismatch
from landcover.core.raster import BoolArray, FloatArray
from landcover.models.devices import supports_bfloat16
from landcover.models.inference import Precision, fold, workers
from landcover.models.model import Model
from landcover.nets.adapted import Adapted
from landcover.nets.cell_net import CellNet
from landcover.nets.estimated_bands import EstimatedBands
from landcover.nets.mosaic import Mosaic
from landcover.nets.outputs import NetOutput
from landcover.nets.symmetry import symmetry, undo_symmetry
from landcover.nets.windows import CELL_PIXELS, check_windows

__all__ = ["AreaAnswer", "Engine", "answers_for_areas"]

TILE: Final = 720
"""Side of a tile without its margin, in pixels. The maps of larger ones leave the cache."""
TILE_ON_DEVICE: Final = 1440
"""The same on a GPU."""
MARGIN: Final = 16
"""Pixels around a tile that the net sees as well. It sees farther, but hardly uses what is there;
with a multiple of 16, all maps lie on the same grid in every tile."""
STRIP: Final = 240
"""Rows of a block whose missing bands are estimated at once; whole pixels of 60 m."""
_WINDOW: Final = PATCH_PIXELS // CELL_PIXELS
_HALF: Final = 0.5
_Edges = tuple[int, int, int, int]
"""Pixels at the left, right, top and bottom."""


@dataclass(frozen=True, kw_only=True)
class AreaAnswer:
    """What a net says of a block.

    Attributes:
        logits: float32 ``(class, row, column)`` of the windows. Where less than half of a window
            has data they mean nothing.
        share_valid: share of pixels with data, float32 ``(row, column)``, 0 to 1.
        features: what the scores depend on, ``(feature, row, column)``, as for a patch.
        cells: moments of each cell of the net that the cover is read from, float32
            ``(1, channel, y/8, x/8)``; None unless they were asked for.
    """

    logits: Tensor
    share_valid: Tensor
    features: Tensor
    cells: Tensor | None


def answers_for_areas(model: Model) -> bool:
    """Whether a model's net can answer for all windows of an area together."""
    return isinstance(_Wrapped.of(model.net).net, CellNet | Mosaic)


@dataclass(frozen=True)
class _Wrapped:
    """A net without what is around it: the estimate of bands before it, the correction after it."""

    net: nn.Module
    estimates: tuple[EstimatedBands, ...] = ()
    corrections: tuple[Adapted, ...] = ()

    @classmethod
    def of(cls, net: nn.Module) -> _Wrapped:
        """Take off all that is around a net."""
        estimates, corrections = [], []
        while True:
            if isinstance(net, EstimatedBands):
                estimates.append(net)
            elif isinstance(net, Adapted):
                corrections.append(net)
            else:
                return cls(net, tuple(estimates), tuple(reversed(corrections)))
            net = net.net

    def completed(self, pixels: Tensor, device: torch.device) -> Tensor:
        """All bands that the net needs, from those of the source, ``(band, y, x)``."""
        for one in self.estimates:
            strips = torch.split(pixels, STRIP, dim=1)
            with torch.inference_mode():
                found = [one.complete(strip[None].to(device))[0].cpu() for strip in strips]
            pixels = torch.cat(found, dim=1)
        return pixels

    def corrected(self, output: NetOutput) -> NetOutput:
        """The scores after all corrections."""
        for one in self.corrections:
            output = NetOutput(one.corrected(output.features, output.scores), output.features)
        return output


class Engine:
    """A model's net, prepared to answer for blocks. It may be shared by threads.

    Args:
        model: its net pools cells of 80 m.
        precision: ``auto`` is bfloat16 if the device supports it, else float32.
        cells: whether answers hold the moments of cells.
        cores: that compute at the same time; by default those that the process may use.

    Raises:
        ModelMismatch: the net cannot answer for areas.
    """

    def __init__(
        self,
        model: Model,
        *,
        precision: Precision = "auto",
        cells: bool = True,
        cores: int | None = None,
    ) -> None:
        if not answers_for_areas(model):
            raise ModelMismatch(
                f"{model.card.title} only answers for single patches: choose landcover-area or "
                "landcover-mosaic for a map."
            )
        self.device, self.keeps_cells = model.device, cells
        half = precision == "bfloat16" or (precision == "auto" and supports_bfloat16(self.device))
        self.precision: Precision = "bfloat16" if half else "float32"
        self._half = half
        self._around = _Wrapped.of(model.net)
        example = torch.full((2, _bands_of(self._around, model), PATCH_PIXELS, PATCH_PIXELS), 0.1)
        example += torch.rand(example.shape, generator=torch.Generator().manual_seed(0)).mul_(0.2)
        dtype = torch.bfloat16 if half else torch.float32
        folded = fold(self._around.net, example.to(self.device), dtype)
        assert isinstance(folded, CellNet | Mosaic)
        self._mirrors = [net.mirror for net, _ in folded.turned()]
        for net, _ in folded.turned():
            net.in_area()
        self.net = folded
        on_cpu = self.device.type == "cpu"
        self.tile = TILE if on_cpu else TILE_ON_DEVICE
        self.cores = (cores or workers()) if on_cpu else 1

    def answer(
        self,
        pixels: FloatArray | Tensor,
        valid: BoolArray | None = None,
        *,
        step: int,
        first: int = 0,
        shape: tuple[int, int] | None = None,
    ) -> AreaAnswer:
        """Answer for the windows of a block.

        Args:
            pixels: reflectance of the card's bands, float32 ``(band, y, x)``, sides multiples of
                8, at least 120.
            valid: which pixels have data; None for all.
            step: pixels from one window to the next, a multiple of 8.
            first: where the first window starts, down and right, a multiple of 8.
            shape: rows and columns of windows; by default all that fit.

        Raises:
            BadInput: the step is not a multiple of 8, or the block is below one window.
        """
        values = torch.as_tensor(pixels)
        check_windows(values[None], step)
        rows, columns = (side // CELL_PIXELS for side in values.shape[1:])
        windows = _Windows.within(rows, columns, step=step, first=first, shape=shape)
        share, weights = torch.ones(1, 1, rows, columns), None
        if valid is not None and not valid.all():
            mask = torch.as_tensor(np.ascontiguousarray(valid))
            share = F.avg_pool2d(mask[None, None].float(), CELL_PIXELS)
            weights = (share >= _HALF).float()
            values = _filled(values, mask, share)
        values = self._around.completed(values, self.device)
        with torch.inference_mode():
            moments, kept = [], None
            for number, (net, turn) in enumerate(self.net.turned()):
                edges = windows.beyond(rows, columns, self._mirrors[number])
                found = self._cells(net, turn, values, edges)
                moments.append(windows.moments(found, weights))
                if number == 0 and self.keeps_cells:
                    kept = found
                del found
            output = self.net.output_from([each.to(self.device) for each in moments])
            output = self._around.corrected(output)
            return AreaAnswer(
                logits=windows.folded(output.scores.float().cpu()),
                features=windows.folded(output.features.float().cpu()),
                share_valid=windows.mean(share)[0, 0],
                cells=kept,
            )

    def _cells(self, net: CellNet, turn: int, values: Tensor, edges: _Edges) -> Tensor:
        """Compute the moments of all cells of a block, ``(1, channel, y/8, x/8)``.

        Args:
            net: one net.
            turn: symmetry of its view.
            values: the block.
            edges: by how many pixels it is mirrored at its sides.
        """
        rows, columns = (side // CELL_PIXELS for side in values.shape[1:])
        out = torch.empty(
            (1, net.norm.num_features, rows, columns), memory_format=torch.channels_last
        )

        def compute(tile: _Tile) -> None:
            with torch.inference_mode(), self._autocast():
                part = values[None, :, *tile.read].to(self.device)
                own = tile.beyond(values.shape[1:], edges)
                if any(own):
                    part = F.pad(part, own, mode="reflect")
                begin, kept = 0, tile.own(own)
                # Joined to one tensor, they would be copied once more.
                for moments in net.cell_parts(net.bands(symmetry(part, turn))):
                    end = begin + moments.shape[1]
                    found = undo_symmetry(moments, turn)[:, :, *kept]
                    out[:, begin:end, *tile.cells] = found.float().cpu()
                    begin = end

        self._run(compute, list(_tiles(values.shape[1], values.shape[2], self.tile)))
        return out

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._half)

    def _run(self, compute: Callable[[_Tile], None], tiles: Sequence[_Tile]) -> None:
        """Compute each tile with one thread, as many at a time as there are cores."""
        if self.device.type != "cpu":
            for tile in tiles:
                compute(tile)
            return
        begin, before = partial(torch.set_num_threads, 1), torch.get_num_threads()
        try:
            with ThreadPoolExecutor(self.cores, "area", begin) as pool:
                for done in [pool.submit(compute, tile) for tile in tiles]:
                    done.result()
        finally:
            # Setting it in a worker also changes the default of later threads; undo that.
            torch.set_num_threads(before)


def _bands_of(around: _Wrapped, model: Model) -> int:
    """Number of the bands that the net itself takes."""
    return len(around.estimates[-1].needs) if around.estimates else len(model.card.bands)


@dataclass(frozen=True)
class _Tile:
    """A part of a block: what is read in pixels, down and across, and its cells."""

    read: tuple[slice, slice]
    cells: tuple[slice, slice]

    def beyond(self, size: Sequence[int], edges: _Edges) -> _Edges:
        """By how many pixels it is mirrored: where the block ends, and not elsewhere."""
        left, right, top, bottom = edges
        down, across = self.read
        return (
            0 if across.start else left,
            right if across.stop == size[1] else 0,
            0 if down.start else top,
            bottom if down.stop == size[0] else 0,
        )

    def own(self, edges: _Edges) -> tuple[slice, slice]:
        """Where its cells are in what is read and mirrored."""
        down, across = (
            (cells.start * CELL_PIXELS - side.start + edge) // CELL_PIXELS
            for side, cells, edge in zip(self.read, self.cells, (edges[2], edges[0]), strict=True)
        )
        rows, columns = (cells.stop - cells.start for cells in self.cells)
        return slice(down, down + rows), slice(across, across + columns)


def _tiles(height: int, width: int, side: int) -> Iterator[_Tile]:
    """Cut a block into tiles of nearly the same size, at most ``side`` pixels plus margins."""
    for read_down, down in _spans(height, side):
        for read_across, across in _spans(width, side):
            yield _Tile((read_down, read_across), (down, across))


def _spans(length: int, side: int) -> Iterator[tuple[slice, slice]]:
    """Cut a side into parts of nearly the same length that begin at multiples of the margin."""
    each = math.ceil(length / math.ceil(length / side) / MARGIN) * MARGIN
    for begin in range(0, length, each):
        end = min(length, begin + each)
        read = slice(max(0, begin - MARGIN), min(length, end + MARGIN))
        yield read, slice(begin // CELL_PIXELS, end // CELL_PIXELS)


@dataclass(frozen=True)
class _Windows:
    """The windows of a block, in cells."""

    step: int
    first: int
    rows: int
    columns: int

    @classmethod
    def within(
        cls, rows: int, columns: int, *, step: int, first: int, shape: tuple[int, int] | None
    ) -> _Windows:
        """The windows that fit into a block of so many cells, or those asked for."""
        every, begin = step // CELL_PIXELS, first // CELL_PIXELS
        found = shape or tuple((side - begin - _WINDOW) // every + 1 for side in (rows, columns))
        return cls(every, begin, *found)

    def beyond(self, rows: int, columns: int, mirror: int) -> _Edges:
        """By how many pixels a block of so many cells is mirrored at each side.

        It is where a window lies so near to the side that a patch would be mirrored there.
        """
        near = self.first * CELL_PIXELS < mirror
        ends = [self.first + (n - 1) * self.step + _WINDOW for n in (self.columns, self.rows)]
        gaps = [side - end for side, end in zip((columns, rows), ends, strict=True)]
        right, bottom = (mirror if gap * CELL_PIXELS < mirror else 0 for gap in gaps)
        return mirror * near, right, mirror * near, bottom

    def mean(self, cells: Tensor) -> Tensor:
        """Average cells ``(1, channel, y/8, x/8)`` over windows, ``(1, channel, row, column)``."""
        down, across = (
            slice(self.first, self.first + (n - 1) * self.step + _WINDOW)
            for n in (self.rows, self.columns)
        )
        # First along columns, then along rows: 30 additions a window instead of 225.
        part = F.avg_pool2d(cells[:, :, down, across], (_WINDOW, 1), (self.step, 1))
        return F.avg_pool2d(part, (1, _WINDOW), (1, self.step))

    def moments(self, cells: Tensor, weights: Tensor | None) -> Tensor:
        """Average the cells with data over each window, ``(window, channel)``."""
        if weights is None:
            found = self.mean(cells)
        else:
            # A window without data has no moments; any finite ones will do.
            found = self.mean(cells * weights) / self.mean(weights).clamp(min=1e-6)
        return found[0].flatten(1).T

    def folded(self, values: Tensor) -> Tensor:
        """``(window, channel)`` as ``(channel, row, column)``."""
        return values.T.reshape(values.shape[1], self.rows, self.columns)


def _filled(values: Tensor, valid: Tensor, share: Tensor) -> Tensor:
    """Give pixels without data the mean of those around them.

    A gap then has no strong edge that the net could mistake for a border between classes. The mean
    is that of 1200 m around a cell, or of the block if there is none.
    """
    inside = torch.where(valid, values, 0.0)
    sums = F.avg_pool2d(inside[None], CELL_PIXELS)
    near = partial(F.avg_pool2d, kernel_size=_WINDOW, stride=1, padding=_WINDOW // 2)
    count = near(share)
    whole = sums.mean(dim=(2, 3), keepdim=True) / share.mean().clamp(min=1e-6)
    around = torch.where(count > 0, near(sums) / count.clamp(min=1e-6), whole)
    fill = F.interpolate(around, scale_factor=float(CELL_PIXELS), mode="nearest")[0]
    return torch.where(valid, inside, fill)
