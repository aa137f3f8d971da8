"""Tables and metrics of a threshold equal scikit-learn's for the same decisions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, fbeta_score, precision_score, recall_score

from landcover.metrics import operating_points, scores

FORECASTS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])),
    min_size=1,
    max_size=40,
)


@given(FORECASTS)
def test_a_sweep_counts_the_decisions_of_each_threshold(pairs: list[tuple[bool, float]]) -> None:
    truth = np.array([present for present, _ in pairs])
    probability = np.array([value for _, value in pairs])
    thresholds, tables = operating_points.sweep(truth, probability)
    assert thresholds[0] == 0
    assert (np.diff(thresholds) > 0).all()
    for threshold, table in zip(thresholds, tables, strict=True):
        called = scores.decisions(probability, (threshold,))
        assert table.tolist() == confusion_matrix(truth, called, labels=[False, True]).tolist()


@given(FORECASTS, st.floats(0, 1))
def test_rates_are_scikit_learns(pairs: list[tuple[bool, float]], threshold: float) -> None:
    truth = np.array([present for present, _ in pairs])[:, None]
    called = scores.decisions(np.array([value for _, value in pairs])[:, None], (threshold,))
    found = operating_points.rates(scores.confusions(truth, called))
    options = {"zero_division": np.nan}
    for value, expected in (
        (found.precision, precision_score(truth, called, **options)),
        (found.recall, recall_score(truth, called, **options)),
        (found.f1, fbeta_score(truth, called, beta=1, **options)),
        (found.f2, fbeta_score(truth, called, beta=2, **options)),
    ):
        assert value[0] == pytest.approx(expected, nan_ok=True)


def test_a_higher_threshold_never_finds_more() -> None:
    random = np.random.default_rng(0)
    truth, probability = random.random((60, 3)) < 0.3, random.random((60, 3))
    _, tables = operating_points.sweep(truth, probability)
    assert (tables.sum(axis=(1, 2)) == 180).all()
    assert (np.diff(operating_points.rates(tables).recall) <= 0).all()


@pytest.mark.slow
def test_the_interval_of_one_class_is_that_of_resampled_patches() -> None:
    random = np.random.default_rng(1)
    truth, called = random.random(200) < 0.3, random.random(200) < 0.4
    table = scores.confusions(truth[:, None], called[:, None])[0]
    found = operating_points.intervals(table, resamples=4000)
    draws = [random.integers(200, size=200) for _ in range(2000)]
    for name, beta in (("f1", 1), ("f2", 2)):
        values = [fbeta_score(truth[d], called[d], beta=beta) for d in draws[:600]]
        assert found[name] == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=0.03)
    recalls = [called[d][truth[d]].mean() for d in draws]
    assert found["recall"] == pytest.approx(np.percentile(recalls, [2.5, 97.5]), abs=0.02)


def test_intervals_without_positives_are_nan() -> None:
    nothing = np.array([[9, 0], [0, 0]])
    found = operating_points.intervals(nothing)
    assert all(np.isnan(found[name]).all() for name in operating_points.NAMES)


def test_averages_equal_the_metrics_of_a_report() -> None:
    random = np.random.default_rng(2)
    truth, probability = random.random((90, 4)) < (0.3, 0.4, 0.2, 0.02), random.random((90, 4))
    thresholds = (0.5, 0.4, 1.0, 0.5)  # the third class is never called
    found = operating_points.averages(truth, scores.decisions(probability, thresholds))
    expected = scores.overall(truth, probability, thresholds)
    for name, one in found.items():
        assert one.value == pytest.approx(expected[name]), name
    for one in found.values():
        assert one.interval[0] <= one.value <= one.interval[1]
