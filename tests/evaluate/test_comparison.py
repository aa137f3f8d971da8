"""Two models on the same patches: paired intervals, verdicts, and what cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.evaluate.comparison import Comparison, Gap, Side, as_text, compare, compare_sides
from landcover.evaluate.report import ClassMetrics, Evaluation, EvaluationReport, Predictions
from landcover.evaluate.report_metrics import Draws, Material
from landcover.metrics.scores import CLASS_METRICS, LOWER_IS_BETTER, METRICS, overall
from tests.metrics.test_scores import HALF, K, some
from tests.support.bigearthnet_tree import v2_id
from tests.support.examples import examples

N = 80
DRAWS = Draws(resamples=200)
TRUTH, GOOD = some(N)
NOISE = np.random.default_rng(5).random((N, K)).astype(np.float32)
POOR = np.float32(0.4) * GOOD + np.float32(0.6) * NOISE
MATERIAL = Material(
    ids=tuple(v2_id(3 * k) for k in range(N)),
    classes=CLASS_NAMES,
    truth=TRUTH,
    countries=("",) * N,
    places=np.arange(N) // 4,
)


def side(name: str, answer: np.ndarray) -> Side:
    return Side(name=name, card_hash="0" * 12, probability=answer, thresholds=HALF)


def report(name: str, answer: np.ndarray, **changes: object) -> Evaluation:
    metrics = EvaluationReport(
        model=name,
        card_hash="0" * 12,
        dataset="bigearthnet-v2",
        split="test",
        n=N,
        seen_in_training=False,
        per_class=of_classes(CLASS_NAMES),
    )
    found = Predictions(
        ids=MATERIAL.ids, countries=MATERIAL.countries, truth=TRUTH, probability=answer
    )
    return Evaluation(metrics=metrics.with_fields(**changes), predictions=found)


def of_classes(labels: Sequence[str]) -> dict[str, ClassMetrics]:
    return {label: ClassMetrics(threshold=0.5) for label in labels}


def sides(
    first: Side, second: Side, draws: Draws = DRAWS, material: Material = MATERIAL
) -> Comparison:
    return compare_sides(material, first, second, dataset="any", split="test", draws=draws)


def test_the_better_model_is_found_in_every_metric() -> None:
    found = sides(side("a", GOOD), side("b", POOR), draws=DRAWS)
    assert Comparison.model_validate_json(found.as_json()) == found
    assert list(found.overall) == list(METRICS)
    a, b = (overall(TRUTH, answer, HALF) for answer in (GOOD, POOR))
    for name, gap in found.overall.items():
        assert gap.difference == pytest.approx(a[name] - b[name], abs=2e-6)
    for name in ("macro_ap", "micro_ap", "ranking_loss", "coverage_error"):
        gap = found.overall[name]
        assert gap.better == "a"
        assert gap.share_a_better > 0.97
        assert (gap.difference < 0) == (name in LOWER_IS_BETTER)
        assert gap.interval[0] <= gap.difference <= gap.interval[1]


@settings(max_examples=examples(10))
@given(st.integers(0, 1000))
def test_swapping_the_models_swaps_everything(seed: int) -> None:
    draws = Draws(resamples=100, seed=seed)
    there = sides(side("a", GOOD), side("b", POOR), draws=draws)
    back = sides(side("b", POOR), side("a", GOOD), draws=draws)
    other = {"a": "b", "b": "a", None: None}
    for name, gap in there.overall.items():
        turned = back.overall[name]
        assert turned.difference == -gap.difference
        assert turned.interval == pytest.approx([-x for x in gap.interval[::-1]], abs=2e-6)
        assert turned.share_a_better == pytest.approx(1 - gap.share_a_better, abs=2e-6)
        assert turned.better == other[gap.better]


def test_a_model_is_not_better_than_itself() -> None:
    found = sides(side("a", GOOD), side("a", GOOD), draws=DRAWS)
    gaps = [*found.overall.values(), *(c.ap for c in found.per_class.values())]
    assert {gap.better for gap in gaps} == {None}
    assert {gap.share_a_better for gap in found.overall.values()} == {0.5}


def test_a_paired_interval_is_narrower_than_two_separate_ones() -> None:
    near = np.clip(GOOD + np.float32(0.02) * NOISE, 0, 1)
    gap = sides(side("a", near), side("b", GOOD), draws=DRAWS).overall["macro_ap"]
    alone = DRAWS.of(MATERIAL, GOOD, HALF).overall["macro_ap"]
    assert gap.interval[1] - gap.interval[0] < np.ptp(np.percentile(alone, [2.5, 97.5])) / 2


def test_classes_with_few_patches_get_no_verdict() -> None:
    found = sides(side("a", GOOD), side("b", 1 - GOOD), draws=DRAWS)
    few = found.per_class[CLASS_NAMES[1]]
    assert few.support == 3
    assert few.ap.interval[0] > 0
    assert {few.gap(name).better for name in CLASS_METRICS} == {None}
    assert found.per_class[CLASS_NAMES[-1]].ap.better == "a"
    absent = found.per_class[CLASS_NAMES[0]].ap
    assert absent == Gap(
        a=None, b=None, difference=None, interval=None, share_a_better=None, better=None
    )


def test_blocks_widen_the_interval() -> None:
    alike = replace(
        MATERIAL, truth=TRUTH.repeat(8, axis=0)[:N], places=np.arange(N) // 8, ids=MATERIAL.ids
    )
    answers = [x.repeat(8, axis=0)[:N] for x in (GOOD, POOR)]
    widths = []
    for unit in ("patch", "block"):
        draws = Draws(resamples=200, unit=unit)
        found = sides(side("a", answers[0]), side("b", answers[1]), draws=draws, material=alike)
        low, high = found.overall["micro_ap"].interval
        widths.append(high - low)
        assert found.bootstrap.unit == unit
    assert widths[1] > 1.5 * widths[0]


def test_reports_are_matched_by_patch_and_class_names() -> None:
    order = np.random.default_rng(1).permutation(N)
    labels = CLASS_NAMES[::-1]
    turned = replace(
        report("b", POOR, per_class=of_classes(labels)),
        predictions=Predictions(
            ids=tuple(MATERIAL.ids[k] for k in order),
            countries=MATERIAL.countries,
            truth=TRUTH[order][:, ::-1],
            probability=POOR[order][:, ::-1],
        ),
    )
    first = report("a", GOOD)
    assert compare(first, turned, draws=DRAWS) == compare(first, report("b", POOR), draws=DRAWS)


def test_blocks_are_derived_from_names_if_a_report_has_none() -> None:
    found = compare(report("a", GOOD), report("b", POOR), draws=Draws(resamples=100, unit="block"))
    # Every third patch of a row: blocks of ten hold three or four.
    assert found.bootstrap.blocks == 24
    assert (found.dataset, found.split) == ("bigearthnet-v2", "test")


def test_reports_that_cannot_be_compared_give_one_sentence() -> None:
    first = report("a", GOOD)
    other = replace(first.predictions, ids=(*MATERIAL.ids[1:], v2_id(999)))
    with pytest.raises(BadInput, match=r"different patches \(80 and 80, 79 in both\)"):
        compare(first, replace(first, predictions=other))
    with pytest.raises(BadInput, match="different classes: compare two models of the same classes"):
        compare(first, report("b", GOOD, per_class=of_classes(["Forest"])))
    with pytest.raises(BadInput, match="different labels"):
        compare(first, replace(first, predictions=replace(first.predictions, truth=~TRUTH)))


def test_the_text_names_the_better_model_and_the_interval() -> None:
    found = compare(report("good", GOOD), report("poor", POOR, seen_in_training=True), draws=DRAWS)
    text = as_text(found)
    low, high = found.overall["macro_ap"].interval
    gap = found.overall["macro_ap"].difference
    assert f"{gap:+.3f} [{low:+.3f}, {high:+.3f}]" in text
    assert "poor was trained on these patches: its metrics are too good." in text
    assert "paired bootstrap resamples of patches" in text
    assert "Beaches (" in text
    assert "Urban (" not in text
