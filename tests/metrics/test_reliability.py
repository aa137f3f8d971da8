"""Bins keep all forecasts, their error is the calibration error, intervals contain the value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.metrics import reliability, scores

FORECASTS = st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=1, max_size=60)


@pytest.mark.parametrize("rule", reliability.RULES)
@given(pairs=FORECASTS)
def test_bins_keep_all_forecasts(rule: reliability.Rule, pairs: list[tuple[bool, float]]) -> None:
    truth = np.array([present for present, _ in pairs])
    probability = np.array([value for _, value in pairs], dtype=np.float32)
    found = reliability.bins(truth, probability, rule, count=7)
    assert found.count.sum() == len(pairs)
    assert (found.share * found.count).sum() == pytest.approx(truth.sum())
    assert (found.probability * found.count).sum() == pytest.approx(probability.sum(), rel=1e-5)
    assert (np.diff(found.probability) > 0).all()
    assert (found.low[1:] > found.high[:-1]).all()
    assert (found.low <= found.probability + 1e-6).all()
    assert (found.share_low <= found.share).all()
    assert (found.share <= found.share_high).all()


def test_the_error_of_equal_width_is_the_calibration_error() -> None:
    random = np.random.default_rng(0)
    probability = random.random((80, 6)).astype(np.float32)
    truth = random.random((80, 6)) < probability**2
    found = reliability.bins(truth, probability, "equal width")
    assert found.error == pytest.approx(scores.calibration_error(truth, probability), abs=1e-6)


def test_equal_mass_gives_equal_parts_and_keeps_ties_together() -> None:
    probability = np.linspace(0.01, 0.99, 90)
    found = reliability.bins(probability > 0.5, probability, "equal mass", count=9)
    assert found.count.tolist() == [10] * 9
    ties = np.repeat([0.1, 0.7], [50, 40])
    found = reliability.bins(ties > 0.5, ties, "equal mass", count=9)
    assert found.count.tolist() == [50, 40]


def test_errors_equal_those_of_a_report_and_lie_in_their_intervals() -> None:
    random = np.random.default_rng(3)
    probability = random.random((150, 4)).astype(np.float32)
    truth = random.random((150, 4)) < probability**3
    found = reliability.errors(truth, probability)
    assert found["ece"].value == pytest.approx(
        scores.calibration_error(truth, probability), abs=1e-6
    )
    assert found["ace"].value == pytest.approx(
        scores.adaptive_calibration_error(truth, probability), abs=1e-6
    )
    assert found["brier"].value == pytest.approx(((probability - truth) ** 2).mean(), abs=1e-6)
    for one in found.values():
        assert one.interval[0] <= one.value <= one.interval[1]
    alone = reliability.errors(truth[:, :1], probability[:, :1])
    assert alone["ece"].value == pytest.approx(
        reliability.bins(truth[:, 0], probability[:, 0], "equal width").error
    )


def test_the_interval_of_the_brier_score_is_that_of_resampled_patches() -> None:
    random = np.random.default_rng(4)
    probability = random.random((200, 3))
    truth = random.random((200, 3)) < 0.5
    score = ((probability - truth) ** 2).mean(axis=1)
    draws = [score[random.integers(200, size=200)].mean() for _ in range(3000)]
    found = reliability.errors(truth, probability, resamples=3000)["brier"]
    assert found.interval == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.003)
