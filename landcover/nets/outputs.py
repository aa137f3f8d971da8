"""What a net gives beside scores: the features that it decides by, and maps of them.

Every net that ends in linear layers is a :class:`FeatureNet`: one pass gives scores and
features. TriGrid, SpectralLite and the Mosaic of them are :class:`MappedNet` as well: they
answer from *moments*, means and mean squares of feature maps over the patch, so that any
weighting of the moments is one of places on the grid of each map.
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
    """What one pass of a net gives.

    Attributes:
        scores: logits ``(n, class)``.
        features: ``(n, feature)``, the inputs of the last linear layers: pooled over the patch,
            normalised as the net does it, and all that the scores depend on. Where a part of
            the net sees the patch in several symmetries, their mean.
    """

    scores: Tensor
    features: Tensor


@runtime_checkable
class FeatureNet(Protocol):
    """A net whose scores and features come from one pass."""

    def read(self, pixels: Tensor) -> NetOutput:
        """Scores and features of pixels ``(n, band, y, x)``, in evaluation mode."""
        ...


@dataclass(frozen=True)
class FeatureMap:
    """One map of features, ``(n, channel, y, x)``, and how it enters the mean.

    Attributes:
        values: the features.
        rows, columns: weight of each row and column in the mean, adding up to 1 each. All
            are equal but where the last cell of a coarse map juts out of the patch.
    """

    values: Tensor
    rows: Tensor
    columns: Tensor

    @classmethod
    def whole(cls, values: Tensor) -> FeatureMap:
        """A map whose cells cover the patch exactly."""
        rows, columns = (values.new_full((length,), 1.0 / length) for length in values.shape[2:])
        return cls(values, rows, columns)

    @classmethod
    def on_cells(cls, values: Tensor, sides: Sequence[int]) -> FeatureMap:
        """A map whose last cells may jut out of the patch, of which ``sides`` cells count."""
        weights = []
        for length, side in zip(values.shape[2:], sides, strict=True):
            factor = max(1, -(-side // length))
            counts = torch.full((length,), float(factor))
            if length < side:
                counts[-1] = side - factor * (length - 1)
            weights.append((counts / counts.sum()).to(values))
        return cls(values, *weights)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and mean square of each channel, ``(n, channel)`` each."""
        if self.even:
            return self.values.mean(dim=(2, 3)), self.values.square().mean(dim=(2, 3))
        return self._mean(self.values), self._mean(self.values.square())

    @property
    def even(self) -> bool:
        """Whether all cells count the same."""
        return bool((self.rows == self.rows[0]).all() and (self.columns == self.columns[0]).all())

    def _mean(self, values: Tensor) -> Tensor:
        return torch.einsum("ncyx,y,x->nc", values, self.rows, self.columns)


@dataclass(frozen=True)
class View:
    """The maps of one part of the net in one symmetry: a group of maps for each member.

    Attributes:
        groups: the maps.
        turn: the symmetry in which the part sees the patch
            (:func:`landcover.nets.symmetry.symmetry`).
    """

    groups: tuple[tuple[FeatureMap, ...], ...]
    turn: int = 0

    def moments(self) -> Tensor:
        """All means, then all mean squares, group by group: ``(n, channel)``."""
        parts = []
        for maps in self.groups:
            both = [each.moments() for each in maps]
            parts += [mean for mean, _ in both] + [square for _, square in both]
        return torch.cat(parts, dim=1)


@runtime_checkable
class MappedNet(Protocol):
    """A net that answers from moments of its maps."""

    def views(self, pixels: Tensor) -> list[View]:
        """All maps that the scores of pixels ``(n, band, y, x)`` rest on; differentiable."""
        ...

    def scores_from(self, moments: Sequence[Tensor]) -> Tensor:
        """Scores ``(n, class)`` of the moments of all looks, in their order; differentiable."""
        ...
