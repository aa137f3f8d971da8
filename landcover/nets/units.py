"""Building blocks of nets that learn from a teacher: pixel-wise and depthwise convolutions."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["Block", "Unit", "level"]


class Unit(nn.Sequential):
    """Convolution, batch normalisation, ReLU; depthwise if ``groups`` says so."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, *, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class Block(nn.Module):
    """Pairs of a pixel-wise and a depthwise convolution, with a skip connection around them."""

    def __init__(self, inputs: int, outputs: int, pairs: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = inputs
        for _ in range(pairs):
            layers += [Unit(width, outputs), Unit(outputs, outputs, 3, groups=outputs)]
            width = outputs
        layers += [nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.path = nn.Sequential(*layers)
        self.skip = (
            nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(n, inputs, y, x)`` to ``(n, outputs, y, x)``."""
        return torch.relu(self.skip(features) + self.path(features))


def level(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    """The blocks of one level."""
    widths = [inputs] + [outputs] * blocks
    return nn.Sequential(*(Block(a, b) for a, b in pairwise(widths)))
