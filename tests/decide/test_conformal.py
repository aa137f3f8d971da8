"""Label sets have their target coverage for exchangeable patches, and measure it for others."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from landcover.decide import conformal, conformal_fit
from landcover.decide.conformal import CERTAINTIES, LabelSets, LeftOut, certainty
from landcover.decide.conformal_fit import observe
from tests.support.examples import examples

CLASSES = ("a", "b", "rare")
ELSEWHERE = LeftOut(unit="country", places=3, patches=9, measured={})


def some(n: int, seed: int, prevalence: tuple[float, ...] = (0.4, 0.15, 0.01)) -> tuple[Any, ...]:
    """Make probabilities that depend on the truth; patches are exchangeable."""
    random = np.random.default_rng(seed)
    truth = random.random((n, 3)) < np.array(prevalence)
    chances = 1 / (1 + np.exp(-(random.normal(0, 1.2, (n, 3)) + 3 * truth - 2)))
    return chances, truth, random.integers(0, 8, n), ["Here", "There"] * (n // 2)


def fitted(n: int = 300, seed: int = 0) -> LabelSets:
    chances, truth, groups, countries = some(n, seed)
    return conformal_fit.fit(chances, truth, groups, countries, CLASSES)


def test_coverage_holds_for_exchangeable_patches() -> None:
    """Over 40 draws the misses stay below what a tenth would give with probability 1 - 1e-6."""
    misses = {"present": [0, 0], "absent": [0, 0]}
    for seed in range(40):
        bounds = conformal_fit.bounds_for(*some(300, seed)[:2], 0.1)
        chances, truth, *_ = some(400, 1000 + seed)
        codes, present = conformal.codes_from_bounds(bounds, chances)[:, :2], truth[:, :2]
        for side, wrong, cases in (
            ("present", present & (codes == 0), present),
            ("absent", ~present & (codes == 2), ~present),
        ):
            misses[side][0] += int(wrong.sum())
            misses[side][1] += int(cases.sum())
    for missed, n in misses.values():
        # A draw's bounds serve 400 patches, so its misses move together: allow for a third more.
        assert missed < 1.35 * binom.ppf(1 - 1e-6, n, 0.1)
        assert missed > 0
    missed, n = misses["present"]
    assert missed / n == pytest.approx(0.1, abs=0.04)


@given(st.integers(0, 100_000), st.integers(20, 120))
@settings(max_examples=examples(40))
def test_the_bounds_hold_on_their_own_patches(seed: int, n: int) -> None:
    chances, truth, _, _ = some(n, seed)
    possible, certain = conformal_fit.bounds_for(chances, truth, 0.1)
    assert (possible <= certain).all()
    for k in range(3):
        there = truth[:, k]
        if there.sum() >= 9:
            assert (chances[there, k] < possible[k]).sum() <= 0.1 * (there.sum() + 1)
            called = chances[:, k] >= certain[k]
            assert (called & ~there).sum() <= 0.1 * (called.sum() + 1)


def test_nine_positives_are_needed_and_fewer_are_pooled() -> None:
    chances = np.linspace(0.2, 0.9, 18)[:, None]
    alone = np.zeros((18, 1), dtype=bool)
    alone[9:] = True
    possible, _ = conformal_fit.bounds_for(chances, alone, 0.1)
    assert possible[0] == chances[9, 0]
    alone[9] = False  # eight: the rank does not exist, and there is no class to pool with
    possible, certain = conformal_fit.bounds_for(chances, alone, 0.1)
    assert possible[0] == 0.0
    assert certain[0] == np.inf
    # Two classes of six have bounds together, but neither would alone.
    both = np.zeros((18, 2), dtype=bool)
    both[12:] = True
    together, _ = conformal_fit.bounds_for(np.hstack([chances, chances]), both, 0.1)
    assert together[0] == together[1] == chances[12, 0]


def test_certainty_follows_from_the_bounds() -> None:
    sets = LabelSets(
        wanted_coverage=0.9,
        certain={"a": 0.9, "b": None},
        possible={"a": 0.2, "b": 0.0},
        by_place=ELSEWHERE,
    )
    found = [certainty(sets, "a", value) for value in (0.19, 0.2, 0.89, 0.9)]
    assert found == ["absent", "possible", "possible", "certain"]
    assert certainty(sets, "b", 1.0) == "possible"
    assert certainty(None, "a", 0.5) is None
    chances = np.array([[0.1, 0.0], [0.95, 1.0]])
    codes = conformal.certainty_codes(sets, chances, ("a", "b"))
    assert [[CERTAINTIES[code] for code in row] for row in codes] == [
        ["absent", "possible"],
        ["certain", "possible"],
    ]


def test_nothing_is_certain_with_bounds_that_were_not_chosen_by_place() -> None:
    sets = LabelSets(wanted_coverage=0.9, certain={"a": 0.9}, possible={"a": 0.2})
    assert sets.certain_from("a") is None
    assert [certainty(sets, "a", value) for value in (0.1, 0.2, 1.0)] == [
        "absent", "possible", "possible",
    ]  # fmt: skip
    assert conformal.certainty_codes(sets, np.array([[0.1], [1.0]]), ("a",)).tolist() == [[0], [1]]
    assert sets.with_fields(by_place=ELSEWHERE).certain_from("a") == 0.9


def test_observed_coverage_of_a_hand_counted_case() -> None:
    sets = LabelSets(
        wanted_coverage=0.9,
        certain={"a": 0.8, "b": 0.5},
        possible={"a": 0.2, "b": 0.1},
        by_place=ELSEWHERE,
    )
    chances = np.array([[0.9, 0.6], [0.1, 0.0], [0.3, 0.7], [0.85, 0.05]])
    truth = np.array([[1, 1], [1, 0], [0, 0], [1, 0]], dtype=bool)
    found = observe(sets, chances, truth, ["X", "X", "Y", ""])
    overall = {side: (v["hits"], v["n"]) for side, v in found["overall"].items()}
    assert overall == {
        "present": (3, 4), "absent": (3, 4), "certain": (3, 4), "ruled_out": (2, 3),
    }  # fmt: skip
    assert found["per_class"]["a"]["present"]["share"] == pytest.approx(2 / 3, abs=1e-6)
    assert set(found["per_country"]) == {"X", "Y", "unknown"}
    assert found["per_country"]["Y"]["present"] == {
        "n": 0, "hits": 0, "share": None, "interval": None,
    }  # fmt: skip
    # Clopper and Pearson's interval of 3 in 4, from their table.
    assert found["overall"]["present"]["interval"] == pytest.approx([0.194, 0.994], abs=1e-3)
    assert sum(found["per_patch"].values()) == pytest.approx(2)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_fitted_label_sets_are_json_and_name_pooled_classes() -> None:
    sets = fitted()
    assert LabelSets.model_validate_json(sets.as_json()) == sets
    assert sets.pooled == ("rare",)
    assert set(sets.certain) == set(sets.possible) == set(CLASSES)
    assert sets.expected["overall"]["present"]["share"] >= 0.8
    assert set(sets.expected["per_country"]) == {"Here", "There"}


def test_differences_between_places_lower_the_expected_coverage() -> None:
    chances, truth, groups, countries = some(600, 3)
    same = conformal_fit.fit(chances, truth, groups, countries, CLASSES)
    # In half of the places the net is far less certain of the present classes.
    dim = np.where(np.isin(groups, (0, 1, 2, 3))[:, None], chances * 0.05, chances)
    shifted = conformal_fit.fit(dim, truth, np.where(groups < 4, 0, groups), countries, CLASSES)
    first, second = (s.expected["overall"]["present"]["share"] for s in (same, shifted))
    assert second < first - 0.1
