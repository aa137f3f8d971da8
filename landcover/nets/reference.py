"""Baselines: the frequencies of the classes, and trees on statistics of the bands.

Both are modules like the nets, so that the same code stores, loads, runs and evaluates them.
They are not trained by gradients: :mod:`landcover.train.recipes.reference_fit` fits them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES

__all__ = ["FEATURES", "QUANTILES", "BandStatisticsForest", "ClassPrior", "band_statistics"]

QUANTILES: Final[tuple[float, ...]] = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Chosen on validation from 0, 5, 7 and 9 quantiles, in addition to mean and deviation."""
FEATURES: Final = len(BAND_NAMES) * (2 + len(QUANTILES))
_CLIP: Final = 1e-6
"""Probabilities of 0 and 1 have no finite logit; in float32 this value differs from both."""


class ClassPrior(nn.Module):
    """Predict for every patch the frequency of each class in the training data."""

    logits: Tensor

    def __init__(self, classes: int = len(CLASS_NAMES)) -> None:
        super().__init__()
        self.register_buffer("logits", torch.zeros(classes))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits ``(n, class)`` for reflectance ``(n, 12, y, x)``: all rows are equal."""
        return self.logits.expand(len(pixels), -1)


class BandStatisticsForest(nn.Module):
    """Extremely randomised trees (Geurts et al. 2006) on statistics of each band.

    The trees are tables: ``feature``, ``threshold``, ``left``, ``right`` and ``leaf`` of
    each node, ``share`` of each leaf. All trees are descended together, one level per step. A
    leaf is its own child, so shallow trees stay at their leaf; unused entries at the end of a
    table are zeros that no index points to.

    Args:
        trees: number of trees.
        nodes: of the largest tree.
        leaves: of the largest tree.
        depth: of the deepest tree.
        classes: number of classes.

    Raises:
        ValueError: the sizes are impossible for a tree.
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    leaf: Tensor
    share: Tensor

    def __init__(
        self, trees: int, nodes: int, leaves: int, depth: int, classes: int = len(CLASS_NAMES)
    ) -> None:
        super().__init__()
        if not (trees >= 1 and nodes >= 1 and 1 <= leaves <= nodes and 0 <= depth < nodes <= 2**15):
            raise ValueError(f"{trees} trees of {nodes} nodes, {leaves} leaves, depth {depth}")
        self.depth = depth
        self.register_buffer("feature", torch.zeros(trees, nodes, dtype=torch.int16))
        self.register_buffer("threshold", torch.zeros(trees, nodes))
        for name in ("left", "right", "leaf"):
            self.register_buffer(name, torch.zeros(trees, nodes, dtype=torch.int16))
        # Means over hundreds of trees: half precision moves a probability by less than 0.001.
        self.register_buffer("share", torch.zeros(trees, leaves, classes, dtype=torch.float16))
        self.register_load_state_dict_post_hook(_check_tables)  # type: ignore[no-untyped-call]

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` of reflectance ``(n, 12, y, x)``."""
        return torch.logit(self.probabilities(band_statistics(pixels)), eps=_CLIP)

    def probabilities(self, features: Tensor) -> Tensor:
        """Average the shares of the leaves that features ``(n, feature)`` reach, ``(n, class)``."""
        tree = torch.arange(len(self.feature), device=features.device)
        row = torch.arange(len(features), device=features.device)[:, None]
        node = torch.zeros(len(features), len(tree), dtype=torch.long, device=features.device)
        for _ in range(self.depth):
            value = features[row, self.feature[tree, node].long()]
            below = value <= self.threshold[tree, node]
            node = torch.where(below, self.left[tree, node], self.right[tree, node]).long()
        return self.share[tree, self.leaf[tree, node].long()].float().mean(dim=1)


def _check_tables(net: nn.Module, _: object) -> None:
    """Check the indices in loaded tables.

    Raises:
        ValueError: a table holds an index that its target does not have.
    """
    nodes, leaves = net.get_buffer("left").shape[1], net.get_buffer("share").shape[1]
    limits = {"feature": FEATURES, "left": nodes, "right": nodes, "leaf": leaves}
    for name, limit in limits.items():
        table = net.get_buffer(name)
        if table.is_floating_point() or table.min() < 0 or table.max() >= limit:
            raise ValueError(f"{name} is not a table of indices below {limit}")


def band_statistics(pixels: Tensor) -> Tensor:
    """Compute mean, standard deviation and quantiles of each band.

    A quantile is the nearest sorted value, without interpolation.

    Args:
        pixels: float32 reflectance ``(n, 12, y, x)``.

    Returns:
        float32 ``(n, feature)``: the means of all bands, then all deviations, then each quantile.
    """
    ranked = _ranked(pixels.flatten(2))
    last = ranked.shape[-1] - 1
    parts = [ranked.mean(dim=-1), ranked.std(dim=-1)]
    parts += [ranked[..., round(q * last)] for q in QUANTILES]
    return torch.cat(parts, dim=1)


def _ranked(values: Tensor) -> Tensor:
    """Sort along the last axis."""
    if values.device.type == "cpu" and not values.requires_grad:
        # Several times as fast: NumPy sorts with vector instructions.
        return torch.from_numpy(np.sort(values.numpy(), axis=-1))
    return values.sort(dim=-1).values
