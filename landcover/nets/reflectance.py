"""The input of the nets: the logarithm of reflectance, standardised per band."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

__all__ = ["BRIGHTEST", "DARKEST", "log_reflectance", "standardised"]

DARKEST: Final = 0.01
"""Added to reflectance before the logarithm: about the noise of dark water in Level-2A."""

BRIGHTEST: Final = 1.5
"""Upper limit of reflectance: higher values are clouds or sun glint, not land."""


def log_reflectance(reflectance: Tensor) -> Tensor:
    """Compute the natural logarithm of reflectance, which is first clipped to 0 to 1.5."""
    return torch.log(reflectance.clamp(0.0, BRIGHTEST).add_(DARKEST))


def standardised(reflectance: Tensor, log_mean: Tensor, log_std: Tensor) -> Tensor:
    """Standardise log-reflectance ``(n, band, y, x)`` by mean and deviation, ``(band,)`` each."""
    mean, std = (values.view(1, -1, 1, 1) for values in (log_mean, log_std))
    # In place: on maps of this size, new memory costs more than the arithmetic.
    return log_reflectance(reflectance).sub_(mean).div_(std)
