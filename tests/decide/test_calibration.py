"""Calibration is kept only where it helps on held-out places, and never reverses a ranking."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import LogisticRegression

from landcover.decide import calibration, calibration_fit
from landcover.decide.calibration import Calibration
from tests.support.examples import examples

CLASSES = ("a", "b", "c")


def platt(scale: list[float], shift: list[float]) -> Calibration:
    return Calibration(
        method="platt",
        scale=dict(zip(CLASSES, scale, strict=True)),
        shift=dict(zip(CLASSES, shift, strict=True)),
    )


def some(
    n: int = 600, scale: tuple[float, ...] = (1, 1, 1), shift: tuple[float, ...] = (0, 0, 0),
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Logits whose truth is drawn from ``sigmoid(scale · logit + shift)``, and 12 places."""
    random = np.random.default_rng(seed)
    logits = random.normal(-0.5, 2, (n, 3))
    chance = 1 / (1 + np.exp(-(np.array(scale) * logits + np.array(shift))))
    return logits, random.random((n, 3)) < chance, random.integers(0, 12, n)


LOGITS = arrays(np.float32, (7, 3), elements=st.floats(-30, 30, width=32))


@given(LOGITS)
def test_identity_is_exact(logits: np.ndarray) -> None:
    tensor = torch.from_numpy(logits)
    expected = torch.sigmoid(tensor)
    one = platt([1, 1, 1], [0, 0, 0])
    assert torch.equal(calibration.apply(Calibration(method="none"), CLASSES, tensor), expected)
    assert torch.equal(calibration.apply(one, CLASSES, tensor), expected)


@given(
    LOGITS,
    st.lists(st.floats(0.1, 10), min_size=3, max_size=3),
    st.lists(st.floats(-5, 5), min_size=3, max_size=3),
)
def test_calibrated_values_are_monotone_probabilities(
    logits: np.ndarray, scale: list[float], shift: list[float]
) -> None:
    tensor = torch.from_numpy(np.sort(logits, axis=0))
    found = calibration.apply(platt(scale, shift), CLASSES, tensor)
    assert ((found >= 0) & (found <= 1)).all()
    # The processor's vector and scalar sigmoid differ in the last digit.
    assert (found.diff(dim=0) >= -1e-6).all()


def test_gradients_pass_through() -> None:
    logits = torch.zeros(1, 3, requires_grad=True)
    calibration.apply(platt([2, 1, 0.5], [0, 0, 0]), CLASSES, logits).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == pytest.approx([0.5, 0.25, 0.125])


def test_classes_are_found_by_name() -> None:
    reordered = ("c", "a", "b")
    values = platt([2, 1, 0.5], [1, 0, -1])
    tensor = torch.tensor([[1.0, 2.0, 3.0]])
    found = calibration.apply(values, reordered, tensor[:, [2, 0, 1]])
    assert torch.equal(found, calibration.apply(values, CLASSES, tensor)[:, [2, 0, 1]])


def test_calibrated_probabilities_stay_unchanged() -> None:
    """Truth is drawn from the probabilities themselves: any fit is noise, for most draws."""
    found = [calibration_fit.fit(*some(n=150, seed=seed), CLASSES) for seed in range(10)]
    assert sum(each.method == "none" for each in found) >= 6
    for each in found:
        losses = each.evidence["log_loss"]
        assert losses[each.evidence["rule"]] == min(losses.values())


def test_shared_and_single_class_miscalibration_is_found() -> None:
    shared = calibration_fit.fit(*some(scale=(0.4, 0.4, 0.4)), CLASSES)
    assert list(shared.scale.values()) == pytest.approx([0.4] * 3, abs=0.12)
    single = calibration_fit.fit(*some(scale=(1, 1, 0.5), shift=(0, 0, 1.5)), CLASSES)
    assert "c" in single.kept
    assert single.scale["c"] == pytest.approx(0.5, abs=0.15)
    assert single.shift["c"] == pytest.approx(1.5, abs=0.4)
    for each in (shared, single):
        rule = each.evidence["rule"]
        for key in ("log_loss", "brier"):
            assert each.evidence[key][rule] < each.evidence[key]["none"]
        for label in set(CLASSES) - set(each.kept):
            assert (each.scale[label], each.shift[label]) == (1.0, 0.0)


def test_rare_classes_never_get_their_own_shift() -> None:
    logits, truth, groups = some(scale=(0.4, 0.4, 0.4))
    truth[:, 2] = False
    truth[:4, 2] = True
    found = calibration_fit.fit(logits, truth, groups, CLASSES)
    alone = calibration_fit.fit(logits[:, :2], truth[:, :2], groups, CLASSES[:2])
    assert found.shift["c"] == 0.0
    assert set(alone.kept) == {"a", "b"}


def test_one_place_is_not_enough_to_calibrate() -> None:
    logits, truth, groups = some(scale=(0.2, 0.2, 0.2))
    found = calibration_fit.fit(logits, truth, np.zeros_like(groups), CLASSES)
    assert found.method == "none"
    assert found.evidence["folds"] == 0


def test_errors_that_differ_between_places_are_not_fitted() -> None:
    """Each place has its own error: it can be fitted within a place, but not to another one."""
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (400, 3))
    groups = np.repeat(np.arange(4), 100)
    shift = np.array([-2.0, 2.0, -2.0, 2.0])[groups][:, None]
    truth = random.random((400, 3)) < 1 / (1 + np.exp(-(logits + shift)))
    by_place = calibration_fit.fit(logits[::2], truth[::2], groups[::2], CLASSES)
    losses = by_place.evidence["log_loss"]
    assert losses[by_place.evidence["rule"]] <= losses["none"]
    assert all(abs(shift) < 0.5 for shift in (by_place.shift or {}).values())


def test_lines_agree_with_logistic_regression_when_the_prior_is_weak() -> None:
    logits, truth, _ = some(n=4000, scale=(1.5, 0.7, 1), shift=(0.5, -0.5, 0))
    scale, shift = calibration_fit.fit_lines(logits, truth)
    for k in range(3):
        free = LogisticRegression(C=1e6).fit(logits[:, [k]], truth[:, k])
        assert scale[k] == pytest.approx(free.coef_[0, 0], abs=0.05)
        assert shift[k] == pytest.approx(free.intercept_[0], abs=0.05)


@settings(max_examples=examples(15))
@given(st.integers(0, 10_000))
def test_a_fitted_calibration_is_json_and_monotone(seed: int) -> None:
    found = calibration_fit.fit(*some(n=60, scale=(0.3, 2, 1), seed=seed), CLASSES)
    assert found.method in ("none", "platt")
    assert all(0.1 <= value <= 10 for value in (found.scale or {}).values())
