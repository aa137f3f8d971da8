"""Which labels of a data set are probably wrong: confident learning, one class at a time.

A label is suspected if a model that has *not* seen the patch contradicts it clearly. What is clear
is learnt from the data (Northcutt et al. 2021, "Confident Learning"): for each class, the mean
probability of the patches that have it, and of those that have not. The library cleanlab counts the
patches beyond these thresholds, class by class (Thyagarajan et al. 2022 for several labels a
patch), and takes as many of the least probable labels as errors are estimated.

The probabilities must be out of fold: a model that has learnt a wrong label agrees with it. They
come

- from the user (:mod:`landcover.train.given_predictions`), or
- from extra trees on the statistics of bands (:func:`out_of_fold`), which are fitted to the patches
  of four fifths of all blocks of 12 km and asked about the others, five times.

The packaged nets cannot be asked: they were trained on these labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np
from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report, check, ignore
from landcover.core.raster import BoolArray, FloatArray
from landcover.core.text import listed
from landcover.datasets.arrays import Rows
from landcover.datasets.folds import SPLITS
from landcover.datasets.labelled import ALL, Dataset, Record, targets_of
from landcover.datasets.split_distance import blocks, corner_of, proximity
from landcover.metrics.crossfit import held_out
from landcover.train import given_predictions
from landcover.train.recipes.reference_fit import features, new_forest

__all__ = [
    "FOLDS",
    "LEAST",
    "Checked",
    "Evidence",
    "Suspect",
    "by_trees",
    "checked_classes",
    "evidence_of",
    "features_of",
    "find",
    "of_dataset",
    "out_of_fold",
    "records_of",
    "truth",
]

LEAST: Final = 10
"""A class is checked if so many patches have it, and so many have it not: of fewer, nothing can be
said about what is usual."""
FOLDS: Final = 5
_TREES: Final = 100
"""300, as for the baseline, find no more of the labels that are made wrong on purpose."""
_BATCH: Final = 64


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A label that is probably wrong.

    Attributes:
        row: index of the patch.
        label: the class.
        given: whether the data set says that the patch has it.
        probability: of the class, by a model that has not seen the patch.
    """

    row: int
    label: str
    given: bool
    probability: float

    @property
    def confidence(self) -> float:
        """Probability of what the data set says, 0 to 1: the lower, the more suspect."""
        return self.probability if self.given else 1.0 - self.probability

    @property
    def reason(self) -> str:
        """Why it is suspected, in one sentence."""
        return (
            f"{'Labelled' if self.given else 'Not labelled'} {self.label}, but a model that has "
            f"not seen this patch gives it {_percent(self.probability)}."
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What labels are compared with.

    Attributes:
        records: the patches.
        classes: their classes, in the order of the columns.
        labels: what the data set says, bool ``(patch, class)``.
        probability: out of fold, ``(patch, class)``.
        by: where the probabilities are from, for people.
        features: what the trees were fitted to, ``(patch, feature)``; None if the probabilities
            are the user's.
    """

    records: tuple[Record, ...]
    classes: tuple[str, ...]
    labels: BoolArray
    probability: FloatArray
    by: str
    features: FloatArray | None = None

    @property
    def ids(self) -> list[str]:
        """Names of the patches."""
        return [one.patch_id for one in self.records]


@dataclass(frozen=True, kw_only=True, eq=False)
class Checked:
    """Labels of a data set that are probably wrong.

    Attributes:
        records: the patches that were checked.
        classes: the classes that were checked; the others are too rare or too frequent.
        suspects: the labels, the most suspect first.
        by: where the probabilities are from, for people.
    """

    records: tuple[Record, ...]
    classes: tuple[str, ...]
    suspects: tuple[Suspect, ...]
    by: str

    def as_dict(self, most: int | None = None) -> dict[str, Any]:
        """Convert to values that JSON can store, with at most ``most`` labels."""
        return {
            "n": len(self.records),
            "probabilities": self.by,
            "classes": list(self.classes),
            "suspected": len(self.suspects),
            "labels": [
                {
                    "patch_id": self.records[one.row].patch_id,
                    "label": one.label,
                    "given": one.given,
                    "probability": one.probability,
                    "reason": one.reason,
                }
                for one in self.suspects[:most]
            ],
        }


def of_dataset(
    dataset: Dataset,
    splits: Sequence[str] = (),
    predictions: Path | None = None,
    report: Report = ignore,
    cancel: Event | None = None,
) -> Checked:
    """Find the labels of a data set that are probably wrong.

    Args:
        dataset: the data set.
        splits: whose labels are checked; by default training and validation, or everything in a
            data set without splits.
        predictions: see :func:`landcover.train.given_predictions.read`; None to fit trees.
        report: called with the progress.
        cancel: set to stop.

    Raises:
        BadInput: there are too few patches, one cannot be read, or the predictions do not fit.
        Cancelled: ``cancel`` was set.
    """
    return find(evidence_of(dataset, splits, predictions, report, cancel))


def evidence_of(
    dataset: Dataset,
    splits: Sequence[str] = (),
    predictions: Path | None = None,
    report: Report = ignore,
    cancel: Event | None = None,
) -> Evidence:
    """Collect what labels are compared with; arguments and errors as for :func:`of_dataset`."""
    records = records_of(dataset, splits)
    if predictions is None:
        return by_trees(dataset, records, report, cancel)
    found, probability = given_predictions.read(predictions, records, dataset.classes)
    _refuse_few(len(found), " with predictions")
    return Evidence(
        records=found,
        classes=dataset.classes,
        labels=truth(found, dataset.classes),
        probability=probability,
        by="the given predictions, which must be of models that have not seen the patch",
    )


def by_trees(
    dataset: Dataset,
    records: Sequence[Record],
    report: Report = ignore,
    cancel: Event | None = None,
) -> Evidence:
    """Predict patches by trees that have not seen their surroundings.

    Args:
        dataset: the data set.
        records: some of its patches.
        report: called with the progress.
        cancel: set to stop.

    Raises:
        BadInput: a patch cannot be read, or all lie in one block.
        Cancelled: ``cancel`` was set.
    """
    labels = truth(records, dataset.classes)
    found = features_of(dataset, records, report, cancel)
    ids = [one.patch_id for one in records]
    by = (
        "extra trees on the statistics of bands, fitted five times, each time without the blocks "
        "of 12 km that they are then asked about"
    )
    if unknown := sum(corner_of(name) is None for name in ids):
        by += f"; the place of {unknown:,} patches is unknown, so trees may have seen neighbours"
    return Evidence(
        records=tuple(records),
        classes=dataset.classes,
        labels=labels,
        probability=out_of_fold(found, labels, ids, report, cancel),
        by=by,
        features=found,
    )


def records_of(dataset: Dataset, splits: Sequence[str] = ()) -> tuple[Record, ...]:
    """Return the patches of some splits whose labels are checked, at most as many as allowed.

    Of a larger number, an even selection is taken.

    Args:
        dataset: the data set.
        splits: by default training and validation, or everything in a data set without splits.

    Raises:
        BadInput: there are too few.
    """
    wanted = splits or [split for split in SPLITS if split in dataset.splits] or [ALL]
    found = [one for one in dataset.records() if ALL in wanted or one.split in wanted]
    _refuse_few(len(found), "" if ALL in wanted else f" of the splits {listed(wanted)}")
    most = limits.current().checked_patches
    if len(found) > most:
        found = [found[k] for k in np.linspace(0, len(found) - 1, most).astype(int).tolist()]
    return tuple(found)


def _refuse_few(count: int, which: str) -> None:
    if count < 2 * LEAST:
        raise BadInput(
            f"Labels are compared with those of other patches, and there are {count}{which}: give "
            f"at least {2 * LEAST}."
        )


def _percent(share: float) -> str:
    """Such as ``12.3%``; never exactly none or all."""
    if share < 0.001:
        return "less than 0.1%"
    return "more than 99.9%" if share > 0.999 else f"{share:.1%}"


def truth(records: Sequence[Record], classes: Sequence[str]) -> BoolArray:
    """Return which labels patches have, bool ``(patch, class)``."""
    found: BoolArray = targets_of(records, classes).numpy() > 0
    return found


def features_of(
    dataset: Dataset,
    records: Sequence[Record],
    report: Report = ignore,
    cancel: Event | None = None,
) -> FloatArray:
    """Read patches and compute the statistics of their bands, float32 ``(patch, feature)``.

    Args:
        dataset: the data set.
        records: some of its patches.
        report: called with the number of patches read.
        cancel: set to stop.

    Raises:
        BadInput: a patch cannot be read.
        Cancelled: ``cancel`` was set.
    """
    parts: list[FloatArray] = []
    done = 0
    for batch, store in dataset.iter_batches(records, _BATCH):
        check(cancel)
        parts.append(features(store))
        done += len(batch)
        report(Progress(what="Reading", done=done, total=len(records), unit="patches"))
    return np.concatenate(parts)


def out_of_fold(
    found: FloatArray,
    labels: BoolArray,
    ids: Sequence[str],
    report: Report = ignore,
    cancel: Event | None = None,
) -> FloatArray:
    """Predict each patch by trees that were fitted to patches of other blocks of 12 km.

    Args:
        found: features of the patches, ``(patch, feature)``.
        labels: bool ``(patch, class)``.
        ids: names of the patches, which contain their places; a patch without a place is a block
            of its own.
        report: called after each fit.
        cancel: set to stop.

    Returns:
        Probabilities, ``(patch, class)``.

    Raises:
        BadInput: all patches lie in one block.
        Cancelled: ``cancel`` was set.
    """
    probability = np.full(labels.shape, np.nan, dtype=np.float32)
    for number, (fitted, asked) in enumerate(_folds(ids), start=1):
        check(cancel)
        forest = new_forest(trees=_TREES).fit(found[fitted], labels[fitted].astype(np.float32))
        answers = forest.predict(found[asked]).reshape(-1, labels.shape[1])
        probability[asked] = answers.clip(0, 1)
        report(Progress(what="Fitting", done=number, total=FOLDS, unit="folds"))
    if np.isnan(probability).any():
        raise BadInput(
            "All patches lie within 12 km of each other, so none can be left out with its "
            "surroundings: give patches of more places."
        )
    return probability


def find(evidence: Evidence) -> Checked:
    """Find the labels that are probably wrong."""
    usable = checked_classes(evidence.labels)
    return Checked(
        records=evidence.records,
        classes=tuple(evidence.classes[k] for k in usable.tolist()),
        suspects=_suspects(evidence, usable) if len(usable) else (),
        by=evidence.by,
    )


def checked_classes(labels: BoolArray) -> Rows:
    """Return the indices of the classes that are checked, of labels ``(patch, class)``."""
    count = labels.sum(axis=0)
    return np.flatnonzero((count >= LEAST) & (len(labels) - count >= LEAST))


def _suspects(evidence: Evidence, usable: Rows) -> tuple[Suspect, ...]:
    labels, probability = evidence.labels, evidence.probability
    issues, _, _ = find_multilabel_issues_per_class(
        labels=[np.flatnonzero(row).tolist() for row in labels[:, usable]],
        # Probabilities of exactly 0 and 1 would leave nothing to rank.
        pred_probs=probability[:, usable].astype(np.float64).clip(1e-6, 1 - 1e-6),
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    found = [
        Suspect(
            row=int(row),
            label=evidence.classes[column],
            given=bool(labels[row, column]),
            probability=float(probability[row, column]),
        )
        for column, rows in zip(usable.tolist(), issues, strict=True)
        for row in rows
    ]
    return tuple(sorted(found, key=lambda one: (one.confidence, one.row, one.label)))


def _folds(ids: Sequence[str]) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Yield which patches to fit to, and which to ask about; none shows the ground of another."""
    names = np.array(ids, dtype=object)
    for asked in held_out(blocks(ids), FOLDS):
        others = np.flatnonzero(~asked)
        same = proximity(names[others].tolist(), names[asked].tolist()).overlapping
        fitted = ~asked
        fitted[others[same]] = False
        if fitted.any():
            yield fitted, asked
