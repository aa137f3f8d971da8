"""From arrays to a report's metrics: countries, subsets, exclusive classes, blocks."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from landcover.core.classes import CLASS_NAMES
from landcover.evaluate.report import Margin
from landcover.evaluate.report_metrics import (
    MARGINS,
    MIN_COUNTRY,
    OTHERS,
    Draws,
    Material,
    measure,
    part,
)
from landcover.metrics.scores import ACCURACY, CLASS_METRICS, METRICS, overall
from landcover.models.card import Card
from tests.metrics.test_scores import HALF, K, some
from tests.support.tiny import tiny_card

N = 80
COUNTRIES = ("Austria",) * 50 + ("Finland",) * 12 + ("Serbia",) * 9 + ("",) * 5 + ("Belgium",) * 4
DRAWS = Draws(resamples=100)


def card(**changes: object) -> Card:
    return tiny_card(b"").with_fields(thresholds=dict.fromkeys(CLASS_NAMES, 0.5), **changes)


@pytest.fixture(scope="module")
def material() -> Material:
    truth, _ = some(N)
    return Material(
        ids=tuple(map(str, range(N))),
        classes=CLASS_NAMES,
        truth=truth,
        countries=COUNTRIES,
        places=np.arange(N) // 8,
    )


def test_metrics_are_json_ready_and_none_if_undefined(material: Material) -> None:
    _, answer = some(N)
    found = measure([card()], material, [answer], DRAWS)
    told = json.loads(found.as_json())
    assert told["n"] == N
    assert set(METRICS) <= set(told)
    assert ACCURACY not in told
    assert set(found.confidence_intervals) == set(METRICS)
    assert list(found.per_class) == list(CLASS_NAMES)
    absent = found.per_class[CLASS_NAMES[0]]
    assert (absent.support, absent.ap, absent.ap_interval) == (0, None, None)
    assert set(absent.confidence_intervals) == set(CLASS_METRICS)
    last = found.per_class[CLASS_NAMES[-1]]
    for name in CLASS_METRICS:
        low, high = last.confidence_intervals[name]
        assert low <= high
        if name != "ece":  # its interval leans upwards
            assert low <= last.value(name) <= high


def test_countries_with_few_patches_are_pooled(material: Material) -> None:
    _, answer = some(N)
    found = measure([card()], material, [answer], DRAWS).per_country
    assert {name: item.n for name, item in found.items()} == {
        "Austria": 50,
        "Finland": 12,
        OTHERS: 18,
    }
    rows = np.array([country == "Finland" for country in COUNTRIES])
    wanted = overall(material.truth[rows], answer[rows], HALF)
    assert found["Finland"].micro_ap == pytest.approx(wanted["micro_ap"], abs=1e-6)
    low, high = found["Finland"].confidence_intervals["micro_ap"]
    assert low <= wanted["micro_ap"] <= high


def test_too_few_patches_have_no_metrics(material: Material) -> None:
    _, answer = some(N)
    few = np.arange(N) < MIN_COUNTRY - 1
    found = part(material, few, answer, HALF, DRAWS)
    assert found.n == MIN_COUNTRY - 1
    assert all(found.value(name) is None for name in METRICS)
    assert all(span is None for span in found.confidence_intervals.values())


def test_unknown_countries_give_no_table(material: Material) -> None:
    _, answer = some(N)
    unknown = replace(material, countries=("",) * N)
    assert measure([card()], unknown, [answer], DRAWS).per_country == {}


def test_baselines_have_paired_margins(material: Material) -> None:
    _, answer = some(N)
    worse = np.float32(0.5) * answer + np.float32(0.5) * some(N, seed=1)[1]
    cards = [card(name="a"), card(name="b"), card(name="c")]
    found = measure(cards, material, [answer, worse, answer], DRAWS)
    assert list(found.baselines) == ["b", "c"]
    for name in MARGINS[:2]:
        gap = found.baselines["b"].margin[name]
        assert gap.difference == pytest.approx(
            found.value(name) - found.baselines["b"].value(name), abs=2e-6
        )
        assert gap.interval[0] > 0
        # The same answers on the same resamples: nothing lies between them.
        assert found.baselines["c"].margin[name] == Margin(difference=0.0, interval=(0.0, 0.0))


def test_entire_blocks_are_drawn_and_reported(material: Material) -> None:
    _, answer = some(N)
    by_patch = measure([card()], material, [answer], DRAWS)
    by_block = measure([card()], material, [answer], replace(DRAWS, unit="block"))
    assert by_block.bootstrap.unit == "block"
    assert by_block.bootstrap.blocks == 10
    assert by_block.micro_ap == by_patch.micro_ap
    assert by_block.confidence_intervals != by_patch.confidence_intervals


def test_exclusive_classes_have_an_accuracy() -> None:
    random = np.random.default_rng(0)
    answer = random.dirichlet(np.ones(K), N).astype(np.float32)
    right = np.arange(N) < 60
    said = answer.argmax(axis=1)
    truth = np.eye(K, dtype=bool)[np.where(right, said, (said + 1) % K)]
    material = Material(
        ids=tuple(map(str, range(N))),
        classes=CLASS_NAMES,
        truth=truth,
        countries=("",) * N,
        places=np.arange(N),
        exclusive=True,
    )
    found = measure([card(), card(name="b")], material, [answer, answer[:, ::-1]], DRAWS)
    assert found.value(ACCURACY) == 0.75
    low, high = found.confidence_intervals[ACCURACY]
    # As a binomial share of 80: ± 1.96 · √(0.75 · 0.25 / 80) = ± 0.095.
    assert (low, high) == pytest.approx((0.655, 0.845), abs=0.04)
    assert ACCURACY in found.baselines["b"].margin
