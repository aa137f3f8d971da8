"""Figures for several labels a patch, as pure functions of truth and probability.

Everywhere ``truth`` is bool ``(patch, class)`` and ``probability`` float in the same shape,
0 to 1. A figure that the data cannot give (the average precision of a class without
positives) is NaN, never 0. Where the classes exclude each other (``exclusive``), the most
probable one is called, whatever the thresholds.

scikit-learn computes the figures that it has. What it lacks is here: calibration errors,
and figures patch by patch (:func:`per_patch`), whose means are scikit-learn's.
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
    "none_if_nan",
    "overall",
    "per_class",
    "per_patch",
    "summary",
]

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

MIN_POSITIVES: Final = 5
"""Positives from which a class counts in macro figures: below, one patch decides its figure."""
ECE_BINS: Final = 15
"""Bins of forecasts: the number of Guo et al., "On Calibration of Modern Neural Networks"."""
SUMMARY: Final[tuple[str, ...]] = ("macro_ap", "micro_ap", "macro_f1", "micro_f1", "ece")
"""Names of the figures over all classes that come first."""
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
"""Names of all figures over all classes; :func:`overall` says what each is."""
ACCURACY: Final = "accuracy"
"""One figure more where the classes exclude each other."""
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
"""Names of the figures of one class."""
LOWER_IS_BETTER: Final = frozenset(
    {"ece", "ace", "brier", "hamming_loss", "one_error", "coverage_error", "ranking_loss"}
)
F2: Final = 2.0
"""Beta of F2, which holds recall for twice as important as precision (van Rijsbergen 1979)."""


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """What one class's 2 × 2 table and ranking say; NaN where undefined."""

    support: int
    """Patches that have the class."""
    ap: float
    """Average precision; NaN without positives."""
    precision: float
    """NaN where the class was never predicted."""
    recall: float
    """NaN without positives."""
    f1: float
    """2·tp / (2·tp + fp + fn); NaN where the class neither occurs nor is predicted."""
    f2: float
    """5·tp / (5·tp + fp + 4·fn), likewise."""
    brier: float
    """Mean squared distance of the probability from 1 (there) or 0 (not there)."""
    ece: float
    """Expected calibration error of the class's forecasts."""
    ace: float
    """Adaptive calibration error of the class's forecasts."""
    threshold: float


def decisions(
    probability: Floats, thresholds: Sequence[float], *, exclusive: bool = False
) -> BoolArray:
    """Which classes are called present, bool ``(patch, class)``.

    Args:
        probability: ``(patch, class)``.
        thresholds: one a class; a class is called that reaches its own.
        exclusive: call the most probable class alone, of equally probable ones the first.
    """
    called: BoolArray
    if exclusive:
        called = np.zeros(probability.shape, dtype=bool)
        called[np.arange(len(called)), probability.argmax(axis=1)] = True
        return called
    called = probability >= np.asarray(thresholds, dtype=np.float64)
    return called


def counted_classes(truth: BoolArray) -> npt.NDArray[np.intp]:
    """Indices of the classes that count in macro figures: at least five positives."""
    return np.flatnonzero(truth.sum(axis=0) >= MIN_POSITIVES)


def average_precision(truth: BoolArray, probability: Floats) -> float:
    """Average precision of one ranking (any shape, flattened); NaN without positives."""
    if not truth.any():
        return math.nan
    return float(average_precision_score(truth.ravel(), probability.ravel()))


def confusions(truth: BoolArray, called: BoolArray) -> Counts:
    """A 2 × 2 table a class, int ``(class, 2, 2)``: rows truth no/yes, columns called no/yes."""
    both = (truth & called).sum(axis=0)
    wrong, missed = called.sum(axis=0) - both, truth.sum(axis=0) - both
    neither = len(truth) - both - wrong - missed
    return np.stack([neither, wrong, missed, both], axis=-1).reshape(-1, 2, 2).astype(np.int64)


def co_occurrence(truth: BoolArray, called: BoolArray) -> Doubles:
    """What is called present where a class truly is, float ``(class, class)``.

    Row i, column j: the share of the patches that truly have class i in which class j was
    called present. The diagonal is recall. A patch has several classes, so rows do not
    add up to 1, and a high value off the diagonal is no error where i and j lie side by
    side: compare with ``co_occurrence(truth, truth)``. Rows of absent classes are NaN.
    """
    support = truth.sum(axis=0).astype(np.float64)
    together: Doubles = truth.T.astype(np.float64) @ called.astype(np.float64)
    return together / np.where(support > 0, support, np.nan)[:, None]


def curve(truth: BoolArray, probability: Floats) -> tuple[Doubles, Doubles, Doubles]:
    """Precision, recall and threshold of each point of one class's precision-recall curve.

    Arrays of one length, in order of rising recall; the first point is recall 0 at an
    infinite threshold. Empty without positives.
    """
    if not truth.any():
        empty = np.empty(0)
        return empty, empty, empty
    precision, recall, threshold = precision_recall_curve(truth, probability)
    return precision[::-1], recall[::-1], np.append(threshold, np.inf)[::-1]


def calibration_error(truth: BoolArray, probability: Floats) -> float:
    """Expected calibration error over all classes, 0 to 1.

    Each class of each patch is one yes-or-no forecast. Forecasts fall into 15 bins of
    equal width by their probability; the error is the mean over forecasts of the distance
    between their bin's mean probability and its share of positives (Naeini et al. 2015;
    Guo et al. 2017, section 2, with "probability" for their "confidence").
    """
    confidence, hits = bin_sums(truth, probability)
    return float(np.abs(confidence.sum(axis=0) - hits.sum(axis=0)).sum() / max(truth.size, 1))


