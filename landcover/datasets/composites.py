"""Patches that are composed of two others, for training steps that need no labels.

Where covers meet is rare among a few hundred patches, and a net that learns from another one
needs no labels there: it can be asked about any picture. A rectangle of a patch is replaced by
that of another one. Which patches and where depends on the number of the composite alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import torch
from torch import Tensor

from landcover.core.bands import PATCH_PIXELS
from landcover.datasets.arrays import PatchSet

__all__ = ["Composites"]

_ALIGNMENT: Final = 6
"""Rectangles lie on multiples of this many 10 m pixels, so that no 60 m pixel is cut."""
_SHARES: Final = (0.15, 0.85)
"""Bounds of the rectangle's area, as a share of the patch."""


@dataclass(frozen=True)
class Composites:
    """A set of patches, followed by composites of them.

    Attributes:
        patches: what they are composed of.
        count: number of composites.
        seed: of the draws.
    """

    patches: PatchSet
    count: int
    seed: int = 0

    @cached_property
    def targets(self) -> Tensor:
        """Float32 ``(patch, class)``: those of the patches; zeros, no labels, of composites."""
        known = self.patches.targets
        return torch.cat((known, torch.zeros(self.count, known.shape[1])))

    @property
    def ids(self) -> Sequence[str]:
        """A name for each patch."""
        return [*self.patches.ids, *(f"composite-{self.seed}-{k}" for k in range(self.count))]

    def __len__(self) -> int:
        return len(self.patches) + self.count

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Float32 reflectance ``(len(indices), 12, 120, 120)``."""
        rows = np.asarray(indices, dtype=np.intp)
        plans = [self._plan(row) for row in rows.tolist()]
        found = self.patches.pixels([first for first, _, _ in plans])
        composed = [k for k, row in enumerate(rows.tolist()) if row >= len(self.patches)]
        if composed:
            others = self.patches.pixels([plans[k][1] for k in composed])
            for k, other in zip(composed, others, strict=True):
                top, bottom, left, right = plans[k][2]
                found[k, :, top:bottom, left:right] = other[:, top:bottom, left:right]
        return found

    def _plan(self, row: int) -> tuple[int, int, tuple[int, int, int, int]]:
        """The patch, the other one, and the rectangle: top, bottom, left, right."""
        most = len(self.patches)
        if row < most:
            return row, row, (0, 0, 0, 0)
        chance = np.random.default_rng((self.seed, row - most))
        first, other = chance.integers(most, size=2).tolist()
        share = chance.uniform(*_SHARES)
        cells = PATCH_PIXELS // _ALIGNMENT
        strip = bool(chance.random() < 0.5)
        rows = min(cells, max(1, round(cells * (share if strip else share**0.5))))
        columns = cells if strip else rows
        top, left = (int(chance.integers(cells - n + 1)) for n in (rows, columns))
        box = (top, top + rows, left, left + columns)
        return first, other, tuple(side * _ALIGNMENT for side in box)  # type: ignore[return-value]
