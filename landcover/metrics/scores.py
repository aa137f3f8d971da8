"""Metrics of multi-label classification, as pure functions of truth and probability.

``truth`` is always bool ``(patch, class)`` and ``probability`` float in the same shape, 0 to 1.
A metric that is undefined (the average precision of a class without positives) is NaN, never 0.
If the classes exclude each other (``exclusive``), only the most probable class is called, and
the thresholds do not matter.

scikit-learn computes the metrics that it has. This module adds calibration errors, and metrics
of each patch (:func:`per_patch`) whose means equal scikit-learn's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    coverage_error,
    hamming_loss,
    label_ranking_average_precision_score,
    label_ranking_loss,
    precision_recall_curve,
    precision_recall_fscore_support,
)

from landcover.core.classes import CLASS_NAMES
from landcover.core.json_numbers import none_if_nan
from landcover.core.raster import BoolArray

__all__ = [
    "ACCURACY",
    "CLASS_METRICS",
    "ECE_BINS",
    "F2",
    "LOWER_IS_BETTER",
    "METRICS",
    "MIN_POSITIVES",
    "SUMMARY",
    "ClassScores",
    "Counts",
    "Doubles",
    "Floats",
    "adaptive_calibration_error",
    "average_precision",
    "bin_sums",
    "calibration_error",
    "co_occurrence",
    "confusions",
    "counted_classes",
    "curve",
    "decisions",
    "f_score",
    "overall",
    "per_class",
    "per_patch",
    "summary",
]

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

MIN_POSITIVES: Final = 5
"""Least positives of a class in macro metrics: with fewer, one patch would decide its value."""
ECE_BINS: Final = 15
"""Number of bins, as in Guo et al., "On Calibration of Modern Neural Networks", 2017."""
SUMMARY: Final[tuple[str, ...]] = ("macro_ap", "micro_ap", "macro_f1", "micro_f1", "ece")
"""Names of the most important metrics over all classes."""
METRICS: Final[tuple[str, ...]] = (
    *SUMMARY,
    "sample_ap",
    "macro_f2",
    "micro_f2",
    "macro_precision",
    "micro_precision",
    "macro_recall",
    "micro_recall",
    "hamming_loss",
    "one_error",
    "coverage_error",
    "ranking_loss",
    "subset_accuracy",
    "ace",
    "brier",
)
"""Names of all metrics over all classes; :func:`overall` defines them."""
ACCURACY: Final = "accuracy"
"""An additional metric for classes that exclude each other."""
CLASS_METRICS: Final[tuple[str, ...]] = (
    "ap",
    "precision",
    "recall",
    "f1",
    "f2",
    "brier",
    "ece",
    "ace",
)
"""Names of the metrics of one class."""
LOWER_IS_BETTER: Final = frozenset(
    {"ece", "ace", "brier", "hamming_loss", "one_error", "coverage_error", "ranking_loss"}
)
F2: Final = 2.0
"""Beta of F2, which treats recall as twice as important as precision (van Rijsbergen 1979)."""


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """Metrics of one class; NaN where undefined."""

    support: int
    """Number of patches that have the class."""
    ap: float
    """Average precision; NaN without positives."""
    precision: float
    """NaN if the class was never predicted."""
    recall: float
    """NaN without positives."""
    f1: float
    """2·tp / (2·tp + fp + fn); NaN if the class neither occurs nor is predicted."""
    f2: float
    """5·tp / (5·tp + fp + 4·fn); NaN in the same case."""
    brier: float
    """Mean squared difference of the probability and 1 (present) or 0 (absent)."""
    ece: float
    """Expected calibration error of the class's forecasts."""
    ace: float
    """Adaptive calibration error of the class's forecasts."""
    threshold: float


def decisions(
    probability: Floats, thresholds: Sequence[float], *, exclusive: bool = False
) -> BoolArray:
    """Decide which classes are present, bool ``(patch, class)``.

    Args:
        probability: ``(patch, class)``, 0 to 1.
        thresholds: one per class; a class is called if its probability reaches its threshold.
        exclusive: call only the most probable class; the first one if several are equal.
    """
    called: BoolArray
    if exclusive:
        called = np.zeros(probability.shape, dtype=bool)
        called[np.arange(len(called)), probability.argmax(axis=1)] = True
        return called
    called = probability >= np.asarray(thresholds, dtype=np.float64)
    return called


