"""Stability: whether a map stays as it is when the sensor's noise is another.

Noise is drawn as the sensor has it: a small part of each value, the same for all 10 m
pixels that repeat one measured at 20 or 60 m. Sensitivity is by how much the map changes in
parts of its own size (Yeh et al. 2019, "On the (In)fidelity and Sensitivity of
Explanations", NeurIPS): its largest value over the draws, and its mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from landcover.core.bands import BANDS_20M, BANDS_60M
from landcover.core.raster import FloatArray

__all__ = ["NOISE", "noisy", "sensitivity"]

NOISE: Final = 0.01
"""Standard deviation in parts of the reflectance. Sentinel-2 is built for signal-to-noise
ratios of 50 to 174 at reference radiance (ESA, Sentinel-2 User Handbook, table 1), which is
0.006 to 0.02."""


def noisy(pixels: Tensor, bands: Sequence[str], random: np.random.Generator) -> Tensor:
    """Pixels ``(1, band, y, x)`` with other noise; negative values stay what they are.

    Args:
        pixels: reflectance on the 10 m grid, or brightness of a picture.
        bands: names along the band axis, which say on what grid each was measured.
        random: decides.
    """
    height, width = pixels.shape[2:]
    factors = np.empty((len(bands), height, width), dtype=np.float32)
    for index, band in enumerate(bands):
        side = 2 if band in BANDS_20M else 6 if band in BANDS_60M else 1
        drawn = random.normal(1.0, NOISE, (-(-height // side), -(-width // side)))
        factors[index] = np.kron(drawn, np.ones((side, side)))[:height, :width]
    return pixels * torch.from_numpy(factors)[None]


def sensitivity(before: FloatArray, after: FloatArray) -> float:
    """Size of the change of a map in parts of the map's own (L2 norms); 0 where both are 0."""
    size = float(np.linalg.norm(before.astype(np.float64)))
    change = float(np.linalg.norm(after.astype(np.float64) - before))
    return change / max(size, 1e-12)
