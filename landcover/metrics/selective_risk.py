"""Leaving the least sure patches to a person: how many errors remain among the others.

Patches are sorted by how sure the model is of them. *Coverage* is the share that it
answers, the surest first; *risk* is the mean loss of those (El-Yaniv and Wiener, "On the
Foundations of Noise-Free Selective Classification", 2010). The area below that curve
(AURC, Geifman et al. 2019) sums it up: lower is better. Two curves bound it: leaving out
patches at random keeps the mean loss of all, and nobody can do better than the order of
the losses themselves.

How sure a model is, is a choice that this module makes a table of (:data:`MEASURES`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from landcover.core.raster import BoolArray
from landcover.metrics.bootstrap import Interval, interval
from landcover.metrics.scores import Doubles, Floats, decisions

__all__ = [
    "EXCLUSIVE_MEASURES",
    "MEASURES",
    "RESAMPLES",
    "Measure",
    "RiskCoverage",
    "certainty",
    "risk_coverage",
    "top_class_wrong",
    "wrong_share",
]

RESAMPLES: Final = 300
"""Of the bootstrap over patches: each sorts anew."""

Measure = Callable[[Doubles, Doubles], Doubles]


@dataclass(frozen=True, kw_only=True)
class RiskCoverage:
    """One curve with its area; higher coverage behind lower.

    Attributes:
        coverage: share of patches answered, ``(patch,)``, 1/n to 1.
        risk: mean loss of them, in the same shape.
        best: the lowest risk that any order of the patches could give.
        mean_loss: the mean loss of all patches: the curve of leaving out at random.
        area: mean of ``risk`` over coverage.
        best_area: the same of ``best``.
        area_interval: holds 95 % of the areas of resampled patches.
        chance: holds 95 % of the areas that these patches have in a random order: an area
            below it is no accident (a permutation test).
    """

    coverage: Doubles
    risk: Doubles
    best: Doubles
    mean_loss: float
    area: float
    best_area: float
    area_interval: Interval
    chance: Interval

    @property
    def beats_chance(self) -> bool:
        """Whether fewer errors remain than where patches are left out at random."""
        return self.area < self.chance[0]


def _likelier_side(probability: Doubles, _: Doubles) -> Doubles:
    sure: Doubles = np.maximum(probability, 1 - probability).mean(axis=1)
    return sure


def _from_threshold(probability: Doubles, thresholds: Doubles) -> Doubles:
    """0 at the threshold, 1 where the probability is 0 or 1, ``(patch, class)``."""
    above = probability >= thresholds
    room = np.where(above, 1 - thresholds, thresholds)
    distance = np.abs(probability - thresholds)
    scaled: Doubles = np.divide(distance, room, out=np.ones_like(distance), where=room > 0)
    return scaled


def _mean_distance(probability: Doubles, thresholds: Doubles) -> Doubles:
    sure: Doubles = _from_threshold(probability, thresholds).mean(axis=1)
    return sure


def _least_distance(probability: Doubles, thresholds: Doubles) -> Doubles:
    sure: Doubles = _from_threshold(probability, thresholds).min(axis=1)
    return sure


def _highest(probability: Doubles, _: Doubles) -> Doubles:
    sure: Doubles = probability.max(axis=1)
    return sure


MEASURES: Final[dict[str, Measure]] = {
    "mean distance to the threshold": _mean_distance,
    "least distance to a threshold": _least_distance,
    "mean of max(p, 1 − p)": _likelier_side,
}
"""How sure a model is of a patch whose classes may be several.

A distance is scaled, so that it is 0 at the class's threshold and 1 at a probability of
0 or 1.
"""
EXCLUSIVE_MEASURES: Final[dict[str, Measure]] = {"highest probability": _highest}
"""The same where a patch has one class of several: the answer's own probability."""


def certainty(probability: Floats, thresholds: Sequence[float], measure: str) -> Doubles:
    """How sure a model is of each patch, ``(patch,)``, 0 to 1.

    Args:
        probability: ``(patch, class)``, 0 to 1; pass one column to ask about one class.
        thresholds: one a class.
        measure: a key of :data:`MEASURES` or :data:`EXCLUSIVE_MEASURES`.
    """
    how = {**MEASURES, **EXCLUSIVE_MEASURES}[measure]
    return how(probability.astype(np.float64), np.asarray(thresholds, dtype=np.float64))


def wrong_share(truth: BoolArray, probability: Floats, thresholds: Sequence[float]) -> Doubles:
    """Share of the classes that are decided wrongly in each patch (Hamming loss), ``(patch,)``."""
    wrong: Doubles = (decisions(probability, thresholds) != truth).mean(axis=1)
    return wrong


def top_class_wrong(truth: BoolArray, probability: Floats) -> Doubles:
    """1 where the most probable class is not the true one, ``(patch,)``."""
    wrong: BoolArray = truth.argmax(axis=1) != probability.argmax(axis=1)
    return wrong.astype(np.float64)


def risk_coverage(
    sure: Doubles, loss: Doubles, *, resamples: int = RESAMPLES, seed: int = 0
) -> RiskCoverage:
    """Risk against coverage, with bootstrap intervals over patches.

    Patches of equal certainty stand in no order: each counts with their mean loss, so
    that a model which is equally sure of everything gains nothing.

    Args:
        sure: how sure the model is of each patch, ``(patch,)``, at least one patch.
        loss: of each patch, in the same shape, 0 or more.
        resamples: how many resamples the intervals rest on.
        seed: of the resamples.
    """
    count = len(loss)
    risk, best = _risk(sure, loss), _risk(-loss, loss)
    random = np.random.default_rng(seed)
    areas, shuffled = np.empty(resamples), np.empty(resamples)
    for k in range(resamples):
        drawn = random.integers(count, size=count)
        areas[k] = _risk(sure[drawn], loss[drawn]).mean()
        shuffled[k] = _risk(sure, random.permutation(loss)).mean()
    return RiskCoverage(
        coverage=np.arange(1, count + 1) / count,
        risk=risk,
        best=best,
        mean_loss=float(loss.mean()),
        area=float(risk.mean()),
        best_area=float(best.mean()),
        area_interval=interval(areas),
        chance=interval(shuffled),
    )


def _risk(sure: Doubles, loss: Doubles) -> Doubles:
    """Mean loss of the 1, 2, … surest patches."""
    levels, which = np.unique(-sure, return_inverse=True)
    size = np.bincount(which, minlength=len(levels))
    mean = np.bincount(which, loss, len(levels)) / size
    risk: Doubles = np.cumsum(np.repeat(mean, size)) / np.arange(1, len(loss) + 1)
    return risk
