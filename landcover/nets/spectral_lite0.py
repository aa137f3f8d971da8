"""A pre-trained trunk for twelve bands, beside a reader of each pixel's own spectrum.

- **The trunk** is Lite0, whose weights come from photographs and then from EuroSAT. Its
  first layer is inflated: what it learned of red, green and blue it keeps, and the other
  bands enter with weight zero, so that training starts from the net that was learned.
- **Any subset of bands.** Bands are standardised, and a missing band is its mean, zero.
  In training each band but the visible ones is left out at random, so that no answer
  hangs on one of them.
- **The spectrum** is read at 20 m by 1 × 1 convolutions, as in
  :mod:`landcover.nets.trigrid`: with a few hundred patches texture alone is too little.
- **Pooling** takes mean and standard deviation of maps at several depths, since land
  cover shows in colour and grain as much as in objects. All maps meet on cells of 80 m:
  a patch is the average of its 15 × 15 cells, a window of a large area that of the cells
  in it, so that no pixel goes through the trunk twice.
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
        spectral: channels of the pixel-wise branch; 0 leaves it out.
        band_dropout: share of patches in which a band that is not visible is left out.
        dropout: share of the pooled statistics dropped in training.
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
        """Set the normalisation, and the first answers to the classes' frequencies."""
        logs = log_reflectance(pixels)
        self.log_mean.copy_(logs.mean(dim=(0, 2, 3)))
        self.log_std.copy_(logs.std(dim=(0, 2, 3)).clamp(min=1e-3))
        self.head.bias.data.copy_(torch.logit(targets.mean(dim=0).clamp(0.003, 0.9)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits ``(n, class)`` of reflectance ``(n, 12, y, x)``, sides multiples of 8."""
        bands = self.bands(pixels)
        if self.training and self.band_dropout:
            keep = torch.rand(bands.shape[:2], device=bands.device) >= self.band_dropout
            keep[:, list(VISIBLE)] = True
            bands = bands * keep[:, :, None, None]
        return self.answer(self.cells(bands).mean(dim=(2, 3)))

    def read(self, pixels: Tensor) -> NetOutput:
        """Logits, and the normalised statistics that they are made of."""
        features = self._features(self.cells(self.bands(pixels)).mean(dim=(2, 3)))
        return NetOutput(self.head(features), features)

    def views(self, pixels: Tensor) -> list[View]:
        """The maps as :meth:`cells` takes them, before they meet on one grid."""
        bands = self.bands(pixels)
        sides = [side // CELL_PIXELS for side in bands.shape[2:]]
        maps = self._maps(bands)
        taps = maps if self.spectrum is None else maps[:-1]
        found = [FeatureMap.on_cells(each, sides) for each in taps]
        return [View(((*found, *map(FeatureMap.whole, maps[len(taps) :])),))]

    def scores_from(self, moments: Sequence[Tensor]) -> Tensor:
        """Logits ``(n, class)`` of the moments of the one look."""
        (only,) = moments
        return self.answer(only)

    def dense(self, pixels: Tensor, step: int = CELL_PIXELS) -> Tensor:
        """Logits of every 1200 m window of an area, each pixel convolved once.

        It differs from cutting the windows out first by what the convolutions see beyond a
        window's edge, and by up to half a cell of the coarsest map, whose grid is the area's.

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
        logits = self.answer(moments.flatten(0, 2))
        return logits.view(*moments.shape[:3], -1).permute(0, 3, 1, 2)

    def bands(self, pixels: Tensor) -> Tensor:
        """Standardised log-reflectance; a band that is missing is set to 0 in it."""
        return standardised(pixels, self.log_mean, self.log_std)

    def cells(self, bands: Tensor) -> Tensor:
        """Moments of all features in each cell of 80 m, float32 ``(n, channel, y/8, x/8)``.

        The first half of the channels are means, the second half mean squares. All that
        the answer rests on passes through this one map.
        """
        rows, columns = (side // CELL_PIXELS for side in bands.shape[2:])
        maps = self._maps(bands)
        means = [_to_cells(m, rows, columns) for m in maps]
        squares = [_to_cells(m.square(), rows, columns) for m in maps]
        cells: Tensor = self.cam_layer(torch.cat((*means, *squares), dim=1))
        return cells

    def _maps(self, bands: Tensor) -> list[Tensor]:
        """Maps of the tapped stages, and last that of the spectrum where there is one."""
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

    def answer(self, moments: Tensor) -> Tensor:
        """Logits ``(n, class)`` of moments over a patch, ``(n, channel)``."""
        logits: Tensor = self.head(self._features(moments))
        return logits

    def _features(self, moments: Tensor) -> Tensor:
        mean, square = moments.chunk(2, dim=1)
        std = ((square - mean.square()).clamp(min=0.0) + _FLOOR).sqrt()
        features: Tensor = self.dropout(self.norm(torch.cat((mean, std), dim=1)))
        return features


def inflate(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a three-band net as those of a twelve-band one: new bands weigh nothing."""
    name = "trunk.stem.0.weight"
    wide = torch.zeros(STEM, len(BAND_NAMES), 3, 3)
    wide[:, list(VISIBLE)] = state[name]
    return {**state, name: wide}


def _to_cells(features: Tensor, rows: int, columns: int) -> Tensor:
    """Features on the grid of cells: averaged where it is coarser, repeated where finer.

    A map whose cells are twice as large covers the last odd cell by half of its own.
    """
    height = features.shape[2]
    if height > rows:
        factor = height // rows
        return features if factor == 1 else F.avg_pool2d(features, factor)
    factor = -(-rows // height)
    if factor > 1:
        features = F.interpolate(features, scale_factor=float(factor), mode="nearest")
    return features[:, :, :rows, :columns]
