"""A pre-trained trunk for twelve bands, combined with a branch for the spectrum of each pixel.

- **The trunk** is Lite0, pre-trained on photographs and then on EuroSAT. Its first layer is
  inflated: the weights of red, green and blue are kept, and those of the other bands are zero,
  so that training starts from the pre-trained net.
- **Any subset of bands.** Bands are standardised, and a missing band is replaced by its mean,
  zero. In training each band except the visible ones is left out at random, so that no score
  depends on a single one of them.
- **The spectrum** is processed at 20 m by 1 × 1 convolutions, as in
  :mod:`landcover.nets.trigrid`: with a few hundred training patches, texture alone is not enough.
- **Pooling** computes mean and standard deviation of maps at several depths, since colour and
  texture identify land cover as much as objects do. All maps are brought to cells of 80 m. A
  patch is the average of its 15 × 15 cells, and a window of a large area is the average of its
  cells, so each pixel passes the trunk once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.nets.efficientnet_lite0 import STAGES, STEM, Lite0
from landcover.nets.outputs import FeatureMap, NetOutput, View
from landcover.nets.reflectance import log_reflectance, standardised
from landcover.nets.trigrid import ConvUnit
from landcover.nets.windows import CELL_PIXELS, check_windows, over_windows

__all__ = ["TAPS", "VISIBLE", "SpectralLite", "inflate"]

VISIBLE: Final = tuple(BAND_NAMES.index(name) for name in ("B04", "B03", "B02"))
TAPS: Final = (2, 4, 6)
"""Stages whose maps are pooled."""
_FLOOR: Final = 1e-4


class SpectralLite(nn.Module):
    """Lite0 with a stem for any subset of the twelve bands.

    Args:
        classes: number of outputs.
        spectral: channels of the pixel-wise branch; 0 for none.
        band_dropout: share of patches in which a band that is not visible is left out.
        dropout: share of the pooled statistics that is dropped in training.
        enlarge: factor by which patches are enlarged before the trunk.
        taps: stages whose maps are pooled.
    """

    log_mean: Tensor
    log_std: Tensor

    def __init__(
        self,
        *,
        classes: int = len(CLASS_NAMES),
        spectral: int = 64,
        band_dropout: float = 0.1,
        dropout: float = 0.3,
        enlarge: float = 1.0,
        taps: tuple[int, ...] = TAPS,
    ) -> None:
        super().__init__()
        if not 0.25 <= enlarge <= 8:
            raise ValueError(f"pixels are enlarged at most 8 times, not {enlarge}")
        bands = len(BAND_NAMES)
        self.register_buffer("log_mean", torch.full((bands,), -2.0))
        self.register_buffer("log_std", torch.ones(bands))
        self.band_dropout, self.enlarge, self.taps = band_dropout, enlarge, tuple(taps)
        self.cam_layer = nn.Identity()
        self.trunk = Lite0(bands, head=False)
        self.trunk.stages = self.trunk.stages[: max(self.taps) + 1]
        self.spectrum = (
            nn.Sequential(
                ConvUnit(bands, spectral, kernel=1), ConvUnit(spectral, spectral, kernel=1)
            )
            if spectral
            else None
        )
        statistics = 2 * (sum(STAGES[s][4] for s in self.taps) + spectral)
        self.norm = nn.BatchNorm1d(statistics)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(statistics, classes)

    def initialise(self, pixels: Tensor, targets: Tensor) -> None:
        """Set the normalisation, and the first scores to the frequencies of the classes."""
        logs = log_reflectance(pixels)
        self.log_mean.copy_(logs.mean(dim=(0, 2, 3)))
        self.log_std.copy_(logs.std(dim=(0, 2, 3)).clamp(min=1e-3))
        self.head.bias.data.copy_(torch.logit(targets.mean(dim=0).clamp(0.003, 0.9)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` of reflectance ``(n, 12, y, x)``, sides multiples of 8."""
        bands = self.bands(pixels)
        if self.training and self.band_dropout:
            keep = torch.rand(bands.shape[:2], device=bands.device) >= self.band_dropout
            keep[:, list(VISIBLE)] = True
            bands = bands * keep[:, :, None, None]
        return self.classify(self.cells(bands).mean(dim=(2, 3)))

    def read(self, pixels: Tensor) -> NetOutput:
        """Compute logits and the normalised statistics that they depend on."""
        features = self._features(self.cells(self.bands(pixels)).mean(dim=(2, 3)))
        return NetOutput(self.head(features), features)

    def views(self, pixels: Tensor) -> list[View]:
        """Compute the maps of :meth:`cells` before they are brought to one grid."""
        bands = self.bands(pixels)
        sides = [side // CELL_PIXELS for side in bands.shape[2:]]
        maps = self._maps(bands)
        taps = maps if self.spectrum is None else maps[:-1]
        found = [FeatureMap.on_cells(each, sides) for each in taps]
        return [View(((*found, *map(FeatureMap.whole, maps[len(taps) :])),))]

    def scores_from(self, moments: Sequence[Tensor]) -> Tensor:
        """Compute logits ``(n, class)`` from the moments of the only view."""
        (only,) = moments
        return self.classify(only)

    def dense(self, pixels: Tensor, step: int = CELL_PIXELS) -> Tensor:
        """Compute logits of every 1200 m window of an area; each pixel is convolved once.

        The result differs from that of windows cut out first, since the convolutions also use
        the pixels beyond a window's edge, and since the grid of the coarsest map is shifted by
        up to half a cell.

        Args:
            pixels: reflectance ``(n, 12, y, x)``, sides multiples of 8, at least 120.
            step: pixels from one window to the next, a multiple of 8.

        Returns:
            ``(n, class, (y - 120) // step + 1, (x - 120) // step + 1)``.

        Raises:
            BadInput: the step is not a multiple of 8, or the area is smaller than one window.
        """
        check_windows(pixels, step)
        moments = over_windows(self.cells(self.bands(pixels)), step).permute(0, 2, 3, 1)
        logits = self.classify(moments.flatten(0, 2))
        return logits.view(*moments.shape[:3], -1).permute(0, 3, 1, 2)

    def bands(self, pixels: Tensor) -> Tensor:
        """Compute standardised log-reflectance, in which a missing band is 0."""
        return standardised(pixels, self.log_mean, self.log_std)

    def cells(self, bands: Tensor) -> Tensor:
        """Compute moments of all features per cell of 80 m, float32 ``(n, channel, y/8, x/8)``.

        The first half of the channels are means, the second half mean squares. The scores
        depend on this map only.
        """
        rows, columns = (side // CELL_PIXELS for side in bands.shape[2:])
        maps = self._maps(bands)
        means = [_to_cells(m, rows, columns) for m in maps]
        squares = [_to_cells(m.square(), rows, columns) for m in maps]
        cells: Tensor = self.cam_layer(torch.cat((*means, *squares), dim=1))
        return cells

    def _maps(self, bands: Tensor) -> list[Tensor]:
        """Compute the maps of the pooled stages, followed by that of the spectrum, if any."""
        images = bands.contiguous(memory_format=torch.channels_last)
        if self.enlarge != 1.0:
            images = F.interpolate(images, scale_factor=self.enlarge, mode="bilinear")
        features = self.trunk.stem(images)
        maps = []
        for index, stage in enumerate(self.trunk.stages):
            features = stage(features)
            if index in self.taps:
                maps.append(features.float())
        if self.spectrum is not None:
            maps.append(self.spectrum(F.avg_pool2d(bands, 2)).float())
        return maps

    def classify(self, moments: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` from moments over a patch, ``(n, channel)``."""
        logits: Tensor = self.head(self._features(moments))
        return logits

    def _features(self, moments: Tensor) -> Tensor:
        mean, square = moments.chunk(2, dim=1)
        std = ((square - mean.square()).clamp(min=0.0) + _FLOOR).sqrt()
        features: Tensor = self.dropout(self.norm(torch.cat((mean, std), dim=1)))
        return features


def inflate(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert the weights of a three-band net for twelve bands; new bands have weight zero."""
    name = "trunk.stem.0.weight"
    wide = torch.zeros(STEM, len(BAND_NAMES), 3, 3)
    wide[:, list(VISIBLE)] = state[name]
    return {**state, name: wide}


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
