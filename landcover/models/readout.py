"""Feature maps of a net, and the contribution of each location to a weighted sum of their moments.

The moments of a map (:mod:`landcover.nets.outputs`) are sums over locations. A weighted sum of
the moments can therefore be split into contributions of the locations, on the grid of each map
(20 m for colours, 40 m for shapes, 80 m for layout). Class activation maps are computed this way.
They include everything that the scores depend on: every member of the net, and every view of a
part that takes the patch in several symmetries of the square.
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

__all__ = ["Readout", "contributions", "fold_maps", "to_pixels"]


class Readout:
    """A faster copy of a net whose scores are computed from the moments of its maps.

    Its normalisations are merged into the preceding convolutions, and maps are pooled at once
    instead of cell by cell. It shares no module with the net, but all weights that are not folded.
    """

    def __init__(self, net: MappedNet) -> None:
        """Copy and fold a net in evaluation mode; see :func:`fold_maps`."""
        assert isinstance(net, nn.Module)
        shared = {id(t): t for t in (*net.parameters(), *net.buffers())}
        folded = copy.deepcopy(net, shared)
        _fold(folded)
        self._net = cast("MappedNet", folded)

    def views(self, pixels: Tensor) -> list[View]:
        """Compute all maps behind the scores of pixels ``(n, band, y, x)``; differentiable."""
        return self._net.views(pixels)

    def moments(self, pixels: Tensor) -> list[Tensor]:
        """Compute the moments of all views, ``(n, channel)`` each; differentiable."""
        return [view.moments() for view in self.views(pixels)]

    def answer(self, moments: Sequence[Tensor]) -> Tensor:
        """Compute scores ``(n, class)`` from the moments of all views; differentiable."""
        return self._net.scores_from(moments)

    def scores(self, pixels: Tensor) -> Tensor:
        """Compute scores ``(n, class)`` of pixels ``(n, band, y, x)``; differentiable."""
        return self.answer(self.moments(pixels))


def fold_maps(model: Model) -> Readout | None:
    """Return a readout of the model's net; None if its scores are not computed from moments."""
    return Readout(model.net) if isinstance(model.net, MappedNet) else None


def contributions(
    views: Sequence[View], weights: Sequence[Tensor], others: Sequence[View] | None
) -> list[tuple[Tensor, int]]:
    """Compute what each location of each map contributes to the weighted sum of the moments.

    Args:
        views: views of one patch.
        weights: weights of the moments, ``(k, channel)`` for each view, for k sums at once.
        others: views of a patch of the same size whose moments are subtracted, or None.

    Returns:
        for each map of each view its contributions ``(k, 1, y, x)`` and the view's symmetry.
        All contributions of one row of weights add up to the weighted sum of the moments.
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
    """Weighted sum ``(k, y, x)`` of one patch's features ``(1, channel, y, x)``."""
    flat = values[0].flatten(1)
    return (mean @ flat + square @ flat.square()).view(len(mean), *values.shape[2:])


def to_pixels(values: Tensor, turn: int, size: tuple[int, int], *, cells: bool = False) -> Tensor:
    """Resample contributions ``(k, 1, y, x)`` to the grid of the patch, ``(k, y, x)``.

    The values become densities that vary smoothly between cells and have the same sum.

    Args:
        values: as returned by :func:`contributions`.
        turn: symmetry of the view, which is undone.
        size: rows and columns of the patch; the coarsest map's cells are twice a cell.
        cells: first sum the values within each cell of 80 m.
    """
    rows, columns = (side // CELL_PIXELS for side in size)
    height = values.shape[2]
    if height < rows:
        factor = -(-rows // height)
        # In the last row and column only the part inside the patch counts.
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
    """Merge each normalisation that follows a convolution into it."""
    for module in [m for m in part.modules() if isinstance(m, nn.Sequential)]:
        for index in range(len(module) - 1):
            conv, norm = module[index], module[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                own = fuse_conv_bn_eval(conv, norm).requires_grad_(requires_grad=False)
                own.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
                module[index] = own
                module[index + 1] = nn.Identity()
