"""Transitions between two maps that err: what was simulated is found again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.raster import FloatArray
from landcover.time import transitions as of
from landcover.time.transitions import Cells
from tests.support.dated_maps import reference

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


def changed(cells: Cells) -> tuple[float, float, float]:
    """Share that changed by the evidence of all cells, with its interval."""
    by_block = of.evidence_of(cells, of.transitions(cells)).by_block
    draws = of.resampled(by_block)
    value = 1 - np.trace(by_block.sum(axis=0)) / by_block.sum()
    return float(value), *of.interval_of(1 - np.trace(draws, axis1=1, axis2=2))


@pytest.mark.parametrize("change", [0.0, 0.03, 0.2])
def test_the_share_that_changed_is_found_though_the_maps_differ_in_a_quarter(change: float) -> None:
    _, _, cells = scenes(change)
    differ = (cells.before.argmax(axis=0) != cells.after.argmax(axis=0)).mean()
    assert differ > change + 0.15
    assert of.transitions(cells).sum() == pytest.approx(1)
    value, low, high = changed(cells)
    assert 0.7 * change <= value <= change + 0.03
    assert low <= value <= high


@pytest.mark.parametrize("seed", range(3))
def test_a_shift_of_all_answers_of_a_date_is_no_change(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = np.kron(random.integers(0, COVERS, (10, 10)), np.ones((10, 10), dtype=int))
    before, after = answers(truth, random, 1.5), answers(truth, random, 1.5)
    after[1] *= 3  # everything looks more like the second cover
    cells = Cells.of(before, after / after.sum(axis=0), np.ones((SIDE, SIDE), dtype=bool))
    assert (cells.before.argmax(axis=0) != cells.after.argmax(axis=0)).mean() > 0.4
    evidence = of.evidence_of(cells, of.transitions(cells))
    assert (evidence.changed > 0.8).mean() < 0.01


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
    assert changed(same)[0] < 0.01
    assert (of.evidence_of(same, of.transitions(same)).changed < 0.5).all()


def test_hidden_cells_are_left_out() -> None:
    seen = np.zeros((SIDE, SIDE), dtype=bool)
    seen[:7, :9] = True
    chances = np.full((COVERS, SIDE, SIDE), 0.25, dtype=np.float32)
    assert Cells.of(chances, chances, seen).count == 63


def test_errors_alone_make_two_maps_differ() -> None:
    half = np.array([0.5, 0.5])
    right = of.truths(reference(np.eye(2), spread=0.0))
    assert of.independent_false_change(right, half) == pytest.approx(0)
    wrong = of.truths(reference(np.array([[0.9, 0.1], [0.1, 0.9]])))
    found = of.independent_false_change(wrong, half)
    assert found[0] == pytest.approx(0.18)
    low, high = of.interval_of(found[1:])
    assert low < 0.18 < high


def test_covers_without_reference_are_taken_as_mapped() -> None:
    shares = np.array([[0.7, 0.3, 0.0], [0.2, 0.8, 0.0], [0.0, 0.0, 0.0]])
    drawn = of.truths(reference(shares, spread=0.0))
    assert drawn[0, 2] == pytest.approx([0, 0, 1])
    assert drawn.sum(axis=2) == pytest.approx(1)
