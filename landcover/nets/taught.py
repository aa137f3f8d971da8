"""A net that first learns the covers of each pixel from a teacher, then those of a patch.

- **Pixels.** At 20 m, blocks of pixel-wise and depthwise convolutions describe the spectrum and
  its close surroundings. Two coarser levels see 600 m around, and their maps are added to those
  at 20 m.
- **The teacher's answers** are predicted from the result: the covers of each 20 m pixel, and the
  features that the teacher computes them from. A teacher that was trained all over the world
  knows places that the labelled patches do not show. Afterwards both predictions stay inputs of
  the head beside the net's own maps.
- **For maps of areas** the same trunk looks at the means of squares of pixels. With squares of 20 m
  all its maps are half as fine, and it needs a quarter of the arithmetic.
- **Pooling** is that of :mod:`landcover.nets.cell_net`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.nets.cell_net import CellNet
from landcover.nets.outputs import FeatureMap, View
from landcover.nets.windows import CELL_PIXELS

__all__ = ["TaughtNet"]

_MOST_BLOCKS: Final = 16
_ALIGNED: Final = 16
"""Pixels in a cell of the coarsest map of squares."""
_WIDEST: Final = 96
_LENGTH: Final = 12.0
"""Length of the features of each pixel."""
_SHORTEST: Final = 1e-12
_COARSER: Final = (2, 4, 8, 2, 2)
"""Pixels of the bands along a pixel of each map."""


class _Unit(nn.Sequential):
    """Convolution, batch normalisation, ReLU; depthwise if ``groups`` says so."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, *, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class _Block(nn.Module):
    """Pairs of a pixel-wise and a depthwise convolution, with a skip connection around them."""

    def __init__(self, inputs: int, outputs: int, pairs: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = inputs
        for _ in range(pairs):
            layers += [_Unit(width, outputs), _Unit(outputs, outputs, 3, groups=outputs)]
            width = outputs
        layers += [nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.path = nn.Sequential(*layers)
        self.skip = (
            nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(n, inputs, y, x)`` to ``(n, outputs, y, x)``."""
        found, skipped = self.path(features), self.skip(features)
        if torch.is_inference_mode_enabled():
            # New memory for maps of this size costs more than the arithmetic.
            added: Tensor = found.add_(skipped).relu_()
            return added
        return torch.relu(found + skipped)


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
        shrink: side of the squares of pixels whose means are looked at, 1 or 2.
        mirror: pixels by which a patch is mirrored at its edges before its maps are computed, a
            multiple of 16 up to 96. Without, nets meet zeros there, which no area has.

    Raises:
        ValueError: a level has no block, or more than 16, or there are no such squares or edges.
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
        shrink: int = 1,
        mirror: int = 0,
    ) -> None:
        if shrink not in {1, 2}:
            raise ValueError(f"squares have sides of 1 or 2 pixels, not {shrink}")
        if mirror % _ALIGNED or not 0 <= mirror <= _WIDEST:
            raise ValueError(f"edges are a multiple of {_ALIGNED} pixels up to {_WIDEST}")
        if not all(1 <= count <= _MOST_BLOCKS for count in blocks):
            raise ValueError(f"each level has 1 to {_MOST_BLOCKS} blocks")
        fine, middle, coarse = widths
        channels = fine + middle + coarse + covers + features
        super().__init__(channels, classes=classes, dropout=dropout, clip=clip)
        self.shrink, self.mirror, self.cell = shrink, mirror, CELL_PIXELS // shrink
        self.trunk = nn.ModuleDict(
            {
                "stem": nn.Sequential(
                    nn.Conv2d(len(BAND_NAMES), stem, 4, 2, 1, bias=False),
                    nn.BatchNorm2d(stem),
                    nn.ReLU(),
                ),
                "fine": _level(stem, fine, blocks[0]),
                "middle": _level(fine, middle, blocks[1]),
                "coarse": _level(middle, coarse, blocks[2]),
                "from_coarse": nn.Conv2d(coarse, middle, 1),
                "from_middle": nn.Conv2d(middle, fine, 1),
                "joined": nn.Sequential(_Unit(fine, fine, 3, groups=fine), _Unit(fine, fine)),
                "features": nn.Conv2d(fine, features, 1),
                "covers": nn.Conv2d(features, covers, 1),
            }
        )

    def bands(self, pixels: Tensor) -> Tensor:
        """Compute standardised log-reflectance of the squares that the net looks at."""
        return super().bands(pixels if self.shrink == 1 else _means_of_squares(pixels))

    def maps(self, bands: Tensor) -> list[Tensor]:
        """Compute the maps at 20, 40 and 80 m, and the teacher's predicted covers and features.

        If the net looks at squares, all are coarser by their side.
        """
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
            features ``(n, feature, y/2, x/2)``; of squares, both are coarser by their side.
        """
        levels = self._levels(self.bands(pixels))
        sides = [side // CELL_PIXELS for side in pixels.shape[2:]]
        maps = tuple(FeatureMap.on_cells(each, sides) for each in self._as_maps(levels))
        return self.classify(View((maps,)).moments()), levels[3], levels[4]

    def in_area(self) -> None:
        """From now on the net is given parts of an area with their surroundings."""
        self.mirror = 0

    def _levels(self, bands: Tensor) -> tuple[Tensor, ...]:
        if not self.mirror:
            return self._levels_within(bands)
        edge = self.mirror // self.shrink
        found = self._levels_within(F.pad(bands, (edge, edge, edge, edge), mode="reflect"))
        pairs = zip(found, _COARSER, strict=True)
        return tuple(_without_edge(each, edge // k, bands.shape[2:], k) for each, k in pairs)

    def _levels_within(self, bands: Tensor) -> tuple[Tensor, ...]:
        net = self.trunk
        fine = net["fine"](net["stem"](bands.contiguous(memory_format=torch.channels_last)))
        middle = net["middle"](F.avg_pool2d(fine, 2))
        # Of a patch of 15 cells, the last one of a map with cells of 160 m is half outside.
        inside = F.avg_pool2d(middle, 2, ceil_mode=True, count_include_pad=False)
        coarse = net["coarse"](inside)
        rows, columns = middle.shape[2:]
        above = F.interpolate(net["from_coarse"](coarse), scale_factor=2.0)[:, :, :rows, :columns]
        joined = middle + above
        joined = fine + F.interpolate(net["from_middle"](joined), scale_factor=2.0)
        features = _of_length(net["features"](net["joined"](joined)), _LENGTH)
        return fine, middle, coarse, net["covers"](features), features


def _means_of_squares(pixels: Tensor) -> Tensor:
    """Average squares of 2 × 2 pixels; pooling takes three times as long on a CPU."""
    rows = pixels[:, :, 0::2] + pixels[:, :, 1::2]
    return (rows[..., 0::2] + rows[..., 1::2]).mul(0.25)


def _of_length(features: Tensor, length: float) -> Tensor:
    """Bring the features of each pixel, ``(n, channel, y, x)``, to the same length."""
    own = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    scale = length / own.clamp(min=_SHORTEST)
    return features.mul_(scale) if torch.is_inference_mode_enabled() else features * scale


def _level(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    """The blocks of one level."""
    widths = [inputs] + [outputs] * blocks
    return nn.Sequential(*(_Block(a, b) for a, b in pairwise(widths)))


def _without_edge(maps: Tensor, edge: int, size: Sequence[int], factor: int) -> Tensor:
    """Cut the edge off maps whose cells are ``factor`` bands' pixels wide; half cells stay."""
    rows, columns = (math.ceil(side / factor) for side in size)
    return maps[:, :, edge : edge + rows, edge : edge + columns]
