"""How well label errors are found: labels are made wrong on purpose, and then looked for.

Two kinds are made. *Random* errors turn single labels around, whichever they are; almost all of
them add a class to a patch, because most patches lack most classes. *Similar* errors put a class of
the same theme in the place of one that the patch has, such as mixed forest for coniferous forest,
which is closer to what people do.

Labels that were wrong before are not known and count as false alarms, so the true precision is
higher than the measured one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from landcover.core.classes import cover_of
from landcover.core.errors import BadInput
from landcover.core.progress import Report, ignore
from landcover.core.raster import BoolArray
from landcover.metrics.intervals import wilson
from landcover.train.label_errors import Evidence, checked_classes, find, out_of_fold

__all__ = ["KINDS", "Planted", "plant"]

KINDS: Final = ("random", "similar")
FIRST: Final = 100
_TITLES: Final = {
    "random": "turned around at random",
    "similar": "made wrong by exchanging classes of the same theme",
}


@dataclass(frozen=True, kw_only=True)
class Planted:
    """How many wrong labels are found of those that were made wrong on purpose.

    Attributes:
        kind: one of :data:`KINDS`.
        labels: number of labels that were checked: patches times classes.
        changed: number of them that were made wrong.
        suspected: number of labels that are then suspected.
        found: number of the changed labels among the suspected ones.
        first: number of the most suspect labels that :attr:`found_of_first` is about.
        found_of_first: number of the changed labels among these.
    """

    kind: str
    labels: int
    changed: int
    suspected: int
    found: int
    first: int
    found_of_first: int

    def as_dict(self) -> dict[str, Any]:
        """Convert to values that JSON can store, with Wilson's 95 % intervals over labels."""
        return {
            "kind": self.kind,
            "labels": self.labels,
            "changed": self.changed,
            "suspected": _share(self.found, self.suspected, self.changed),
            "first": _share(self.found_of_first, self.first, self.changed),
        }

    @property
    def sentence(self) -> str:
        """The same in words."""
        first, every = (self.found_of_first, self.first), (self.found, self.changed)
        return (
            f"Of {self.labels:,} labels, {self.changed} were {_TITLES[self.kind]}. "
            f"{first[0]} of the {first[1]} most suspect are such labels (precision "
            f"{_with_span(*first)}, by chance {self.changed / self.labels:.2f}). {every[0]} of the "
            f"{every[1]} are among all {self.suspected} suspected (recall {_with_span(*every)})."
        )


def plant(evidence: Evidence, kind: str, share: float, report: Report = ignore) -> Planted:
    """Make labels wrong, look for errors, and count how many of them are found.

    Args:
        evidence: whose probabilities are by trees: they are fitted again to the wrong labels.
        kind: one of :data:`KINDS`.
        share: of the labels to change, 0 to 0.5; a label says that a patch has a class, or has not.
        report: called after each fit.

    Raises:
        BadInput: the share is not in that range, no class is frequent enough to be checked, or
            the probabilities are not by trees.
    """
    if not 0 < share < 0.5:
        raise BadInput(f"A share of labels to make wrong is between 0 and 0.5, not {share}.")
    if evidence.features is None:
        raise BadInput("Wrong labels are looked for by trees: leave the predictions out.")
    usable = checked_classes(evidence.labels)
    if not len(usable):
        raise BadInput("No class is frequent enough to be checked: give more patches.")
    random = np.random.default_rng(0)
    classes = tuple(evidence.classes[k] for k in usable.tolist())
    right: BoolArray = evidence.labels[:, usable]
    wrong = _MADE[kind](right, classes, share, random)
    probability = out_of_fold(evidence.features, wrong, evidence.ids, report)
    suspects = find(replace(evidence, classes=classes, labels=wrong, probability=probability))
    hits = [
        bool(wrong[one.row, column] != right[one.row, column])
        for one in suspects.suspects
        for column in (classes.index(one.label),)
    ]
    return Planted(
        kind=kind,
        labels=right.size,
        changed=int((wrong != right).sum()),
        suspected=len(hits),
        found=sum(hits),
        first=min(FIRST, len(hits)),
        found_of_first=sum(hits[:FIRST]),
    )


def _random(
    right: BoolArray, _classes: tuple[str, ...], share: float, random: np.random.Generator
) -> BoolArray:
    wrong: BoolArray = right ^ (random.random(right.shape) < share)
    return wrong


def _similar(
    right: BoolArray, classes: tuple[str, ...], share: float, random: np.random.Generator
) -> BoolArray:
    """Exchange labels that patches have; each exchange makes two labels wrong."""
    themes = np.array([cover_of(name).theme for name in classes])
    wrong = right.copy()
    rows, columns = np.nonzero(right)
    wanted = round(share * right.size / 2)
    for at in random.permutation(len(rows)):
        row, column = rows[at], columns[at]
        others = np.flatnonzero((themes == themes[column]) & ~right[row] & ~wrong[row])
        if wanted and len(others):
            wrong[row, column], wrong[row, random.choice(others)] = False, True
            wanted -= 1
    return wrong


_Make = Callable[[BoolArray, tuple[str, ...], float, np.random.Generator], BoolArray]
_MADE: Final[dict[str, _Make]] = {"random": _random, "similar": _similar}


def _share(hits: int, count: int, changed: int) -> dict[str, Any]:
    """Precision and recall of a number of suspected labels."""
    return {
        "count": count,
        "found": hits,
        "precision": hits / count if count else None,
        "precision_interval": list(wilson(hits, count)),
        "recall": hits / changed if changed else None,
        "recall_interval": list(wilson(hits, changed)),
    }


def _with_span(hits: int, count: int) -> str:
    low, high = wilson(hits, count)
    return f"{hits / max(count, 1):.2f} [{low:.2f}, {high:.2f}]"
