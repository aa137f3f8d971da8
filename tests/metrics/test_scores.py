"""Metrics equal scikit-learn's, or hand-computed values where it has none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    coverage_error,
    f1_score,
    fbeta_score,
    hamming_loss,
    label_ranking_average_precision_score,
    label_ranking_loss,
    multilabel_confusion_matrix,
    precision_score,
    recall_score,
)

from landcover.core.classes import CLASS_NAMES
from landcover.metrics.scores import (
    ACCURACY,
    CLASS_METRICS,
    METRICS,
    MIN_POSITIVES,
    SUMMARY,
    adaptive_calibration_error,
    average_precision,
    calibration_error,
    co_occurrence,
    confusions,
    counted_classes,
    curve,
    decisions,
    overall,
    per_class,
    per_patch,
    summary,
)
from tests.support.examples import examples

K = len(CLASS_NAMES)
HALF = [0.5] * K


def some(n: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make truth with absent and rare classes, and probabilities with ties that depend on it."""
    random = np.random.default_rng(seed)
    truth = random.random((n, K)) < np.linspace(0.0, 0.5, K)
    truth[:, 1] = False
    truth[:3, 1] = True
    probability = np.round(0.6 * random.random((n, K)) + 0.35 * truth, 2).astype(np.float32)
    return truth, probability


def test_macro_metrics_average_the_classes_with_five_positives() -> None:
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


def test_class_metrics_of_a_hand_counted_table() -> None:
    truth = np.array([[1], [1], [1], [0], [0]], dtype=bool)
    probability = np.array([[0.9], [0.6], [0.1], [0.7], [0.2]], dtype=np.float32)
    (item,) = per_class(truth, probability, [0.5])
    assert item.support == 3
    assert item.precision == pytest.approx(2 / 3)
    assert item.recall == pytest.approx(2 / 3)
    assert item.f1 == pytest.approx(2 / 3)
    # Positives at ranks 1, 3 and 5.
    assert item.ap == pytest.approx((1 / 1 + 2 / 3 + 3 / 5) / 3)


def test_undefined_metrics_are_nan_and_none_in_json() -> None:
    truth = np.zeros((6, K), dtype=bool)
    probability = np.full((6, K), 0.2, dtype=np.float32)
    (item, *_) = per_class(truth, probability, HALF)
    assert item.support == 0
    assert all(math.isnan(v) for v in (item.ap, item.precision, item.recall, item.f1))
    values = summary(truth, probability, dict.fromkeys(CLASS_NAMES, 0.5))
    assert values["macro_ap"] is None
    assert values["micro_ap"] is None
    assert values["macro_classes"] == []
    assert values["ece"] == pytest.approx(0.2)


def test_confusions_are_scikit_learns() -> None:
    truth, probability = some()
    called = decisions(probability, HALF)
    np.testing.assert_array_equal(
        confusions(truth, called), multilabel_confusion_matrix(truth, called)
    )


def test_co_occurrence_counts_calls_in_patches_of_a_class() -> None:
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


def test_calibration_error_of_a_hand_counted_case() -> None:
    # Two bins: 0.1 (one of four true) and 0.9 (all four true).
    truth = np.array([[0, 1], [0, 1], [0, 1], [1, 1]], dtype=bool)
    probability = np.tile(np.array([0.1, 0.9], dtype=np.float32), (4, 1))
    assert calibration_error(truth, probability) == pytest.approx((0.15 + 0.10) / 2, abs=1e-6)


def test_calibration_error_vanishes_for_calibrated_forecasts() -> None:
    random = np.random.default_rng(0)
    probability = random.random((20_000, 3))
    truth = random.random((20_000, 3)) < probability
    assert calibration_error(truth, probability) < 0.01
    assert calibration_error(truth, probability**2) > 0.1


