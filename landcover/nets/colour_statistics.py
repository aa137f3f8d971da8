"""Extra trees on colour statistics alone: the baseline for nets that also use shapes."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from landcover.nets.reference import QUANTILES, BandStatisticsForest, band_statistics

__all__ = ["FEATURES", "ColourForest"]

FEATURES: Final = 3 * (2 + len(QUANTILES))
"""Mean, standard deviation and quantiles of red, green and blue."""
_SMALLEST: Final = 1e-6
"""Lower limit of a share, since 0 has no logarithm."""


class ColourForest(BandStatisticsForest):
    """Extra trees on statistics of red, green and blue, for classes that exclude each other.

    Args and tables: see :class:`~landcover.nets.reference.BandStatisticsForest`.

    Raises:
        ValueError: the sizes are impossible for a tree.
    """

    def __init__(self, trees: int, nodes: int, leaves: int, depth: int, classes: int = 10) -> None:
        super().__init__(trees, nodes, leaves, depth, classes)
        self.register_load_state_dict_post_hook(_check_features)  # type: ignore[no-untyped-call]

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute the logarithms of the classes' shares, ``(n, class)``.

        A softmax turns them into shares.

        Args:
            pixels: pictures ``(n, 3, y, x)`` from 0 to 1.
        """
        shares = self.probabilities(band_statistics(pixels))
        return torch.log(shares.clamp(min=_SMALLEST))


def _check_features(net: ColourForest, _: object) -> None:
    """Check loaded tables.

    Raises:
        ValueError: they use statistics of more than three colours.
    """
    if net.feature.max() >= FEATURES:
        raise ValueError(f"feature is not a table of indices below {FEATURES}")
