"""Thresholds reach their aim on the patches they were chosen on, and are stable."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, fbeta_score, precision_score, recall_score

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.decide import calibration
from landcover.models.card import parse_card
from landcover.models.thresholds import AIMS
from landcover.train.decisions import (
    best_thresholds,
    choose_thresholds,
    decide,
    raw_optimum,
    threshold_evidence,
)
from tests.support.examples import examples
from tests.support.tiny import tiny_card

K = len(CLASS_NAMES)


def some(n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth with absent and rare classes, informative logits, and six places."""
    random = np.random.default_rng(seed)
    truth = random.random((n, K)) < np.linspace(0.0, 0.5, K)
    truth[:, 1] = False
    truth[:3, 1] = True
    logits = random.normal(0, 1.5, (n, K)) + 3 * truth - 2
    return truth, np.round(logits, 1).astype(np.float32), random.integers(0, 6, n)


def chances(logits: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


LEVELLED = [name for name, aim in AIMS.items() if aim.level is not None]


@settings(max_examples=examples(40))
@given(st.integers(0, 100_000), st.sampled_from(LEVELLED))
def test_precision_and_recall_hold_where_they_were_chosen(seed: int, name: str) -> None:
    truth, logits, groups = some(40, seed)
    probability, aim = chances(logits), AIMS[name]
    found = choose_thresholds(truth, probability, groups, aim=name)
    for k, label in enumerate(CLASS_NAMES):
        column, there = probability[:, k].astype(np.float64), truth[:, k]
        cuts = np.unique(column)
        calls = column >= cuts[:, None]
        size = calls.sum(axis=1) if aim.kind == "precision" else max(there.sum(), 1)
        reaching = cuts[(calls & there).sum(axis=1) / size >= aim.level]
        if there.sum() < 5 or not len(reaching):
            assert label not in found
            continue
        # The lowest threshold for a precision, the highest for a recall.
        best = reaching.min() if aim.kind == "precision" else reaching.max()
        np.testing.assert_array_equal(column >= found[label], column >= best)


def test_precision_and_recall_agree_with_scikit_learn() -> None:
    truth, logits, _ = some()
    probability = chances(logits)
    for name, score in (("precision-0.7", precision_score), ("recall-0.85", recall_score)):
        found = choose_thresholds(truth, probability, aim=name)
        assert len(found) > 10
        for label, threshold in found.items():
            k = CLASS_NAMES.index(label)
            assert score(truth[:, k], probability[:, k] >= threshold) >= AIMS[name].level


def test_the_raw_optimum_has_the_best_f_score_of_scikit_learn() -> None:
    truth, logits, _ = some(60)
    truth, probability = truth[:, -3:], chances(logits)[:, -3:].astype(np.float64)
    for beta in (1.0, 2.0):
        found = raw_optimum(truth, probability, beta**2)
        for k in range(3):
            scores = [
                fbeta_score(truth[:, k], probability[:, k] >= cut, beta=beta)
                for cut in np.unique(probability[:, k])
            ]
            own = fbeta_score(truth[:, k], probability[:, k] >= found[k], beta=beta)
            assert own == pytest.approx(max(scores))


def test_weights_count_patches_as_often_as_they_were_drawn() -> None:
    truth, logits, _ = some()
    own, values = truth[:, -1], chances(logits)[:, -1].astype(np.float64)
    times = np.random.default_rng(0).integers(0, 3, len(own))
    (weighted,) = best_thresholds(own, values, 1.0, times[None].astype(float))
    repeated = np.repeat(np.arange(len(own)), times)
    cuts = np.unique(values)
    scores = [f1_score(own[repeated], values[repeated] >= cut) for cut in cuts]
    assert f1_score(own[repeated], values[repeated] >= weighted) == pytest.approx(max(scores))


def test_every_class_gets_a_threshold_for_f1_and_f2() -> None:
    truth, logits, groups = some()
    for aim in ("f1", "f2"):
        found = choose_thresholds(truth, chances(logits), groups, aim=aim)
        assert tuple(found) == CLASS_NAMES
        assert all(0 < value < 1 for value in found.values())
        # Absent and rare classes share a threshold.
        assert found[CLASS_NAMES[0]] == found[CLASS_NAMES[1]] != found[CLASS_NAMES[-1]]
        assert found == choose_thresholds(truth, chances(logits), groups, aim=aim)
    lower = choose_thresholds(truth, chances(logits), groups, aim="f2")
    higher = choose_thresholds(truth, chances(logits), groups)
    assert np.mean(list(lower.values())) < np.mean(list(higher.values()))


def test_thresholds_vary_less_between_samples_than_the_raw_optimum() -> None:
    """For a class with eight positives, over twenty samples of patches."""
    raw, smooth = [], []
    for seed in range(20):
        random = np.random.default_rng(seed)
        truth = np.zeros((150, 2), dtype=bool)
        truth[:60, 0] = True
        truth[:8, 1] = True
        logits = random.normal(0, 1.2, truth.shape) + 3 * truth - 2
        probability = chances(logits).astype(np.float64)
        raw.append(raw_optimum(truth, probability, 1.0)[1])
        smooth.append(choose_thresholds(truth, probability, np.arange(150) % 30, "ab")["b"])
    assert np.std(smooth) < 0.75 * np.std(raw)


def test_thresholds_without_positives_are_refused() -> None:
    with pytest.raises(BadInput, match="need labelled patches"):
        choose_thresholds(np.zeros((4, K), dtype=bool), np.zeros((4, K)))


def test_every_way_to_choose_is_measured_on_held_out_places() -> None:
    truth, logits, groups = some()
    found = threshold_evidence(truth, chances(logits), groups)
    assert set(found) == {"f1", "f2"}
    for ways in found.values():
        assert set(ways) == {"one half", "shared", "raw optimum", "chosen"}
        assert all(0 < scores[key] < 1 for scores in ways.values() for key in ("macro", "micro"))
    half = chances(logits) >= 0.5
    assert found["f1"]["one half"]["micro"] == pytest.approx(f1_score(truth, half, average="micro"))
    assert threshold_evidence(truth, chances(logits), np.zeros(len(truth)))["f1"]["chosen"] is None


def test_decide_fills_the_card_and_it_can_be_read_again(tmp_path: Path) -> None:
    truth, logits, groups = some()
    before = tiny_card(b"x", selection={"epoch": 7})
    card = decide(before, 3 * logits, truth, groups, ["Here"] * len(truth))
    assert card.calibration.method == "platt"  # three times overconfident
    assert card.calibration.evidence["places"] == 6
    assert card.thresholds == card.aims["f1"]
    assert set(card.aims) <= set(AIMS)
    assert {"f1", "f2", "recall-0.95"} <= set(card.aims)
    assert card.selection["epoch"] == 7
    assert card.selection["decisions"]["n"] == len(truth)
    assert card.label_sets.expected["n"] == len(truth)
    card.write(tmp_path)
    assert parse_card(json.loads((tmp_path / "card.json").read_text()), tmp_path) == card


def test_recall_holds_for_the_probabilities_of_the_model() -> None:
    """Thresholds apply to probabilities as computed for a patch: calibrated, in float32."""
    truth, logits, groups = some()
    card = decide(tiny_card(b"x"), 3 * logits, truth, groups, [""] * len(truth))
    predicted = calibration.apply(
        card.calibration, card.classes, torch.from_numpy(3 * logits)
    ).numpy()
    for label, threshold in card.aims["recall-0.9"].items():
        k = CLASS_NAMES.index(label)
        called = predicted[:, k].astype(np.float64) >= threshold
        assert (called & truth[:, k]).sum() >= 0.9 * truth[:, k].sum()
