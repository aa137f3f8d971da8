"""EfficientNet-Lite0 for pictures: red, green and blue in, one answer a class out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.bands import EUROSAT_PIXELS
from landcover.core.errors import BadInput
from landcover.nets.efficientnet_lite0 import HEAD, Lite0
from landcover.nets.outputs import NetOutput
from landcover.nets.pooled import STRIDE
from landcover.nets.symmetry import symmetry, undo_symmetry
from landcover.nets.windows import check_size

__all__ = ["RgbNet"]


class RgbNet(nn.Module):
    """Lite0 with a pooled linear head, fully convolutional up to the pooling.

    Args:
        classes: number of outputs.
        enlarge: factor by which pictures are enlarged first. The trunk learned objects
            of photographs, which are larger than fields of 10 m pixels, and leaves a
            picture of 64 pixels two cells a side.
        symmetries: in how many symmetries of the square it looks when it answers, 1 to 8:
            filters learned from photographs know an upside, pictures from above have none.
        dropout: share of the pooled features dropped in training.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        classes: int = 10,
        enlarge: float = 1.0,
        symmetries: int = 1,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((3,), 0.5))
        self.register_buffer("std", torch.full((3,), 0.25))
        self.enlarge, self.symmetries = enlarge, symmetries
        self.trunk = Lite0(3)
        self.cam_layer = nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(HEAD, classes)

    def initialise(self, pixels: Tensor, targets: Tensor) -> None:
        """Take each band's mean and spread from training pictures ``(n, 3, y, x)``."""
        del targets
        self.mean.copy_(pixels.mean(dim=(0, 2, 3)))
        self.std.copy_(pixels.std(dim=(0, 2, 3)).clamp(min=1e-3))

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits ``(n, class)`` of pictures ``(n, 3, y, x)`` between 0 and 1.

        The mean over symmetries is taken of the trunk's maps, turned back to how the
        picture lies: the head is linear, so the answer is the mean of all looks, and the
        maps say where.
        """
        return self.read(pixels).scores

    def read(self, pixels: Tensor) -> NetOutput:
        """Logits, and the pooled maps that they are made of."""
        maps = self.cam_layer(self._views(pixels))
        features = self.dropout(maps.mean(dim=(2, 3)))
        return NetOutput(self.classifier(features), features)

    def dense(self, pixels: Tensor) -> Tensor:
        """Logits of every 640 m window of a larger picture, each pixel convolved once a look.

        Windows start at multiples of a cell of the trunk: 16 pixels where pictures are enlarged
        twice. It differs from cutting the windows out first by what the convolutions see beyond a
        window's edge, where a cut-out window has zeros.

        Args:
            pixels: ``(n, 3, y, x)`` between 0 and 1, sides at least 64.

        Returns:
            ``(n, class, (y - 64) // cell + 1, (x - 64) // cell + 1)``.

        Raises:
            BadInput: the picture is below one window, or a window is not made of whole cells.
        """
        cell = round(STRIDE / self.enlarge)
        if cell * self.enlarge != STRIDE or EUROSAT_PIXELS % cell:
            raise BadInput(
                f"A net that enlarges pictures {self.enlarge} times has no whole number of cells "
                f"in {EUROSAT_PIXELS} pixels: cut the windows out and classify them one by one."
            )
        check_size(pixels, EUROSAT_PIXELS, "picture")
        # Cells have to begin at the same pixels when the picture is turned over.
        height, width = (side - side % cell for side in pixels.shape[2:])
        maps = self._views(pixels[:, :, :height, :width])
        means = F.avg_pool2d(maps, EUROSAT_PIXELS // cell, 1)
        logits: Tensor = self.classifier(means.permute(0, 2, 3, 1))
        return logits.permute(0, 3, 1, 2)

    def _views(self, pixels: Tensor) -> Tensor:
        """The trunk's maps, as the picture lies; the mean of all looks when it answers."""
        turns = [turn * 8 // self.symmetries for turn in range(self.symmetries)]
        looks = [0] if self.training else turns
        maps = [undo_symmetry(self.maps(symmetry(pixels, turn)), turn) for turn in looks]
        return torch.stack(maps).mean(dim=0) if len(maps) > 1 else maps[0]

    def maps(self, pixels: Tensor) -> Tensor:
        """The trunk's maps ``(n, 1280, y, x)`` of the pictures as they lie."""
        images = (pixels - self.mean.view(1, -1, 1, 1)) / self.std.view(1, -1, 1, 1)
        if self.enlarge != 1.0:
            images = F.interpolate(images, scale_factor=self.enlarge, mode="bilinear")
        features: Tensor = self.trunk(images)
        return features
