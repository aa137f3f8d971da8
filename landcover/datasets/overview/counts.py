"""Numbers of patches by label combination, split, country, day and place.

Every figure of an overview is a sum over this one table, whether it comes from the labels of all of
BigEarthNet, which ship with the program, or from a folder. So a figure can be asked for any part:
of a country, a season, or the patches that have some classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from landcover.core.raster import BoolArray
from landcover.datasets.labelled import SPLITS
from landcover.datasets.patch_names import product_and_cell, season
from landcover.datasets.split_distance import tile_block
from landcover.io.names import time_in

__all__ = ["AXES", "SEASONS", "UNKNOWN", "Axis", "Counts", "Entry", "Integers", "count"]

Integers = npt.NDArray[np.int64]
AXES: Final = ("split", "country", "day", "place")
"""What a table is split by, besides the label combination."""
SEASONS: Final = ("spring", "summer", "autumn", "winter")
UNKNOWN: Final = ""
"""Name of a value that is not known, such as the day of a patch whose name has no date."""


class Entry(NamedTuple):
    """One patch of a data set's tables."""

    patch_id: str
    labels: Collection[str]
    split: str
    country: str


@dataclass(frozen=True, eq=False)
class Axis:
    """One way to split a table.

    Attributes:
        names: the values, sorted.
        codes: index in ``names`` of each row of the table.
    """

    names: tuple[str, ...]
    codes: Integers


@dataclass(frozen=True, kw_only=True, eq=False)
class Counts:
    """A table whose rows are numbers of patches.

    Attributes:
        title: the data set's name for people.
        classes: names of the classes, in order.
        combinations: bool ``(combination, class)``, each combination of classes once.
        combination: index of each row's combination.
        patches: number of patches of each row.
        axes: the values of each row for :data:`AXES`: split, country, day as ``YYYYMMDD``, and
            place as ``TILE_COLUMN_ROW``, a block of 12 km of a Sentinel-2 tile.
    """

    title: str
    classes: tuple[str, ...]
    combinations: BoolArray
    combination: Integers
    patches: Integers
    axes: Mapping[str, Axis]

    @property
    def n(self) -> int:
        """Number of patches."""
        return int(self.patches.sum())

    def axis(self, name: str) -> Axis:
        """Return an axis by name: one of :data:`AXES`, or ``month``, ``season`` or ``tile``."""
        if name in self.axes:
            return self.axes[name]
        source, of = _DERIVED[name]
        finer = self.axes[source]
        names = tuple(sorted({of(one) for one in finer.names}))
        into = np.array([names.index(of(one)) for one in finer.names], dtype=np.int64)
        return Axis(names, into[finer.codes])

    def totals(self, axis: str) -> dict[str, int]:
        """Return the number of patches of each value of an axis that has some.

        Splits and seasons are in their usual order, other values in that of the alphabet.
        """
        one = self.axis(axis)
        found = np.bincount(one.codes, self.patches, len(one.names))
        order = _ORDER.get(axis, ())
        numbers = {name: int(n) for name, n in zip(one.names, found, strict=True) if n}
        return {name: numbers[name] for name in (*order, *numbers) if name in numbers}

    def by_class(self, axis: str) -> dict[str, Integers]:
        """Return the number of patches with each class ``(class,)``, for each value of an axis."""
        one = self.axis(axis)
        table = np.stack(
            [
                np.bincount(one.codes[with_it], self.patches[with_it], len(one.names))
                for with_it in self.combinations[self.combination].T
            ]
        ).astype(np.int64)
        return {name: table[:, one.names.index(name)] for name in self.totals(axis)}

    def of_combinations(self) -> Integers:
        """Return the number of patches with exactly each combination, ``(combination,)``."""
        found = np.bincount(self.combination, self.patches, len(self.combinations))
        return found.astype(np.int64)

    def where(self, axis: str, value: str) -> Counts:
        """Return the part with one value of an axis."""
        one = self.axis(axis)
        wanted = one.names.index(value) if value in one.names else -1
        return self._part(one.codes == wanted)

    def with_classes(self, wanted: Collection[str], *, exactly: bool = False) -> Counts:
        """Return the part whose patches have all of some classes, and no other if ``exactly``."""
        mark: BoolArray = np.array([name in wanted for name in self.classes], dtype=bool)
        fits: BoolArray = np.asarray(self.combinations[:, mark].all(axis=1))
        if exactly:
            fits &= ~self.combinations[:, ~mark].any(axis=1)
        return self._part(fits[self.combination])

    def _part(self, rows: BoolArray) -> Counts:
        axes = {name: Axis(one.names, one.codes[rows]) for name, one in self.axes.items()}
        return replace(
            self, combination=self.combination[rows], patches=self.patches[rows], axes=axes
        )


def count(title: str, classes: Iterable[str], entries: Iterable[Entry]) -> Counts:
    """Count the patches of a data set.

    Args:
        title: the data set's name for people.
        classes: names of the classes, in order.
        entries: the patches; labels that are not among the classes are ignored.
    """
    columns = {name: k for k, name in enumerate(classes)}
    rows: Counter[tuple[tuple[int, ...], str, str, str, str]] = Counter()
    for entry in entries:
        present = tuple(sorted(columns[label] for label in entry.labels if label in columns))
        day = _day(product_and_cell(entry.patch_id)[0])
        rows[present, entry.split, entry.country, day, tile_block(entry.patch_id) or UNKNOWN] += 1
    known = sorted(rows)
    combinations = sorted({row[0] for row in known})
    marks = np.zeros((len(combinations), len(columns)), dtype=bool)
    for number, present in enumerate(combinations):
        marks[number, list(present)] = True
    return Counts(
        title=title,
        classes=tuple(columns),
        combinations=marks,
        combination=_codes([row[0] for row in known], combinations),
        patches=np.array([rows[row] for row in known], dtype=np.int64),
        axes={name: _axis([row[1 + k] for row in known]) for k, name in enumerate(AXES)},
    )


def _axis(values: list[Any]) -> Axis:
    names = tuple(sorted(set(values)))
    return Axis(names, _codes(values, names))


def _codes(values: list[Any], names: Iterable[Any]) -> Integers:
    number = {name: k for k, name in enumerate(names)}
    return np.array([number[value] for value in values], dtype=np.int64)


@lru_cache(maxsize=10_000)
def _day(product: str) -> str:
    """The day in the name of a product, which its patches share."""
    taken = time_in(product)
    return UNKNOWN if taken is None else f"{taken:%Y%m%d}"


def _month(day: str) -> str:
    return day[4:6]


def _season(day: str) -> str:
    return season(int(day[4:6])) if day else UNKNOWN


def _tile(place: str) -> str:
    return place.partition("_")[0]


_ORDER: Final = {"split": SPLITS, "season": SEASONS}
_DERIVED: Final = {"month": ("day", _month), "season": ("day", _season), "tile": ("place", _tile)}
