"""Figures against scikit-learn's, and by hand where it has none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, f1_score, multilabel_confusion_matrix

from landcover.errors import BadInput
from landcover.metrics import (
    MIN_POSITIVES,
    average_precision,
    calibration_error,
    choose_thresholds,
    co_occurrence,
    confusions,
    counted_classes,
    curve,
    decisions,
    overall,
    per_class,
    summary,
)
from landcover.nomenclature import CLASS_NAMES

K = len(CLASS_NAMES)
HALF = [0.5] * K


def some(n: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth with absent and rare classes, and probabilities with ties that know something."""
    random = np.random.default_rng(seed)
    truth = random.random((n, K)) < np.linspace(0.0, 0.5, K)
    truth[:, 1] = False
    truth[:3, 1] = True
    probability = np.round(0.6 * random.random((n, K)) + 0.35 * truth, 2).astype(np.float32)
    return truth, probability


def test_macro_figures_average_the_classes_with_five_positives() -> None:
    truth, probability = some()
    counted = counted_classes(truth)
    assert set(counted) == {k for k in range(K) if truth[:, k].sum() >= MIN_POSITIVES}
    assert not {0, 1} & set(counted)
    called = probability >= 0.5
    values = overall(truth, probability, HALF)
    assert values["macro_ap"] == pytest.approx(
        average_precision_score(truth[:, counted], probability[:, counted], average="macro")
    )
    assert values["micro_ap"] == pytest.approx(
        average_precision_score(truth, probability, average="micro")
    )
    assert values["macro_f1"] == pytest.approx(
        f1_score(truth[:, counted], called[:, counted], average="macro")
    )
    assert values["micro_f1"] == pytest.approx(f1_score(truth, called, average="micro"))


def test_class_figures_of_a_hand_counted_table() -> None:
    truth = np.array([[1], [1], [1], [0], [0]], dtype=bool)
    probability = np.array([[0.9], [0.6], [0.1], [0.7], [0.2]], dtype=np.float32)
    (item,) = per_class(truth, probability, [0.5])
    assert item.support == 3
    assert item.precision == pytest.approx(2 / 3)
    assert item.recall == pytest.approx(2 / 3)
    assert item.f1 == pytest.approx(2 / 3)
    # Positives at ranks 1, 3 and 5.
    assert item.ap == pytest.approx((1 / 1 + 2 / 3 + 3 / 5) / 3)


def test_what_is_undefined_is_nan_and_none_in_json() -> None:
    truth = np.zeros((6, K), dtype=bool)
    probability = np.full((6, K), 0.2, dtype=np.float32)
    (item, *_) = per_class(truth, probability, HALF)
    assert item.support == 0
    assert all(math.isnan(v) for v in (item.ap, item.precision, item.recall, item.f1))
    figures = summary(truth, probability, dict.fromkeys(CLASS_NAMES, 0.5))
    assert figures["macro_ap"] is None
    assert figures["micro_ap"] is None
    assert figures["macro_classes"] == []
    assert figures["ece"] == pytest.approx(0.2)


def test_confusions_are_scikit_learns() -> None:
    truth, probability = some()
    called = decisions(probability, HALF)
    np.testing.assert_array_equal(
        confusions(truth, called), multilabel_confusion_matrix(truth, called)
    )


def test_co_occurrence_counts_calls_where_a_class_is() -> None:
    truth = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]], dtype=bool)
    called = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 1, 1]], dtype=bool)
    shares = co_occurrence(truth, called)
    np.testing.assert_allclose(shares[0], [2 / 3, 1.0, 1 / 3])
    np.testing.assert_allclose(shares[1], [0.0, 0.5, 0.0])
    assert np.isnan(shares[2]).all()


def test_curve_rises_in_recall_and_its_area_is_the_average_precision() -> None:
    truth, probability = some()
    precision, recall, threshold = curve(truth[:, -1], probability[:, -1])
    assert len(precision) == len(recall) == len(threshold)
    assert (recall[0], threshold[0]) == (0.0, np.inf)
    assert recall[-1] == 1.0
    assert (np.diff(recall) >= 0).all()
    area = float((np.diff(recall) * precision[1:]).sum())
    assert area == pytest.approx(average_precision(truth[:, -1], probability[:, -1]))
    assert all(len(part) == 0 for part in curve(truth[:, 0], probability[:, 0]))


def test_calibration_error_by_hand() -> None:
    # Two bins: 0.1 (one of four true) and 0.9 (all four true).
    truth = np.array([[0, 1], [0, 1], [0, 1], [1, 1]], dtype=bool)
    probability = np.tile(np.array([0.1, 0.9], dtype=np.float32), (4, 1))
    assert calibration_error(truth, probability) == pytest.approx((0.15 + 0.10) / 2, abs=1e-6)


def test_calibration_error_vanishes_for_honest_forecasts() -> None:
    random = np.random.default_rng(0)
    probability = random.random((20_000, 3))
    truth = random.random((20_000, 3)) < probability
    assert calibration_error(truth, probability) < 0.01
    assert calibration_error(truth, probability**2) > 0.1


@settings(max_examples=20, deadline=None)
@given(
    truth=arrays(bool, (12, K), elements=st.booleans()),
    probability=arrays(np.float32, (12, K), elements=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])),
)
def test_no_other_threshold_has_a_higher_f1(truth: np.ndarray, probability: np.ndarray) -> None:
    truth[0, 0] = True
    thresholds = choose_thresholds(truth, probability)
    for k in counted_classes(truth):
        best = f1_score(truth[:, k], probability[:, k] >= thresholds[CLASS_NAMES[k]])
        others = [f1_score(truth[:, k], probability[:, k] >= t) for t in (0.05, 0.3, 0.7, 0.95)]
        assert best >= max(others) - 1e-12


def test_rare_classes_share_the_threshold_of_all() -> None:
    truth, probability = some()
    thresholds = choose_thresholds(truth, probability)
    rare = [k for k in range(K) if k not in counted_classes(truth)]
    shared = {thresholds[CLASS_NAMES[k]] for k in rare}
    assert len(rare) >= 2
    assert len(shared) == 1
    best = f1_score(truth.ravel(), probability.ravel() >= shared.pop())
    grid = [f1_score(truth.ravel(), probability.ravel() >= t) for t in np.linspace(0, 1, 201)]
    assert best >= max(grid) - 1e-12


def test_thresholds_need_a_positive() -> None:
    with pytest.raises(BadInput, match="none of these has a class"):
        choose_thresholds(np.zeros((4, K), dtype=bool), np.zeros((4, K)))
