"""A trunk, the mean of its maps, one linear layer: the shape of every benchmark net.

The trunk is convolutions only, so that it runs over areas of any size, and the answer
rests on the mean of its maps over a patch. :meth:`PooledNet.dense` takes these means for
every window of an area at once: no pixel goes through the trunk twice.

The benchmarks see what our own nets see, the standardised logarithm of reflectance (see
:mod:`landcover.nets.reflectance`), so that a comparison is one of trunks. Published nets that
were trained on standardised reflectance get that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.nets.outputs import NetOutput
from landcover.nets.reflectance import log_reflectance
from landcover.nets.windows import check_size

__all__ = ["STRIDE", "PooledNet"]

STRIDE: Final = 32
"""Side of a cell of the trunk's maps, in 10 m pixels: five halvings."""


class PooledNet(nn.Module):
    """Logits from the mean of a trunk's maps.

    Attributes:
        trunk: maps ``(n, channel, y/32, x/32)`` of images ``(n, band, y, x)``.
        cam_layer: passes on the trunk's maps; the layer for Grad-CAM.
        mean, std: ``(band,)`` statistics of the logarithm of reflectance, or of reflectance,
            kept with the weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: nn.Module,
        channels: int,
        *,
        bands: Sequence[str] = BAND_NAMES,
        classes: int = len(CLASS_NAMES),
        dropout: float = 0.2,
        logarithm: bool = True,
    ) -> None:
        """Put a head on a trunk.

        Args:
            trunk: the convolutions.
            channels: of its maps.
            bands: names along the input's band axis.
            classes: number of outputs.
            dropout: share of the pooled features dropped in training.
            logarithm: whether the trunk reads the logarithm of reflectance.
        """
        super().__init__()
        self.logarithm = logarithm
        self.register_buffer("mean", torch.zeros(len(bands)))
        self.register_buffer("std", torch.ones(len(bands)))
        self.trunk = trunk
        self.cam_layer = nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, classes)

    def initialise(self, pixels: Tensor, targets: Tensor) -> None:
        """Set the normalisation, and the first answers to the classes' frequencies.

        Args:
            pixels: reflectance ``(n, band, y, x)`` of training patches.
            targets: 0 or 1, ``(n, class)``, of training patches.
        """
        values = log_reflectance(pixels) if self.logarithm else pixels
        self.mean.copy_(values.mean(dim=(0, 2, 3)))
        self.std.copy_(values.std(dim=(0, 2, 3)).clamp(min=1e-3))
        self.head.bias.data.copy_(torch.logit(targets.mean(dim=0).clamp(0.003, 0.9)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits ``(n, class)`` of reflectance ``(n, band, y, x)``."""
        return self.read(pixels).scores

    def read(self, pixels: Tensor) -> NetOutput:
        """Logits, and the pooled maps that they are made of."""
        features = self._features(self.cam_layer(self.maps(pixels)).mean(dim=(2, 3)))
        return NetOutput(self.head(features), features)

    def maps(self, pixels: Tensor) -> Tensor:
        """The trunk's maps ``(n, channel, y/32, x/32)`` of reflectance, sides rounded up.

        Raises:
            BadInput: the pixels have other bands.
        """
        if pixels.dim() != 4 or pixels.shape[1] != len(self.mean):
            raise BadInput(
                f"The net reads pixels of shape (n, {len(self.mean)}, y, x), not "
                f"{tuple(pixels.shape)}: give the bands that its card names, in their order."
            )
        mean, std = (v.view(1, -1, 1, 1) for v in (self.mean, self.std))
        images = ((log_reflectance(pixels) if self.logarithm else pixels) - mean) / std
        maps: Tensor = self.trunk(images.contiguous(memory_format=torch.channels_last))
        return maps

    def answer(self, features: Tensor) -> Tensor:
        """Logits ``(…, class)`` of pooled features ``(…, channel)``."""
        logits: Tensor = self.head(self._features(features))
        return logits

    def _features(self, pooled: Tensor) -> Tensor:
        features: Tensor = self.dropout(pooled.float())
        return features

    def dense(self, pixels: Tensor) -> Tensor:
        """Logits of every 1200 m window of an area that starts at a multiple of 32 pixels.

        It differs from cutting the windows out first by what the convolutions see beyond
        a window's edge, where a cut-out window has zeros.

        Args:
            pixels: reflectance ``(n, band, y, x)``, sides at least 120.

        Returns:
            ``(n, class, (y - 120) // 32 + 1, (x - 120) // 32 + 1)``.

        Raises:
            BadInput: the area is below one window.
        """
        check_size(pixels)
        window = -(-PATCH_PIXELS // STRIDE)
        rows, columns = ((side - PATCH_PIXELS) // STRIDE + 1 for side in pixels.shape[2:])
        means = F.avg_pool2d(self.maps(pixels), window, 1)[:, :, :rows, :columns]
        return self.answer(means.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
