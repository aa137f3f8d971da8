"""A lean net for maps of areas, which learns from larger ones.

Most of its work is done at 40 m, where a convolution costs a quarter of one at 20 m.

- **At 20 m** one layer for the spectrum of 2 × 2 pixels and one for their surroundings.
- **At 40 m and 80 m** blocks of pixel-wise and depthwise convolutions; the map at 80 m is added to
  the one at 40 m.
- **The teachers' answers** for each pixel, covers and features, are predicted at 40 m. The covers
  stay an input of the head; the features are only learned from.
- **Pooling** is that of :mod:`landcover.nets.cell_net`.

Few layers look beyond a cell, and those not far, so that the answer for a window hardly depends on
what lies around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.nets.cell_net import CellNet
from landcover.nets.units import Unit, level

__all__ = ["AreaNet"]

_MOST_BLOCKS: Final = 16


class AreaNet(CellNet):
    """The net; see the module's docstring.

    Args:
        classes: number of outputs.
        stem: channels at 20 m.
        widths: channels at 40 and 80 m.
        blocks: blocks at 40 and 80 m.
        covers: number of the teacher's covers.
        features: number of the teacher's features.
        dropout: share of the pooled statistics that is dropped in training.
        clip: see :class:`~landcover.nets.cell_net.CellNet`.

    Raises:
        ValueError: a level has no block, or more than 16.
    """

    def __init__(
        self,
        *,
        classes: int = len(CLASS_NAMES),
        stem: int = 32,
        widths: Sequence[int] = (96, 128),
        blocks: Sequence[int] = (2, 1),
        covers: int = 9,
        features: int = 144,
        dropout: float = 0.2,
        clip: float | None = 2.5,
    ) -> None:
        if not all(1 <= count <= _MOST_BLOCKS for count in blocks):
            raise ValueError(f"each level has 1 to {_MOST_BLOCKS} blocks")
        middle, coarse = widths
        channels = stem + middle + coarse + middle + covers
        super().__init__(channels, classes=classes, dropout=dropout, clip=clip)
        self.trunk = nn.ModuleDict(
            {
                "stem": _halved(len(BAND_NAMES), stem),
                "fine": nn.Sequential(Unit(stem, stem, 3, groups=stem), Unit(stem, stem)),
                "to_middle": _halved(stem, middle),
                "middle": level(middle, middle, blocks[0]),
                "to_coarse": _halved(middle, coarse),
                "coarse": level(coarse, coarse, blocks[1]),
                "from_coarse": nn.Conv2d(coarse, middle, 1),
                "joined": nn.Sequential(
                    Unit(middle, middle, 3, groups=middle), Unit(middle, middle)
                ),
                "features": nn.Conv2d(middle, features, 1),
                "covers": nn.Conv2d(middle, covers, 1),
            }
        )

    def maps(self, bands: Tensor) -> list[Tensor]:
        """Compute the maps at 20, 40 and 80 m, the joined one and the predicted covers."""
        return self._as_maps(self._levels(bands))

    def taught(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict classes and the teacher's answers from reflectance ``(n, 12, y, x)``.

        Returns:
            Logits of classes ``(n, class)``, logits of covers ``(n, cover, y/4, x/4)`` and
            features ``(n, feature, y/4, x/4)``.
        """
        levels = self._levels(self.bands(pixels))
        maps = self._as_maps(levels)
        means = [each.mean(dim=(2, 3)) for each in maps]
        squares = [each.square().mean(dim=(2, 3)) for each in maps]
        logits = self.classify(torch.cat((*means, *squares), dim=1))
        return logits, levels[-1], self.trunk["features"](levels[-2])

    @staticmethod
    def _as_maps(levels: Sequence[Tensor]) -> list[Tensor]:
        *maps, logits = levels
        return [each.float() for each in (*maps, logits.float().softmax(dim=1))]

    def _levels(self, bands: Tensor) -> tuple[Tensor, ...]:
        net = self.trunk
        fine = net["fine"](net["stem"](bands.contiguous(memory_format=torch.channels_last)))
        middle = net["middle"](net["to_middle"](fine))
        coarse = net["coarse"](net["to_coarse"](middle))
        joined = middle + F.interpolate(net["from_coarse"](coarse), scale_factor=2.0)
        joined = net["joined"](joined)
        return fine, middle, coarse, joined, net["covers"](joined)


def _halved(inputs: int, outputs: int) -> nn.Sequential:
    """A convolution of 2 × 2 pixels that share no pixel."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 2, 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
