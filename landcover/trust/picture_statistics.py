"""Statistics of a colour picture that show whether it is like the training pictures.

A drawing, a portrait, or a scene that was blurred or resized differs from a Sentinel-2 picture of
10 m less in what it shows than in how its colours and details are distributed. The statistics are
the mean and spread of the colours and their correlation, the power at seven spatial frequencies of
the brightness and of two colour differences, and how much parts of the picture differ.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from landcover.core.raster import Raster

__all__ = ["STATISTICS", "statistics"]

Doubles = npt.NDArray[np.float64]

STATISTICS: Final = 41
_EDGES: Final = (0.03, 0.06, 0.12, 0.2, 0.3, 0.4, 0.5, 0.72)
"""Spatial frequencies between which the power is averaged, cycles per pixel."""
_LUMA: Final = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness that JPEG stores. It stores the differences of
colour with half as many pixels, so they are compared at that size: a picture must not be flagged
for being PNG."""
_BLOCK: Final = 8
_STEP: Final = 1 / 255
"""Smallest difference of brightness in a file of 8 bits."""


def statistics(picture: Raster) -> Doubles:
    """Compute the statistics of a picture of red, green and blue, ``(41,)``.

    Its sides must be multiples of 8. Pixels without data have the mean colour of the others.
    """
    pixels = picture.data.astype(np.float64)
    if not picture.valid.all():
        pixels[:, ~picture.valid] = pixels[:, picture.valid].mean(axis=1)[:, None]
    grey = np.tensordot(_LUMA, pixels, axes=1)
    coarse = [_halved(pixels[band] - grey) for band in (0, 2)]
    details = np.concatenate([_power(band) for band in (grey, *coarse)])
    return np.concatenate([_colours(pixels), details, _edges(pixels, grey), _parts(pixels, grey)])


def _colours(pixels: Doubles) -> Doubles:
    """Mean, spread and correlation of the colours, ``(9,)``."""
    away = pixels - pixels.mean(axis=(1, 2), keepdims=True)
    spread = pixels.std(axis=(1, 2))
    together = [
        (away[i] * away[j]).mean() / (spread[i] * spread[j] + 1e-4)
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    related = np.arctanh(np.clip(together, -0.999, 0.999))
    return np.concatenate([pixels.mean(axis=(1, 2)), np.log(spread + 1e-3), related])


def _halved(band: Doubles) -> Doubles:
    """Average 2 × 2 pixels."""
    height, width = band.shape
    found: Doubles = band.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    return found


def _power(band: Doubles) -> Doubles:
    """Logarithm of the mean power between each two frequencies, ``(7,)``."""
    height, width = band.shape
    window = np.hanning(height)[:, None] * np.hanning(width)
    power = np.abs(np.fft.fft2((band - band.mean()) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    rings = pairwise(_EDGES)
    means = [power[(radius >= low) & (radius < high)].mean() for low, high in rings]
    found: Doubles = np.log(np.array(means) + 1e-5)
    return found


def _edges(pixels: Doubles, grey: Doubles) -> Doubles:
    """Share of equal neighbours and of extreme values, and how much single edges dominate."""
    step = np.diff(grey, axis=1)
    flat = (np.abs(step) < _STEP).mean()
    extreme = ((pixels <= 2 * _STEP) | (pixels >= 1 - 2 * _STEP)).mean()
    peaks = (step**4).mean() / ((step**2).mean() ** 2 + 1e-12)
    found: Doubles = np.log([flat + 0.01, extreme + 0.002, peaks + 1e-3])
    return found


def _parts(pixels: Doubles, grey: Doubles) -> Doubles:
    """How blocks of 8 × 8 pixels differ; how dark the darkest pixel and corner are, ``(8,)``."""
    height, width = grey.shape
    blocks = grey.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    spread = np.log(blocks.std(axis=(1, 3)) + 2e-3)
    mean = blocks.mean(axis=(1, 3))
    corner = pixels[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean(axis=0).min()
    return np.array(
        [
            spread.min(),
            spread.max(),
            spread.mean(),
            spread.std(),
            mean.min(),
            mean.max(),
            np.log(pixels.min() + 0.01),
            np.log(corner + 0.02),
        ]
    )
