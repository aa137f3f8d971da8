"""Which cover each cell of 80 m is: a linear head on the moments of a :class:`CellNet`'s maps.

The covers exclude each other. Each class has a weight for every statistic of the cell itself and of
the averages over its neighbours, since a cell of grass in a town and one in a meadow are told apart
by what is around them. The average of a weighted sum is the weighted sum of averages, so the sums
are computed first, and only they are averaged.

Water is told from the cell alone, since shores are sharp. Where the net predicts for each pixel
whether it is water, the share of water weighs in as well, together with the share that is water by
its spectrum: nets that learned from maps miss lakes that are dark and brown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.classes import CLASS_NAMES
from landcover.core.covers import COVER_NAMES, cover_of
from landcover.core.errors import ModelMismatch
from landcover.nets.adapted import Adapted
from landcover.nets.cell_net import CellNet
from landcover.nets.mosaic import Mosaic

__all__ = ["CoverHead", "WaterMap", "area_cells", "area_net", "averaged", "gathered", "statistics"]

_FLOOR: Final = 1e-4
_DRY: Final = 0.01
"""Share of water that is added before odds are computed, so that none is not impossible."""
_LANDS: Final = next(k for k, name in enumerate(CLASS_NAMES) if name.endswith(" waters"))
"""Number of classes before those of water, which are the last."""
_MOST_SIDE: Final = 15
_MOST_CHANNELS: Final = 20_000
_AT_ONCE: Final = 300
"""Cells whose statistics are computed together: as many as the processor's cache holds."""


@dataclass(frozen=True)
class WaterMap:
    """How a map of water enters a head.

    Attributes:
        channel: of the cells, its mean.
        weight: factor on the log-odds of the share of water; 0 or more.
        index: weight of the share by the spectrum, 0 to 1; that of the map is the rest.
    """

    channel: int
    weight: float
    index: float = 0.0

    def share(self, cells: Tensor, wet: Tensor | None) -> Tensor:
        """The share of each cell that is water, float32 ``(n, y, x)``.

        Args:
            cells: as for :meth:`CoverHead.forward`.
            wet: the share by the spectrum alone, in the same shape; None if it is not known, and
                the map alone counts.
        """
        own = cells[:, self.channel].float().clamp(0.0, 1.0)
        return own if wet is None else torch.lerp(own, wet.float(), self.index)

    def classes(self, cells: Tensor, wet: Tensor | None) -> Tensor:
        """What is added to the logits of the classes, ``(n, class, y, x)``; 0 but for water."""
        share = self.share(cells, wet)
        odds = self.weight * ((share + _DRY).log() - (1.0 - share + _DRY).log())
        found = odds.new_zeros(len(cells), len(CLASS_NAMES), *cells.shape[2:])
        found[:, _LANDS:] = odds[:, None]
        return found


