"""Figures for several labels a patch, as pure functions of truth and probability.

Everywhere ``truth`` is bool ``(patch, class)`` and ``probability`` float in the same shape,
0 to 1. A figure that the data cannot give (the average precision of a class without
positives) is NaN, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, precision_recall_curve

from landcover.errors import BadInput
from landcover.nomenclature import CLASS_NAMES
from landcover.patch import BoolArray

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

MIN_POSITIVES: Final = 5
"""Positives from which a class counts in macro figures: below, one patch decides its figure."""
ECE_BINS: Final = 15
"""Bins of equal width: the number of Guo et al., "On Calibration of Modern Neural Networks"."""
SUMMARY: Final[tuple[str, ...]] = ("macro_ap", "micro_ap", "macro_f1", "micro_f1", "ece")
"""Names of the figures over all classes."""
THRESHOLD_RULE: Final = (
    "per class the highest F1; a class with fewer than 5 positives takes the one threshold "
    "that gives all classes together the highest micro F1"
)


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
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
    threshold: float


def decisions(probability: Floats, thresholds: Sequence[float]) -> BoolArray:
    """Which classes are called present, bool ``(patch, class)``."""
    called: BoolArray = probability >= np.asarray(thresholds, dtype=np.float64)
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


def f1(both: Doubles, truth: Doubles, called: Doubles) -> Doubles:
    """F1 from counts of true positives, positives and calls; NaN where all three are 0."""
    size = truth + called
    share: Doubles = np.divide(2 * both, size, out=np.full(size.shape, np.nan), where=size > 0)
    return share


def per_class(
    truth: BoolArray, probability: Floats, thresholds: Sequence[float]
) -> tuple[ClassFigures, ...]:
    """The figures of each class, in the order of the class axis."""
    tables = confusions(truth, decisions(probability, thresholds))
    return tuple(
        _class_figures(table, average_precision(truth[:, k], probability[:, k]), thresholds[k])
        for k, table in enumerate(tables)
    )


def _class_figures(table: Counts, ap: float, threshold: float) -> ClassFigures:
    both, called, support = int(table[1, 1]), int(table[:, 1].sum()), int(table[1].sum())
    return ClassFigures(
        support=support,
        ap=ap,
        precision=both / called if called else math.nan,
        recall=both / support if support else math.nan,
        f1=2 * both / (called + support) if called + support else math.nan,
        threshold=float(threshold),
    )


def overall(truth: BoolArray, probability: Floats, thresholds: Sequence[float]) -> dict[str, float]:
    """The figures named in :data:`SUMMARY`.

    Macro figures are means over :func:`counted_classes`, NaN where there is none; micro
    figures and the calibration error pool all classes.
    """
    figures = per_class(truth, probability, thresholds)
    counted = [figures[k] for k in counted_classes(truth)]
    table = confusions(truth, decisions(probability, thresholds)).sum(axis=0)
    return {
        "macro_ap": float(np.mean([item.ap for item in counted])) if counted else math.nan,
        "micro_ap": average_precision(truth, probability),
        "macro_f1": float(np.mean([item.f1 for item in counted])) if counted else math.nan,
        "micro_f1": _class_figures(table, math.nan, math.nan).f1,
        "ece": calibration_error(truth, probability),
    }


def summary(
    truth: BoolArray, probability: Floats, thresholds: Mapping[str, float]
) -> dict[str, Any]:
    """The figures over all classes as JSON-ready values (None where undefined).

    Args:
        truth: ``(patch, class)`` in the order of ``CLASS_NAMES``.
        probability: in the same shape.
        thresholds: class name → threshold.
    """
    values = overall(truth, probability, [thresholds[name] for name in CLASS_NAMES])
    return {
        **{name: none_if_nan(value) for name, value in values.items()},
        "macro_classes": [CLASS_NAMES[k] for k in counted_classes(truth)],
    }


def none_if_nan(value: float) -> float | None:
    """A value as JSON can hold it."""
    return float(value) if math.isfinite(value) else None


def choose_thresholds(truth: BoolArray, probability: Floats) -> dict[str, float]:
    """Class name → the threshold chosen by :data:`THRESHOLD_RULE`.

    A threshold lies midway between the probabilities of two neighbours in the ranking, so
    that neither hangs on a rounding. Of equally good ones the highest is taken. Choose on
    data that the model was not fitted to.

    Args:
        truth: ``(patch, class)`` in the order of ``CLASS_NAMES``, with at least one positive.
        probability: in the same shape.

    Raises:
        BadInput: there is no positive at all.
    """
    if not truth.any():
        raise BadInput("Thresholds need labelled patches, and none of these has a class.")
    shared = _best_threshold(truth.ravel(), probability.ravel())
    counted = set(counted_classes(truth).tolist())
    return {
        name: _best_threshold(truth[:, k], probability[:, k]) if k in counted else shared
        for k, name in enumerate(CLASS_NAMES)
    }


def _best_threshold(truth: BoolArray, probability: Floats) -> float:
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order].astype(np.float64)
    both = np.cumsum(truth[order]).astype(np.float64)
    called = np.arange(1, len(ranked) + 1, dtype=np.float64)
    # Forecasts of one probability are called together: only the last of them is a choice.
    last = np.append(ranked[1:] != ranked[:-1], True)
    score = np.where(last, f1(both, np.full_like(called, truth.sum()), called), -1.0)
    best = int(np.argmax(score))
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)
