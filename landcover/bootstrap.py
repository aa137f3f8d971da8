"""How far figures would move with other patches: the bootstrap over patches.

Patches are drawn with replacement, as many as there are, again and again; a resample is
its patches' multiplicities, so that a figure of it is a weighted figure and all resamples
are computed together. An interval holds the middle 95 % (the percentile method, Efron and
Tibshirani 1993, chapter 13). The classes of macro figures stay those of the whole split;
where a resample has no positive of one of them, its mean leaves that class out.

Neighbouring patches are alike, so that the intervals are narrower than those of wholly
independent patches would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from landcover.metrics import SUMMARY, Doubles, Floats, bin_sums, counted_classes, decisions, f1
from landcover.patch import BoolArray

Interval = tuple[float, float]

CONFIDENCE: Final = 0.95
_AT_ONCE: Final = 4_000_000
"""Weights held at once: 32 MB."""


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """Figures of each resample; NaN where a resample cannot give one.

    Attributes:
        overall: name in :data:`landcover.metrics.SUMMARY` → ``(resample,)``.
        ap: average precision, ``(resample, class)``.
    """

    overall: dict[str, Doubles]
    ap: Doubles


def resample(
    truth: BoolArray,
    probability: Floats,
    thresholds: Sequence[float],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Resampled:
    """The figures of many resamples. The same seed and patches give the same resamples.

    Args:
        truth: bool ``(patch, class)``.
        probability: in the same shape.
        thresholds: one a class.
        resamples: how many.
        seed: of the draws.
    """
    called = decisions(probability, thresholds)
    tables = [x.astype(np.float64) for x in (truth & called, truth, called)]
    rankings = [_ranking(truth[:, k], probability[:, k]) for k in range(truth.shape[1])]
    pooled = _ranking(truth.ravel(), probability.ravel())
    confidence, hits = bin_sums(truth, probability)
    counted = counted_classes(truth)
    parts: list[Doubles] = []
    for weights in _multiplicities(len(truth), truth.size, resamples, seed):
        ap = np.stack([ranking(weights) for ranking in rankings], axis=1)
        micro_ap = pooled(np.repeat(weights, truth.shape[1], axis=1))
        both, positives, calls = (weights @ table for table in tables)
        macro_f1 = mean_of_finite(f1(both, positives, calls)[:, counted])
        micro_f1 = f1(both.sum(axis=1), positives.sum(axis=1), calls.sum(axis=1))
        ece = np.abs(weights @ confidence - weights @ hits).sum(axis=1) / truth.size
        whole = (mean_of_finite(ap[:, counted]), micro_ap, macro_f1, micro_f1, ece)
        parts.append(np.column_stack([*whole, ap]))
    figures = np.concatenate(parts)
    return Resampled(
        overall={name: figures[:, k] for k, name in enumerate(SUMMARY)},
        ap=figures[:, len(SUMMARY) :],
    )


def interval(values: Doubles) -> Interval:
    """The middle 95 % of the values that are there; NaN twice where none is."""
    there = values[np.isfinite(values)]
    if not there.size:
        return np.nan, np.nan
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(there, [tail, 100 - tail])
    return float(low), float(high)


def mean_of_finite(values: Doubles) -> Doubles:
    """Mean along the last axis of what is not NaN; NaN where nothing is left."""
    there = np.isfinite(values)
    count = there.sum(axis=-1)
    total = np.where(there, values, 0.0).sum(axis=-1)
    mean: Doubles = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    return mean


def weighted_average_precision(truth: BoolArray, probability: Floats, weights: Doubles) -> Doubles:
    """Average precision ``(resample,)`` with weights ``(resample, forecast)`` of each forecast.

    What scikit-learn's ``average_precision_score(…, sample_weight=…)`` gives for each row
    of weights, ties included, for all rows at once; NaN for rows without positives.
    """
    return _ranking(truth, probability)(weights)


def _ranking(truth: BoolArray, probability: Floats) -> Callable[[Doubles], Doubles]:
    """Sort forecasts once; the answer takes weights and gives average precisions."""
    order = np.argsort(-probability, kind="stable")
    ranked, hit = probability[order], truth[order].astype(np.float64)
    # Precision is read off only behind the last of equal probabilities.
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))

    def apply(weights: Doubles) -> Doubles:
        sorted_weights = weights[:, order]
        called = np.cumsum(sorted_weights, axis=1)[:, ends]
        both = np.cumsum(sorted_weights * hit, axis=1)[:, ends]
        precision = np.divide(both, called, out=np.zeros_like(both), where=called > 0)
        gained = np.diff(both, axis=1, prepend=0.0)
        positives = both[:, -1]
        area = (precision * gained).sum(axis=1)
        nothing = np.full(len(area), np.nan)
        mean: Doubles = np.divide(area, positives, out=nothing, where=positives > 0)
        return mean

    return apply


def _multiplicities(patches: int, forecasts: int, resamples: int, seed: int) -> Iterator[Doubles]:
    """How often each patch was drawn, float ``(some resamples, patch)``, in bounded portions."""
    random = np.random.default_rng(seed)
    portion = max(1, min(resamples, _AT_ONCE // max(forecasts, 1)))
    for start in range(0, resamples, portion):
        count = min(portion, resamples - start)
        yield np.stack(
            [
                np.bincount(random.integers(patches, size=patches), minlength=patches)
                for _ in range(count)
            ]
        ).astype(np.float64)
