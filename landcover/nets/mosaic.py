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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from landcover.core.bands import PATCH_PIXELS
from landcover.nets.label_sets import LabelSets
from landcover.nets.outputs import NetOutput, View
from landcover.nets.spectral_lite0 import SpectralLite
from landcover.nets.symmetry import symmetry, undo_symmetry
from landcover.nets.trigrid import TriGrid
from landcover.nets.windows import CELL_PIXELS

__all__ = ["Mosaic", "join"]


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
        return self.read(pixels).scores

    def read(self, pixels: Tensor) -> NetOutput:
        """Logits, and the features of each Lite, the mean over its looks, and of the TriGrid."""
        found = [net.read(symmetry(pixels, turn)) for net, turn in self._views()]
        mine = self.trigrid.read(pixels)
        scores = self._joined([one.scores for one in found], mine.scores)
        each = [found[k : k + self.symmetries] for k in range(0, len(found), self.symmetries)]
        features = [torch.stack([one.features for one in own]).mean(dim=0) for own in each]
        return NetOutput(scores, torch.cat([*features, mine.features], dim=1))

    def views(self, pixels: Tensor) -> list[View]:
        """The maps of each Lite in each of its symmetries, then those of the TriGrid."""
        found = []
        for net, turn in self._views():
            (look,) = net.views(symmetry(pixels, turn))
            found.append(replace(look, turn=turn))
        return [*found, *self.trigrid.views(pixels)]

    def scores_from(self, moments: Sequence[Tensor]) -> Tensor:
        """Logits ``(n, class)`` of the moments of all looks."""
        *seen, mine = moments
        answers = [net.answer(own) for (net, _), own in zip(self._views(), seen, strict=True)]
        return self._joined(answers, self.trigrid.scores_from([mine]))

    def _joined(self, answers: Sequence[Tensor], mine: Tensor) -> Tensor:
        """Logits of all Lites' looks and of the TriGrid as one, under the prior."""
        mean = torch.lerp(torch.stack(list(answers)).mean(dim=0), mine, self.share)
        logits: Tensor = self.prior(self.scale * mean)
        return logits

    def dense(self, pixels: Tensor, step: int = CELL_PIXELS) -> Tensor:
        """Logits of every 1200 m window of an area; no pixel is convolved twice in one look.

        It differs from cutting the windows out first as the parts do.

        Args:
            pixels: reflectance ``(n, 12, y, x)``, sides multiples of 24, at least 120.
            step: pixels from one window to the next, a multiple of 8.

        Returns:
            ``(n, class, (y - 120) // step + 1, (x - 120) // step + 1)``.

        Raises:
            BadInput: the step is not a multiple of 8, or the area is below one window.
        """
        mine = self.trigrid.dense(pixels, step)
        # Windows have to begin at the same pixels when the area is turned over.
        height, width = (PATCH_PIXELS + (count - 1) * step for count in mine.shape[2:])
        area = pixels[:, :, :height, :width]
        answers = [
            undo_symmetry(net.dense(symmetry(area, turn), step), turn)
            for net, turn in self._views()
        ]
        mean = torch.lerp(torch.stack(answers).mean(dim=0), mine, self.share)
        logits: Tensor = self.prior((self.scale * mean).permute(0, 2, 3, 1))
        return logits.permute(0, 3, 1, 2)

    def _views(self) -> Iterator[tuple[SpectralLite, int]]:
        """Each Lite with each symmetry that it looks in."""
        for first, net in enumerate(self.lites):
            for turn in range(self.symmetries):
                yield cast("SpectralLite", net), (first + turn * 8 // self.symmetries) % 8


def join(trigrid: TriGrid, lites: Sequence[SpectralLite], prior: nn.Module, net: Mosaic) -> Mosaic:
    """Put trained parts into a mosaic of the same options; without a prior it is an identity."""
    net.trigrid.load_state_dict(trigrid.state_dict())
    for own, trained in zip(net.lites, lites, strict=True):
        own.load_state_dict(trained.state_dict())
    net.prior.load_state_dict(prior.state_dict())
    return net.eval()