def test_every_metric_is_scikit_learns() -> None:
    truth, probability = some()
    counted, called = counted_classes(truth), probability >= 0.5
    values = overall(truth, probability, HALF)
    assert tuple(values) == METRICS
    own_truth, own_calls = truth[:, counted], called[:, counted]
    wanted = {
        "macro_f2": fbeta_score(own_truth, own_calls, beta=2, average="macro"),
        "micro_f2": fbeta_score(truth, called, beta=2, average="micro"),
        "macro_precision": precision_score(own_truth, own_calls, average="macro"),
        "micro_precision": precision_score(truth, called, average="micro"),
        "macro_recall": recall_score(own_truth, own_calls, average="macro"),
        "micro_recall": recall_score(truth, called, average="micro"),
        "hamming_loss": hamming_loss(truth, called),
        "subset_accuracy": accuracy_score(truth, called),
        "sample_ap": label_ranking_average_precision_score(truth, probability),
        "coverage_error": coverage_error(truth, probability),
        "ranking_loss": label_ranking_loss(truth, probability),
        "brier": brier_score_loss(truth.ravel(), probability.ravel()),
        "one_error": np.mean([not t[p.argmax()] for t, p in zip(truth, probability, strict=True)]),
    }
    assert set(wanted) | {*SUMMARY, "ace"} == set(METRICS)
    for name, value in wanted.items():
        assert values[name] == pytest.approx(value, abs=1e-7), name


def test_class_metrics_are_scikit_learns() -> None:
    truth, probability = some()
    assert {*CLASS_METRICS, "support", "threshold"} == set(
        per_class(truth, probability, HALF)[0].__dataclass_fields__
    )
    for k, item in enumerate(per_class(truth, probability, HALF)):
        assert item.brier == pytest.approx(brier_score_loss(truth[:, k], probability[:, k]))
        own = truth[:, [k]], probability[:, [k]]
        assert item.ece == pytest.approx(calibration_error(*own))
        assert item.ace == pytest.approx(adaptive_calibration_error(*own))
        if item.support:
            called = probability[:, k] >= 0.5
            assert item.f2 == pytest.approx(fbeta_score(truth[:, k], called, beta=2))


@settings(max_examples=examples(60))
@given(
    truth=arrays(bool, (6, 5), elements=st.booleans()),
    probability=arrays(np.float32, (6, 5), elements=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])),
)
def test_the_mean_over_patches_is_the_metric(truth: np.ndarray, probability: np.ndarray) -> None:
    """Includes ties, patches without a class and patches with all classes."""
    each = per_patch(truth, probability, decisions(probability, [0.5] * 5))
    values = overall(truth, probability, [0.5] * 5)
    for name in (*values.keys() & each.keys(),):
        assert each[name].mean() == pytest.approx(values[name], abs=1e-9), name
    assert len(values.keys() & each.keys()) == 7


def test_only_the_most_probable_exclusive_class_is_called() -> None:
    probability = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.1, 0.1, 0.8]], np.float32)
    truth = np.eye(3, dtype=bool)
    called = decisions(probability, [0.9] * 3, exclusive=True)
    np.testing.assert_array_equal(called.argmax(axis=1), [1, 0, 2])
    assert (called.sum(axis=1) == 1).all()
    values = overall(truth, probability, [0.9] * 3, exclusive=True)
    assert values[ACCURACY] == pytest.approx(1 / 3)
    # One call a patch: precision, recall and F1 over all classes are the accuracy.
    assert values["micro_f1"] == pytest.approx(values[ACCURACY])
    assert values["one_error"] == pytest.approx(1 - values[ACCURACY])
    assert ACCURACY not in overall(truth, probability, [0.9] * 3)


def test_adaptive_bins_hold_the_same_number_of_forecasts() -> None:
    random = np.random.default_rng(0)
    probability = random.random((300, 5)) ** 4
    truth = random.random((300, 5)) < probability**0.5
    order = np.argsort(probability.ravel())
    parts = np.array_split(order, 15)
    gaps = [abs((probability.ravel() - truth.ravel())[part].sum()) for part in parts]
    assert adaptive_calibration_error(truth, probability) == pytest.approx(sum(gaps) / 1500)


def test_adaptive_bins_keep_equal_forecasts_together() -> None:
    truth = np.arange(60).reshape(30, 2) % 3 == 0
    shuffled = truth[::-1]
    even = np.full((30, 2), 0.25)
    assert adaptive_calibration_error(truth, even) == pytest.approx(abs(0.25 - truth.mean()))
    assert adaptive_calibration_error(shuffled, even) == adaptive_calibration_error(truth, even)


def test_a_summary_accepts_any_classes() -> None:
    truth, probability = np.eye(2, dtype=bool).repeat(6, axis=0), np.full((12, 2), 0.5)
    found = summary(truth, probability, {"b": 0.5, "a": 0.5}, ("a", "b"), exclusive=True)
    assert list(found) == [*SUMMARY, ACCURACY, "macro_classes"]
    assert found["macro_classes"] == ["a", "b"]
    assert found[ACCURACY] == 0.5
