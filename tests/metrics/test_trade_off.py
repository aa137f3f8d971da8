"""Which model is recommended for which need, and which ones are on the Pareto front."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from landcover.metrics.trade_off import Advice, Candidate, advise, pareto_front

GRID = st.sampled_from([0.0, 1.0, 2.0, math.nan])


def candidate(name: str, macro: float, *, low: float = math.nan, **other: float) -> Candidate:
    values = {"second": macro, "milliseconds": math.nan, "parameters": math.nan, **other}
    return Candidate(name=name, leading=macro, low=low, **values)


def test_each_need_has_its_model() -> None:
    found = advise(
        [
            candidate("heavy", 0.80, low=0.74, milliseconds=30, parameters=5e6),
            candidate("light", 0.75, low=0.70, milliseconds=3, parameters=1e6, second=0.9),
            candidate("tiny", 0.76, low=0.70, milliseconds=9, parameters=1e5),
            candidate("poor", 0.30, low=0.25, milliseconds=1, parameters=0),
        ]
    )
    assert found == Advice(best="heavy", second="light", fastest="light", smallest="tiny")


def test_unknown_metrics_give_no_advice() -> None:
    nothing = Advice(best=None, second=None, fastest=None, smallest=None)
    assert advise([]) == nothing
    assert advise([candidate("unknown", math.nan, milliseconds=1)]) == nothing


def test_without_an_interval_only_the_best_model_is_as_good_as_the_best() -> None:
    found = advise([candidate("a", 0.8, milliseconds=9), candidate("b", 0.79, milliseconds=1)])
    assert found.fastest == "a"


@given(st.lists(st.tuples(GRID, GRID), max_size=8))
def test_the_front_holds_the_unbeaten_choices(points: list[tuple[float, float]]) -> None:
    cost, value = (np.array([p[k] for p in points], dtype=float) for k in (0, 1))
    front = pareto_front(cost, value)
    for k, (c, v) in enumerate(points):
        beaten = any(
            other_c <= c and other_v >= v and (other_c, other_v) != (c, v)
            for other_c, other_v in points
        )
        assert front[k] == (not math.isnan(c) and not math.isnan(v) and not beaten)
