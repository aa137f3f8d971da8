"""Patches of which only some bands are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from landcover.core.bands import BAND_NAMES
from landcover.datasets.arrays import PatchSet

__all__ = ["BandSubset", "select_bands"]


@dataclass(frozen=True)
class BandSubset:
    """A set of patches as a net that reads some of the bands sees it.

    Attributes:
        whole: the patches with all twelve bands.
        bands: names of those that are shown, in the order of the band axis.
    """

    whole: PatchSet
    bands: tuple[str, ...]

    @property
    def targets(self) -> Tensor:
        """Float32 ``(patch, class)``, 0 or 1."""
        return self.whole.targets

    @property
    def ids(self) -> Sequence[str]:
        """A name for each patch."""
        return self.whole.ids

    def __len__(self) -> int:
        return len(self.whole)

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Float32 reflectance ``(len(indices), band, 120, 120)``."""
        columns = [BAND_NAMES.index(name) for name in self.bands]
        return self.whole.pixels(indices)[:, columns]


def select_bands(patches: PatchSet, bands: Sequence[str]) -> PatchSet:
    """The patches with those bands alone; the same object where these are all, in order."""
    return patches if tuple(bands) == BAND_NAMES else BandSubset(patches, tuple(bands))
