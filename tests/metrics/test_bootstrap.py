"""The weighted metrics of resamples equal metrics of patches that are actually repeated."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from landcover.metrics.bootstrap import (
    interval,
    mean_of_finite,
    resample,
    weighted_average_precision,
)
from landcover.metrics.scores import (
    CLASS_METRICS,
    SUMMARY,
    adaptive_calibration_error,
    calibration_error,
    counted_classes,
    decisions,
    overall,
    per_class,
)
from tests.metrics.test_scores import HALF, K, some


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


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("places", [None, 12])
def test_a_resample_has_the_metrics_of_its_patches(*, exclusive: bool, places: int | None) -> None:
    """Compare every metric with scikit-learn on patches that are actually repeated."""
    truth, probability = some(n=60)
    if exclusive:
        truth = np.eye(K, dtype=bool)[probability.argmax(axis=1) % 4 + np.arange(60) % 2]
    counted = counted_classes(truth)
    assert len(counted) > 3
    groups = None if places is None else np.arange(60) % places
    found = resample(
        truth, probability, HALF, resamples=3, seed=3, groups=groups, exclusive=exclusive
    )
    random = np.random.default_rng(3)
    for k in range(3):
        if groups is None:
            rows = random.integers(60, size=60)
        else:
            drawn = random.integers(places, size=places)
            rows = np.concatenate([np.flatnonzero(groups == place) for place in drawn])
        again, chances = truth[rows], probability[rows]
        wanted = overall(again, chances, HALF, exclusive=exclusive)
        assert set(found.overall) == set(wanted)
        for name, value in wanted.items():
            if not name.startswith("macro"):
                assert found.overall[name][k] == pytest.approx(value, abs=1e-7), name
        present = [c for c in counted if again[:, c].any()]
        macro = average_precision_score(again[:, present], chances[:, present])
        assert found.overall["macro_ap"][k] == pytest.approx(macro, abs=1e-9)
        called = decisions(chances, HALF, exclusive=exclusive)[:, present]
        rule = {"average": "macro", "zero_division": 0.0}
        precision, recall, f1, _ = precision_recall_fscore_support(
            again[:, present], called, **rule
        )
        for name, value in (("precision", precision), ("recall", recall), ("f1", f1)):
            assert found.overall[f"macro_{name}"][k] == pytest.approx(value, abs=1e-9)
        each = per_class(again, chances, HALF, exclusive=exclusive)
        for name in CLASS_METRICS:
            values = [getattr(item, name) for item in each]
            np.testing.assert_allclose(found.per_class[name][k], values, atol=1e-7)


@given(
    truth=arrays(bool, (9, 3), elements=st.booleans()),
    probability=arrays(np.float32, (9, 3), elements=st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0])),
    groups=arrays(np.int64, 9, elements=st.integers(0, 4)),
)
def test_calibration_errors_of_resamples_keep_ties_together(
    truth: np.ndarray, probability: np.ndarray, groups: np.ndarray
) -> None:
    found = resample(truth, probability, HALF[:3], resamples=3, groups=groups)
    names, random = np.unique(groups), np.random.default_rng(0)
    for k in range(3):
        drawn = names[random.integers(len(names), size=len(names))]
        rows = np.concatenate([np.flatnonzero(groups == place) for place in drawn])
        for name, metric in (("ece", calibration_error), ("ace", adaptive_calibration_error)):
            wanted = metric(truth[rows], probability[rows])
            assert found.overall[name][k] == pytest.approx(wanted, abs=1e-7)


def test_places_of_similar_patches_widen_the_interval() -> None:
    truth, probability = (part.repeat(8, axis=0) for part in some(n=40))
    places = np.arange(40).repeat(8)
    widths = []
    for groups in (None, places):
        drawn = resample(truth, probability, HALF, resamples=200, groups=groups)
        low, high = interval(drawn.overall["micro_ap"])
        widths.append(high - low)
    # Eight copies of each patch look like eight times as many: √8 times narrower.
    assert widths[1] / widths[0] == pytest.approx(8**0.5, rel=0.35)


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


def test_the_size_of_portions_does_not_matter() -> None:
    truth, probability = some()
    whole = resample(truth, probability, HALF, resamples=30)
    portions = resample(truth, probability, HALF, resamples=30, at_once=7 * truth.size)
    np.testing.assert_array_equal(whole.ap, portions.ap)


def test_intervals_contain_the_metric_and_narrow_with_more_patches() -> None:
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


def test_means_and_intervals_leave_out_nan() -> None:
    values = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(mean_of_finite(values), [2.0, np.nan])
    assert all(np.isnan(interval(np.full(5, np.nan))))
    assert interval(np.append(np.arange(101.0), np.nan)) == pytest.approx((2.5, 97.5))


def test_a_thousand_resamples_of_a_test_split_take_seconds_at_most() -> None:
    truth, probability = some(n=115)
    begin = time.perf_counter()
    resample(truth, probability, HALF, resamples=1000)
    assert time.perf_counter() - begin < 10
