"""A net with a linear correction of its scores, fitted to a few corrections of its answers.

The correction is linear in the direction of the net's features and of its scores from their
means over the corrected patches. Its weights are zero until they are fitted, and the scores are
then those of the net alone. Only the correction is fitted; the net stays as it is.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.nets.outputs import FeatureNet, NetOutput

__all__ = ["Adapted", "directions"]


def directions(values: Tensor, centre: Tensor) -> Tensor:
    """Return the unit vectors from a centre to values ``(n, feature)``; zero at the centre."""
    return F.normalize(values.float() - centre, dim=1, eps=1e-6)


class Adapted(nn.Module):
    """A net whose scores are calibrated and then corrected.

    Args:
        net: returns scores and features.
        features: number of its features.
        classes: number of its scores.

    Attributes:
        scale, shift: the calibration of the net's scores, ``(class,)`` each.
        feature_centre, score_centre: from where directions are measured.
        correction: from both directions to what is added to the scores.
    """

    scale: Tensor
    shift: Tensor
    feature_centre: Tensor
    score_centre: Tensor

    def __init__(self, net: nn.Module, *, features: int, classes: int) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("scale", torch.ones(classes))
        self.register_buffer("shift", torch.zeros(classes))
        self.register_buffer("feature_centre", torch.zeros(features))
        self.register_buffer("score_centre", torch.zeros(classes))
        self.correction = nn.Linear(features + classes, classes)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    @property
    def cam_layer(self) -> nn.Module:
        """The layer for Grad-CAM of the net, if it has one."""
        return cast("nn.Module", getattr(self.net, "cam_layer"))  # noqa: B009 - a Module's attribute has no type

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` of pixels ``(n, band, y, x)``."""
        return self.read(pixels).scores

    def read(self, pixels: Tensor) -> NetOutput:
        """Compute corrected scores, and the features of the net."""
        found = cast("FeatureNet", self.net).read(pixels)
        return NetOutput(self.corrected(found.features, found.scores), found.features)

    def corrected(self, features: Tensor, scores: Tensor) -> Tensor:
        """Correct the scores of the net, ``(n, class)``."""
        with torch.autocast(scores.device.type, enabled=False):
            own = self.scale * scores.float() + self.shift
            change: Tensor = self.correction(self.inputs(features, own))
            return own + change

    def inputs(self, features: Tensor, scores: Tensor) -> Tensor:
        """Return both directions side by side, together of length 1 at most."""
        both = (directions(features, self.feature_centre), directions(scores, self.score_centre))
        return torch.cat(both, dim=1) / math.sqrt(2)
