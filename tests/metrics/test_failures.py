"""The worst patches are those whose truth has the lowest probability."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, log_loss

from landcover.metrics import failures

RANDOM = np.random.default_rng(0)


def test_the_mean_loss_is_scikit_learns() -> None:
    truth, probability = RANDOM.random((30, 5)) < 0.3, RANDOM.uniform(0.01, 0.99, (30, 5))
    assert failures.patch_loss(truth, probability).mean() == pytest.approx(
        log_loss(truth.ravel(), probability.ravel())
    )
    one = np.eye(5, dtype=bool)[RANDOM.integers(5, size=30)]
    share = probability / probability.sum(axis=1, keepdims=True)
    assert failures.patch_loss(one, share, exclusive=True).mean() == pytest.approx(
        log_loss(one, share)
    )


def test_a_certain_error_is_worst_and_finite() -> None:
    truth = np.array([[True, False], [True, False], [True, False]])
    probability = np.array([[0.9, 0.1], [0.0, 1.0], [0.5, 0.5]])
    loss = failures.patch_loss(truth, probability)
    assert np.isfinite(loss).all()
    assert failures.worst_first(loss).tolist() == [1, 2, 0]
    assert loss[2] == pytest.approx(np.log(2))


def test_equal_losses_keep_their_order() -> None:
    assert failures.worst_first(np.array([1.0, 2.0, 1.0, 2.0])).tolist() == [1, 3, 0, 2]


def test_confusion_is_scikit_learns() -> None:
    truth = np.eye(4, dtype=bool)[RANDOM.integers(4, size=50)]
    probability = RANDOM.random((50, 4))
    assert (
        failures.confusion(truth, probability)
        == confusion_matrix(truth.argmax(1), probability.argmax(1), labels=range(4))
    ).all()
