"""Baselines that explanations compare a patch with; each one asks a different question.

- **mean**: why does this place differ from average land?
- **dark**: what is the effect of all the reflected light? It is the usual choice for
  photographs, but zero reflectance is not an absence of information: it looks like deep water or
  shadow, so every bright pixel is evidence against water only because it is land.
- **blurred**: what is the effect of the fine structure? The blur keeps the layout and the colours
  of the place and removes its texture and borders.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from landcover.core.bands import PIXEL_M
from landcover.core.errors import UnknownName
from landcover.models.card import RGB, Card

__all__ = [
    "BASELINES",
    "BLUR_M",
    "DEFAULT_BASELINE",
    "PICTURE_BASELINES",
    "baseline",
    "blurred",
    "resolve_baseline",
]

DEFAULT_BASELINE: Final = "mean"

BLUR_M: Final = 100
"""Standard deviation of the Gaussian in metres: it removes fields and houses, not their colours."""
_REACH: Final = 3
"""Standard deviations at which the Gaussian is truncated."""

BASELINES: Final[dict[str, str]] = {
    "mean": "a flat patch with the mean spectrum of the training data (average land)",
    "dark": "a flat patch of zero reflectance (as dark as deep water)",
    "blurred": f"the same patch, blurred by a Gaussian of {BLUR_M} m (no texture or borders)",
}
PICTURE_BASELINES: Final[dict[str, str]] = {
    "mean": "a flat picture of the mean colour of the training data",
    "dark": "a black picture",
    "blurred": "the same picture, blurred by a Gaussian of 10 pixels (no texture or borders)",
}
_ALIASES: Final = {"zero": "dark"}
"""Former name → name of a baseline."""


def resolve_baseline(name: str, card: Card) -> tuple[str, str]:
    """Look up name and description of a baseline, for the kind of input that the model takes.

    Raises:
        UnknownName: there is no such baseline.
    """
    own = _ALIASES.get(name, name)
    if own not in BASELINES:
        raise UnknownName("baseline", name, BASELINES)
    return own, (PICTURE_BASELINES if card.level == RGB else BASELINES)[own]


def baseline(card: Card, pixels: Tensor, name: str = DEFAULT_BASELINE) -> Tensor:
    """Make the baseline for ``pixels`` ``(n, band, y, x)``, in the same shape.

    Args:
        card: of the model.
        pixels: input from the model's :meth:`~landcover.models.model.Model.tensor`.
        name: a key of :data:`BASELINES`.

    Raises:
        UnknownName: there is no such baseline.
    """
    own, _ = resolve_baseline(name, card)
    if own == "dark":
        return torch.zeros_like(pixels)
    if own == "blurred":
        return blurred(pixels, BLUR_M / PIXEL_M)
    mean = torch.tensor(card.mean, dtype=pixels.dtype)
    return mean.view(1, -1, 1, 1).expand_as(pixels).contiguous()


def blurred(pixels: Tensor, sigma: float) -> Tensor:
    """Blur pixels ``(n, band, y, x)`` by a Gaussian of ``sigma`` pixels, mirrored at the edges."""
    reach = min(round(_REACH * sigma), min(pixels.shape[2:]) - 1)
    places = torch.arange(-reach, reach + 1, dtype=pixels.dtype)
    weights = torch.exp(-0.5 * (places / sigma).square())
    line = (weights / weights.sum()).expand(pixels.shape[1], 1, 1, -1)
    padded = F.pad(pixels, (reach, reach, reach, reach), mode="reflect")
    across = F.conv2d(padded, line, groups=pixels.shape[1])
    return F.conv2d(across, line.transpose(2, 3), groups=pixels.shape[1])
