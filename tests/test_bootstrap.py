"""The weighted figures of resamples against figures of patches that are really repeated."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score

from landcover import bootstrap
from landcover.bootstrap import interval, mean_of_finite, resample, weighted_average_precision
from landcover.metrics import SUMMARY, counted_classes, overall
from tests.test_metrics import HALF, K, some


@settings(deadline=None)
@given(
    truth=arrays(bool, 15, elements=st.booleans()),
    probability=arrays(np.float32, 15, elements=st.sampled_from([0.0, 0.2, 0.2, 0.5, 0.9])),
    weights=arrays(np.float64, (4, 15), elements=st.integers(0, 3).map(float)),
)
def test_weighted_average_precision_is_scikit_learns(
    truth: np.ndarray, probability: np.ndarray, weights: np.ndarray
) -> None:
    found = weighted_average_precision(truth, probability, weights)
    for value, row in zip(found, weights, strict=True):
        if not row[truth].sum():
            assert np.isnan(value)
            continue
        wanted = average_precision_score(truth, probability, sample_weight=row)
        assert value == pytest.approx(wanted, abs=1e-12)


def test_a_resample_has_the_figures_of_its_patches() -> None:
    truth, probability = some(n=60)
    counted = counted_classes(truth)
    found = resample(truth, probability, HALF, resamples=8, seed=3)
    random = np.random.default_rng(3)
    for k in range(8):
        rows = random.integers(60, size=60)
        wanted = overall(truth[rows], probability[rows], HALF)
        for name in ("micro_ap", "micro_f1", "ece"):
            assert found.overall[name][k] == pytest.approx(wanted[name], abs=1e-9)
        there = [c for c in counted if truth[rows, c].any()]
        macro = average_precision_score(truth[rows][:, there], probability[rows][:, there])
        assert found.overall["macro_ap"][k] == pytest.approx(macro, abs=1e-9)


def test_the_same_seed_draws_the_same_patches_for_every_model() -> None:
    truth, probability = some()
    first = resample(truth, probability, HALF, resamples=50, seed=1)
    again = resample(truth, probability, HALF, resamples=50, seed=1)
    other = resample(truth, probability, HALF, resamples=50, seed=2)
    shifted = resample(truth, probability + 0.01, [0.51] * K, resamples=50, seed=1)
    np.testing.assert_array_equal(first.ap, again.ap)
    assert not np.array_equal(first.overall["micro_ap"], other.overall["micro_ap"])
    # Adding a constant changes no ranking, so paired differences vanish.
    np.testing.assert_allclose(first.overall["micro_ap"], shifted.overall["micro_ap"], atol=1e-12)


def test_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, probability = some()
    whole = resample(truth, probability, HALF, resamples=30)
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 7 * truth.size)
    np.testing.assert_array_equal(whole.ap, resample(truth, probability, HALF, resamples=30).ap)


def test_intervals_hold_the_figure_and_narrow_with_more_patches() -> None:
    wide, narrow = (some(n=n) for n in (60, 960))
    widths = []
    for truth, probability in (wide, narrow):
        values = overall(truth, probability, HALF)
        drawn = resample(truth, probability, HALF, resamples=300)
        for name in SUMMARY[:4]:
            low, high = interval(drawn.overall[name])
            assert low < values[name] < high
        low, high = interval(drawn.overall["micro_ap"])
        widths.append(high - low)
    assert widths[1] < widths[0] / 2.5


def test_means_and_intervals_leave_out_what_is_not_there() -> None:
    values = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(mean_of_finite(values), [2.0, np.nan])
    assert all(np.isnan(interval(np.full(5, np.nan))))
    assert interval(np.append(np.arange(101.0), np.nan)) == pytest.approx((2.5, 97.5))


def test_a_thousand_resamples_of_a_test_split_take_seconds_at_most() -> None:
    truth, probability = some(n=115)
    begin = time.perf_counter()
    resample(truth, probability, HALF, resamples=1000)
    assert time.perf_counter() - begin < 10
