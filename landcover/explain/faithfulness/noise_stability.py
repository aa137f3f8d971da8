"""Stability: whether a map stays the same under additional sensor noise.

The noise is like that of the sensor: a small part of each value, the same for all 10 m
pixels that repeat one pixel measured at 20 or 60 m. Sensitivity is the change of the map relative
to its own size (Yeh et al. 2019, "On the (In)fidelity and Sensitivity of
Explanations", NeurIPS); its maximum and its mean over the draws are reported.
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
"""Standard deviation relative to the reflectance. Sentinel-2 is specified for signal-to-noise
ratios of 50 to 174 at reference radiance (ESA, Sentinel-2 User Handbook, table 1), which is
0.006 to 0.02."""


def noisy(pixels: Tensor, bands: Sequence[str], random: np.random.Generator) -> Tensor:
    """Multiply pixels by random noise.

    Args:
        pixels: reflectance on the 10 m grid, or brightness of a picture, ``(1, band, y, x)``.
        bands: names along the band axis, which determine the native grid of each.
        random: generator of the noise.
    """
    height, width = pixels.shape[2:]
    factors = np.empty((len(bands), height, width), dtype=np.float32)
    for index, band in enumerate(bands):
        side = 2 if band in BANDS_20M else 6 if band in BANDS_60M else 1
        drawn = random.normal(1.0, NOISE, (-(-height // side), -(-width // side)))
        factors[index] = np.kron(drawn, np.ones((side, side)))[:height, :width]
    return pixels * torch.from_numpy(factors)[None]


def sensitivity(before: FloatArray, after: FloatArray) -> float:
    """Compute the change of a map relative to the map (L2 norms); 0 if both are 0."""
    size = float(np.linalg.norm(before.astype(np.float64)))
    change = float(np.linalg.norm(after.astype(np.float64) - before))
    return change / max(size, 1e-12)
