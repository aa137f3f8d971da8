"""Selective classification: the errors that remain if the least certain patches are left out.

Patches are sorted by the model's certainty. *Coverage* is the share of patches that the model
classifies, the most certain first; *risk* is their mean loss (El-Yaniv and Wiener, "On the
Foundations of Noise-Free Selective Classification", 2010). The area below that curve
(AURC, Geifman et al. 2019) summarises it: lower is better. Two curves give the limits: leaving
out patches at random keeps the mean loss of all patches, and no order is better than that of
the losses themselves.

:data:`MEASURES` lists several measures of certainty.
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
"""Resamples of the bootstrap over patches; few, since each is sorted again."""

Measure = Callable[[Doubles, Doubles], Doubles]


@dataclass(frozen=True, kw_only=True)
class RiskCoverage:
    """One risk-coverage curve with its area, by rising coverage.

    Attributes:
        coverage: share of patches that are classified, ``(patch,)``, 1/n to 1.
        risk: their mean loss, in the same shape.
        best: the lowest risk that any order of the patches can have.
        mean_loss: the mean loss of all patches, which is the risk if patches are left out at
            random.
        area: mean of ``risk`` over coverage.
        best_area: the same for ``best``.
        area_interval: 95 % interval of the area over resampled patches.
        chance: 95 % interval of the area if the patches are in a random order: a lower area
            is significant (a permutation test).
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
        """Whether significantly fewer errors remain than if patches are left out at random."""
        return self.area < self.chance[0]


def _likelier_side(probability: Doubles, _: Doubles) -> Doubles:
    sure: Doubles = np.maximum(probability, 1 - probability).mean(axis=1)
    return sure


def _from_threshold(probability: Doubles, thresholds: Doubles) -> Doubles:
    """Scale the distance to the threshold: 0 at it, 1 at a probability of 0 or 1."""
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
"""Measures of a model's certainty for patches with several classes.

Distances are scaled to 0 at the class's threshold and 1 at a probability of 0 or 1.
"""
EXCLUSIVE_MEASURES: Final[dict[str, Measure]] = {"highest probability": _highest}
"""The measure for exclusive classes: the probability of the predicted class."""


def certainty(probability: Floats, thresholds: Sequence[float], measure: str) -> Doubles:
    """Compute the model's certainty for each patch, ``(patch,)``, 0 to 1.

    Args:
        probability: ``(patch, class)``, 0 to 1; one column for the certainty of one class.
        thresholds: one per class.
        measure: a key of :data:`MEASURES` or :data:`EXCLUSIVE_MEASURES`.
    """
    how = {**MEASURES, **EXCLUSIVE_MEASURES}[measure]
    return how(probability.astype(np.float64), np.asarray(thresholds, dtype=np.float64))


def wrong_share(truth: BoolArray, probability: Floats, thresholds: Sequence[float]) -> Doubles:
    """Compute the share of wrong decisions in each patch (Hamming loss), ``(patch,)``."""
    wrong: Doubles = (decisions(probability, thresholds) != truth).mean(axis=1)
    return wrong


def top_class_wrong(truth: BoolArray, probability: Floats) -> Doubles:
    """Return 1 where the most probable class is wrong and 0 elsewhere, ``(patch,)``."""
    wrong: BoolArray = truth.argmax(axis=1) != probability.argmax(axis=1)
    return wrong.astype(np.float64)


def risk_coverage(
    sure: Doubles, loss: Doubles, *, resamples: int = RESAMPLES, seed: int = 0
) -> RiskCoverage:
    """Compute risk against coverage, with bootstrap intervals over patches.

    Patches of equal certainty have no order: each counts with their mean loss, so that
    a model with the same certainty for all patches gains nothing.

    Args:
        sure: the model's certainty for each patch, ``(patch,)``, at least one patch.
        loss: of each patch, in the same shape, 0 or more.
        resamples: number of resamples for the intervals.
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
    """Compute the mean loss of the 1, 2, … most certain patches."""
    levels, which = np.unique(-sure, return_inverse=True)
    size = np.bincount(which, minlength=len(levels))
    mean = np.bincount(which, loss, len(levels)) / size
    risk: Doubles = np.cumsum(np.repeat(mean, size)) / np.arange(1, len(loss) + 1)
    return risk