def counted_classes(truth: BoolArray) -> npt.NDArray[np.intp]:
    """Return the indices of the classes in macro metrics, which have five positives or more."""
    return np.flatnonzero(truth.sum(axis=0) >= MIN_POSITIVES)


def average_precision(truth: BoolArray, probability: Floats) -> float:
    """Compute the average precision of one ranking (any shape); NaN without positives."""
    if not truth.any():
        return math.nan
    return float(average_precision_score(truth.ravel(), probability.ravel()))


def confusions(truth: BoolArray, called: BoolArray) -> Counts:
    """Compute a 2 × 2 table per class, int ``(class, 2, 2)``: rows truth, columns called."""
    both = (truth & called).sum(axis=0)
    wrong, missed = called.sum(axis=0) - both, truth.sum(axis=0) - both
    neither = len(truth) - both - wrong - missed
    return np.stack([neither, wrong, missed, both], axis=-1).reshape(-1, 2, 2).astype(np.int64)


def co_occurrence(truth: BoolArray, called: BoolArray) -> Doubles:
    """Compute how often each class is called where a class is present, float ``(class, class)``.

    Row i, column j is the share of the patches with class i in which class j was called. The
    diagonal is recall. A patch has several classes, so rows do not add up to 1, and a high
    value off the diagonal is no error if classes i and j occur together: compare with
    ``co_occurrence(truth, truth)``. Rows of absent classes are NaN.
    """
    support = truth.sum(axis=0).astype(np.float64)
    together: Doubles = truth.T.astype(np.float64) @ called.astype(np.float64)
    return together / np.where(support > 0, support, np.nan)[:, None]


def curve(truth: BoolArray, probability: Floats) -> tuple[Doubles, Doubles, Doubles]:
    """Compute the precision-recall curve of one class.

    Returns:
        Precision, recall and threshold: arrays of the same length, by rising recall. The first
        point is recall 0 at an infinite threshold. Empty without positives.
    """
    if not truth.any():
        empty = np.empty(0)
        return empty, empty, empty
    precision, recall, threshold = precision_recall_curve(truth, probability)
    return precision[::-1], recall[::-1], np.append(threshold, np.inf)[::-1]


def calibration_error(truth: BoolArray, probability: Floats) -> float:
    """Compute the expected calibration error over all classes, 0 to 1.

    Each class of each patch is one yes-or-no forecast. Forecasts are sorted into 15 bins of
    equal width by their probability. The error is the mean over forecasts of the absolute
    difference of their bin's mean probability and its share of positives (Naeini et al. 2015;
    Guo et al. 2017, section 2, with "probability" for their "confidence").
    """
    confidence, hits = bin_sums(truth, probability)
    return float(np.abs(confidence.sum(axis=0) - hits.sum(axis=0)).sum() / max(truth.size, 1))


def bin_sums(truth: BoolArray, probability: Floats) -> tuple[Doubles, Doubles]:
    """Sum probability and truth per patch and bin, ``(patch, ECE_BINS)`` each."""
    bins = np.minimum((probability * ECE_BINS).astype(np.intp), ECE_BINS - 1)
    slots = (np.arange(len(truth))[:, None] * ECE_BINS + bins).ravel()
    shape, size = (len(truth), ECE_BINS), len(truth) * ECE_BINS
    confidence: Doubles = np.bincount(slots, probability.ravel(), size).astype(np.float64)
    hits: Doubles = np.bincount(slots, truth.ravel(), size).astype(np.float64)
    return confidence.reshape(shape), hits.reshape(shape)


