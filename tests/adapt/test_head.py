"""Test the fit of a correction, and the judgement of it by places left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from landcover.adapt.head import Examples, fit, solve
from landcover.adapt.judgement import LEAST, as_text, judge, left_out
from landcover.nets.adapted import Adapted

CLASSES = ("a", "b", "c")


def examples(count: int = 40, *, seed: int = 0, hint: float = 3.0, known: float = 1.0) -> Examples:
    """Patches whose class "a" shows in a feature, whose "b" is over-predicted, "c" noise."""
    random = np.random.default_rng(seed)
    truth = random.random((count, 3)) < (0.5, 0.1, 0.5)
    features = random.normal(size=(count, 6))
    features[:, 0] += hint * (truth[:, 0] - 0.5)
    scores = random.normal(size=(count, 3))
    scores[:, 1] += 3.0
    return Examples(
        features=torch.from_numpy(features).float(),
        scores=torch.from_numpy(scores).float(),
        truth=truth,
        known=random.random((count, 3)) < known,
        places=np.arange(count),
    )


def fitted(given: Examples) -> Adapted:
    head = Adapted(nn.Identity(), features=6, classes=3)
    fit(head, given)
    return head


def test_the_fit_uses_features_and_frequencies() -> None:
    given, fresh = examples(), examples(seed=1)
    with torch.no_grad():
        made = fitted(given).corrected(fresh.features, fresh.scores)
    change = (made - fresh.scores).numpy()
    assert change[fresh.truth[:, 0], 0].mean() > change[~fresh.truth[:, 0], 0].mean() + 0.5
    assert change[:, 1].max() < -1.0


def test_classes_of_which_nothing_is_known_keep_their_scores() -> None:
    given = examples()
    given.known[:, 2] = False
    given.truth[:, 2] = False
    with torch.no_grad():
        made = fitted(given).corrected(given.features, given.scores)
    assert torch.equal(made[:, 2], given.scores[:, 2])
    assert not torch.equal(made[:, 0], given.scores[:, 0])


def test_a_class_that_is_only_ever_confirmed_does_not_rise_everywhere() -> None:
    """Users confirm what was called; where it was not, the model's own answer holds."""
    given = examples()
    called = given.scores[:, 0].numpy() > 0
    known = given.known.copy()
    known[:, 0] = called
    partly = Examples(
        **{**vars(given), "known": known, "truth": given.truth | (known & [True] * 3)}
    )
    inputs = np.zeros((len(given), 1))
    _, kept = solve(inputs, partly)
    _, alone = solve(inputs, partly, unknown_weight=0)
    assert 0 < kept[0] < 0.7 * alone[0]


def test_what_is_not_known_does_not_count_whatever_it_says() -> None:
    given = examples(known=0.5)
    flipped = Examples(**{**vars(given), "truth": given.truth ^ ~given.known})
    assert torch.equal(fitted(given).correction.weight, fitted(flipped).correction.weight)


def test_one_correction_changes_little_and_many_more() -> None:
    rows = np.arange(40) < 1
    few, many = fitted(examples().part(rows)), fitted(examples())
    assert few.correction.bias.abs().max() < 1.0
    assert many.correction.bias.abs().max() > few.correction.bias.abs().max()


def test_a_useful_adaptation_is_said_to_help() -> None:
    found = judge(examples(), CLASSES)
    assert found.helps
    assert found.log_loss.interval is not None
    assert found.log_loss.interval[0] > 0
    assert found.per_class["b"].log_loss.gain > found.per_class["c"].log_loss.gain  # type: ignore[operator]
    assert "It helps" in as_text(found)


def test_noise_is_not_said_to_help() -> None:
    random = np.random.default_rng(2)
    helped = 0
    for seed in range(10):
        given = examples(20, seed=seed, hint=0.0)
        # Scores that are already right, with a truth drawn from them.
        scores = given.scores - torch.tensor([0.0, 3.0, 0.0])
        truth = random.random((20, 3)) < torch.sigmoid(scores).numpy()
        helped += judge(
            Examples(**{**vars(given), "scores": scores, "truth": truth}), CLASSES
        ).helps
    assert helped <= 1


def test_confirming_alone_proves_nothing() -> None:
    given = examples()
    given.known[:] = given.truth
    found = judge(given, CLASSES)
    assert not found.helps
    assert "also strike classes out" in found.reason
    assert found.micro_ap.gain is None
    assert as_text(found)


def test_few_places_prove_nothing() -> None:
    given = Examples(**{**vars(examples()), "places": np.arange(40) % (LEAST - 1)})
    found = judge(given, CLASSES)
    assert not found.helps
    assert "4 places" in found.reason


def test_a_place_is_never_in_its_own_fit() -> None:
    """Every patch is twice there, so leaving out one copy would not be enough."""
    given = examples(20)
    twice = Examples(
        features=given.features.repeat(2, 1),
        scores=given.scores.repeat(2, 1),
        truth=np.tile(given.truth, (2, 1)),
        known=np.tile(given.known, (2, 1)),
        places=np.tile(given.places, 2),
    )
    made = left_out(twice)
    assert made[:20] == pytest.approx(made[20:], abs=1e-5)
    changed = Examples(**{**vars(twice), "truth": twice.truth.copy()})
    changed.truth[[3, 23]] ^= True
    assert left_out(changed)[[3, 23]] == pytest.approx(made[[3, 23]], abs=1e-5)


def test_one_place_alone_is_left_as_it_is() -> None:
    given = Examples(**{**vars(examples(3)), "places": np.zeros(3, dtype=int)})
    assert left_out(given) == pytest.approx(given.scores.numpy())
    assert not judge(given, CLASSES).helps
