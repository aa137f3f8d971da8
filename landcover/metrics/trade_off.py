"""Which model to take: what is gained in accuracy against what it costs."""

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
    """One model as a choice; what is not known is NaN.

    Attributes:
        name: of the model.
        leading: the figure that decides how good it is, such as macro AP; higher is better.
        low: lower end of the 95 % interval of ``leading``.
        second: another figure, such as micro AP; higher is better.
        milliseconds: a patch.
        parameters: trained values; 0 for a model that has none.
    """

    name: str
    leading: float
    low: float
    second: float
    milliseconds: float
    parameters: float


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Names of the models to take, by what one wants; None where no model has the figure.

    Attributes:
        best: highest leading figure.
        second: highest second figure.
        fastest: of those whose leading figure lies within the interval of the best one's.
        smallest: fewest trained values, of the same ones.
    """

    best: str | None
    second: str | None
    fastest: str | None
    smallest: str | None


def advise(candidates: Sequence[Candidate]) -> Advice:
    """The models to take.

    "As good as the best" means here that a model's leading figure is not below the best
    one's interval: a coarse rule, kept since it needs no pairs; a paired comparison decides.
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
    """Which choices no other beats: bool ``(choice,)``.

    A choice is beaten by one that costs no more and is worth no less, and is better in one
    of the two. A choice whose cost or value is NaN is never on the front and beats nobody.
    """
    known = np.isfinite(cost) & np.isfinite(value)
    cheaper, better = cost[:, None] <= cost[None, :], value[:, None] >= value[None, :]
    strictly = (cost[:, None] < cost[None, :]) | (value[:, None] > value[None, :])
    beaten = (cheaper & better & strictly & known[:, None]).any(axis=0)
    front: BoolArray = known & ~beaten
    return front


def _extreme(candidates: Sequence[Candidate], figure: str, *, highest: bool) -> Candidate | None:
    known = [c for c in candidates if math.isfinite(getattr(c, figure))]
    if not known:
        return None
    sign = -1 if highest else 1
    return min(known, key=lambda c: sign * getattr(c, figure))


def _or(value: float, other: float) -> float:
    return value if math.isfinite(value) else other
