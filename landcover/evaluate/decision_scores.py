"""Score decisions that differ from place to place: probabilities, and the classes predicted.

:mod:`landcover.metrics.scores` takes one threshold per class. Decisions that were made without a
place have others at each place, so these scores take the predicted classes. Intervals are those
of a bootstrap over products, computed from the sums of each product.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.raster import BoolArray
from landcover.core.schema import Interval, Schema
from landcover.metrics.bootstrap import interval, mean_of_finite
from landcover.metrics.scores import Doubles, bin_sums, counted_classes, f_score

__all__ = [
    "FEW_PLACES",
    "METRICS",
    "DecisionScores",
    "Estimate",
    "difference",
    "effective_places",
    "score",
]

METRICS: Final = ("log_loss", "ece", "macro_f1", "micro_f1")
FEW_PLACES: Final = 5
"""Fewer effective places give no usable interval."""
_RESAMPLES: Final = 2000
_EDGE: Final = 1e-7
"""Single precision rounds probabilities to 0 and 1, whose log loss would be infinite."""


class Estimate(Schema):
    """A value and its 95 % interval; None where undefined."""

    value: float | None
    interval: Interval | None


class DecisionScores(Schema):
    """Log loss (nats per class and patch), expected calibration error, and F1 of decisions."""

    log_loss: Estimate
    ece: Estimate
    macro_f1: Estimate
    micro_f1: Estimate


def score(
    truth: BoolArray, probability: Doubles, predicted: BoolArray, products: npt.NDArray[Any]
) -> DecisionScores:
    """Compute the scores of some patches.

    Args:
        truth: bool ``(patch, class)``.
        probability: in the same shape, 0 to 1.
        predicted: bool in the same shape.
        products: the product of each patch, ``(patch,)``.
    """
    names, place = np.unique(products, return_inverse=True)
    values = _metrics(truth, probability, predicted, place, _weights(len(names)))
    usable = effective_places(products) >= FEW_PLACES
    return DecisionScores(**{name: _estimate(values[name], usable=usable) for name in METRICS})


def difference(values: Doubles, flagged: BoolArray, products: npt.NDArray[Any]) -> Estimate:
    """Compute the mean of the flagged patches minus that of the others.

    Args:
        values: one per patch, ``(patch,)``.
        flagged: bool ``(patch,)``.
        products: the product of each patch, ``(patch,)``.
    """
    names, place = np.unique(products, return_inverse=True)
    sums = np.zeros((len(names), 4))
    parts = (values * flagged, flagged, values * ~flagged, ~flagged)
    np.add.at(sums, place, np.stack([part.astype(np.float64) for part in parts], axis=1))
    drawn = _weights(len(names)) @ sums
    with np.errstate(invalid="ignore", divide="ignore"):
        found = drawn[:, 0] / drawn[:, 1] - drawn[:, 2] / drawn[:, 3]
    usable = min(
        effective_places(products[rows]) if rows.any() else 0.0 for rows in (flagged, ~flagged)
    )
    return _estimate(found, usable=usable >= FEW_PLACES)


def _weights(places: int) -> Doubles:
    """How often each place is drawn; the first row takes each once."""
    drawn = np.random.default_rng(0).multinomial(
        places, np.full(places, 1 / places), size=_RESAMPLES
    )
    return np.vstack([np.ones(places), drawn])


def effective_places(groups: npt.NDArray[Any]) -> float:
    """How many places of equal size would scatter as much as these (Kish 1965).

    Args:
        groups: the place of each patch, ``(patch,)``.
    """
    sizes = np.unique(groups, return_counts=True)[1]
    return float(sizes.sum() ** 2 / max(1, (sizes**2).sum()))


def _metrics(
    truth: BoolArray,
    probability: Doubles,
    predicted: BoolArray,
    place: npt.NDArray[np.intp],
    weights: Doubles,
) -> Mapping[str, Doubles]:
    """Compute metrics ``(resample,)`` from the sums of each product."""

    def summed(values: npt.NDArray[Any]) -> Doubles:
        sums = np.zeros((weights.shape[1], values.shape[1]))
        np.add.at(sums, place, values)
        found: Doubles = weights @ sums
        return found

    safe = np.clip(probability, _EDGE, 1 - _EDGE)
    size = summed(np.ones((len(truth), 1)))[:, 0] * truth.shape[1]
    confidence, hits = bin_sums(truth, probability)
    both, there, called = (summed(x) for x in (truth & predicted, truth, predicted))
    counted = counted_classes(truth)
    each = np.where(there[:, counted] > 0, f_score(both, there, called)[:, counted], np.nan)
    return {
        "log_loss": summed(-np.log(np.where(truth, safe, 1 - safe))).sum(axis=1) / size,
        "ece": np.abs(summed(confidence - hits)).sum(axis=1) / size,
        "macro_f1": mean_of_finite(each),
        "micro_f1": f_score(both.sum(axis=1), there.sum(axis=1), called.sum(axis=1)),
    }


def _estimate(values: Doubles, *, usable: bool) -> Estimate:
    if not np.isfinite(values[0]):
        return Estimate(value=None, interval=None)
    low, high = interval(values[1:])
    span = (round(low, 6), round(high, 6)) if usable and np.isfinite([low, high]).all() else None
    return Estimate(value=round(float(values[0]), 6), interval=span)
