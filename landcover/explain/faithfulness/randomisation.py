"""The randomisation check: whether a map depends on the net's weights.

Adebayo et al. 2018 ("Sanity Checks for Saliency Maps", NeurIPS): randomise the weights, from
the output backwards until all are randomised, and compare the maps. Weights are
shuffled within each tensor, which preserves their values, and again for each patch,
so that the result does not depend on a single draw. The distance of a tensor from the output is
the number of operations between them in the computation graph, so all members of an ensemble are
randomised at the same time.

A method passes if the mean absolute rank correlation of its cells before and after shuffling all
weights is at most :data:`BOUND`.
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
"""Shares of the net's layers that are shuffled, beginning at the output."""
BOUND: Final = 0.5
"""Largest mean |Spearman| that passes: a quarter of the ranks' variance.

It is between the value of a clearly wrong map and the correlation by chance: a map of edges, which
does not depend on the weights, has 1; maps of two unrelated patches had 0.05 to 0.26 on average in
14 of 15 pairs of patch model and method (12 validation patches each), and 0.72 in the last
(Grad-CAM of EfficientNet-Lite0).
"""


def layers_from_output(model: Model, pixels: Tensor) -> tuple[tuple[str, ...], ...]:
    """List the names of the net's weights in layers, beginning at the output.

    Args:
        model: the model with the net.
        pixels: an input of it, ``(1, band, y, x)``.

    Returns:
        groups of parameters with the same number of operations to the output. Biases and
        normalisations are grouped with the matrix or convolution before them: alone they change
        scores rather than maps. Parameters that do not affect the output are left out.
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
    """Copy a model and shuffle the first ``share`` of its layers, within each tensor.

    Args:
        model: is not changed.
        layers: names of its weights, from :func:`layers_from_output`.
        share: 0 to 1; at least one layer is shuffled.
        seed: of the random generator.
    """
    random = torch.Generator().manual_seed(seed)
    net = copy.deepcopy(model.net)
    weights = dict(net.named_parameters())
    with torch.no_grad():
        for name in (n for layer in layers[: max(1, round(share * len(layers)))] for n in layer):
            values = weights[name]
            order = torch.randperm(values.numel(), generator=random).to(values.device)
            values.copy_(values.flatten()[order].view_as(values))
    return Model(model.card, net, model.device)
