"""Reflectance as our nets read it: its logarithm, standardised per band."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

__all__ = ["BRIGHTEST", "DARKEST", "log_reflectance", "standardised"]

DARKEST: Final = 0.01
"""Added to reflectance before the logarithm: about the noise of dark water in Level-2A."""

BRIGHTEST: Final = 1.5
"""Reflectance above it is cloud or glint; how far above says nothing of the land."""


def log_reflectance(reflectance: Tensor) -> Tensor:
    """Natural logarithm of reflectance, which is first brought between 0 and 1.5."""
    return torch.log(reflectance.clamp(0.0, BRIGHTEST).add_(DARKEST))


def standardised(reflectance: Tensor, log_mean: Tensor, log_std: Tensor) -> Tensor:
    """Log-reflectance ``(n, band, y, x)`` less its mean ``(band,)``, in parts of its spread."""
    mean, std = (values.view(1, -1, 1, 1) for values in (log_mean, log_std))
    # In place: on maps of this size fresh memory costs more than the arithmetic.
    return log_reflectance(reflectance).sub_(mean).div_(std)
