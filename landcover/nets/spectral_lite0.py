"""A pre-trained trunk for twelve bands, combined with a branch for the spectrum of each pixel.

- **The trunk** is Lite0, pre-trained on photographs and then on EuroSAT. Its first layer is
  inflated: the weights of red, green and blue are kept, and those of the other bands are zero,
  so that training starts from the pre-trained net.
- **Any subset of bands.** Bands are standardised, and a missing band is replaced by its mean,
  zero. In training each band except the visible ones is left out at random, so that no score
  depends on a single one of them.
- **The spectrum** is processed at 20 m by 1 × 1 convolutions, as in
  :mod:`landcover.nets.trigrid`: with a few hundred training patches, texture alone is not enough.
- **Pooling** is that of :mod:`landcover.nets.cell_net`, over maps at several depths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.nets.cell_net import CellNet
from landcover.nets.efficientnet_lite0 import STAGES, STEM, Lite0
from landcover.nets.trigrid import ConvUnit

__all__ = ["TAPS", "VISIBLE", "SpectralLite", "inflate"]

VISIBLE: Final = tuple(BAND_NAMES.index(name) for name in ("B04", "B03", "B02"))
TAPS: Final = (2, 4, 6)
"""Stages whose maps are pooled."""


class SpectralLite(CellNet):
    """Lite0 with a stem for any subset of the twelve bands.

    Args:
        classes: number of outputs.
        spectral: channels of the pixel-wise branch; 0 for none.
        band_dropout: share of patches in which a band that is not visible is left out.
        dropout: share of the pooled statistics that is dropped in training.
        enlarge: factor by which patches are enlarged before the trunk.
        taps: stages whose maps are pooled.
        clip: see :class:`~landcover.nets.cell_net.CellNet`.
    """

    def __init__(
        self,
        *,
        classes: int = len(CLASS_NAMES),
        spectral: int = 64,
        band_dropout: float = 0.1,
        dropout: float = 0.3,
        enlarge: float = 1.0,
        taps: tuple[int, ...] = TAPS,
        clip: float | None = None,
    ) -> None:
        if not 0.25 <= enlarge <= 8:
            raise ValueError(f"pixels are enlarged at most 8 times, not {enlarge}")
        channels = sum(STAGES[s][4] for s in taps) + spectral
        super().__init__(channels, classes=classes, dropout=dropout, clip=clip)
        bands = len(BAND_NAMES)
        self.band_dropout, self.enlarge, self.taps = band_dropout, enlarge, tuple(taps)
        self.trunk = Lite0(bands, head=False)
        self.trunk.stages = self.trunk.stages[: max(self.taps) + 1]
        self.spectrum = (
            nn.Sequential(
                ConvUnit(bands, spectral, kernel=1), ConvUnit(spectral, spectral, kernel=1)
            )
            if spectral
            else None
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` of reflectance ``(n, 12, y, x)``, sides multiples of 8."""
        bands = self.bands(pixels)
        if self.training and self.band_dropout:
            keep = torch.rand(bands.shape[:2], device=bands.device) >= self.band_dropout
            for band in VISIBLE:
                keep[:, band] = True
            bands = bands * keep[:, :, None, None]
        return self.classify(self.cells(bands).mean(dim=(2, 3)))

    def maps(self, bands: Tensor) -> list[Tensor]:
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


def inflate(state: dict[str, Tensor], bands: Sequence[str] = BAND_NAMES) -> dict[str, Tensor]:
    """Convert the weights of a net for red, green and blue for other bands, which start at zero.

    Args:
        state: the weights by name.
        bands: names along the input's band axis of the net. If none of them is a colour, the
            first layer is left out.
    """
    name = "trunk.stem.0.weight"
    wide = torch.zeros(STEM, len(bands), 3, 3)
    colours = [(column, BAND_NAMES[band]) for column, band in enumerate(VISIBLE)]
    for column, colour in colours:
        if colour in bands:
            wide[:, list(bands).index(colour)] = state[name][:, column]
    if not {colour for _, colour in colours} & set(bands):
        return {own: value for own, value in state.items() if own != name}
    return {**state, name: wide}
