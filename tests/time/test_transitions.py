"""Transitions between two maps that err: what was simulated is found again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.raster import FloatArray
from landcover.time import transitions as of
from landcover.time.transitions import Cells

COVERS, SIDE = 4, 100


def answers(truth: np.ndarray, random: np.random.Generator, spread: float = 2.2) -> FloatArray:
    """Calibrated probabilities of a net that is right in nine of ten cells."""
    seen = random.normal(size=(COVERS, *truth.shape))
    seen += spread * (np.arange(COVERS)[:, None, None] == truth)
    chances = np.exp(spread * (seen - seen.max(axis=0)))
    return (chances / chances.sum(axis=0)).astype(np.float32)


def scenes(change: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Cells]:
    """An area of fields, of which some rows change, mapped twice."""
    random = np.random.default_rng(seed)
    before = np.kron(random.integers(0, COVERS, (10, 10)), np.ones((10, 10), dtype=int))
    after = before.copy()
    rows = round(change * SIDE)
    after[:rows] = (before[:rows] + 1) % COVERS
    maps = answers(before, random), answers(after, random)
    return before, after, Cells.of(*maps, np.ones((SIDE, SIDE), dtype=bool))


@pytest.mark.parametrize("change", [0.0, 0.03, 0.2])
def test_the_share_that_changed_is_found_though_the_maps_differ_in_a_quarter(change: float) -> None:
    _, _, cells = scenes(change)
    differ = (cells.before.argmax(axis=0) != cells.after.argmax(axis=0)).mean()
    assert differ > change + 0.15
    found = of.transitions(cells)
    assert found.sum() == pytest.approx(1)
    assert 1 - np.trace(found) == pytest.approx(change, abs=0.012)
    draws = of.resampled(of.evidence_of(cells, found).by_block)
    low, high = of.interval_of(1 - np.trace(draws, axis1=1, axis2=2))
    assert low - 0.005 <= change <= high + 0.005


def test_cells_that_are_said_to_have_changed_have_changed() -> None:
    before, after, cells = scenes(0.1)
    evidence = of.evidence_of(cells, of.transitions(cells))
    shown = evidence.changed > 0.8
    changed = (before != after).ravel()
    assert shown.sum() > 0.2 * changed.sum()
    assert changed[shown].mean() > 0.85
    right = (evidence.before == before.ravel()) & (evidence.after == after.ravel())
    assert right[shown & changed].mean() > 0.85
    assert evidence.by_block.sum() == pytest.approx(cells.count, rel=1e-4)


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 80))
def test_any_maps_have_transitions(seed: int, covers: int, count: int) -> None:
    random = np.random.default_rng(seed)
    chances = random.dirichlet(np.full(covers, 0.3), size=(2, count)).astype(np.float32)
    before, after = chances.transpose(0, 2, 1).reshape(2, covers, 1, count)
    cells = Cells.of(before, after, np.ones((1, count), dtype=bool))
    found = of.transitions(cells)
    assert np.isfinite(found).all()
    assert found.min() >= 0
    evidence = of.evidence_of(cells, found)
    assert ((evidence.changed >= 0) & (evidence.changed <= 1)).all()
    assert (evidence.before != evidence.after).all()


def test_maps_that_agree_show_no_change() -> None:
    _, _, cells = scenes(0.0)
    same = Cells(before=cells.before, after=cells.before, block=cells.block)
    found = of.transitions(same)
    assert 1 - np.trace(found) < 0.002
    assert (of.evidence_of(same, found).changed < 0.5).all()


def test_hidden_cells_are_left_out() -> None:
    seen = np.zeros((SIDE, SIDE), dtype=bool)
    seen[:7, :9] = True
    chances = np.full((COVERS, SIDE, SIDE), 0.25, dtype=np.float32)
    assert Cells.of(chances, chances, seen).count == 63


@given(st.integers(0, 10_000))
def test_raked_transitions_agree_with_both_areas(seed: int) -> None:
    random = np.random.default_rng(seed)
    table = random.dirichlet(np.ones(9)).reshape(3, 3)
    before, after = random.dirichlet(np.ones(3), size=2)
    made = of.raked(table, before, after)
    assert made.sum(axis=0) == pytest.approx(after, abs=1e-6)
    assert made.sum(axis=1) == pytest.approx(before, abs=1e-3)


def test_errors_alone_make_two_maps_differ() -> None:
    right = np.diag([1e6, 1e6])
    value, low, high = of.independent_false_change(right, np.array([0.5, 0.5]))
    assert value < 1e-4
    wrong = np.array([[90.0, 10.0], [10.0, 90.0]])
    value, low, high = of.independent_false_change(wrong, np.array([0.5, 0.5]))
    assert value == pytest.approx(0.18)
    assert low < value < high
