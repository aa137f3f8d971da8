"""A made-up scene of meadow, cloud and shadow in the format of the scene of ukis-csmask."""

from __future__ import annotations

from pathlib import Path

import numpy as np

MEADOW = (0.12, 0.10, 0.07, 0.40, 0.24, 0.12)
CLOUD = (0.50, 0.48, 0.50, 0.60, 0.45, 0.35)
SHADOW = (0.09, 0.07, 0.04, 0.13, 0.06, 0.03)
WATER = (0.08, 0.06, 0.03, 0.02, 0.01, 0.01)
SIZE = 160
"""Pixels of 30 m along a side: four windows of 1200 m."""


def arrays() -> tuple[np.ndarray, np.ndarray]:
    """``img`` ``(160, 160, 6)`` and ``msk`` ``(160, 160, 1)``: cloud above, shadow left, land."""
    mask = np.full((SIZE, SIZE), 3, dtype=np.uint8)
    mask[:40, 60:] = 4
    mask[60:140, :20] = 0
    mask[-2:, -20:] = 1
    spectra = {0: SHADOW, 1: WATER, 3: MEADOW, 4: CLOUD}
    pixels = np.zeros((SIZE, SIZE, 6), dtype=np.float32)
    for code, spectrum in spectra.items():
        pixels[mask == code] = spectrum
    return pixels, mask[..., None]


def file(folder: Path) -> Path:
    """Write the scene as a file."""
    pixels, mask = arrays()
    path = folder / "sky.npz"
    np.savez(path, img=pixels, msk=mask)
    return path
