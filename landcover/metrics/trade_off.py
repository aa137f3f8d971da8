"""Choose a model: the trade-off between accuracy and cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landcover.core.raster import BoolArray
from landcover.metrics.scores import Doubles

__all__ = ["Advice", "Candidate", "advise", "pareto_front"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One model to choose from; unknown values are NaN.

    Attributes:
        name: of the model.
        leading: the metric to compare models by, such as macro AP; higher is better.
        low: lower end of the 95 % interval of ``leading``.
        second: another metric, such as micro AP; higher is better.
        milliseconds: run time per patch.
        parameters: number of trained values; 0 for a model without any.
    """

    name: str
    leading: float
    low: float
    second: float
    milliseconds: float
    parameters: float


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Names of the recommended models by need; None if the metric is unknown for all models.

    Attributes:
        best: the model with the highest leading metric.
        second: the model with the highest second metric.
        fastest: the fastest model whose leading metric is within the interval of the best one.
        smallest: the model with the fewest trained values among the same ones.
    """

    best: str | None
    second: str | None
    fastest: str | None
    smallest: str | None


def advise(candidates: Sequence[Candidate]) -> Advice:
    """Recommend models.

    A model counts as good as the best one if its leading metric is not below the interval of
    the best. This rule is coarse, but needs no paired results; a paired comparison is more exact.
    """
    best = _extreme(candidates, "leading", highest=True)
    near = [
        c
        for c in candidates
        if best is not None and c.leading >= min(_or(best.low, best.leading), best.leading)
    ]
    found = (
        best,
        _extreme(candidates, "second", highest=True),
        _extreme(near, "milliseconds", highest=False),
        _extreme(near, "parameters", highest=False),
    )
    names = [None if one is None else one.name for one in found]
    return Advice(best=names[0], second=names[1], fastest=names[2], smallest=names[3])


def pareto_front(cost: Doubles, value: Doubles) -> BoolArray:
    """Return which choices are on the Pareto front, bool ``(choice,)``.

    A choice is beaten by one that costs no more and is worth no less, and is better in one
    of the two. A choice whose cost or value is NaN is never on the front and beats no other.
    """
    known = np.isfinite(cost) & np.isfinite(value)
    cheaper, better = cost[:, None] <= cost[None, :], value[:, None] >= value[None, :]
    strictly = (cost[:, None] < cost[None, :]) | (value[:, None] > value[None, :])
    beaten = (cheaper & better & strictly & known[:, None]).any(axis=0)
    front: BoolArray = known & ~beaten
    return front


def _extreme(candidates: Sequence[Candidate], metric: str, *, highest: bool) -> Candidate | None:
    known = [c for c in candidates if math.isfinite(getattr(c, metric))]
    if not known:
        return None
    sign = -1 if highest else 1
    return min(known, key=lambda c: sign * getattr(c, metric))


def _or(value: float, other: float) -> float:
    return value if math.isfinite(value) else other
