"""Test the calibration and label sets of adapted models."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from landcover.adapt.decisions import FEWEST_FOR_LINE, FEWEST_FOR_SETS, WANTED, decide, fit_line
from landcover.adapt.head import Examples
from landcover.core.classes import CLASS_NAMES
from landcover.decide import calibration
from landcover.decide.calibration_fit import log_loss

COUNT = len(CLASS_NAMES)


def examples(places: int, seed: int = 0, sure: float = 3.0) -> Examples:
    """Patches whose scores say ``sure`` times as much as is true."""
    random = np.random.default_rng(seed)
    honest = random.normal(-1.5, 2.0, (places, COUNT))
    truth = random.random(honest.shape) < 1 / (1 + np.exp(-honest))
    return Examples(
        features=torch.zeros(places, 1),
        scores=torch.from_numpy(sure * honest).float(),
        truth=truth,
        known=np.ones_like(truth),
        places=np.arange(places),
    )


def logits(given: Examples) -> np.ndarray:
    return given.scores.double().numpy()


def test_few_complete_corrections_decide_nothing() -> None:
    given = examples(FEWEST_FOR_LINE - 1)
    found = decide(logits(given), given, CLASS_NAMES)
    assert (found.calibration.method, found.label_sets) == ("none", None)
    assert found.reason.endswith("for which 30 do: 9 have.")


def test_what_is_partly_known_is_not_calibrated_to() -> None:
    given = examples(40)
    known = given.known.copy()
    known[:, 0] = False
    partly = Examples(**{**vars(given), "known": known})
    found = decide(logits(given), partly, CLASS_NAMES)
    assert (found.calibration.method, found.label_sets) == ("none", None)
    assert found.reason.endswith(": none has.")


def test_overconfident_scores_are_calibrated_and_honest_ones_left() -> None:
    given, rest = examples(FEWEST_FOR_LINE), examples(500, seed=1)
    found = decide(logits(given), given, CLASS_NAMES)
    scale, shift = found.calibration.scale, found.calibration.shift
    assert scale is not None
    assert shift is not None
    assert len({*scale.values()}) == len({*shift.values()}) == 1
    made = scale["Pastures"] * logits(rest) + shift["Pastures"]
    assert log_loss(made, rest.truth).mean() < log_loss(logits(rest), rest.truth).mean()
    assert found.label_sets is None
    assert f"{FEWEST_FOR_SETS} places need complete corrections: 10 have" in found.reason
    honest = examples(FEWEST_FOR_LINE, sure=1.0)
    assert fit_line(logits(honest), honest.truth) == pytest.approx((1, 0), abs=0.2)


def test_sets_nearly_reach_their_coverage_at_new_places() -> None:
    right, kept = [], []
    for seed in range(20):
        given, rest = examples(FEWEST_FOR_SETS, seed, sure=1.0), examples(200, 99 - seed, sure=1.0)
        made = decide(logits(given), given, CLASS_NAMES)
        sets = made.label_sets
        assert sets is not None
        assert sets.by_place is not None
        assert (sets.by_place.places, sets.by_place.units) == (FEWEST_FOR_SETS, "corrected places")
        assert sets.by_place.measured["overall"]["present"]["n"] == given.truth.sum()
        chance = calibration.apply(made.calibration, CLASS_NAMES, rest.scores).numpy()
        certain = sets.certain_from("Pastures")
        if certain is not None:
            right.append(rest.truth[chance >= certain].mean())
        kept.append((chance >= sets.possible["Pastures"])[rest.truth].mean())
    assert len(right) > 5
    assert np.mean(right) > WANTED - 0.02
    assert np.mean(kept) > WANTED


def test_wrong_answers_leave_nothing_certain() -> None:
    given = examples(FEWEST_FOR_SETS)
    wrong = Examples(**{**vars(given), "truth": ~given.truth})
    found = decide(logits(given), wrong, CLASS_NAMES)
    assert found.label_sets is not None
    assert set(found.label_sets.certain.values()) == {None}
    assert "No class is certain" in found.reason
