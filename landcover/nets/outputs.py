"""The outputs of a net besides scores: the features that the scores depend on, and their maps.

Every net that ends in linear layers is a :class:`FeatureNet`: one forward pass returns scores
and features. TriGrid, SpectralLite and the Mosaic of them are also a :class:`MappedNet`: their
scores depend on *moments*, the means and mean squares of feature maps over the patch, so any
weighted sum of the moments can be attributed to places on the grid of each map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = ["FeatureMap", "FeatureNet", "MappedNet", "NetOutput", "View"]


@dataclass(frozen=True)
class NetOutput:
    """The output of one forward pass.

    Attributes:
        scores: logits ``(n, class)``.
        features: ``(n, feature)``, the inputs of the last linear layers: pooled over the patch
            and normalised. The scores depend on nothing else. If a part of the net uses several
            symmetries of the patch, their mean.
    """

    scores: Tensor
    features: Tensor


@runtime_checkable
class FeatureNet(Protocol):
    """A net whose scores and features come from one forward pass."""

    def read(self, pixels: Tensor) -> NetOutput:
        """Compute scores and features of pixels ``(n, band, y, x)``, in evaluation mode."""
        ...


@dataclass(frozen=True)
class FeatureMap:
    """A map of features and the weights of its cells in the mean over the patch.

    Attributes:
        values: the features, ``(n, channel, y, x)``.
        rows, columns: weight of each row and column in the mean; each adds up to 1. They are
            equal unless the last cell of a coarse map extends beyond the patch.
    """

    values: Tensor
    rows: Tensor
    columns: Tensor

    @classmethod
    def whole(cls, values: Tensor) -> FeatureMap:
        """Make a map whose cells cover the patch exactly."""
        rows, columns = (values.new_full((length,), 1.0 / length) for length in values.shape[2:])
        return cls(values, rows, columns)

    @classmethod
    def on_cells(cls, values: Tensor, sides: Sequence[int]) -> FeatureMap:
        """Make a map whose last cells may extend beyond the patch.

        Args:
            values: the features, ``(n, channel, y, x)``.
            sides: rows and columns of the patch, in cells of 80 m.
        """
        weights = []
        for length, side in zip(values.shape[2:], sides, strict=True):
            factor = max(1, -(-side // length))
            counts = torch.full((length,), float(factor))
            if length < side:
                counts[-1] = side - factor * (length - 1)
            weights.append((counts / counts.sum()).to(values))
        return cls(values, *weights)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Compute mean and mean square of each channel, ``(n, channel)`` each."""
        if self.even:
            return self.values.mean(dim=(2, 3)), self.values.square().mean(dim=(2, 3))
        return self._mean(self.values), self._mean(self.values.square())

    @property
    def even(self) -> bool:
        """Whether all cells have the same weight."""
        return bool((self.rows == self.rows[0]).all() and (self.columns == self.columns[0]).all())

    def _mean(self, values: Tensor) -> Tensor:
        return torch.einsum("ncyx,y,x->nc", values, self.rows, self.columns)


@dataclass(frozen=True)
class View:
    """The maps of one part of the net for one symmetry of the patch.

    Attributes:
        groups: a group of maps for each member.
        turn: the symmetry of the patch, 0 to 7 (:func:`landcover.nets.symmetry.symmetry`).
    """

    groups: tuple[tuple[FeatureMap, ...], ...]
    turn: int = 0

    def moments(self) -> Tensor:
        """Compute all means, then all mean squares, group by group: ``(n, channel)``."""
        parts = []
        for maps in self.groups:
            both = [each.moments() for each in maps]
            parts += [mean for mean, _ in both] + [square for _, square in both]
        return torch.cat(parts, dim=1)


@runtime_checkable
class MappedNet(Protocol):
    """A net whose scores depend on moments of its maps."""

    def views(self, pixels: Tensor) -> list[View]:
        """Compute all maps, differentiably, from pixels ``(n, band, y, x)``."""
        ...

    def scores_from(self, moments: Sequence[Tensor]) -> Tensor:
        """Compute scores ``(n, class)`` from the moments of all views; differentiable."""
        ...
