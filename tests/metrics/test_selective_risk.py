"""Risk-coverage curves: their ends and limits, and the effect of ties and thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.metrics import scores, selective_risk

RANDOM = np.random.default_rng(0)


def test_the_most_certain_patches_come_first() -> None:
    sure = np.array([0.9, 0.1, 0.5, 0.7])
    loss = np.array([0.0, 1.0, 1.0, 0.0])
    found = selective_risk.risk_coverage(sure, loss)
    assert found.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert found.risk == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert found.area == pytest.approx(np.mean([0, 0, 1 / 3, 1 / 2]))
    assert found.best == pytest.approx(found.risk)
    assert found.mean_loss == 0.5


def test_equal_certainty_of_all_patches_gains_nothing() -> None:
    loss = RANDOM.integers(0, 2, 50).astype(float)
    found = selective_risk.risk_coverage(np.full(50, 0.5), loss)
    assert found.risk == pytest.approx(np.full(50, loss.mean()))
    assert found.chance == pytest.approx((loss.mean(), loss.mean()))
    assert not found.beats_chance


def test_only_an_informative_certainty_beats_chance() -> None:
    loss = (RANDOM.random(300) < 0.3).astype(float)
    random_order = selective_risk.risk_coverage(np.random.default_rng(1).random(300), loss)
    assert not random_order.beats_chance
    informed = selective_risk.risk_coverage(-loss + RANDOM.normal(0, 0.3, 300), loss)
    assert informed.beats_chance
    assert informed.area_interval[0] <= informed.area <= informed.area_interval[1]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 0.25, 1.0])), min_size=1, max_size=30)
)
def test_no_order_beats_the_best_and_all_end_at_the_mean(pairs: list[tuple[float, float]]) -> None:
    sure, loss = (np.array(values) for values in zip(*pairs, strict=True))
    found = selective_risk.risk_coverage(sure, loss, resamples=3)
    assert (found.best <= found.risk + 1e-12).all()
    assert found.best_area <= found.area + 1e-12
    assert found.risk[-1] == pytest.approx(loss.mean())


@given(st.permutations(range(12)))
def test_the_order_of_the_patches_does_not_matter(order: list[int]) -> None:
    sure = np.repeat([0.2, 0.5, 0.9], 4)
    loss = np.arange(12) % 3 / 2
    first = selective_risk.risk_coverage(sure, loss, resamples=1)
    second = selective_risk.risk_coverage(sure[order], loss[order], resamples=1)
    assert first.risk == pytest.approx(second.risk)


@pytest.mark.parametrize("measure", selective_risk.MEASURES)
def test_every_measure_lies_between_0_and_1(measure: str) -> None:
    probability = RANDOM.random((40, 3)).astype(np.float32)
    sure = selective_risk.certainty(probability, (0.0, 0.3, 1.0), measure)
    assert sure.shape == (40,)
    assert ((sure >= 0) & (sure <= 1)).all()


def test_distances_are_scaled_to_the_threshold() -> None:
    probability = np.array([[0.2, 0.9], [0.6, 0.5], [0.0, 1.0]])
    mean = selective_risk.certainty(probability, (0.2, 0.8), "mean distance to the threshold")
    assert mean == pytest.approx([(0 + 0.5) / 2, (0.5 + 0.375) / 2, 1.0])
    least = selective_risk.certainty(probability, (0.2, 0.8), "least distance to a threshold")
    assert least == pytest.approx([0, 0.375, 1])
    sides = selective_risk.certainty(probability, (0.2, 0.8), "mean of max(p, 1 − p)")
    assert sides == pytest.approx([0.85, 0.55, 1])
    assert selective_risk.certainty(
        probability, (0.5, 0.5), "highest probability"
    ) == pytest.approx([0.9, 0.6, 1.0])


def test_losses_are_those_of_the_decisions() -> None:
    truth = RANDOM.random((20, 4)) < 0.4
    probability = RANDOM.random((20, 4))
    wrong = selective_risk.wrong_share(truth, probability, (0.5,) * 4)
    assert wrong.mean() == pytest.approx(
        (scores.decisions(probability, (0.5,) * 4) != truth).mean()
    )
    one = np.eye(4, dtype=bool)[[0, 1, 2]]
    predicted = np.eye(4)[[0, 3, 2]]
    assert selective_risk.top_class_wrong(one, predicted).tolist() == [0, 1, 0]
