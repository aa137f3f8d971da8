"""Labelled patches as arrays, with each band on its native grid.

A patch of 1200 m takes 158 kB as digital numbers on native grids and 691 kB as float32 on
one 10 m grid, so a set is stored in the first form and only batches are converted to the
second. The arrays are in memory, or memory-mapped from files that are larger than the memory
(see :mod:`landcover.datasets.memory_mapped`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from landcover.core.bands import (
    BAND_NAMES,
    BANDS_10M,
    BANDS_20M,
    BANDS_60M,
    PATCH_PIXELS,
    QUANTIFICATION,
)
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput

__all__ = ["Grid", "NativeStore", "Numbers", "PatchSet", "Rows", "expand", "join"]

_GRIDS: Final = ((BANDS_10M, 1), (BANDS_20M, 2), (BANDS_60M, 6))
"""Bands of each native grid, with the side of its pixel in 10 m pixels."""

Grid = npt.NDArray[np.uint16]
Rows = npt.NDArray[np.intp]
Numbers = Grid | npt.NDArray[np.float32]


class PatchSet(Protocol):
    """What training needs of a data set, independent of its storage."""

    @property
    def targets(self) -> Tensor:
        """Float32 ``(patch, class)``, 0 or 1."""
        ...

    @property
    def ids(self) -> Sequence[str]:
        """A name for each patch."""
        ...

    def __len__(self) -> int: ...

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Float32 reflectance ``(len(indices), 12, 120, 120)``."""
        ...


def expand(g10: Numbers, g20: Numbers, g60: Numbers) -> npt.NDArray[np.float32]:
    """Bring native grids to one 10 m grid by repeating pixels.

    Args:
        g10: bands B02 B03 B04 B08, ``(n, 4, y, x)``.
        g20: bands B05 B06 B07 B8A B11 B12, ``(n, 6, y/2, x/2)``.
        g60: bands B01 B09, ``(n, 2, y/6, x/6)``.

    Returns:
        float32 ``(n, 12, y, x)`` in the order of ``BAND_NAMES``, with unchanged values.
    """
    count, _, height, width = g10.shape
    out = np.empty((count, len(BAND_NAMES), height, width), dtype=np.float32)
    for grid, (names, factor) in zip((g10, g20, g60), _GRIDS, strict=True):
        # A view with separate axes for a pixel's repetitions: one write per band.
        blocks = out.reshape(
            count, len(BAND_NAMES), height // factor, factor, width // factor, factor
        )
        for index, name in enumerate(names):
            blocks[:, BAND_NAMES.index(name)] = grid[:, index, :, None, :, None]
    return out


@dataclass(frozen=True, kw_only=True)
class NativeStore:
    """Labelled patches as digital numbers on native grids.

    Attributes:
        g10: uint16 ``(n, 4, 120, 120)``, bands B02 B03 B04 B08.
        g20: uint16 ``(n, 6, 60, 60)``, bands B05 B06 B07 B8A B11 B12.
        g60: uint16 ``(n, 2, 20, 20)``, bands B01 B09.
        targets: float32 ``(n, class)``, 0 or 1.
        ids: a name for each patch.
        countries: the country of each patch.
        classes: names along the class axis of the targets.
        rows: the row of each patch in the arrays, if these contain other patches too.
            :meth:`numbers` reads the requested rows only.

    Raises:
        BadInput: the shapes do not match.
    """

    g10: Grid
    g20: Grid
    g60: Grid
    targets: Tensor
    ids: tuple[str, ...]
    countries: tuple[str, ...]
    rows: Rows | None = None
    classes: tuple[str, ...] = CLASS_NAMES

    def __post_init__(self) -> None:
        count = len(self.ids)
        held = count if self.rows is None else len(self.g10)
        for grid, (names, factor) in zip((self.g10, self.g20, self.g60), _GRIDS, strict=True):
            side = PATCH_PIXELS // factor
            if grid.shape != (held, len(names), side, side):
                raise BadInput(
                    f"{held} patches need bands {', '.join(names)} as an array of shape "
                    f"{(held, len(names), side, side)}, not {grid.shape}."
                )
        if self.rows is not None and not (
            self.rows.shape == (count,) and (self.rows < held).all() and (self.rows >= 0).all()
        ):
            raise BadInput(f"{count} patches need as many rows of arrays that hold {held}.")
        if self.targets.dim() != 2 or not len(self.targets) == len(self.countries) == count:
            raise BadInput(f"{count} patches need as many targets and countries.")

    def __len__(self) -> int:
        return len(self.ids)

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Return float32 reflectance ``(len(indices), 12, 120, 120)``."""
        return torch.from_numpy(expand(*self.numbers(indices))).div_(QUANTIFICATION)

    def numbers(self, indices: Sequence[int]) -> tuple[Grid, Grid, Grid]:
        """Copy the digital numbers of patches, on the 10, 20 and 60 m grids."""
        rows = np.asarray(indices, dtype=np.intp)
        rows = rows if self.rows is None else self.rows[rows]
        return self.g10[rows], self.g20[rows], self.g60[rows]

    def origin(self) -> dict[str, Any]:
        """Describe the patches for the card of a model that was trained on them, JSON-ready.

        Contains their number, a hash of their sorted names (SHA-256), their countries, and
        the number of patches with each class.
        """
        names = "\n".join(sorted(self.ids))
        return {
            "n": len(self),
            "ids_sha256": hashlib.sha256(names.encode()).hexdigest(),
            "countries": sorted(set(self.countries)),
            "support": {
                label: int(count)
                for label, count in zip(self.classes, self.targets.sum(dim=0), strict=True)
            },
        }

    def subset(self, indices: Sequence[int]) -> NativeStore:
        """Select the patches at ``indices``, in that order."""
        some = np.asarray(indices, dtype=np.intp)
        if self.rows is None:
            grids, rows = self.numbers(indices), None
        else:
            grids, rows = (self.g10, self.g20, self.g60), self.rows[some]
        return NativeStore(
            g10=grids[0],
            g20=grids[1],
            g60=grids[2],
            targets=self.targets[torch.from_numpy(some)],
            ids=tuple(self.ids[i] for i in some),
            countries=tuple(self.countries[i] for i in some),
            rows=rows,
            classes=self.classes,
        )


def join(first: NativeStore, second: NativeStore) -> NativeStore:
    """Join the patches of two stores, such as training and validation for a final fit.

    Nothing is copied if both are rows of the same arrays.
    """
    rows = None
    grids = [first.g10, first.g20, first.g60]
    if first.rows is not None and second.rows is not None and first.g10 is second.g10:
        rows = np.concatenate((first.rows, second.rows))
    else:
        parts = (store.numbers(range(len(store))) for store in (first, second))
        grids = [np.concatenate(pair) for pair in zip(*parts, strict=True)]
    return NativeStore(
        g10=grids[0],
        g20=grids[1],
        g60=grids[2],
        targets=torch.cat((first.targets, second.targets)),
        ids=first.ids + second.ids,
        countries=first.countries + second.countries,
        rows=rows,
        classes=first.classes,
    )
