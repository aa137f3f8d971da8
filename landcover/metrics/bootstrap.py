"""Confidence intervals of metrics: the bootstrap over patches or places.

Patches are repeatedly drawn with replacement, as many as there are. A resample is stored as
how often it has each patch, so its metrics are weighted metrics, and all resamples are computed
together. An interval holds the middle 95 % (the percentile method, Efron and Tibshirani 1993,
chapter 13). Macro metrics always average the classes of the full split; if a resample has no
positive of one of them, its mean leaves that class out.

Neighbouring patches are similar, so intervals over patches are narrower than those of
independent patches would be. With ``groups``, entire places are drawn instead (the cluster
bootstrap, Davison and Hinkley 1997, section 3.8): all patches of a place are drawn together,
and resamples differ in size.

A calibration error adds up absolute differences, which resampling noise makes larger: its
interval is shifted upwards, and the metric itself lies near the lower end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.raster import BoolArray
from landcover.metrics.scores import (
    ACCURACY,
    CLASS_METRICS,
    ECE_BINS,
    F2,
    METRICS,
    Doubles,
    Floats,
    bin_sums,
    counted_classes,
    decisions,
    f_score,
    per_patch,
)

__all__ = [
    "CONFIDENCE",
    "WEIGHTS_AT_ONCE",
    "Groups",
    "Interval",
    "Resampled",
    "interval",
    "mean_of_finite",
    "resample",
    "weighted_average_precision",
]

Interval = tuple[float, float]
Groups = npt.NDArray[Any]

CONFIDENCE: Final = 0.95
WEIGHTS_AT_ONCE: Final = 2_000_000
"""Weights in memory at a time: 16 MB, plus as much for each of a few derived arrays."""


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """Metrics of each resample; NaN where undefined.

    Attributes:
        overall: name in :data:`landcover.metrics.scores.METRICS` → ``(resample,)``; also the
            accuracy where classes exclude each other.
        per_class: name in :data:`landcover.metrics.scores.CLASS_METRICS` → ``(resample, class)``.
    """

    overall: dict[str, Doubles]
    per_class: dict[str, Doubles]

    @property
    def ap(self) -> Doubles:
        """Average precision, ``(resample, class)``."""
        return self.per_class["ap"]


def resample(
    truth: BoolArray,
    probability: Floats,
    thresholds: Sequence[float],
    *,
    resamples: int = 1000,
    seed: int = 0,
    groups: Groups | None = None,
    exclusive: bool = False,
    at_once: int = WEIGHTS_AT_ONCE,
) -> Resampled:
    """Compute the metrics of many resamples.

    The same seed and patches give the same resamples.

    Args:
        truth: bool ``(patch, class)``.
        probability: in the same shape, 0 to 1.
        thresholds: one per class.
        resamples: number of resamples.
        seed: of the random draws.
        groups: the place of each patch, ``(patch,)``; if given, places are drawn, not patches.
        exclusive: whether a patch has exactly one of the classes.
        at_once: number of weights in memory at a time, which limits the memory but does not
            change the metrics.
    """
    tables = _Tables(truth, probability, decisions(probability, thresholds, exclusive=exclusive))
    names = [*METRICS, *([ACCURACY] if exclusive else [])]
    portion = max(1, min(resamples, at_once // max(truth.size, 1)))
    parts = [
        tables.metrics(weights)
        for weights in _multiplicities(len(truth), resamples, portion, seed, groups)
    ]
    return Resampled(
        overall={name: np.concatenate([whole[name] for whole, _ in parts]) for name in names},
        per_class={
            name: np.concatenate([each[name] for _, each in parts]) for name in CLASS_METRICS
        },
    )


class _Tables:
    """Tables, bins and sorted rankings, which are the same in all resamples."""

    def __init__(self, truth: BoolArray, probability: Floats, called: BoolArray) -> None:
        columns = range(truth.shape[1])
        self.classes = truth.shape[1]
        self.counted = counted_classes(truth)
        self.tables = [x.astype(np.float64) for x in (truth & called, truth, called)]
        self.means = per_patch(truth, probability, called)
        self.squares = (probability.astype(np.float64) - truth) ** 2
        self.bins = [bin_sums(truth[:, [k]], probability[:, [k]]) for k in columns]
        rows = np.arange(len(truth))
        self.rankings = [_Ranking(truth[:, k], probability[:, k], rows) for k in columns]
        pooled = np.repeat(rows, self.classes)
        self.pooled = _Ranking(truth.ravel(), probability.ravel(), pooled)

    def metrics(self, weights: Doubles) -> tuple[dict[str, Doubles], dict[str, Doubles]]:
        """Compute metrics over all classes ``(resample,)`` and per class ``(resample, class)``."""
        size = weights.sum(axis=1)
        both, positives, calls = (weights @ table for table in self.tables)
        gaps = [weights @ (confidence - hits) for confidence, hits in self.bins]
        ranked = [(r, *r(weights)) for r in self.rankings]
        each = {
            "ap": np.stack([r.average_precision(*mass) for r, *mass in ranked], axis=1),
            "ace": np.stack([r.adaptive_calibration_error(*mass) for r, *mass in ranked], axis=1),
            **_from_counts(both, positives, calls),
            "brier": weights @ self.squares / size[:, None],
            "ece": np.stack([np.abs(gap).sum(axis=1) for gap in gaps], axis=1) / size[:, None],
        }
        drawn, called = self.pooled(weights)
        whole = _from_counts(*(counts.sum(axis=1) for counts in (both, positives, calls)))
        return {
            **{name: weights @ values / size for name, values in self.means.items()},
            **{f"micro_{name}": values for name, values in whole.items()},
            **{f"macro_{name}": self._macro(each[name], positives) for name in ("ap", *whole)},
            "micro_ap": self.pooled.average_precision(drawn, called),
            "ace": self.pooled.adaptive_calibration_error(drawn, called),
            "ece": np.abs(sum(gaps)).sum(axis=1) / (size * self.classes),
        }, each

    def _macro(self, values: Doubles, positives: Doubles) -> Doubles:
        """Average the counted classes that a resample has; precision without calls is 0."""
        present = positives[:, self.counted] > 0
        known = np.nan_to_num(values[:, self.counted], nan=0.0)
        return mean_of_finite(np.where(present, known, np.nan))


class _Ranking:
    """Forecasts sorted by falling probability.

    Args:
        truth: bool ``(forecast,)``.
        probability: in the same shape.
        source: the patch of each forecast.
    """

    def __init__(self, truth: BoolArray, probability: Floats, source: npt.NDArray[np.intp]) -> None:
        order = np.argsort(-probability, kind="stable")
        ranked = probability[order].astype(np.float64)
        self.patch = source[order]
        self.excess = ranked - truth[order]
        self.hits = np.flatnonzero(truth[order])
        # Equal forecasts are called together: a threshold lies after the last of them.
        is_end = np.append(ranked[1:] != ranked[:-1], True)
        ends = np.flatnonzero(is_end)
        self.end_of_hit = ends[np.searchsorted(ends, self.hits)]
        self.hits_called = np.searchsorted(self.hits, self.end_of_hit, side="right") - 1
        self.ends_before = np.concatenate(
            [[0], np.maximum.accumulate(is_end * (1 + np.arange(len(ranked))))]
        )

    def average_precision(self, drawn: Doubles, called: Doubles) -> Doubles:
        """Compute the mean precision at the positives, ``(resample,)``; NaN without positives."""
        weights = drawn[:, self.hits]
        both = np.cumsum(weights, axis=1)[:, self.hits_called]
        precision = _share(both, called[:, self.end_of_hit], 0.0)
        return _share((precision * weights).sum(axis=1), weights.sum(axis=1))

    def adaptive_calibration_error(self, drawn: Doubles, called: Doubles) -> Doubles:
        """Compute the calibration error in bins of equal mass, ``(resample,)``."""
        size = called[:, -1]
        excess = np.zeros((len(drawn), drawn.shape[1] + 1))
        np.cumsum(drawn * self.excess, axis=1, out=excess[:, 1:])
        found = np.empty((len(drawn), ECE_BINS + 1))
        for row, (calls, total) in enumerate(zip(called, size, strict=True)):
            # Equal forecasts go into the bin of the last of them.
            most = total - np.ceil(np.arange(ECE_BINS + 1) * total / ECE_BINS)
            last = self.ends_before[np.searchsorted(calls, most, side="right")]
            found[row] = excess[row, last]
        errors: Doubles = np.abs(np.diff(found, axis=1)).sum(axis=1) / size
        return errors

    def __call__(self, weights: Doubles) -> tuple[Doubles, Doubles]:
        """Return each forecast's weight and their cumulative sum, ``(resample, forecast)`` each."""
        drawn = weights[:, self.patch]
        return drawn, np.cumsum(drawn, axis=1)