def adaptive_calibration_error(truth: BoolArray, probability: Floats) -> float:
    """Compute the calibration error over bins of equal mass, 0 to 1.

    Like :func:`calibration_error`, but forecasts are sorted and cut into 15 parts of the
    same size (Nixon et al., "Measuring Calibration in Deep Learning", 2019), so that no
    bin is nearly empty. Equal probabilities stay together, in the part of the first of them.
    All classes are pooled, as for the expected calibration error; Nixon et al. bin each class
    separately.
    """
    flat, positive = probability.ravel().astype(np.float64), truth.ravel()
    below = np.searchsorted(np.sort(flat), flat, side="left")
    gaps = np.bincount(below * ECE_BINS // max(flat.size, 1), flat - positive, ECE_BINS)
    return float(np.abs(gaps).sum() / max(flat.size, 1))


def per_patch(truth: BoolArray, probability: Floats, called: BoolArray) -> dict[str, Doubles]:
    """Compute the metrics that are means over patches, for each patch: name → ``(patch,)``.

    ``sample_ap``, ``coverage_error`` and ``ranking_loss`` are those of scikit-learn's
    ``label_ranking_average_precision_score``, ``coverage_error`` and
    ``label_ranking_loss``, including ties and patches without a class.
    """
    classes = truth.shape[1]
    support = truth.sum(axis=1).astype(np.float64)
    precisions, wrong_pairs, depth = (np.zeros(len(truth)) for _ in range(3))
    for k in range(classes):
        above = probability >= probability[:, k : k + 1]
        rank, right = above.sum(axis=1), (above & truth).sum(axis=1)
        present = truth[:, k]
        precisions += np.where(present, right / rank, 0.0)
        wrong_pairs += np.where(present, rank - right, 0)
        depth = np.where(present, np.maximum(depth, rank), depth)
    pairs = support * (classes - support)
    best = truth[np.arange(len(truth)), probability.argmax(axis=1)]
    return {
        "sample_ap": np.divide(precisions, support, out=np.ones_like(support), where=support > 0),
        "hamming_loss": (called != truth).mean(axis=1),
        "one_error": 1.0 - best,
        "coverage_error": depth,
        "ranking_loss": np.divide(wrong_pairs, pairs, out=np.zeros_like(pairs), where=pairs > 0),
        "subset_accuracy": (called == truth).all(axis=1).astype(np.float64),
        "brier": ((probability.astype(np.float64) - truth) ** 2).mean(axis=1),
        ACCURACY: best.astype(np.float64),
    }


def f_score(both: Doubles, truth: Doubles, called: Doubles, beta: float = 1.0) -> Doubles:
    """Compute F from counts of true positives, positives and calls; NaN if all three are 0."""
    size = beta**2 * truth + called
    nothing = np.full(size.shape, np.nan)
    share: Doubles = np.divide((1 + beta**2) * both, size, out=nothing, where=size > 0)
    return share


def per_class(
    truth: BoolArray, probability: Floats, thresholds: Sequence[float], *, exclusive: bool = False
) -> tuple[ClassScores, ...]:
    """Compute the metrics of each class, in the order of the class axis."""
    tables = confusions(truth, decisions(probability, thresholds, exclusive=exclusive))
    return tuple(
        _class_scores(table, truth[:, k : k + 1], probability[:, k : k + 1], thresholds[k])
        for k, table in enumerate(tables)
    )


def _class_scores(
    table: Counts, truth: BoolArray, probability: Floats, threshold: float
) -> ClassScores:
    both, called, support = int(table[1, 1]), int(table[:, 1].sum()), int(table[1].sum())
    weighted = called + F2**2 * support
    return ClassScores(
        support=support,
        ap=average_precision(truth, probability),
        precision=both / called if called else math.nan,
        recall=both / support if support else math.nan,
        f1=2 * both / (called + support) if called + support else math.nan,
        f2=(1 + F2**2) * both / weighted if weighted else math.nan,
        brier=float(np.mean((probability.astype(np.float64) - truth) ** 2)),
        ece=calibration_error(truth, probability),
        ace=adaptive_calibration_error(truth, probability),
        threshold=float(threshold),
    )


def overall(
    truth: BoolArray, probability: Floats, thresholds: Sequence[float], *, exclusive: bool = False
) -> dict[str, float]:
    """Compute the metrics named in :data:`METRICS`, and the accuracy of exclusive classes.

    - ``macro_…`` are means over :func:`counted_classes`, NaN if there is none; the
      precision of a class that was never called counts as 0, as in scikit-learn.
    - ``micro_…`` pool all classes.
    - ``sample_ap`` is the mean over patches of the average precision of a patch's ranking
      of classes (label ranking average precision).
    - ``hamming_loss`` is the share of wrong decisions; ``subset_accuracy`` the share of
      patches without a wrong decision; ``one_error`` the share of patches whose most probable
      class is absent.
    - ``coverage_error`` is how many of the most probable classes are needed to include all
      present classes. It is not normalised, as in scikit-learn: its lowest value is the
      mean number of classes per patch.
    - ``ranking_loss`` is the share of wrongly ordered pairs of a present and an absent class,
      0 to 1.
    - ``ece`` and ``ace`` are calibration errors (:func:`calibration_error`,
      :func:`adaptive_calibration_error`); ``brier`` is the mean squared difference of
      probability and truth (Brier 1950), over patches and classes, 0 to 1.

    Args:
        truth: bool ``(patch, class)``, at least one patch and two classes.
        probability: in the same shape, 0 to 1.
        thresholds: one per class.
        exclusive: whether a patch has exactly one of the classes.
    """
    called = decisions(probability, thresholds, exclusive=exclusive)
    counted = counted_classes(truth)
    aps = [average_precision(truth[:, k], probability[:, k]) for k in counted]
    values = {
        "macro_ap": float(np.mean(aps)) if aps else math.nan,
        "micro_ap": average_precision(truth, probability),
        **_decision_metrics(truth[:, counted], called[:, counted], "macro", 0.0),
        **_decision_metrics(truth, called, "micro", math.nan),
        "sample_ap": label_ranking_average_precision_score(truth, probability),
        "hamming_loss": hamming_loss(truth, called),
        "one_error": float(per_patch(truth, probability, called)["one_error"].mean()),
        "coverage_error": coverage_error(truth, probability),
        "ranking_loss": label_ranking_loss(truth, probability),
        "subset_accuracy": accuracy_score(truth, called),
        "ece": calibration_error(truth, probability),
        "ace": adaptive_calibration_error(truth, probability),
        "brier": float(np.mean((probability.astype(np.float64) - truth) ** 2)),
    }
    if exclusive:
        values[ACCURACY] = accuracy_score(truth.argmax(axis=1), probability.argmax(axis=1))
    return {name: float(values[name]) for name in (*METRICS, ACCURACY) if name in values}


def _decision_metrics(
    truth: BoolArray, called: BoolArray, average: str, nothing: float
) -> dict[str, float]:
    """Compute precision, recall, F1 and F2; ``nothing`` replaces a division by 0."""
    if not truth.shape[1]:
        values = [math.nan] * 4
    else:
        rule = {"average": average, "zero_division": nothing}
        precision, recall, f1, _ = precision_recall_fscore_support(truth, called, **rule)
        f2 = precision_recall_fscore_support(truth, called, beta=F2, **rule)[2]
        values = [precision, recall, f1, f2]
    names = ("precision", "recall", "f1", "f2")
    return {f"{average}_{name}": value for name, value in zip(names, values, strict=True)}


def summary(
    truth: BoolArray,
    probability: Floats,
    thresholds: Mapping[str, float],
    classes: Sequence[str] = CLASS_NAMES,
    *,
    exclusive: bool = False,
) -> dict[str, Any]:
    """Compute the metrics of :data:`SUMMARY` as JSON-ready values (None where undefined).

    Args:
        truth: bool ``(patch, class)`` in the order of ``classes``.
        probability: in the same shape, 0 to 1.
        thresholds: class name → threshold.
        classes: names along the class axis.
        exclusive: whether a patch has exactly one of the classes; adds the accuracy.
    """
    values = overall(
        truth, probability, [thresholds[name] for name in classes], exclusive=exclusive
    )
    return {
        **{name: none_if_nan(values[name]) for name in (*SUMMARY, ACCURACY) if name in values},
        "macro_classes": [classes[k] for k in counted_classes(truth)],
    }
