"""Wilson's interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.metrics import intervals
from landcover.metrics.intervals import wilson


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilsons_interval_contains_the_share_and_stays_in_range(count: int, share: float) -> None:
    hits = round(share * count)
    low, high = wilson(hits, count)
    assert 0 <= low <= hits / count <= high <= 1
    assert high - low < 1


def test_wilson_of_a_textbook_case() -> None:
    # Agresti and Coull 1998: none of 10 gives 0 to 0.278; 5 of 10 gives 0.237 to 0.763.
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-3)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)


def flags(hits: list[int], sizes: list[int]) -> tuple[Any, Any, Any]:
    """Cases of one class: the first of each place are hits."""
    good = np.concatenate([np.arange(n) < h for h, n in zip(hits, sizes, strict=True)])[:, None]
    return good, np.ones_like(good), np.repeat(np.arange(len(sizes)), sizes)


def test_an_interval_over_places_is_wider_the_more_they_differ() -> None:
    same = intervals.of_places(*flags([8] * 10, [10] * 10))
    apart = intervals.of_places(*flags([10] * 8 + [0] * 2, [10] * 10))
    assert same is not None
    assert apart is not None
    # 80 of 100 independent cases have 0.708 to 0.873 (Clopper and Pearson); ten places say less.
    assert same == pytest.approx((0.693, 0.883), abs=2e-3)
    assert apart[1] - apart[0] > 2 * (same[1] - same[0])
    assert apart[0] < 0.8 < apart[1]


def test_a_share_of_one_counts_each_place_once() -> None:
    found = intervals.of_places(*flags([50, 30, 20, 10], [50, 30, 20, 10]))
    assert found is not None
    assert found == pytest.approx((0.025 ** (1 / 4), 1.0))
    assert intervals.of_places(*flags([5], [5])) is None


def test_intervals_over_places_hold_the_share_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        rates = random.beta(8, 2, 25)
        sizes = random.integers(5, 40, 25)
        found = intervals.of_places(*flags(random.binomial(sizes, rates).tolist(), sizes.tolist()))
        assert found is not None
        held += found[0] <= 0.8 <= found[1]
    assert held >= 0.9 * 200
