"""Maps of a net, and how any weighting of their moments is one of places.

Between maps and moments (:mod:`landcover.nets.outputs`) there is nothing but a sum over places,
so any weighting of the moments is one of places too, on the grid that each map really has (20 m
for colours, 40 m for shapes, 80 m for layout). That is what class activation maps are made of,
and all that the scores rest on takes part: every member, and every view of a part that sees
the patch in several symmetries of the square.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from landcover.models.model import Model
from landcover.nets.outputs import MappedNet, View
from landcover.nets.symmetry import undo_symmetry
from landcover.nets.windows import CELL_PIXELS

__all__ = ["Readout", "on_pixels", "split", "spread"]


class Readout:
    """A net that answers from maps, in a copy that computes the same faster.

    Its normalisations are part of the convolutions before them, and maps are pooled at once
    instead of cell by cell. It shares no module with the net, and all other weights.
    """

    def __init__(self, net: MappedNet) -> None:
        """Copy and fold a net in evaluation mode; see :func:`split`."""
        assert isinstance(net, nn.Module)
        shared = {id(t): t for t in (*net.parameters(), *net.buffers())}
        folded = copy.deepcopy(net, shared)
        _fold(folded)
        self._net = cast("MappedNet", folded)

    def views(self, pixels: Tensor) -> list[View]:
        """All maps that the scores of pixels ``(n, band, y, x)`` rest on; differentiable."""
        return self._net.views(pixels)

    def moments(self, pixels: Tensor) -> list[Tensor]:
        """Moments of all views, ``(n, channel)`` each; differentiable."""
        return [view.moments() for view in self.views(pixels)]

    def answer(self, moments: Sequence[Tensor]) -> Tensor:
        """Scores ``(n, class)`` of the moments of all views; differentiable."""
        return self._net.scores_from(moments)

    def scores(self, pixels: Tensor) -> Tensor:
        """Scores ``(n, class)`` of pixels ``(n, band, y, x)``; differentiable."""
        return self.answer(self.moments(pixels))


def split(model: Model) -> Readout | None:
    """The maps of the model's net; None where it does not answer from their moments."""
    return Readout(model.net) if isinstance(model.net, MappedNet) else None


def spread(
    views: Sequence[View], weights: Sequence[Tensor], others: Sequence[View] | None
) -> list[tuple[Tensor, int]]:
    """What each place of each map adds to the weighted sum of the moments.

    Args:
        views: of one patch.
        weights: of the moments, ``(k, channel)`` for each view: k questions at once.
        others: views whose moments are taken off, of a patch of the same size, or none.

    Returns:
        for each map of each view its sums ``(k, 1, y, x)`` and the view's symmetry. All
        values of a question together are the sum of its weights times the moments.
    """
    found = []
    for number, view in enumerate(views):
        at = 0
        for index, maps in enumerate(view.groups):
            width = sum(each.values.shape[1] for each in maps)
            for which, each in enumerate(maps):
                size = each.values.shape[1]
                mean = weights[number][:, at : at + size]
                square = weights[number][:, at + width : at + width + size]
                at += size
                values = _weighted(each.values, mean, square)
                if others is not None:
                    base = others[number].groups[index][which].values
                    values = values - _weighted(base, mean, square)
                share = each.rows[:, None] * each.columns
                found.append(((values * share)[:, None], view.turn))
            at += width
    return found


def _weighted(values: Tensor, mean: Tensor, square: Tensor) -> Tensor:
    """``(k, y, x)`` of one patch's features ``(1, channel, y, x)``."""
    flat = values[0].flatten(1)
    return (mean @ flat + square @ flat.square()).view(len(mean), *values.shape[2:])


def on_pixels(values: Tensor, turn: int, size: tuple[int, int], *, cells: bool = False) -> Tensor:
    """Sums of places ``(k, 1, y, x)`` on the grid of the patch, ``(k, y, x)``.

    They become densities that run smoothly from cell to cell and add up to the same.

    Args:
        values: as :func:`spread` gives them.
        turn: of the view, which is undone.
        size: rows and columns of the patch; the coarsest map's cells are twice a cell.
        cells: first add up what lies in each cell of 80 m.
    """
    rows, columns = (side // CELL_PIXELS for side in size)
    height = values.shape[2]
    if height < rows:
        factor = -(-rows // height)
        # The weights of the last row and column count what lies inside alone.
        inside = [torch.full((length,), float(factor)) for length in values.shape[2:]]
        for length, part in zip((rows, columns), inside, strict=True):
            part[-1] = length - factor * (len(part) - 1)
        values = values / (inside[0][:, None] * inside[1]).to(values)
        values = F.interpolate(values, scale_factor=float(factor), mode="nearest")
        values = values[..., :rows, :columns]
    elif cells and height > rows:
        factor = height // rows
        values = F.avg_pool2d(values, factor) * factor**2
    share = values.shape[2] * values.shape[3] / (size[0] * size[1])
    fine = F.interpolate(values, size=size, mode="bilinear")
    return undo_symmetry(fine, turn)[:, 0] * share


def _fold(part: nn.Module) -> None:
    """Make each normalisation that follows a convolution part of it."""
    for module in [m for m in part.modules() if isinstance(m, nn.Sequential)]:
        for index in range(len(module) - 1):
            conv, norm = module[index], module[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                own = fuse_conv_bn_eval(conv, norm).requires_grad_(requires_grad=False)
                own.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
                module[index] = own
                module[index + 1] = nn.Identity()
