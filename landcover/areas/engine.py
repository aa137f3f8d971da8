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

from landcover.areas.block_pixels import BlockPixels
from landcover.areas.sky import cell_means
from landcover.areas.window_grid import Edges, WindowGrid
from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import ModelMismatch
from landcover.core.large_arrays import large_array
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

TILE: Final = 400
"""Side of a tile without its margin, in pixels of the net's input, which may be means of 2 × 2. Of
smaller ones more is margin; larger ones need more memory for little gain."""
TILE_ON_DEVICE: Final = 720
"""The same on a GPU."""
MARGIN: Final = 16
"""Pixels around a tile that the net sees as well. It sees farther, but hardly uses what is there;
with a multiple of 16, all maps lie on the same grid in every tile."""
STRIP: Final = 240
"""Rows of a block whose missing bands are estimated at once; whole pixels of 60 m."""
_HALF: Final = 0.5
_FLOAT_BYTES: Final = 4
_OTHER_BYTES: Final = 110
"""Memory for each pixel of a block besides that for its cells: twelve bands, also as stored,
checks, and what is summed over windows. Measured: 172 bytes in all with landcover-area."""


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
        own = [net for net, _ in folded.turned()]
        squares = CELL_PIXELS // max(net.cell for net in own)
        self.tile = squares * (TILE if on_cpu else TILE_ON_DEVICE)
        most = max(net.norm.num_features for net in own)
        held = 1 if len(own) == 1 else 2  # the cells of the cover, and those of the next net
        self.pixel_bytes = _OTHER_BYTES + held * most * _FLOAT_BYTES // CELL_PIXELS**2
        self.cores = (cores or workers()) if on_cpu else 1

    def answer(
        self,
        pixels: FloatArray | Tensor,
        valid: BoolArray | None = None,
        *,
        step: int,
        first: int = 0,
        shape: tuple[int, int] | None = None,
        cores: int | None = None,
    ) -> AreaAnswer:
        """Answer for the windows of a block.

        Args:
            pixels: reflectance of the card's bands, float32 ``(band, y, x)``, sides multiples of
                8, at least 120.
            valid: which pixels have data; None for all.
            step: pixels from one window to the next, a multiple of 8.
            first: where the first window starts, down and right, a multiple of 8.
            shape: rows and columns of windows; by default all that fit.
            cores: that compute at the same time; by default those of the engine.

        Raises:
            BadInput: the step is not a multiple of 8, or the block is below one window.
        """
        check_windows(pixels, step)
        rows, columns = (side // CELL_PIXELS for side in pixels.shape[1:])
        windows = WindowGrid.within(rows, columns, step=step, first=first, shape=shape)
        share, weights = torch.ones(1, 1, rows, columns), None
        block = BlockPixels.of(pixels, valid)
        if block.valid is not None:
            share = torch.from_numpy(cell_means(block.valid))[None, None]
            weights = (share >= _HALF).float()
        if self._around.estimates:
            block = BlockPixels(self._around.completed(block.whole(), self.device))
        with torch.inference_mode():
            moments, kept = [], None
            for number, (net, turn) in enumerate(self.net.turned()):
                edges = windows.beyond(rows, columns, self._mirrors[number])
                found = self._cells(net, turn, block, edges, cores or self.cores)
                moments.append(windows.moments(found, weights))
                if number == 0 and self.keeps_cells:
                    kept = found
                del found
            output = self.net.output_from([each.to(self.device) for each in moments])
            output = self._around.corrected(output)
            return AreaAnswer(
                logits=windows.folded(output.scores.float().cpu()),
                features=windows.folded(output.features.float().cpu()),
                share_valid=windows.mean(share)[:, :, 0],
                cells=kept,
            )

    def _cells(
        self, net: CellNet, turn: int, block: BlockPixels, edges: Edges, cores: int
    ) -> Tensor:
        """Compute the moments of all cells of a block, ``(1, channel, y/8, x/8)``.

        Args:
            net: one net.
            turn: symmetry of its view.
            block: its pixels.
            edges: by how many pixels it is mirrored at its sides.
            cores: that compute at the same time.
        """
        rows, columns = (side // CELL_PIXELS for side in block.shape)
        shape = (1, rows, columns, net.norm.num_features)
        out = torch.from_numpy(large_array(shape, np.float32)).permute(0, 3, 1, 2)

        def compute(tile: _Tile) -> None:
            with torch.inference_mode(), self._autocast():
                if not block.has_data(*tile.read):
                    # No window and no cell with data depends on it.
                    out[:, :, *tile.cells] = 0.0
                    return
                part = block.part(*tile.read)[None].to(self.device)
                own = tile.beyond(block.shape, edges)
                if any(own):
                    part = F.pad(part, own, mode="reflect")
                begin, kept = 0, tile.own(own)
                # Joined to one tensor, they would be copied once more.
                for moments in net.cell_parts(net.bands(symmetry(part, turn))):
                    end = begin + moments.shape[1]
                    found = undo_symmetry(moments, turn)[:, :, *kept]
                    out[:, begin:end, *tile.cells] = found.float().cpu()
                    begin = end

        self._run(compute, list(_tiles(*block.shape, self.tile)), cores)
        return out

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._half)

    def _run(self, compute: Callable[[_Tile], None], tiles: Sequence[_Tile], cores: int) -> None:
        """Compute each tile with one thread, as many at a time as there are cores."""
        if self.device.type != "cpu" or (cores == 1 and torch.get_num_threads() == 1):
            for tile in tiles:
                compute(tile)
            return
        begin, before = partial(torch.set_num_threads, 1), torch.get_num_threads()
        try:
            with ThreadPoolExecutor(cores, "area", begin) as pool:
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

    def beyond(self, size: Sequence[int], edges: Edges) -> Edges:
        """By how many pixels it is mirrored: where the block ends, and not elsewhere."""
        left, right, top, bottom = edges
        down, across = self.read
        return (
            0 if across.start else left,
            right if across.stop == size[1] else 0,
            0 if down.start else top,
            bottom if down.stop == size[0] else 0,
        )

    def own(self, edges: Edges) -> tuple[slice, slice]:
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
