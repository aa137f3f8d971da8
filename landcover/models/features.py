"""Features of patches: what a model's net decides by, from the pass that gives its scores.

They are the inputs of the net's last linear layers (:class:`landcover.nets.outputs.NetOutput`), one
for each of its independent parts: a TriGrid has one a member, a Mosaic those of all its parts.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from landcover.core.errors import ModelMismatch
from landcover.models.model import Model
from landcover.nets.outputs import FeatureNet

__all__ = ["AT_ONCE", "features", "features_and_scores"]

AT_ONCE: Final = 8
"""Patches in one pass of the net, which bounds memory."""


def features(model: Model, pixels: Tensor) -> Tensor:
    """Features of patches, float32 ``(n, feature)`` on the CPU.

    Args:
        model: whose net is asked.
        pixels: float32 ``(n, band, y, x)`` as :meth:`~landcover.models.model.Model.tensor` makes
            them: the card's bands, without gaps. There may be none.

    Raises:
        ModelMismatch: the model has no such features, such as a forest.
    """
    return features_and_scores(model, pixels)[0]


def features_and_scores(model: Model, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Features ``(n, feature)`` and raw scores ``(n, class)`` of one and the same pass.

    Both are float32 on the CPU, without gradients. It may be called in any thread.

    Args:
        model: whose net is asked.
        pixels: float32 ``(n, band, y, x)``, as :func:`features` takes them.

    Raises:
        ModelMismatch: the model has no such features, such as a forest.
    """
    net = model.net
    if not isinstance(net, FeatureNet):
        raise ModelMismatch(
            f"{model.card.title} has no features of a patch that could be compared: "
            "choose a net, such as the custom CNN."
        )
    # Without patches a blank one tells how many features there are.
    some = pixels if len(pixels) else pixels.new_zeros(1, *pixels.shape[1:])
    with torch.no_grad():
        found = [net.read(part.to(model.device)) for part in torch.split(some, AT_ONCE)]
    values = torch.cat([one.features for one in found]).float().cpu()
    scores = torch.cat([one.scores for one in found]).float().cpu()
    return values[: len(pixels)], scores[: len(pixels)]
