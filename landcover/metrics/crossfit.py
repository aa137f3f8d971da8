"""Judging what is chosen on validation by places that it was not chosen on.

Patches of one place are alike: weather, season, processing and land are the same. A random
split of them would let every choice be judged on near copies of what it was made on, and
everything would look useful. So whole places are held out, each once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from landcover.core.raster import BoolArray

__all__ = ["FOLDS", "Groups", "held_out", "places"]

FOLDS: Final = 5
_TILE_AND_CELL: Final = re.compile(r"^(.+)_\d{1,3}_\d{1,3}$")

Groups = npt.NDArray[Any]


def places(ids: Sequence[str]) -> Groups:
    """The Sentinel-2 product that each BigEarthNet patch was cut from, as text ``(patch,)``.

    A product is one tile at one date: what differs between two of them is what differs
    between a user's picture and ours. A name of another form is a place of its own.
    """
    found = (_TILE_AND_CELL.match(name) for name in ids)
    return np.array([m[1] if m else name for m, name in zip(found, ids, strict=True)])


def held_out(groups: Groups) -> Iterator[BoolArray]:
    """Masks ``(patch,)`` of the patches to hold out, place by place, about equally many.

    Every patch is held out once. There is no mask where there is only one place.
    """
    count = min(FOLDS, len(np.unique(groups)))
    if count < 2:
        return
    for _, rows in GroupKFold(count).split(groups, groups=groups):
        mask = np.zeros(len(groups), dtype=bool)
        mask[rows] = True
        yield mask
