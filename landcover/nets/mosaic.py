"""An ensemble of nets for the same patch, with a prior of label sets.

- **TaughtNet** learned the covers of pixels from a teacher that has seen the whole world. It may be
  there several times, such as with a trunk that stays as the teacher left it and with one that went
  on learning from labels.
- **SpectralLite** is pre-trained on photographs and EuroSAT. The output of a pre-trained filter
  depends on the orientation of a patch, so each of its members averages over several of the
  eight symmetries of the square.
- **LabelSets** is the prior on which classes occur together.

The kinds make different errors. All parts are trained separately and joined by :func:`join`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from landcover.core.bands import PATCH_PIXELS
from landcover.nets.cell_net import CellNet
from landcover.nets.label_sets import LabelSets
from landcover.nets.outputs import NetOutput, View
from landcover.nets.spectral_lite0 import SpectralLite
from landcover.nets.symmetry import symmetry, undo_symmetry
from landcover.nets.taught import TaughtNet
from landcover.nets.windows import CELL_PIXELS, check_windows

__all__ = ["Mosaic", "join"]


class Mosaic(nn.Module):
    """The ensemble; it is assembled from trained parts, not trained.

    Args:
        taught: options of each TaughtNet.
        lites: options of each SpectralLite.
        shares: weight of each part's logits, the TaughtNets first; they are divided by their sum.
        sets: number of label sets of the prior; 0 for no prior.
        strength: weight of the prior.
        scale: factor on the logits before the prior. Nets that were trained on a few
            hundred patches are overconfident, which would outweigh the prior.
        symmetries: number of symmetries that each SpectralLite averages over, 1 to 8. Member k
            begins with symmetry k, so that a few members use all eight together.

    Raises:
        ValueError: there is no part, or not one share for each.
    """

    def __init__(
        self,
        *,
        taught: Sequence[Mapping[str, Any]] = (),
        lites: Sequence[Mapping[str, Any]] = (),
        shares: Sequence[float],
        sets: int = 0,
        strength: float = 0.2,
        scale: float = 1.0,
        symmetries: int = 2,
    ) -> None:
        super().__init__()
        if not 1 <= symmetries <= 8:
            raise ValueError(f"the square has 8 symmetries, not {symmetries}")
        if not 0 < len(taught) + len(lites) == len(shares) or min(shares) < 0 or not sum(shares):
            raise ValueError("the ensemble needs a part, and one share for each")
        self.symmetries, self.scale = symmetries, scale
        self.taught = nn.ModuleList(TaughtNet(**options) for options in taught)
        self.lites = nn.ModuleList(SpectralLite(**options) for options in lites)
        self.prior: nn.Module = LabelSets(sets, strength=strength) if sets else nn.Identity()
        self._weights = self._view_weights([share / sum(shares) for share in shares])
        self.cam_layer = next(net for net, _ in self._views()).cam_layer

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` of reflectance ``(n, 12, y, x)``, sides multiples of 8."""
        return self.read(pixels).scores

    def read(self, pixels: Tensor) -> NetOutput:
        """Compute logits and features: those of each part, averaged over its views."""
        return self._together([net.read(symmetry(pixels, turn)) for net, turn in self._views()])

    def output_from(self, moments: Sequence[Tensor]) -> NetOutput:
        """Compute logits and features, as :meth:`read`, from the moments of all views."""
        pairs = zip(self._views(), moments, strict=True)
        return self._together([net.output_from([own]) for (net, _), own in pairs])

    def turned(self) -> list[tuple[CellNet, int]]:
        """The net and the symmetry of each view."""
        return list(self._views())

    def views(self, pixels: Tensor) -> list[View]:
        """Compute the maps of each part in each of its symmetries."""
        found = []
        for net, turn in self._views():
            (view,) = net.views(symmetry(pixels, turn))
            found.append(replace(view, turn=turn))
        return found

    def scores_from(self, moments: Sequence[Tensor]) -> Tensor:
        """Compute logits ``(n, class)`` from the moments of all views."""
        pairs = zip(self._views(), moments, strict=True)
        return self._joined([net.classify(own) for (net, _), own in pairs])

    def dense(self, pixels: Tensor, step: int = CELL_PIXELS) -> Tensor:
        """Compute logits of every 1200 m window of an area; each pixel is convolved once per view.

        The result differs from that of windows cut out first, as for the parts.

        Args:
            pixels: reflectance ``(n, 12, y, x)``, sides multiples of 8, at least 120.
            step: pixels from one window to the next, a multiple of 8.

        Returns:
            ``(n, class, (y - 120) // step + 1, (x - 120) // step + 1)``.

        Raises:
            BadInput: the step is not a multiple of 8, or the area is below one window.
        """
        check_windows(pixels, step)
        # Windows must start at the same pixels in a mirrored area.
        height, width = (
            PATCH_PIXELS + (side - PATCH_PIXELS) // step * step for side in pixels.shape[2:]
        )
        area = pixels[:, :, :height, :width]
        logits = [
            undo_symmetry(net.dense(symmetry(area, turn), step), turn)
            for net, turn in self._views()
        ]
        return self._joined([each.permute(0, 2, 3, 1) for each in logits]).permute(0, 3, 1, 2)

    def _together(self, found: Sequence[NetOutput]) -> NetOutput:
        """Join the outputs of all views."""
        scores = self._joined([one.scores for one in found])
        features, begin = [], 0
        for _, turns in self._parts():
            own = [one.features for one in found[begin : begin + len(turns)]]
            features.append(torch.stack(own).mean(dim=0))
            begin += len(turns)
        return NetOutput(scores, torch.cat(features, dim=1))

    def _joined(self, logits: Sequence[Tensor]) -> Tensor:
        """Join the logits ``(…, class)`` of all views under the prior."""
        pairs = zip(self._weights, logits, strict=True)
        mean = torch.stack([weight * each for weight, each in pairs]).sum(dim=0)
        joined: Tensor = self.prior(self.scale * mean)
        return joined

    def _parts(self) -> Iterator[tuple[CellNet, tuple[int, ...]]]:
        """Yield each part with its symmetries."""
        for net in self.taught:
            yield cast("TaughtNet", net), (0,)
        for first, net in enumerate(self.lites):
            turns = ((first + k * 8 // self.symmetries) % 8 for k in range(self.symmetries))
            yield cast("SpectralLite", net), tuple(turns)

    def _views(self) -> Iterator[tuple[CellNet, int]]:
        """Yield each part with each of its symmetries."""
        for net, turns in self._parts():
            for turn in turns:
                yield net, turn

    def _view_weights(self, shares: Sequence[float]) -> tuple[float, ...]:
        """The weight of each view: a part's views share its weight."""
        pairs = zip(self._parts(), shares, strict=True)
        return tuple(share / len(turns) for (_, turns), share in pairs for _ in turns)


def join(
    net: Mosaic, taught: Sequence[TaughtNet], lites: Sequence[SpectralLite], prior: nn.Module
) -> Mosaic:
    """Load trained parts into a mosaic of the same options.

    Args:
        net: the mosaic to fill.
        taught: the trained TaughtNets.
        lites: the trained SpectralLites.
        prior: the label sets, or an identity.

    Returns:
        The mosaic in evaluation mode.
    """
    for part, trained in zip([*net.taught, *net.lites], [*taught, *lites], strict=True):
        part.load_state_dict(trained.state_dict())
    net.prior.load_state_dict(prior.state_dict())
    return net.eval()
