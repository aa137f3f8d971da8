"""The randomisation check: a map that outlives the net's weights shows the picture, not reasons.

Adebayo et al. 2018 ("Sanity Checks for Saliency Maps", NeurIPS): spoil the weights, from
the answer backwards until all are spoilt, and see whether the map changes. Weights are
shuffled within each tensor, so that their sizes stay as they were, and anew for each patch,
so that no single draw decides. How near a tensor is to the answer is counted in operations
of the graph that computes it; so nets of several members are spoilt in all of them at once.

A map passes if the mean absolute rank correlation of its cells before and after, with all
weights shuffled, is at most :data:`BOUND`.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor

from landcover.models.model import Model

__all__ = ["BOUND", "DEPTHS", "layers_from_output", "shuffled"]

DEPTHS: Final = (0.1, 0.5, 1.0)
"""Shares of the net's layers that are shuffled, nearest to the answer first."""
BOUND: Final = 0.5
"""Largest mean |Spearman| that passes: a quarter of the ranks' variance.

It lies between what is surely wrong and what chance alone makes alike: a map of edges, which
no weights can change, has 1; maps of two unrelated patches had 0.05 to 0.33 on average in 27
of 30 pairs of model and method (12 validation patches each), and 0.51 to 0.72 in the other
three (fine CAM and occlusion of ResNet-18, Grad-CAM of EfficientNet-Lite0).
"""


def layers_from_output(model: Model, pixels: Tensor) -> tuple[tuple[str, ...], ...]:
    """Names of the net's weights in layers, the nearest to the answer first.

    Args:
        model: whose net to look at.
        pixels: that it reads, ``(1, band, y, x)``.

    Returns:
        parameters that are equally many operations away from the answer together, biases and
        normalisations with the matrix or convolution behind them: alone they change scores
        rather than maps. Those that the answer does not use are left out.
    """
    net = copy.deepcopy(model.net).requires_grad_(requires_grad=True)
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    layers: dict[int, list[str]] = {}
    start = net(pixels.to(model.device)).sum().grad_fn
    waiting: deque[tuple[Any, int]] = deque([(start, 0)])
    seen = {start}
    while waiting:
        node, distance = waiting.popleft()
        name = names.get(id(getattr(node, "variable", None)))
        if name is not None:
            layers.setdefault(distance, []).append(name)
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append((following, distance + 1))
    weights = dict(net.named_parameters())
    found: list[tuple[str, ...]] = []
    waits: tuple[str, ...] = ()
    for distance in sorted(layers):
        waits += tuple(layers[distance])
        if any(weights[name].dim() > 1 for name in layers[distance]):
            found.append(waits)
            waits = ()
    return (*found, waits) if waits else tuple(found)


def shuffled(model: Model, layers: Sequence[Sequence[str]], share: float, seed: int) -> Model:
    """The model with the first ``share`` of its layers shuffled, each tensor within itself.

    Args:
        model: stays as it is.
        layers: names of its weights, as :func:`layers_from_output` gives them.
        share: 0 to 1; at least one layer is shuffled.
        seed: of the shuffling.
    """
    chance = torch.Generator().manual_seed(seed)
    net = copy.deepcopy(model.net)
    weights = dict(net.named_parameters())
    with torch.no_grad():
        for name in (n for layer in layers[: max(1, round(share * len(layers)))] for n in layer):
            values = weights[name]
            mixed = torch.randperm(values.numel(), generator=chance).to(values.device)
            values.copy_(values.flatten()[mixed].view_as(values))
    return Model(model.card, net, model.device)
