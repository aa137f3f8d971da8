"""The learning rate of all fits on the GPU."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["share_of_peak"]

_WARM_UP: Final = 0.075


def share_of_peak(step: int, steps: int) -> float:
    """The learning rate of a step as a share of the highest.

    It rises linearly in the warm-up and then falls along a half cosine to 0.
    """
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))
