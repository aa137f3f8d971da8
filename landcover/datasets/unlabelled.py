"""Pictures without labels, for training steps that need none.

They come as one GeoTIFF: twelve bands of Level-2A in the order of ``BAND_NAMES``, digital numbers
of 10 m pixels, 64 columns wide, picture ``i`` in the rows from ``64 i``. A patch needs 120 pixels a
side, so four pictures are set beside one another, as places meet in a patch, and what is beyond
120 pixels is cut off. Each picture occurs in four patches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from landcover.core import limits
from landcover.core.bands import BAND_NAMES, PATCH_PIXELS, QUANTIFICATION
from landcover.core.errors import BadInput
from landcover.datasets.arrays import PatchSet
from landcover.io.guard import FILE, RasterFile, named, open_raster

__all__ = ["SIDE", "Joined", "Unlabelled", "load"]

SIDE: Final = 64
"""Pixels along a picture."""
_AT_ONCE: Final = 4
"""Pictures in a patch, and patches with a picture."""
_READ: Final = 32
"""Pictures that are read at a time."""
_SEED: Final = 1
_KINDS: Final = ("uint16", "int16")


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """Patches of four pictures each; as many patches as pictures.

    Attributes:
        pictures: digital numbers ``(picture, 12, 64, 64)``.
        fours: the pictures of each patch, ``(patch, 4)``.
        targets: float32 ``(patch, class)``: zeros, which are no labels.
        sha256: of the numbers.
    """

    pictures: npt.NDArray[Any]
    fours: npt.NDArray[np.intp]
    targets: Tensor
    sha256: str

    @property
    def ids(self) -> Sequence[str]:
        """A name for each patch."""
        return [f"unlabelled-{self.sha256[:8]}-{row}" for row in range(len(self))]

    def __len__(self) -> int:
        return len(self.fours)

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Float32 reflectance ``(len(indices), 12, 120, 120)``."""
        four = self.pictures[self.fours[np.asarray(indices, dtype=np.intp)]].astype(np.float32)
        top, bottom = (np.concatenate((four[:, k], four[:, k + 1]), axis=-1) for k in (0, 2))
        whole = np.concatenate((top, bottom), axis=-2)[..., :PATCH_PIXELS, :PATCH_PIXELS]
        return torch.from_numpy(np.ascontiguousarray(whole)).div_(QUANTIFICATION)


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Two sets of patches as one.

    Attributes:
        first, second: the sets, with the same classes.
    """

    first: PatchSet
    second: PatchSet

    @property
    def targets(self) -> Tensor:
        """Float32 ``(patch, class)``."""
        return torch.cat((self.first.targets, self.second.targets))

    @property
    def ids(self) -> Sequence[str]:
        """A name for each patch."""
        return [*self.first.ids, *self.second.ids]

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Float32 reflectance ``(len(indices), 12, 120, 120)``."""
        rows, count = np.asarray(indices, dtype=np.intp), len(self.first)
        found = torch.empty(len(rows), len(BAND_NAMES), PATCH_PIXELS, PATCH_PIXELS)
        parts = ((self.first, rows < count, 0), (self.second, rows >= count, count))
        for patches, chosen, begin in parts:
            if chosen.any():
                own = (rows[chosen] - begin).tolist()
                found[torch.from_numpy(chosen)] = patches.pixels(own)
        return found


def load(path: Path, classes: int) -> Unlabelled:
    """Read pictures and compose them to patches, always in the same way.

    Args:
        path: the GeoTIFF.
        classes: columns of the targets.

    Raises:
        BadInput: it cannot be read, is too large, or is not such a file.
    """
    with named(path.name), open_raster(path) as raster:
        header = raster.header
        count, rest = divmod(header.height, SIDE)
        if header.count != len(BAND_NAMES) or header.width != SIDE or rest or count < _AT_ONCE:
            raise BadInput(
                f"{FILE} has {header.count} bands of {header.width} × {header.height} pixels: "
                f"give {len(BAND_NAMES)} bands of {SIDE} columns, with at least {_AT_ONCE} "
                f"pictures of {SIDE} rows one below the other."
            )
        if not set(header.dtypes) <= set(_KINDS):
            raise BadInput(
                f"{FILE} holds numbers of the type {header.dtypes[0]}: give digital numbers of "
                f"Level-2A, {' or '.join(_KINDS)}."
            )
        samples = header.count * header.width * header.height
        if samples > (limit := limits.current().samples):
            most = limit // (header.count * SIDE * SIDE)
            raise BadInput(f"{FILE} has {count:,} pictures: give at most {most:,}.")
        parts = [_read(raster, row, min(_READ, count - row)) for row in range(0, count, _READ)]
    pictures = np.concatenate(parts)
    random = np.random.default_rng(_SEED)
    order = np.concatenate([random.permutation(count) for _ in range(_AT_ONCE)])
    return Unlabelled(
        pictures=pictures,
        fours=order.reshape(count, _AT_ONCE),
        targets=torch.zeros(count, classes),
        sha256=hashlib.sha256(pictures.tobytes()).hexdigest(),
    )


def _read(raster: RasterFile, first: int, count: int) -> npt.NDArray[Any]:
    """Read some pictures ``(n, 12, 64, 64)``: the whole file is longer than an image may be."""
    indexes = range(1, len(BAND_NAMES) + 1)
    rows = raster.read(indexes, (first * SIDE, 0, count * SIDE, SIDE))
    found: npt.NDArray[Any] = rows.reshape(len(BAND_NAMES), count, SIDE, SIDE).swapaxes(0, 1)
    return found.clip(min=0)
