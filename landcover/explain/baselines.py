"""What an explanation compares a patch with: the baselines, each another question.

- **mean**: why does this place differ from average land?
- **dark**: what does the light that comes from here say? It is the usual choice for
  photographs, but zero reflectance is no absence of information: it is deep water or
  shadow, so every bright pixel speaks against water merely by being land.
- **blurred**: what does the fine structure say? The layout and the colours of the place
  stay, its texture and borders go.
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
"""Standard deviation of the Gaussian, in metres: fields and houses go, their colours stay."""
_REACH: Final = 3
"""Standard deviations at which the Gaussian is cut."""

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
"""What a baseline was called before."""


def resolve_baseline(name: str, card: Card) -> tuple[str, str]:
    """Name and description of a baseline, for what a model looks at.

    Raises:
        UnknownName: there is no such baseline.
    """
    own = _ALIASES.get(name, name)
    if own not in BASELINES:
        raise UnknownName("baseline", name, BASELINES)
    return own, (PICTURE_BASELINES if card.level == RGB else BASELINES)[own]


def baseline(card: Card, pixels: Tensor, name: str = DEFAULT_BASELINE) -> Tensor:
    """Pixels to compare ``pixels`` ``(n, band, y, x)`` with, in their shape.

    Args:
        card: of the model that looks.
        pixels: as the model's :meth:`~landcover.models.model.Model.tensor` makes them.
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
    """Pixels ``(n, band, y, x)`` under a Gaussian of ``sigma`` pixels, mirrored at the edges."""
    reach = min(round(_REACH * sigma), min(pixels.shape[2:]) - 1)
    places = torch.arange(-reach, reach + 1, dtype=pixels.dtype)
    weights = torch.exp(-0.5 * (places / sigma).square())
    line = (weights / weights.sum()).expand(pixels.shape[1], 1, 1, -1)
    padded = F.pad(pixels, (reach, reach, reach, reach), mode="reflect")
    across = F.conv2d(padded, line, groups=pixels.shape[1])
    return F.conv2d(across, line.transpose(2, 3), groups=pixels.shape[1])
