"""Cross-validation by place, to test choices that are made on the validation split.

Patches of one place are similar: they share weather, season, processing and land. After a
random split, every choice would be tested on near copies of the patches it was made on, and
every choice would look useful. Entire places are therefore held out, each once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from landcover.core.patch_place import block_of
from landcover.core.raster import BoolArray

__all__ = ["FOLDS", "Groups", "held_out", "places"]

FOLDS: Final = 5
_TILE_AND_CELL: Final = re.compile(r"^(.+)_\d{1,3}_\d{1,3}$")

Groups = npt.NDArray[Any]


def places(ids: Sequence[str]) -> Groups:
    """Return the Sentinel-2 product that each BigEarthNet patch was cut from, ``(patch,)``.

    A product is one tile at one date. Two products differ in the same way as a user's image
    differs from the training data. A patch of one's own data whose name states its place belongs
    to a block of 12 km. A name of another form counts as its own place.
    """
    return np.array([_place(name) for name in ids])


def _place(name: str) -> str:
    match = _TILE_AND_CELL.match(name)
    return match[1] if match else block_of(name) or name


def held_out(groups: Groups, folds: int = FOLDS) -> Iterator[BoolArray]:
    """Yield masks ``(patch,)`` of the patches to hold out, in folds of similar size.

    A fold is made of entire places, and every patch is held out once. Yields nothing if there
    is only one place.

    Args:
        groups: the place of each patch, ``(patch,)``.
        folds: their number; there are fewer if there are fewer places.
    """
    count = min(folds, len(np.unique(groups)))
    if count < 2:
        return
    for _, rows in GroupKFold(count).split(groups, groups=groups):
        mask = np.zeros(len(groups), dtype=bool)
        mask[rows] = True
        yield mask
