"""A data set restricted to some of its bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from landcover.core.bands import BAND_NAMES
from landcover.datasets.arrays import PatchSet

__all__ = ["BandSubset", "select_bands"]


@dataclass(frozen=True)
class BandSubset:
    """A set of patches with some of the bands.

    Attributes:
        patches: the data set with all twelve bands.
        bands: names of the selected bands, in the order of the band axis.
    """

    patches: PatchSet
    bands: tuple[str, ...]

    @property
    def targets(self) -> Tensor:
        """Float32 ``(patch, class)``, 0 or 1."""
        return self.patches.targets

    @property
    def ids(self) -> Sequence[str]:
        """A name for each patch."""
        return self.patches.ids

    def __len__(self) -> int:
        return len(self.patches)

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Return float32 reflectance ``(len(indices), band, 120, 120)``."""
        columns = [BAND_NAMES.index(name) for name in self.bands]
        return self.patches.pixels(indices)[:, columns]


def select_bands(patches: PatchSet, bands: Sequence[str]) -> PatchSet:
    """Restrict patches to the given bands; returns the same object for all bands in order."""
    return patches if tuple(bands) == BAND_NAMES else BandSubset(patches, tuple(bands))
