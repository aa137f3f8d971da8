"""Splits by place for patches that have none: whole blocks of ground, never single patches.

Neighbouring patches are similar, so a split at random would test a model on near copies of its
training patches. Blocks of ground are shared out instead: 60 % of the patches to train on, 20 %
each to validate with and to test, so that every class is in each split as far as the blocks allow.
Training patches that touch a patch of another split are left out, and so are validation patches
that touch a test patch.

The largest blocks with which this works are taken: they keep what a model is tested on farthest
from what it was trained on.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from landcover.core.bands import PATCH_M
from landcover.core.errors import BadInput
from landcover.core.patch_place import BLOCK_M, block_of
from landcover.datasets.labelled import ALL, SPLITS
from landcover.datasets.split_distance import proximity

__all__ = ["BETWEEN", "SHARES", "SIDES_M", "PlaceSplit", "split_by_place"]

SHARES: Final = {"train": 0.6, "validation": 0.2, "test": 0.2}
SIDES_M: Final = (10 * BLOCK_M, 4 * BLOCK_M, BLOCK_M, BLOCK_M // 2, 2 * PATCH_M, PATCH_M)
"""Sides of blocks that are tried, in metres, the largest first."""
BETWEEN: Final = ALL
"""Split of the patches that are left out because they touch another split."""
_LEAST: Final = {"train": 0.35, "validation": 0.1, "test": 0.1}
"""Least share of the patches that each split must get for blocks of a size to do."""


@dataclass(frozen=True, kw_only=True)
class PlaceSplit:
    """The split of each patch, and the side of the blocks in metres."""

    splits: tuple[str, ...]
    side_m: int

    @property
    def left_out(self) -> int:
        """Number of patches in no split."""
        return sum(split == BETWEEN for split in self.splits)


def split_by_place(names: Sequence[str], labels: Sequence[frozenset[str]]) -> PlaceSplit:
    """Share patches out to the three splits by blocks of ground.

    Args:
        names: of the patches, with their places (:mod:`landcover.core.patch_place`).
        labels: of each patch.

    Raises:
        BadInput: they lie too close together for three splits.
    """
    usable: list[PlaceSplit] = []
    for side in SIDES_M:
        shared = _shared_out(names, labels, side)
        found = PlaceSplit(splits=_apart(names, shared), side_m=side)
        counts = {split: found.splits.count(split) / len(names) for split in SPLITS}
        if all(counts[split] >= least for split, least in _LEAST.items()):
            return found
        if all(counts.values()):
            usable.append(found)
    if not usable:
        raise BadInput(
            "These patches lie too close together to be split by place: give patches of at least "
            "three places that do not touch, or a column 'split' in the table of labels."
        )
    return min(usable, key=lambda found: found.left_out)


def _shared_out(
    names: Sequence[str], labels: Sequence[frozenset[str]], side: int
) -> npt.NDArray[np.str_]:
    """Give each block to the split that lacks most of what is in it."""
    blocks: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        blocks[str(block_of(name, side))].append(row)
    column = {name: k for k, name in enumerate(sorted(set().union(*labels)), start=1)}
    counts = {block: _counts(labels, rows, column) for block, rows in blocks.items()}
    total = np.sum(list(counts.values()), axis=0)
    missing = {split: share * total for split, share in SHARES.items()}
    splits = np.empty(len(names), dtype=f"U{max(map(len, SPLITS))}")
    order = sorted(blocks, key=lambda block: (-len(blocks[block]), _digest(block)))
    for block in order:
        # A class counts the more the rarer it is; the first column is that of all patches.
        worth = counts[block] / total
        best = max(SPLITS, key=lambda s: float((worth * missing[s] / (SHARES[s] * total)).sum()))
        splits[blocks[block]] = best
        missing[best] = missing[best] - counts[block]
    return splits


def _counts(
    labels: Sequence[frozenset[str]], rows: Sequence[int], column: dict[str, int]
) -> npt.NDArray[np.float64]:
    found = np.zeros(1 + len(column))
    found[0] = len(rows)
    for row in rows:
        for label in labels[row]:
            found[column[label]] += 1
    return found


def _apart(names: Sequence[str], splits: npt.NDArray[np.str_]) -> tuple[str, ...]:
    """Leave out training patches near the other splits, and validation patches near the test."""
    kept = splits.astype(f"U{max(len(BETWEEN), splits.dtype.itemsize // 4)}")
    for earlier, later in (("train", ("validation", "test")), ("validation", ("test",))):
        own = np.flatnonzero(splits == earlier).tolist()
        others = [names[row] for row in np.flatnonzero(np.isin(splits, later)).tolist()]
        if own and others:
            near = proximity([names[row] for row in own], others).touching
            kept[np.array(own)[near]] = BETWEEN
    return tuple(map(str, kept))


def _digest(block: str) -> str:
    """A fixed order of blocks that does not follow the map."""
    return hashlib.sha256(block.encode()).hexdigest()
