"""A net that first learns the covers of each pixel from a teacher, then those of a patch.

- **Pixels.** At 20 m, blocks of pixel-wise and depthwise convolutions describe the spectrum and
  its close surroundings. Two coarser levels see 600 m around, and their maps are added to those
  at 20 m.
- **The teacher's answers** are predicted from the result: the covers of each 20 m pixel, and the
  features that the teacher computes them from. A teacher that was trained all over the world
  knows places that the labelled patches do not show. Afterwards both predictions stay inputs of
  the head beside the net's own maps.
- **Pooling** is that of :mod:`landcover.nets.cell_net`.
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

__all__ = ["TaughtNet"]

_MOST_BLOCKS: Final = 16


class TaughtNet(CellNet):
    """The net; see the module's docstring.

    Args:
        classes: number of outputs.
        stem: channels of the first convolution.
        widths: channels at 20, 40 and 80 m.
        blocks: blocks of each level.
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
        stem: int = 64,
        widths: Sequence[int] = (96, 160, 224),
        blocks: Sequence[int] = (2, 2, 2),
        covers: int = 9,
        features: int = 144,
        dropout: float = 0.4,
        clip: float | None = 2.5,
    ) -> None:
        if not all(1 <= count <= _MOST_BLOCKS for count in blocks):
            raise ValueError(f"each level has 1 to {_MOST_BLOCKS} blocks")
        fine, middle, coarse = widths
        channels = fine + middle + coarse + covers + features
        super().__init__(channels, classes=classes, dropout=dropout, clip=clip)
        self.trunk = nn.ModuleDict(
            {
                "stem": nn.Sequential(
                    nn.Conv2d(len(BAND_NAMES), stem, 4, 2, 1, bias=False),
                    nn.BatchNorm2d(stem),
                    nn.ReLU(),
                ),
                "fine": level(stem, fine, blocks[0]),
                "middle": level(fine, middle, blocks[1]),
                "coarse": level(middle, coarse, blocks[2]),
                "from_coarse": nn.Conv2d(coarse, middle, 1),
                "from_middle": nn.Conv2d(middle, fine, 1),
                "joined": nn.Sequential(Unit(fine, fine, 3, groups=fine), Unit(fine, fine)),
                "features": nn.Conv2d(fine, features, 1),
                "covers": nn.Conv2d(features, covers, 1),
            }
        )

    def maps(self, bands: Tensor) -> list[Tensor]:
        """Compute the maps at 20, 40 and 80 m, and the teacher's predicted covers and features."""
        return self._as_maps(self._levels(bands))

    @staticmethod
    def _as_maps(levels: Sequence[Tensor]) -> list[Tensor]:
        fine, middle, coarse, logits, features = levels
        found = (fine, middle, coarse, logits.float().softmax(dim=1), features)
        return [each.float() for each in found]

    def taught(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict classes and the teacher's answers from reflectance ``(n, 12, y, x)``.

        Returns:
            Logits of classes ``(n, class)``, logits of covers ``(n, cover, y/2, x/2)`` and
            features ``(n, feature, y/2, x/2)``.
        """
        levels = self._levels(self.bands(pixels))
        maps = self._as_maps(levels)
        means = [each.mean(dim=(2, 3)) for each in maps]
        squares = [each.square().mean(dim=(2, 3)) for each in maps]
        return self.classify(torch.cat((*means, *squares), dim=1)), levels[3], levels[4]

    def _levels(self, bands: Tensor) -> tuple[Tensor, ...]:
        net = self.trunk
        fine = net["fine"](net["stem"](bands.contiguous(memory_format=torch.channels_last)))
        middle = net["middle"](F.avg_pool2d(fine, 2))
        coarse = net["coarse"](F.avg_pool2d(middle, 2))
        joined = middle + F.interpolate(net["from_coarse"](coarse), scale_factor=2.0)
        joined = fine + F.interpolate(net["from_middle"](joined), scale_factor=2.0)
        features = 12.0 * F.normalize(net["features"](net["joined"](joined)), dim=1)
        return fine, middle, coarse, net["covers"](features), features
