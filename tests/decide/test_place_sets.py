"""Bounds by place: they hold where split conformal prediction fails, and nothing leaks into them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landcover.decide import place_sets
from landcover.decide.conformal import CERTAINTIES, Doubles, codes_from_bounds
from landcover.decide.place_sets import Calibrated, PlaceSets, Sides
from tests.support.examples import examples

CERTAIN = CERTAINTIES.index("certain")


def uncalibrated(chances: Doubles) -> Calibrated:
    return lambda _: chances


def shifted(
    seed: int, sizes: tuple[int, ...] = (160, 20, 120, 30, 60, 50), spread: float = 1.6
) -> tuple[Doubles, Any, Any]:
    """Probabilities of three classes whose scores are shifted by another amount in each place."""
    random = np.random.default_rng(seed)
    places = np.repeat(np.arange(len(sizes)), sizes)
    truth = random.random((len(places), 3)) < (0.4, 0.3, 0.2)
    shift = random.normal(0, spread, (len(sizes), 3))[places]
    scores = random.normal(0, 1, truth.shape) + 4 * truth - 2 + shift
    return 1 / (1 + np.exp(-scores)), truth, places


def sets_of(material: tuple[Doubles, Any, Any], alpha: float = 0.1) -> PlaceSets:
    chances, truth, places = material
    return PlaceSets(calibrated=uncalibrated(chances), truth=truth, places=places, alpha=alpha)


def counts(codes: Any, truth: Any) -> Any:
    """Classes called certain that are there, called certain, there and not ruled out, there."""
    called = codes == CERTAIN
    return np.array(
        [(called & truth).sum(), called.sum(), (truth & (codes > 0)).sum(), truth.sum()]
    )


def test_bounds_by_place_hold_in_new_places_where_split_conformal_prediction_does_not() -> None:
    known, new = (160, 20, 120, 30, 60, 50), (60,) * 6
    plain, placed = np.zeros(4), np.zeros(4)
    for seed in range(8):
        chances, truth, places = shifted(seed, known + new)
        seen = places < len(known)
        sets = sets_of((chances[seen], truth[seen], places[seen]))
        fitted = sets.fit()
        for sums, bounds in (
            (plain, sets.plain(np.ones(seen.sum(), dtype=bool))),
            (placed, (fitted.possible, fitted.certain)),
        ):
            sums[:] += counts(codes_from_bounds(bounds, chances[~seen]), truth[~seen])
    assert plain[0] / plain[1] < 0.85
    assert plain[2] / plain[3] < 0.89
    assert placed[0] / placed[1] >= 0.9
    assert placed[2] / placed[3] >= 0.9
    assert placed[1] > 100


@pytest.mark.parametrize("seed", range(4))
def test_what_is_said_in_left_out_places_reaches_the_target(seed: int) -> None:
    material = shifted(seed)
    fitted = sets_of(material).fit()
    right, called, kept, there = counts(fitted.codes, material[1])
    assert kept >= 0.9 * there
    assert right >= 0.9 * called
    for k in range(3):
        own = fitted.codes[:, k] == CERTAIN
        if np.isfinite(fitted.certain[k]):
            assert k not in fitted.unsaid
            assert own.any()
            assert material[1][own, k].mean() >= 0.9
        else:
            assert fitted.unsaid[k]


def test_a_class_that_every_place_shows_the_same_is_called_certain() -> None:
    material = shifted(0, spread=0.0)
    fitted = sets_of(material).fit()
    assert 0 not in fitted.unsaid
    assert (fitted.codes[:, 0] == CERTAIN).mean() > 0.1
    assert fitted.sides == Sides()


def test_a_class_that_one_place_has_is_never_ruled_out_nor_certain() -> None:
    chances, truth, places = shifted(0, spread=0.0)
    truth[:, 2] &= places == 0
    fitted = sets_of((chances, truth, places)).fit()
    assert fitted.possible[2] == 0.0
    assert fitted.certain[2] == np.inf
    assert not np.isin(fitted.codes[:, 2], (0, CERTAIN)).any()


def test_scores_of_chance_say_nothing() -> None:
    random = np.random.default_rng(3)
    places = np.repeat(np.arange(4), 40)
    truth = random.random((160, 2)) < 0.3
    fitted = sets_of((random.random((160, 2)), truth, places)).fit()
    assert (fitted.certain == np.inf).all()
    assert set(fitted.unsaid) == {0, 1}


@given(st.integers(0, 10_000), st.integers(0, 3))
@settings(max_examples=examples(15), deadline=None)
def test_the_truth_of_a_left_out_place_changes_nothing_in_it(seed: int, out: int) -> None:
    sizes = (40, 15, 30, 20)
    chances, truth, places = shifted(seed, sizes)
    random = np.random.default_rng(seed)
    other = truth.copy()
    other[places == out] = random.random(truth.shape)[places == out] < 0.5
    fits: list[bytes] = []

    def calibrated(own: Any) -> Calibrated:
        """A calibration that uses the truth of the patches it is given."""

        def apply(rows: Any) -> Doubles:
            fits.append(rows.tobytes())
            return np.asarray(chances ** (0.5 + own[rows].mean()))

        return apply

    codes = []
    for labels in (truth, other):
        sets = PlaceSets(calibrated=calibrated(labels), truth=labels, places=places, alpha=0.1)
        found = sets.nested(partial(sets.bounds, sides=Sides()))
        codes.append(found[places == out])
        codes.append(sets.nested(sets.plain)[places == out])
    assert (codes[0] == codes[2]).all()
    assert (codes[1] == codes[3]).all()


@given(st.integers(0, 10_000))
@settings(max_examples=examples(10), deadline=None)
def test_bounds_ignore_the_patches_outside_the_mask(seed: int) -> None:
    chances, truth, places = shifted(seed, (40, 15, 30, 20))
    rows = places != 1
    whole = sets_of((chances, truth, places)).bounds(rows, Sides())
    cut = sets_of((chances[rows], truth[rows], places[rows])).bounds(
        np.ones(rows.sum(), dtype=bool), Sides()
    )
    assert [one.tolist() for one in whole] == [one.tolist() for one in cut]


def test_stricter_choices_say_no_more() -> None:
    sets = sets_of(shifted(1, spread=0.5))
    counts = [
        (sets.nested(partial(sets.bounds, sides=Sides(possible=s))) == 0).sum()
        for s in place_sets.STRICTER
    ]
    assert counts[0] >= counts[-1]
