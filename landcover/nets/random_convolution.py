"""Random convolution features (Rolf et al. 2021, "MOSAIKS"): a baseline without trained filters.

Filters are small windows cut at random from training patches. The positive and the negative
part of a filter's response are averaged over the patch, followed by a linear classifier. The
features describe texture and colour, but no filter was chosen for the task: a net with trained
filters should do better. :func:`landcover.train.recipes.reference_fit.fit_random_convolution`
fits it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.nets.outputs import NetOutput
from landcover.nets.reflectance import log_reflectance, standardised
from landcover.nets.windows import CELL_PIXELS

__all__ = ["STRIDE", "RandomConvolution"]

STRIDE: Final = 2
"""Pixels between two responses of a filter: enough for a mean over the patch."""


class RandomConvolution(nn.Module):
    """Filters, both signs of their responses, means, one linear layer.

    Attributes:
        filters: for each filter size, weights ``(filter, band, side, side)`` and offsets.
        cam_layer: returns the features per cell of 80 m unchanged.
        log_mean, log_std: ``(band,)`` statistics of log-reflectance.
    """

    log_mean: Tensor
    log_std: Tensor

    def __init__(
        self,
        *,
        filters: int = 128,
        sides: Sequence[int] = (3, 5, 7),
        bands: Sequence[str] = BAND_NAMES,
        classes: int = len(CLASS_NAMES),
    ) -> None:
        """Make the net; its filters are zeros until they are fitted.

        Args:
            filters: number of filters of each size.
            sides: sizes of the filters, in 10 m pixels, odd.
            bands: names along the input's band axis.
            classes: number of outputs.

        Raises:
            ValueError: a side is even, or there is no filter.
        """
        super().__init__()
        if filters < 1 or not sides or any(side < 1 or side % 2 == 0 for side in sides):
            raise ValueError(f"{filters} filters of sides {list(sides)}")
        self.register_buffer("log_mean", torch.full((len(bands),), -2.0))
        self.register_buffer("log_std", torch.ones(len(bands)))
        self.filters = nn.ModuleList(
            nn.Conv2d(len(bands), filters, side, STRIDE, side // 2) for side in sides
        )
        for layer in self.convolutions():
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # it has one
        self.cam_layer = nn.Identity()
        self.head = nn.Linear(2 * filters * len(sides), classes)

    def convolutions(self) -> list[nn.Conv2d]:
        """Return the filters, one layer per size."""
        return [layer for layer in self.filters if isinstance(layer, nn.Conv2d)]

    def initialise(self, pixels: Tensor, targets: Tensor) -> None:
        """Set the normalisation from reflectance ``(n, band, y, x)`` of training patches."""
        del targets
        logs = log_reflectance(pixels)
        self.log_mean.copy_(logs.mean(dim=(0, 2, 3)))
        self.log_std.copy_(logs.std(dim=(0, 2, 3)).clamp(min=1e-3))

    def images(self, pixels: Tensor) -> Tensor:
        """Compute standardised log-reflectance, in the shape of the pixels."""
        return standardised(pixels, self.log_mean, self.log_std)

    def cells(self, pixels: Tensor) -> Tensor:
        """Compute features in each cell of 80 m, ``(n, feature, y/8, x/8)``.

        Windows of a large area are averages of its cells, so the area is convolved once.
        """
        images = self.images(pixels).contiguous(memory_format=torch.channels_last)
        parts = []
        for layer in self.convolutions():
            responses = layer(images)
            # Averaged at once: full maps of all features would take gigabytes per batch.
            parts += [
                F.avg_pool2d(torch.relu(sign), CELL_PIXELS // STRIDE)
                for sign in (responses, -responses)
            ]
        return torch.cat(parts, dim=1)

    def features(self, pixels: Tensor) -> Tensor:
        """Compute features of patches, ``(n, feature)``."""
        return self.cells(pixels).mean(dim=(2, 3))

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` of reflectance with sides that are multiples of 8."""
        return self.read(pixels).scores

    def read(self, pixels: Tensor) -> NetOutput:
        """Compute logits and the pooled features that they depend on."""
        features = self.cam_layer(self.cells(pixels)).mean(dim=(2, 3)).float()
        return NetOutput(self.head(features), features)
