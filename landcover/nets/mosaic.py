"""Several nets of two kinds that answer together, under the prior of label sets.

- **TriGrid** reads each band on the grid it was measured on and starts from nothing.
- **SpectralLite** starts from photographs and EuroSAT. What a pre-trained filter sees
  depends on which way a patch lies, so each of its members looks at the patch in some of
  the eight symmetries of the square; the average over all of them was worth 0.01 of micro
  average precision on validation, where it is worth nothing to TriGrid.
- **LabelSets** knows which covers occur together.

The two kinds err in different places: together they are better than more members of
either. All parts are trained apart by the same loop and joined by :func:`join`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from landcover.augment import symmetry
from landcover.nets.labelsets import LabelSets
from landcover.nets.spectral import SpectralLite
from landcover.nets.trigrid import TriGrid


class Mosaic(nn.Module):
    """The joined net; it is assembled, not trained.

    Args:
        trigrid: options of the TriGrid.
        lites: options of each SpectralLite.
        sets: label sets of the prior; 0 leaves it out.
        strength: of the prior.
        scale: factor on the logits before the prior. Nets that were fitted to a few
            hundred patches are too sure of themselves, and the prior must not take
            their word for it.
        share: weight of TriGrid's logits; the Lites have the rest.
        symmetries: in how many symmetries each Lite looks, 1 to 8. Member k begins with
            symmetry k, so that a few members cover all eight between them.
    """

    def __init__(
        self,
        *,
        trigrid: Mapping[str, Any],
        lites: Sequence[Mapping[str, Any]],
        sets: int = 0,
        strength: float = 0.2,
        scale: float = 1.0,
        share: float = 0.6,
        symmetries: int = 8,
    ) -> None:
        super().__init__()
        self.share, self.symmetries, self.scale = share, symmetries, scale
        self.trigrid = TriGrid(**trigrid)
        self.lites = nn.ModuleList(SpectralLite(**options) for options in lites)
        self.prior: nn.Module = LabelSets(sets, strength=strength) if sets else nn.Identity()
        self.cam_layer = self.trigrid.cam_layer

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits ``(n, class)`` of reflectance ``(n, 12, y, x)``, sides multiples of 24."""
        answers = [
            net(symmetry(pixels, (first + turn * 8 // self.symmetries) % 8))
            for first, net in enumerate(self.lites)
            for turn in range(self.symmetries)
        ]
        mean = torch.lerp(torch.stack(answers).mean(dim=0), self.trigrid(pixels), self.share)
        logits: Tensor = self.prior(self.scale * mean)
        return logits


def join(trigrid: TriGrid, lites: Sequence[SpectralLite], prior: LabelSets, net: Mosaic) -> Mosaic:
    """Put trained parts into a mosaic of the same options."""
    net.trigrid.load_state_dict(trigrid.state_dict())
    for own, trained in zip(net.lites, lites, strict=True):
        own.load_state_dict(trained.state_dict())
    net.prior.load_state_dict(prior.state_dict())
    return net.eval()
