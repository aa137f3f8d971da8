"""EfficientNet-Lite0 for pictures: red, green and blue as input, one score per class."""

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
        enlarge: factor by which pictures are enlarged first. The trunk was trained on objects
            in photographs, which are larger than fields in 10 m pixels, and its maps of a
            picture of 64 pixels have only two cells per side.
        symmetries: number of symmetries of the square to average over in evaluation mode, 1 to
            8. Filters trained on photographs depend on the orientation, satellite images do not.
        dropout: share of the pooled features that is dropped in training.
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
        if not 0.25 <= enlarge <= 8:
            raise ValueError(f"pixels are enlarged at most 8 times, not {enlarge}")
        self.register_buffer("mean", torch.full((3,), 0.5))
        self.register_buffer("std", torch.full((3,), 0.25))
        if not 1 <= symmetries <= 8:
            raise ValueError(f"the square has 8 symmetries, not {symmetries}")
        self.enlarge, self.symmetries = enlarge, symmetries
        self.trunk = Lite0(3)
        self.cam_layer = nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(HEAD, classes)

    def initialise(self, pixels: Tensor, targets: Tensor) -> None:
        """Set the mean and deviation of each band from training pictures ``(n, 3, y, x)``."""
        del targets
        self.mean.copy_(pixels.mean(dim=(0, 2, 3)))
        self.std.copy_(pixels.std(dim=(0, 2, 3)).clamp(min=1e-3))

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` of pictures ``(n, 3, y, x)`` between 0 and 1.

        The trunk's maps are averaged over the symmetries, after each symmetry is undone. The
        head is linear, so the scores are also the mean over the symmetries, and the maps have
        the orientation of the picture.
        """
        return self.read(pixels).scores

    def read(self, pixels: Tensor) -> NetOutput:
        """Compute logits and the pooled maps that they depend on."""
        maps = self.cam_layer(self._mean_maps(pixels))
        features = self.dropout(maps.mean(dim=(2, 3)))
        return NetOutput(self.classifier(features), features)

    def dense(self, pixels: Tensor) -> Tensor:
        """Compute logits of every 640 m window of a larger picture.

        Each pixel is convolved once per symmetry. Windows start at multiples of a cell of the
        trunk: 16 pixels if pictures are enlarged twice. The result differs from that of windows
        cut out first, since the convolutions also use the pixels beyond a window's edge, where
        a cut-out window has zeros.

        Args:
            pixels: ``(n, 3, y, x)`` between 0 and 1, sides at least 64.

        Returns:
            ``(n, class, (y - 64) // cell + 1, (x - 64) // cell + 1)``.

        Raises:
            BadInput: the picture is smaller than one window, or the side of a window is not a
                multiple of a cell.
        """
        cell = round(STRIDE / self.enlarge)
        if cell * self.enlarge != STRIDE or EUROSAT_PIXELS % cell:
            raise BadInput(
                f"A net that enlarges pictures {self.enlarge} times does not have a whole number "
                f"of cells in {EUROSAT_PIXELS} pixels: cut the windows out and classify them one "
                "by one."
            )
        check_size(pixels, EUROSAT_PIXELS, "picture")
        # Cells must start at the same pixels in a mirrored picture.
        height, width = (side - side % cell for side in pixels.shape[2:])
        maps = self._mean_maps(pixels[:, :, :height, :width])
        means = F.avg_pool2d(maps, EUROSAT_PIXELS // cell, 1)
        logits: Tensor = self.classifier(means.permute(0, 2, 3, 1))
        return logits.permute(0, 3, 1, 2)

    def _mean_maps(self, pixels: Tensor) -> Tensor:
        """Compute the trunk's maps, averaged over the symmetries in evaluation mode."""
        turns = [turn * 8 // self.symmetries for turn in range(self.symmetries)]
        if self.training:
            turns = [0]
        maps = [undo_symmetry(self.maps(symmetry(pixels, turn)), turn) for turn in turns]
        return torch.stack(maps).mean(dim=0) if len(maps) > 1 else maps[0]

    def maps(self, pixels: Tensor) -> Tensor:
        """Compute the trunk's maps ``(n, 1280, y, x)`` of pictures in their own orientation."""
        images = (pixels - self.mean.view(1, -1, 1, 1)) / self.std.view(1, -1, 1, 1)
        if self.enlarge != 1.0:
            images = F.interpolate(images, scale_factor=self.enlarge, mode="bilinear")
        features: Tensor = self.trunk(images)
        return features
