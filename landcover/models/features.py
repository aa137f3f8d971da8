"""Feature vectors of patches, from the same forward pass that gives the scores.

Features are the inputs of the net's last linear layers
(:class:`landcover.nets.outputs.NetOutput`), concatenated over its independent parts: a TriGrid has
one vector per member, a Mosaic those of all its parts.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from landcover.core.errors import ModelMismatch
from landcover.models.model import Model
from landcover.nets.outputs import FeatureNet

__all__ = ["BATCH_SIZE", "features", "features_and_scores"]

BATCH_SIZE: Final = 8
"""Patches per forward pass, which limits memory."""


def features(model: Model, pixels: Tensor) -> Tensor:
    """Compute features of patches, float32 ``(n, feature)`` on the CPU.

    Args:
        model: the model whose net is run.
        pixels: float32 ``(n, band, y, x)`` as :meth:`~landcover.models.model.Model.tensor`
            returns them: the card's bands, without gaps; n may be 0.

    Raises:
        ModelMismatch: the model has no features, for example a random forest.
    """
    return features_and_scores(model, pixels)[0]


def features_and_scores(model: Model, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Compute features ``(n, feature)`` and raw scores ``(n, class)`` in one forward pass.

    Both are float32 on the CPU, without gradients. The function is thread-safe.

    Args:
        model: the model whose net is run.
        pixels: float32 ``(n, band, y, x)``, as for :func:`features`.

    Raises:
        ModelMismatch: the model has no features, for example a random forest.
    """
    net = model.net
    if not isinstance(net, FeatureNet):
        raise ModelMismatch(
            f"{model.card.title} computes no features of a patch: choose a neural network, such "
            "as the custom CNN."
        )
    # With no patches, run a blank one to get the number of features.
    some = pixels if len(pixels) else pixels.new_zeros(1, *pixels.shape[1:])
    with torch.no_grad():
        found = [net.read(part.to(model.device)) for part in torch.split(some, BATCH_SIZE)]
    values = torch.cat([one.features for one in found]).float().cpu()
    scores = torch.cat([one.scores for one in found]).float().cpu()
    return values[: len(pixels)], scores[: len(pixels)]
