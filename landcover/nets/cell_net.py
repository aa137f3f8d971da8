"""Nets whose scores depend on the moments of their maps, which are pooled over cells of 80 m.

Pooling computes mean and standard deviation of maps at several depths, since colour and texture
identify land cover as much as objects do. All maps are brought to cells of 80 m. A patch is the
average of its 15 × 15 cells, and a window of a large area is the average of its cells, so each
pixel passes the convolutions once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES
from landcover.nets.outputs import FeatureMap, NetOutput, View
from landcover.nets.reflectance import log_reflectance, standardised
from landcover.nets.windows import CELL_PIXELS, check_windows, over_windows

__all__ = ["CellNet"]

_FLOOR: Final = 1e-4


class CellNet(nn.Module):
    """The common part: normalisation, pooling and the linear head.

    A subclass computes its maps in :meth:`maps`.

    Args:
        channels: of all maps together.
        classes: number of outputs.
        dropout: share of the pooled statistics that is dropped in training.
        clip: bound of the normalised statistics, in standard deviations; None for none. A patch
            of a place unlike all others may lie hundreds of deviations away in a few statistics
            that hardly vary elsewhere, which would otherwise decide its scores.
    """

    log_mean: Tensor
    log_std: Tensor
    cell: int = CELL_PIXELS
    """Side of a cell of 80 m, in pixels of :meth:`bands`."""
    mirror: int = 0
    """Pixels by which a patch is mirrored at its edges; 0 in an area (:meth:`in_area`)."""

    def __init__(
        self, channels: int, *, classes: int, dropout: float, clip: float | None = None
    ) -> None:
        super().__init__()
        self.clip = clip
        bands = len(BAND_NAMES)
        self.register_buffer("log_mean", torch.full((bands,), -2.0))
        self.register_buffer("log_std", torch.ones(bands))
        self.cam_layer = nn.Identity()
        self.norm = nn.BatchNorm1d(2 * channels)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * channels, classes)

    def maps(self, bands: Tensor) -> list[Tensor]:
        """Compute float32 maps from standardised bands ``(n, 12, y, x)``.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError

    def initialise(self, pixels: Tensor, targets: Tensor) -> None:
        """Set the normalisation, and the first scores to the frequencies of the classes.

        Args:
            pixels: reflectance ``(n, 12, y, x)`` of training patches.
            targets: 0 or 1, ``(n, class)``, of training patches.
        """
        logs = log_reflectance(pixels)
        self.log_mean.copy_(logs.mean(dim=(0, 2, 3)))
        self.log_std.copy_(logs.std(dim=(0, 2, 3)).clamp(min=1e-3))
        self.head.bias.data.copy_(torch.logit(targets.mean(dim=0).clamp(0.003, 0.9)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` of reflectance ``(n, 12, y, x)``, sides multiples of 8."""
        return self.classify(self.cells(self.bands(pixels)).mean(dim=(2, 3)))

    def read(self, pixels: Tensor) -> NetOutput:
        """Compute logits and the normalised statistics that they depend on."""
        return self.output_from([self.cells(self.bands(pixels)).mean(dim=(2, 3))])

    def views(self, pixels: Tensor) -> list[View]:
        """Compute the maps before they are brought to one grid."""
        bands = self.bands(pixels)
        sides = [side // self.cell for side in bands.shape[2:]]
        return [View((tuple(FeatureMap.on_cells(each, sides) for each in self.maps(bands)),))]

    def scores_from(self, moments: Sequence[Tensor]) -> Tensor:
        """Compute logits ``(n, class)`` from the moments of the only view."""
        (only,) = moments
        return self.classify(only)

    def output_from(self, moments: Sequence[Tensor]) -> NetOutput:
        """Compute logits and features, as :meth:`read`, from the moments of the only view."""
        (only,) = moments
        features = self._features(only)
        return NetOutput(self.head(features), features)

    def in_area(self) -> None:
        """From now on the net is given parts of an area with their surroundings."""

    def turned(self) -> list[tuple[CellNet, int]]:
        """The net and the symmetry of each of its views: only itself."""
        return [(self, 0)]

    def dense(self, pixels: Tensor, step: int = CELL_PIXELS) -> Tensor:
        """Compute logits of every 1200 m window of an area; each pixel is convolved once.

        The result differs from that of windows cut out first, since the convolutions also use
        the pixels beyond a window's edge, and since the grid of a map with cells above 80 m is
        shifted by up to half a cell.

        Args:
            pixels: reflectance ``(n, 12, y, x)``, sides multiples of 8, at least 120.
            step: pixels from one window to the next, a multiple of 8.

        Returns:
            ``(n, class, (y - 120) // step + 1, (x - 120) // step + 1)``.

        Raises:
            BadInput: the step is not a multiple of 8, or the area is below one window.
        """
        check_windows(pixels, step)
        moments = over_windows(self.cells(self.bands(pixels)), step).permute(0, 2, 3, 1)
        logits = self.classify(moments.flatten(0, 2))
        return logits.view(*moments.shape[:3], -1).permute(0, 3, 1, 2)

    def bands(self, pixels: Tensor) -> Tensor:
        """Compute standardised log-reflectance, in which a missing band is 0."""
        return standardised(pixels, self.log_mean, self.log_std)

    def cells(self, bands: Tensor) -> Tensor:
        """Compute moments of all features per cell of 80 m, float32 ``(n, channel, row, column)``.

        The first half of the channels are means, the second half mean squares. The scores
        depend on this map only.
        """
        cells: Tensor = self.cam_layer(torch.cat(list(self.cell_parts(bands)), dim=1))
        return cells

    def cell_parts(self, bands: Tensor) -> Iterator[Tensor]:
        """Compute what :meth:`cells` joins: the means of each map, then its mean squares."""
        rows, columns = (side // self.cell for side in bands.shape[2:])
        maps = self.maps(bands)
        for each in maps:
            yield _to_cells(each, rows, columns)
        for each in maps:
            # New memory costs more than the arithmetic. A map of cells is its own mean, and stays.
            free = torch.is_inference_mode_enabled() and each.shape[2] > rows
            yield _to_cells(each.square_() if free else each.square(), rows, columns)

    def classify(self, moments: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` from moments over a patch, ``(n, channel)``."""
        logits: Tensor = self.head(self._features(moments))
        return logits

    def _features(self, moments: Tensor) -> Tensor:
        mean, square = moments.chunk(2, dim=1)
        std = ((square - mean.square()).clamp(min=0.0) + _FLOOR).sqrt()
        features: Tensor = self.norm(torch.cat((mean, std), dim=1))
        if self.clip is not None:
            features = features.clamp(-self.clip, self.clip)
        kept: Tensor = self.dropout(features)
        return kept


def _to_cells(features: Tensor, rows: int, columns: int) -> Tensor:
    """Bring features to the grid of cells: average finer maps, repeat coarser ones.

    Of a map with cells twice as large, the last cell may extend beyond the patch by half.
    """
    height = features.shape[2]
    if height > rows:
        factor = height // rows
        return features if factor == 1 else F.avg_pool2d(features, factor)
    factor = -(-rows // height)
    if factor > 1:
        features = F.interpolate(features, scale_factor=float(factor), mode="nearest")
    return features[:, :, :rows, :columns]
