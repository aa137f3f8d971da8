"""Mistakes that recur: classes that are called beside others, more often than elsewhere."""

from __future__ import annotations

import numpy as np

from landcover.metrics.mistaken import mistakes

FOREST, SHRUB, WATER = range(3)


def test_a_class_that_is_called_beside_another_is_found_with_its_counts() -> None:
    truth = np.zeros((40, 3), bool)
    truth[:12, FOREST] = True
    truth[10:12, SHRUB] = True  # right, so no mistake
    called = truth.copy()
    called[:8, SHRUB] = True
    called[30:33, SHRUB] = True
    (only,) = mistakes(truth, called)
    assert (only.present, only.said) == (FOREST, SHRUB)
    assert (only.hits, only.patches) == (8, 10)
    assert (only.hits_elsewhere, only.patches_elsewhere) == (3, 28)
    assert only.chance < 0.001


def test_a_class_that_is_called_everywhere_is_mistaken_for_none() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((60, 3)) < 0.4
    called = truth.copy()
    called[:, WATER] = True
    assert mistakes(truth, called) == ()


def test_two_patches_are_no_rule_and_a_perfect_model_has_no_mistakes() -> None:
    truth = np.zeros((50, 3), bool)
    truth[:2, FOREST] = True
    called = truth.copy()
    assert mistakes(truth, called) == ()
    called[:2, SHRUB] = True
    assert mistakes(truth, called) == ()


def test_the_mistake_least_likely_to_be_chance_comes_first() -> None:
    truth = np.zeros((60, 3), bool)
    truth[:20, FOREST], truth[20:30, SHRUB] = True, True
    called = truth.copy()
    called[:20, WATER] = True
    called[20:24, FOREST] = True
    found = mistakes(truth, called)
    assert [(one.present, one.said) for one in found] == [(FOREST, WATER), (SHRUB, FOREST)]
