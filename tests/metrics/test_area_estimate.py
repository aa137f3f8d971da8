"""Areas that are corrected for the errors of a map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.metrics.area_estimate import clustered, clustered_estimate, stratified

# Olofsson et al. 2014, tables 8 and 9: deforestation, forest gain, stable forest and stable
# non-forest, in Landsat pixels of 0.09 ha.
PUBLISHED = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]], dtype=float)
MAPPED = np.array([200_000.0, 150_000.0, 3_200_000.0, 6_450_000.0])


def test_the_published_example_comes_out() -> None:
    found = stratified(0.09 * MAPPED, PUBLISHED)
    assert found.area == pytest.approx([21_158, 11_686, 285_770, 581_386], abs=1)
    half = (found.high - found.low) / 2
    assert half == pytest.approx([6_158, 3_756, 15_510, 16_282], abs=1)


def test_independent_cells_as_places_give_the_published_standard_errors() -> None:
    cells = [
        np.eye(4)[:, [i]] @ np.eye(4)[[j]]
        for i in range(4)
        for j in range(4)
        for _ in range(int(PUBLISHED[i, j]))
    ]
    each = clustered(np.stack(cells), np.arange(len(cells)))
    plain, over_places = stratified(MAPPED, PUBLISHED), clustered_estimate(MAPPED, each, np.inf)
    assert over_places.area == pytest.approx(plain.area)
    # n / (n - 1) of all cells, and not of those of one class, is the whole difference.
    assert over_places.standard_error == pytest.approx(plain.standard_error, rel=0.02)


def test_cells_that_err_together_widen_the_interval() -> None:
    random = np.random.default_rng(0)
    wrong = random.random(200) < 0.2
    tables = np.zeros((200, 2, 2))
    tables[:, 0, 0], tables[:, 0, 1] = 225.0 * ~wrong, 225.0 * wrong
    tables[:, 1, 1] = 50.0
    mapped = np.array([1_000.0, 500.0])
    alone = stratified(mapped, tables.sum(axis=0))
    together = clustered_estimate(mapped, clustered(tables, np.arange(200)), np.inf)
    assert together.area == pytest.approx(alone.area)
    assert together.standard_error[0] / alone.standard_error[0] == pytest.approx(15, rel=0.05)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    truth, hits, rounds = 0.3, 0, 300
    for _ in range(rounds):
        own = random.beta(3, 7, size=60)  # share of class 1 in truth, patch by patch
        ones = random.binomial(100, own)
        tables = np.zeros((60, 1, 2))
        tables[:, 0, 1], tables[:, 0, 0] = ones, 100 - ones
        found = clustered_estimate(np.ones(1), clustered(tables, np.arange(60)), np.inf)
        hits += found.low[1] <= truth <= found.high[1]
    assert 0.91 <= hits / rounds <= 0.98


def test_the_interval_of_one_place_covers_what_places_differ_by() -> None:
    random = np.random.default_rng(2)
    shares = random.beta(4, 4, size=(40, 200))  # of class 1, in 40 reference places and a new one
    hits = 0
    for own in shares.T:
        tables = 100 * np.stack((1 - own, own), axis=1)[:, None]
        found = clustered_estimate(np.ones(1), clustered(tables, np.arange(40)))
        hits += found.low[1] <= random.beta(4, 4) <= found.high[1]
    assert hits / 200 >= 0.92
    many = clustered_estimate(np.ones(1), clustered(tables, np.arange(40)), 100.0)
    assert many.standard_error[1] < 0.3 * found.standard_error[1]


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_areas_add_up_to_the_mapped_area(seed: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    tables = random.integers(1, 50, (8, classes, classes)).astype(float)
    mapped = random.random(classes) * 1_000
    for found in (
        stratified(mapped, tables.sum(axis=0)),
        clustered_estimate(
            mapped, clustered(tables, random.integers(0, 2, 8) + 2 * (np.arange(8) % 2))
        ),
    ):
        assert found.area.sum() == pytest.approx(mapped.sum())
        assert (found.low <= found.area + 1e-9).all()
        assert (found.area <= found.high + 1e-9).all()
        assert found.low.min() >= 0
        assert found.high.max() <= mapped.sum() + 1e-9


@given(st.integers(0, 10_000))
def test_a_map_without_errors_is_left_as_it_is(seed: int) -> None:
    mapped = np.random.default_rng(seed).random(4)
    found = stratified(mapped, 10 * np.eye(4))
    assert found.area == pytest.approx(mapped)
    assert found.standard_error == pytest.approx(np.zeros(4))


def test_a_class_without_reference_cells_has_no_corrected_area() -> None:
    errors = np.array([[5.0, 1.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match="reference cells"):
        stratified(np.array([1.0, 1.0]), errors)
    with pytest.raises(ValueError, match="two places"):
        clustered_estimate(np.ones(2), clustered(np.stack([errors, errors]), np.zeros(2)))
    assert stratified(np.array([6.0, 0.0]), errors).area == pytest.approx([5.0, 1.0])
