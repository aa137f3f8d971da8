"""The structure of every benchmark net: a trunk, the mean of its maps, one linear layer.

The trunk has convolutions only, so it runs over areas of any size, and the scores depend on the
mean of its maps over a patch. :meth:`PooledNet.dense` computes these means for all windows
of an area together, so each pixel passes the trunk once.

The benchmarks get the same input as the other nets, the standardised logarithm of reflectance
(see :mod:`landcover.nets.reflectance`), so that only the trunks are compared. Published nets
that were trained on standardised reflectance get standardised reflectance.
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
    """A net that computes logits from the mean of a trunk's maps.

    Attributes:
        trunk: computes maps ``(n, channel, y/32, x/32)`` of images ``(n, band, y, x)``.
        cam_layer: returns the trunk's maps unchanged; the layer for Grad-CAM.
        mean, std: ``(band,)`` statistics of the logarithm of reflectance, or of reflectance,
            stored with the weights.
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
        """Add a head to a trunk.

        Args:
            trunk: the convolutions.
            channels: number of channels of its maps.
            bands: names along the input's band axis.
            classes: number of outputs.
            dropout: share of the pooled features that is dropped in training.
            logarithm: whether the trunk's input is the logarithm of reflectance.
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
        """Set the normalisation, and the first scores to the frequencies of the classes.

        Args:
            pixels: reflectance ``(n, band, y, x)`` of training patches.
            targets: 0 or 1, ``(n, class)``, of training patches.
        """
        values = log_reflectance(pixels) if self.logarithm else pixels
        self.mean.copy_(values.mean(dim=(0, 2, 3)))
        self.std.copy_(values.std(dim=(0, 2, 3)).clamp(min=1e-3))
        self.head.bias.data.copy_(torch.logit(targets.mean(dim=0).clamp(0.003, 0.9)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` of reflectance ``(n, band, y, x)``."""
        return self.read(pixels).scores

    def read(self, pixels: Tensor) -> NetOutput:
        """Compute logits and the pooled maps that they depend on."""
        features = self._features(self.cam_layer(self.maps(pixels)).mean(dim=(2, 3)))
        return NetOutput(self.head(features), features)

    def maps(self, pixels: Tensor) -> Tensor:
        """Compute the trunk's maps ``(n, channel, y/32, x/32)``, sides rounded up.

        Args:
            pixels: reflectance ``(n, band, y, x)``.

        Raises:
            BadInput: the pixels have other bands.
        """
        if pixels.dim() != 4 or pixels.shape[1] != len(self.mean):
            raise BadInput(
                f"The net needs pixels of shape (n, {len(self.mean)}, y, x), not "
                f"{tuple(pixels.shape)}: pass the bands that its card names, in their order."
            )
        mean, std = (v.view(1, -1, 1, 1) for v in (self.mean, self.std))
        images = ((log_reflectance(pixels) if self.logarithm else pixels) - mean) / std
        maps: Tensor = self.trunk(images.contiguous(memory_format=torch.channels_last))
        return maps

    def classify(self, features: Tensor) -> Tensor:
        """Compute logits ``(…, class)`` of pooled features ``(…, channel)``."""
        logits: Tensor = self.head(self._features(features))
        return logits

    def _features(self, pooled: Tensor) -> Tensor:
        features: Tensor = self.dropout(pooled.float())
        return features

    def dense(self, pixels: Tensor) -> Tensor:
        """Compute logits of every 1200 m window that starts at a multiple of 32 pixels.

        The result differs from that of windows cut out first, since the convolutions also
        use the pixels beyond a window's edge, where a cut-out window has zeros.

        Args:
            pixels: reflectance ``(n, band, y, x)``, sides at least 120.

        Returns:
            ``(n, class, (y - 120) // 32 + 1, (x - 120) // 32 + 1)``.

        Raises:
            BadInput: the area is smaller than one window.
        """
        check_size(pixels)
        window = -(-PATCH_PIXELS // STRIDE)
        rows, columns = ((side - PATCH_PIXELS) // STRIDE + 1 for side in pixels.shape[2:])
        means = F.avg_pool2d(self.maps(pixels), window, 1)[:, :, :rows, :columns]
        return self.classify(means.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