def bin_sums(truth: BoolArray, probability: Floats) -> tuple[Doubles, Doubles]:
    """Per patch and bin, the sums of probability and of truth, ``(patch, ECE_BINS)`` each."""
    bins = np.minimum((probability * ECE_BINS).astype(np.intp), ECE_BINS - 1)
    slots = (np.arange(len(truth))[:, None] * ECE_BINS + bins).ravel()
    shape, size = (len(truth), ECE_BINS), len(truth) * ECE_BINS
    confidence: Doubles = np.bincount(slots, probability.ravel(), size).astype(np.float64)
    hits: Doubles = np.bincount(slots, truth.ravel(), size).astype(np.float64)
    return confidence.reshape(shape), hits.reshape(shape)


def adaptive_calibration_error(truth: BoolArray, probability: Floats) -> float:
    """The calibration error over bins of equal mass, 0 to 1.

    As :func:`calibration_error`, but forecasts are sorted and cut into 15 parts of the
    same size (Nixon et al., "Measuring Calibration in Deep Learning", 2019), so that no
    bin is nearly empty. Equal probabilities stay together, in the part where the first of
    them falls. All classes are pooled, as for the expected calibration error; Nixon's own
    figure cuts each class by itself.
    """
    flat, there = probability.ravel().astype(np.float64), truth.ravel()
    below = np.searchsorted(np.sort(flat), flat, side="left")
    gaps = np.bincount(below * ECE_BINS // max(flat.size, 1), flat - there, ECE_BINS)
    return float(np.abs(gaps).sum() / max(flat.size, 1))


def per_patch(truth: BoolArray, probability: Floats, called: BoolArray) -> dict[str, Doubles]:
    """The figures that are means over patches, of each patch: name → ``(patch,)``.

    ``sample_ap``, ``coverage_error`` and ``ranking_loss`` are those of scikit-learn's
    ``label_ranking_average_precision_score``, ``coverage_error`` and
    ``label_ranking_loss``, ties and patches without a class included.
    """
    classes = truth.shape[1]
    support = truth.sum(axis=1).astype(np.float64)
    precisions, wrong_pairs, depth = (np.zeros(len(truth)) for _ in range(3))
    for k in range(classes):
        above = probability >= probability[:, k : k + 1]
        rank, right = above.sum(axis=1), (above & truth).sum(axis=1)
        there = truth[:, k]
        precisions += np.where(there, right / rank, 0.0)
        wrong_pairs += np.where(there, rank - right, 0)
        depth = np.where(there, np.maximum(depth, rank), depth)
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
    """F from counts of true positives, positives and calls; NaN where all three are 0."""
    size = beta**2 * truth + called
    nothing = np.full(size.shape, np.nan)
    share: Doubles = np.divide((1 + beta**2) * both, size, out=nothing, where=size > 0)
    return share


def per_class(
    truth: BoolArray, probability: Floats, thresholds: Sequence[float], *, exclusive: bool = False
) -> tuple[ClassScores, ...]:
    """The figures of each class, in the order of the class axis."""
    tables = confusions(truth, decisions(probability, thresholds, exclusive=exclusive))
    return tuple(
        _class_figures(table, truth[:, k : k + 1], probability[:, k : k + 1], thresholds[k])
        for k, table in enumerate(tables)
    )


def _class_figures(
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
    """The figures named in :data:`METRICS`, and the accuracy of exclusive classes.

    - ``macro_…`` are means over :func:`counted_classes`, NaN where there is none; the
      precision of a class that was never called counts as 0, as in scikit-learn.
    - ``micro_…`` pool all classes.
    - ``sample_ap`` is the mean over patches of the average precision of a patch's ranking
      of classes (label ranking average precision).
    - ``hamming_loss`` is the share of wrong decisions; ``subset_accuracy`` the share of
      patches without one; ``one_error`` the share whose most probable class is not there.
    - ``coverage_error`` is how many of the most probable classes one must take to have all
      that are there. It is not normalised, as in scikit-learn: the best that it can be is the
      mean number of classes a patch.
    - ``ranking_loss`` is the share of wrongly ordered pairs of a class that is there and
      one that is not, 0 to 1.
    - ``ece`` and ``ace`` are calibration errors (:func:`calibration_error`,
      :func:`adaptive_calibration_error`); ``brier`` is the mean squared distance of
      forecasts from what came true (Brier 1950), over patches and classes, 0 to 1.

    Args:
        truth: at least one patch and two classes.
        probability: in the same shape.
        thresholds: one a class.
        exclusive: whether a patch has exactly one of the classes.
    """
    called = decisions(probability, thresholds, exclusive=exclusive)
    counted = counted_classes(truth)
    aps = [average_precision(truth[:, k], probability[:, k]) for k in counted]
    figures = {
        "macro_ap": float(np.mean(aps)) if aps else math.nan,
        "micro_ap": average_precision(truth, probability),
        **_decision_figures(truth[:, counted], called[:, counted], "macro", 0.0),
        **_decision_figures(truth, called, "micro", math.nan),
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
        figures[ACCURACY] = accuracy_score(truth.argmax(axis=1), probability.argmax(axis=1))
    return {name: float(figures[name]) for name in (*METRICS, ACCURACY) if name in figures}


def _decision_figures(
    truth: BoolArray, called: BoolArray, average: str, nothing: float
) -> dict[str, float]:
    """Precision, recall, F1 and F2; ``nothing`` where there is nothing to divide by."""
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
    """The figures of :data:`SUMMARY` as JSON-ready values (None where undefined).

    Args:
        truth: ``(patch, class)`` in the order of ``classes``.
        probability: in the same shape.
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


def none_if_nan(value: float) -> float | None:
    """A value as JSON can hold it."""
    return float(value) if math.isfinite(value) else None
