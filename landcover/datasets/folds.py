"""Folds by place: every country, or every Sentinel-2 product, is left out once.

A split of one country's patches says little about another country, and a product (one tile on
one date) shares weather, season and processing. So a model is fitted to all other places and
scored on the one that it has never seen, until every labelled patch has been scored once.

- Patches of the test split never enter: :func:`pool` leaves them out, and :func:`folds` refuses
  them.
- A patch that is in several folders counts once.
- A patch that shows or touches the ground of a left-out patch, on whatever date, is left out of
  that fit, too. It is scored in its own fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, Literal, get_args

import numpy as np

from landcover.core.errors import BadInput
from landcover.core.progress import Report
from landcover.datasets.arrays import NativeStore, join
from landcover.datasets.bigearthnet import place_of
from landcover.datasets.labelled import Dataset, Record
from landcover.datasets.split_distance import proximity
from landcover.io.guard import shown
from landcover.metrics.crossfit import Groups, held_out, places

__all__ = ["BY", "SPLITS", "By", "Fold", "Pool", "folds", "groups_of", "pool"]

By = Literal["country", "product"]
BY: Final[tuple[By, ...]] = get_args(By)
"""What is left out at a time."""
SPLITS: Final = ("train", "validation")
"""The splits whose patches are fitted to and scored."""


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One fit, and the patches on which it is scored.

    Attributes:
        name: the country or product, or how many of them.
        held_out: indices of the patches to score, in rising order.
        fitted: indices of the patches to fit to, in rising order.
        near: number of other patches, which are left out because they show or touch the ground
            of a held-out patch.
    """

    name: str
    held_out: tuple[int, ...]
    fitted: tuple[int, ...]
    near: int = 0


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The training and validation patches of one or several folders, each patch once.

    Attributes:
        datasets: the folders.
        kept: the records of each folder that are not in an earlier one.
    """

    datasets: tuple[Dataset, ...]
    kept: tuple[tuple[Record, ...], ...]

    @property
    def records(self) -> tuple[Record, ...]:
        """The records, in the order of :meth:`load`."""
        return tuple(record for each in self.kept for record in each)

    @property
    def name(self) -> str:
        """The name in reports."""
        return " + ".join(dict.fromkeys(dataset.name for dataset in self.datasets))

    def load(self, progress: Report | None = None) -> NativeStore:
        """Read all patches into memory (158 kB per patch), except those of a fast store.

        A single fast store stays on the disk. If there are several folders, all are read.

        Args:
            progress: called with the number of patches read of each folder.

        Raises:
            BadInput: a patch cannot be read.
        """
        parts = []
        for dataset, kept in zip(self.datasets, self.kept, strict=True):
            if kept:
                store = dataset.load(_labelled_splits(dataset), progress)
                row = {name: index for index, name in enumerate(store.ids)}
                parts.append(store.subset([row[record.patch_id] for record in kept]))
        return reduce(join, parts)


def pool(datasets: Sequence[Dataset]) -> Pool:
    """Collect the training and validation patches of folders; the test split is left out.

    Raises:
        BadInput: there are none, or two folders have a patch with other labels, another country
            or another split.
    """
    known: dict[str, Record] = {}
    kept: list[tuple[Record, ...]] = []
    for dataset in datasets:
        new = []
        for record in dataset.all_records:
            earlier = known.setdefault(record.patch_id, record)
            if _facts(earlier) != _facts(record):
                raise BadInput(
                    f"Two of the folders say different things of {shown(record.patch_id)}: give "
                    "folders with the same labels, countries and splits."
                )
            clear = not (record.cloudy or record.snowy)
            if earlier is record and clear and record.split in SPLITS:
                new.append(record)
        kept.append(tuple(new))
    if not any(kept):
        raise BadInput(
            "The folders have no patch of the training or validation split: folds by place are "
            "made of these."
        )
    return Pool(datasets=tuple(datasets), kept=tuple(kept))


def groups_of(records: Sequence[Record], by: By) -> Groups:
    """Return the country or product of each patch, ``(patch,)``.

    Raises:
        BadInput: it is not known.
    """
    if by == "product":
        return places([record.patch_id for record in records])
    unknown = next((record for record in records if not record.country), None)
    if unknown is not None:
        raise BadInput(
            f"The country of {shown(unknown.patch_id)} is not known: give BigEarthNet version 2, "
            "whose tables name it."
        )
    return np.array([record.country for record in records])


def folds(records: Sequence[Record], by: By, count: int | None = None) -> tuple[Fold, ...]:
    """Make one fold a country or product, or ``count`` folds of several.

    Args:
        records: training and validation patches, each once.
        by: what is never divided between fit and score.
        count: number of folds, which then have similar numbers of patches; None for one a place.

    Raises:
        BadInput: a patch is of the test split or occurs twice, its place is not known, there is
            one place only, there are fewer places than folds, or nothing is left to fit to.
    """
    _refuse(records)
    groups = groups_of(records, by)
    found = np.unique(groups)
    if len(found) < 2:
        raise BadInput(f"All patches are of one {by}: give patches of at least two.")
    if count is not None and not 2 <= count <= len(found):
        raise BadInput(
            f"{count} folds cannot be made of {len(found)} {_plural(by)}: choose 2 to {len(found)}."
        )
    masks = (groups == one for one in found) if count is None else held_out(groups, count)
    ids = np.array([record.patch_id for record in records], dtype=object)
    made = []
    for mask in masks:
        inside = np.unique(groups[mask])
        others = np.flatnonzero(~mask)
        close = proximity(ids[others].tolist(), ids[mask].tolist()).touching
        if close.all():
            raise BadInput(
                f"All other patches touch those of {shown(str(inside[0]))}, so that nothing is "
                "left to fit to: give patches of more places."
            )
        made.append(
            Fold(
                name=str(inside[0]) if len(inside) == 1 else f"{len(inside)} {_plural(by)}",
                held_out=tuple(np.flatnonzero(mask).tolist()),
                fitted=tuple(others[~close].tolist()),
                near=int(close.sum()),
            )
        )
    return tuple(made)


def _refuse(records: Sequence[Record]) -> None:
    """Check that folds may be made of these patches.

    Raises:
        BadInput: they may not.
    """
    seen: set[str] = set()
    for record in records:
        name = shown(record.patch_id)
        if record.split not in SPLITS:
            raise BadInput(
                f"{name} is of the split '{record.split}': folds by place are made of training "
                "and validation patches only, so that the test split stays unread."
            )
        if place_of(record.patch_id) is None:
            raise BadInput(
                f"The name {name} does not say where the patch is: give BigEarthNet version 2, "
                "whose names do."
            )
        if record.patch_id in seen:
            raise BadInput(f"{name} occurs twice: give each patch once.")
        seen.add(record.patch_id)


def _labelled_splits(dataset: Dataset) -> list[str]:
    return [split for split in SPLITS if split in dataset.splits]


def _facts(record: Record) -> tuple[object, ...]:
    return record.labels, record.split, record.country, record.cloudy, record.snowy


def _plural(by: By) -> str:
    return {"country": "countries", "product": "products"}[by]