def interval(values: Doubles) -> Interval:
    """Return the middle 95 % of the finite values; NaN twice if there is none."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.nan, np.nan
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(finite, [tail, 100 - tail])
    return float(low), float(high)


def mean_of_finite(values: Doubles) -> Doubles:
    """Average the finite values along the last axis; NaN if there is none."""
    finite = np.isfinite(values)
    count = finite.sum(axis=-1)
    total = np.where(finite, values, 0.0).sum(axis=-1)
    mean: Doubles = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    return mean


def weighted_average_precision(truth: BoolArray, probability: Floats, weights: Doubles) -> Doubles:
    """Compute average precision ``(resample,)`` with weights ``(resample, forecast)``.

    Equals scikit-learn's ``average_precision_score(…, sample_weight=…)`` for each row of
    weights, including ties, but computes all rows at once; NaN for rows without positives.
    """
    ranking = _Ranking(truth, probability, np.arange(len(truth)))
    return ranking.average_precision(*ranking(weights))


def _from_counts(both: Doubles, positives: Doubles, calls: Doubles) -> dict[str, Doubles]:
    """Compute precision, recall, F1 and F2 from counts; NaN where undefined."""
    return {
        "precision": _share(both, calls),
        "recall": _share(both, positives),
        "f1": f_score(both, positives, calls),
        "f2": f_score(both, positives, calls, F2),
    }


def _share(part: Doubles, whole: Doubles, otherwise: float = np.nan) -> Doubles:
    nothing = np.full(whole.shape, otherwise)
    share: Doubles = np.divide(part, whole, out=nothing, where=whole > 0)
    return share


def _multiplicities(
    patches: int, resamples: int, portion: int, seed: int, groups: Groups | None
) -> Iterator[Doubles]:
    """Yield how often each patch was drawn, float ``(resample, patch)``, a portion at a time."""
    random = np.random.default_rng(seed)
    place = np.arange(patches) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = patches if groups is None else int(place.max()) + 1
    for start in range(0, resamples, portion):
        count = min(portion, resamples - start)
        draws = [
            np.bincount(random.integers(units, size=units), minlength=units) for _ in range(count)
        ]
        yield np.stack(draws).astype(np.float64)[:, place]
