"""ResNet-18, ResNet-50 and ResNet-101 (He et al. 2016), well-known benchmarks.

They are implemented here because torchvision requires a matching build of torch, and eighty
lines of code cost less than that dependency. The names of weights are those of torchvision and
timm (``conv1``, ``layer1.0.bn2`` …), so published weights can be loaded. As in both, the
3 × 3 convolution of a bottleneck has the stride ("v1.5"), and the last normalisation of each
block starts at 0 (Goyal et al. 2017), so that blocks start as the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.nets.pooled import PooledNet
from landcover.nets.strided import replace_crashing

__all__ = ["LAYERS", "BasicBlock", "Bottleneck", "ResNet", "ResNetTrunk"]


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class _Residual(nn.Module):
    """Base of the blocks: a path, and a skip connection with the shape of its output.

    ``expansion`` is the width of the output relative to the width of the block.
    """

    expansion: int = 1

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                _conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)
            )

    def path(self, features: Tensor) -> Tensor:
        """Compute what the block adds to its input."""
        raise NotImplementedError

    def forward(self, features: Tensor) -> Tensor:
        """``(n, inputs, y, x)`` to ``(n, outputs, y/stride, x/stride)``."""
        return torch.relu(self.downsample(features) + self.path(features))


class BasicBlock(_Residual):
    """Two 3 × 3 convolutions."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__(inputs, width, stride)
        self.conv1, self.bn1 = _conv(inputs, width, 3, stride), nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2, self.bn2 = _conv(width, width, 3), nn.BatchNorm2d(width)
        nn.init.zeros_(self.bn2.weight)

    def path(self, features: Tensor) -> Tensor:
        """Compute what the block adds to its input."""
        out: Tensor = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(features)))))
        return out


class Bottleneck(_Residual):
    """A 3 × 3 convolution between two of 1 × 1, the last of which widens fourfold."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        outputs = width * self.expansion
        super().__init__(inputs, outputs, stride)
        self.conv1, self.bn1 = _conv(inputs, width, 1), nn.BatchNorm2d(width)
        # One each, so that each can be merged into the convolution before it.
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.conv2, self.bn2 = _conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _conv(width, outputs, 1), nn.BatchNorm2d(outputs)
        nn.init.zeros_(self.bn3.weight)

    def path(self, features: Tensor) -> Tensor:
        """Compute what the block adds to its input."""
        narrow = self.relu1(self.bn1(self.conv1(features)))
        out: Tensor = self.bn3(self.conv3(self.relu2(self.bn2(self.conv2(narrow)))))
        return out


LAYERS: Final[dict[int, tuple[type[BasicBlock | Bottleneck], tuple[int, int, int, int]]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}
"""Depth → type of block, and number of blocks in each stage (He et al. 2016, table 1)."""


class ResNetTrunk(nn.Module):
    """The convolutions, with maps of 1/32 of the side.

    Attributes:
        channels: number of channels of the maps.
    """

    def __init__(self, depth: int, bands: int, width: int) -> None:
        super().__init__()
        block, counts = LAYERS[depth]
        self.conv1, self.bn1 = _conv(bands, width, 7, 2), nn.BatchNorm2d(width)
        self.relu, self.maxpool = nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        self.channels = width
        for stage, count in enumerate(counts):
            inner, blocks = width * 2**stage, []
            for index in range(count):
                stride = 2 if stage and not index else 1
                blocks.append(block(self.channels, inner, stride))
                self.channels = inner * block.expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.stages = len(counts)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Compute maps ``(n, channel, y/32, x/32)`` of normalised images ``(n, band, y, x)``."""
        features: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in range(self.stages):
            features = self.get_submodule(f"layer{stage + 1}")(features)
        return features


class ResNet(PooledNet):
    """A ResNet with a pooled linear head.

    Args:
        depth: 18, 50 or 101.
        bands: names along the input's band axis.
        classes: number of outputs.
        width: channels of the first stage; 64 as published.
        dropout: share of the pooled features that is dropped in training; 0 as published.
        logarithm: whether its input is the logarithm of reflectance.

    Raises:
        ValueError: no such depth is defined, or the width is below 1.
    """

    def __init__(
        self,
        *,
        depth: int = 18,
        bands: Sequence[str] = BAND_NAMES,
        classes: int = len(CLASS_NAMES),
        width: int = 64,
        dropout: float = 0.0,
        logarithm: bool = True,
    ) -> None:
        if depth not in LAYERS:
            raise ValueError(f"a ResNet has {' or '.join(map(str, LAYERS))} layers, not {depth}")
        if width < 1:
            raise ValueError(f"a ResNet's width is at least 1, not {width}")
        trunk = ResNetTrunk(depth, len(bands), width)
        replace_crashing(trunk)
        super().__init__(
            trunk,
            trunk.channels,
            bands=bands,
            classes=classes,
            dropout=dropout,
            logarithm=logarithm,
        )
