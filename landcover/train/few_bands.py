"""Replace bands in training by their estimate from fewer bands.

People's files lack bands, which are then estimated (:mod:`landcover.nets.estimated_bands`). A net
that has met estimates in training is less misled by them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import torch
from torch import Generator, Tensor

from landcover.core.bands import BAND_NAMES
from landcover.evaluate.band_subsets import SUBSETS
from landcover.models import band_mixture
from landcover.nets.estimated_bands import BandEstimate

__all__ = ["FEW", "estimate_others"]

FEW: Final = tuple(bands for bands in SUBSETS.values() if len(bands) < len(BAND_NAMES))
"""The subsets from which the other bands are estimated: those that people's files have."""


def estimate_others(pixels: Tensor, generator: Generator) -> Tensor:
    """Keep one of the subsets, drawn at random for all patches; estimate the other bands.

    Args:
        pixels: reflectance ``(n, 12, y, x)``, sides multiples of 6.
        generator: draws the subset.

    Raises:
        CorruptModel: the fitted distribution of the bands cannot be read.
    """
    chosen = FEW[int(torch.randint(len(FEW), (1,), generator=generator))]
    with torch.no_grad():
        found: Tensor = _estimate(chosen)(pixels[:, [BAND_NAMES.index(name) for name in chosen]])
    return found


@lru_cache(maxsize=len(FEW))
def _estimate(bands: tuple[str, ...]) -> BandEstimate:
    mixture = band_mixture.load()
    net = BandEstimate(bands, len(mixture.weights))
    net.fit(mixture.tensors())
    return net.eval()