class CoverHead(nn.Module):
    """The head.

    Args:
        channels: of the cells, means and mean squares together.
        sides: sides of the squares of cells that are averaged over; odd, at most 15.
        clip: bound of the standardised statistics, in standard deviations.
        water: None if the net does not predict water.

    Raises:
        ValueError: a side is not odd or too large, the number of channels is odd or absurd, or the
            water is no mean.
    """

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor
    cover: Tensor

    classes: tuple[str, ...] = COVER_NAMES
    """Names of the covers, along the output's axis."""

    def __init__(
        self,
        channels: int,
        *,
        sides: Sequence[int] = (3,),
        clip: float = 2.5,
        water: WaterMap | None = None,
    ) -> None:
        super().__init__()
        if not sides or any(side % 2 == 0 or not 1 <= side <= _MOST_SIDE for side in sides):
            raise ValueError(f"sides of squares are odd numbers up to {_MOST_SIDE}")
        if channels % 2 or not 2 <= channels <= _MOST_CHANNELS:
            raise ValueError(f"a head has an even number of channels up to {_MOST_CHANNELS}")
        if water is not None and not (0 <= water.channel < channels // 2 and water.weight >= 0):
            raise ValueError("the water must be among the means, and its weight not below 0")
        if water is not None and not 0 <= water.index <= 1:
            raise ValueError("the weight of the spectrum must lie between 0 and 1")
        self.channels, self.sides, self.clip = channels, tuple(sides), clip
        self.water = water
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))
        self.register_buffer("weight", torch.zeros(len(sides) * len(CLASS_NAMES), channels))
        self.register_buffer("bias", torch.zeros(len(CLASS_NAMES)))
        self.register_buffer("cover", torch.tensor(cover_of()), persistent=False)

    @property
    def reach(self) -> int:
        """How many cells beyond a cell its answer depends on."""
        return max(self.sides) // 2

    def forward(self, cells: Tensor, wet: Tensor | None = None) -> Tensor:
        """Compute the probability of each cover.

        Args:
            cells: ``(n, channel, y, x)`` as :meth:`landcover.nets.cell_net.CellNet.cells` returns
                them. At an edge, averages are of the cells that there are.
            wet: share of each cell that is water by its spectrum, 0 to 1, ``(n, y, x)``; None if
                it is not known.

        Returns:
            float32 ``(n, cover, y, x)``; they add up to 1.
        """
        chances = self.class_logits(cells, wet).softmax(dim=1)
        found = chances.new_zeros(len(chances), len(self.classes), *chances.shape[2:])
        return found.index_add_(1, self.cover, chances)

    def class_logits(self, cells: Tensor, wet: Tensor | None = None) -> Tensor:
        """Compute logits ``(n, class, y, x)`` of the 19 classes, which covers are groups of."""
        flat = cells.permute(0, 2, 3, 1).flatten(0, 2)
        sums = flat.new_empty(len(flat), len(self.weight), dtype=torch.float)
        # Instead of the statistics, the weights are standardised, and a variance is clipped before
        # its root is taken: each pass over the cells that is saved is a tenth of the work.
        low, least = (self.mean - self.clip * self.std).chunk(2)
        high, most = (self.mean + self.clip * self.std).chunk(2)
        least, most = _variance(least), _variance(most)
        weight = (self.weight / self.std).T
        constant = -(self.mean @ weight)
        of_mean, of_deviation = weight.contiguous().chunk(2)
        for own, out in zip(torch.split(flat, _AT_ONCE), torch.split(sums, _AT_ONCE), strict=True):
            mean, square = own.float().chunk(2, dim=1)
            variance = torch.addcmul(square, mean, mean, value=-1.0)
            deviation = variance.clamp_(least, most).add_(_FLOOR).sqrt_()
            out[:] = torch.addmm(constant, mean.clamp(low, high), of_mean)
            out.addmm_(deviation, of_deviation)
        sums = sums.view(len(cells), *cells.shape[2:], -1).permute(0, 3, 1, 2)
        found = gathered(sums, self.sides) + self.bias.view(1, -1, 1, 1)
        return found if self.water is None else found + self.water.classes(cells, wet)


def _variance(deviation: Tensor) -> Tensor:
    """The variance of which :func:`statistics` makes a deviation; none is below 0."""
    return (deviation.clamp(min=0.0).square() - _FLOOR).clamp(min=0.0)


def gathered(sums: Tensor, sides: Sequence[int]) -> Tensor:
    """Average weighted sums over squares of cells and add them up.

    Args:
        sums: of each class for each side, ``(n, side * class, y, x)``.
        sides: sides of the squares; sums of the classes of water are not averaged.

    Returns:
        ``(n, class, y, x)``.
    """
    parts = zip(sums.chunk(len(sides), dim=1), sides, strict=True)
    found = [
        torch.cat((averaged(own[:, :_LANDS], side), own[:, _LANDS:]), 1) for own, side in parts
    ]
    return torch.stack(found).sum(dim=0)


def area_net(net: nn.Module) -> CellNet:
    """The part of a net whose cells a cover head reads; of a mosaic its first TaughtNet.

    Raises:
        ModelMismatch: the net has no cells.
    """
    if isinstance(net, Adapted):
        return area_net(net.net)
    if isinstance(net, Mosaic) and len(net.taught):
        net = net.taught[0]
    if isinstance(net, CellNet):
        return net
    raise ModelMismatch(
        "This model's net has no cells of 80 m to tell covers from: choose landcover-mosaic."
    )


def area_cells(net: nn.Module, pixels: Tensor) -> Tensor:
    """Compute the cells that a cover head reads, float32 ``(n, channel, y/8, x/8)``.

    Args:
        net: as for :func:`area_net`.
        pixels: reflectance ``(n, 12, y, x)``, sides multiples of 24.

    Raises:
        ModelMismatch: the net has no cells.
    """
    own = area_net(net)
    return own.cells(own.bands(pixels))


def statistics(cells: Tensor) -> tuple[Tensor, Tensor]:
    """Means and standard deviations in each cell, new tensors, float32 ``(n, channel/2, y, x)``."""
    mean, square = cells.float().chunk(2, dim=1)
    std = torch.addcmul(square, mean, mean, value=-1.0).clamp_(min=0.0).add_(_FLOOR).sqrt_()
    return mean.clone(), std


def averaged(values: Tensor, side: int) -> Tensor:
    """Average ``(n, channel, y, x)`` over squares of cells, at an edge over what there is."""
    if side == 1:
        return values
    for along in ((side, 1), (1, side)):
        pad = (along[0] // 2, along[1] // 2)
        values = F.avg_pool2d(values, along, 1, pad, count_include_pad=False)
    return values
