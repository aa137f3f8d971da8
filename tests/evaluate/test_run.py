"""A complete evaluation on a tiny synthetic data set, and the files that it writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, CorruptModel, LandcoverError, ModelMismatch, UnknownName
from landcover.core.progress import Progress
from landcover.datasets import Dataset, open_dataset
from landcover.evaluate.patches import PatchTask
from landcover.evaluate.report import ClassMetrics, Evaluation, EvaluationReport, Predictions
from landcover.evaluate.report_files import (
    observed_coverage,
    read_report,
    report_name,
    reports,
    write_report,
)
from landcover.evaluate.report_metrics import Draws
from landcover.evaluate.report_text import as_text
from landcover.evaluate.run import evaluate
from landcover.io import sources
from landcover.metrics.scores import CLASS_METRICS, METRICS, SUMMARY, decisions, overall
from landcover.models import registry
from landcover.models.model import Model, load_model
from landcover.train.recipes import bigearthnet
from landcover.train.recipes.order import Order
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2
from tests.support.tiny import tiny_model

SPLITS = ("train", "validation", "test")
PASTURES, FOREST = "Pastures", "Mixed forest"
SPECS = tuple(
    PatchSpec(v2_id(k, row=20 * s), (FOREST,) if k % 2 else (PASTURES, FOREST)[: 1 + k // 6], split)
    for s, split in enumerate(SPLITS)
    for k in range(12)
)
N = 12


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = write_v2(tmp_path_factory.mktemp("evaluation") / "bigearthnet", SPECS)
    return open_dataset("bigearthnet", root)


@pytest.fixture(scope="module")
def models(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Model]:
    folder = tmp_path_factory.mktemp("zoo")
    names = ("band-statistics", "class-prior")
    for name in names:
        bigearthnet.make(name, dataset, folder / name, Order(fit="train+validation"))
    return [load_model(folder / name, "cpu") for name in names]


@pytest.fixture(scope="module")
def result(dataset: Dataset, models: list[Model]) -> Evaluation:
    return evaluate(models[0], dataset, "test", models[1:], draws=Draws(resamples=200))


def test_the_report_has_the_documented_keys(result: Evaluation) -> None:
    said = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert {"model", "dataset", "split", "n", *SUMMARY} <= set(said)
    assert {"confidence_intervals", "per_class", "baselines", "macro_classes"} <= set(said)
    assert (said["model"], said["dataset"], said["split"]) == (
        "band-statistics",
        "bigearthnet-v2",
        "test",
    )
    assert said["n"] == N
    assert set(said["per_class"]) == set(CLASS_NAMES)
    keys = {"support", *CLASS_METRICS, "threshold", "ap_interval", "confidence_intervals"}
    assert set(said["per_class"][PASTURES]) == keys
    assert set(METRICS) <= set(said)
    assert set(said["confidence_intervals"]) == set(METRICS)
    assert set(said["baselines"]) == {"class-prior"}
    assert set(SUMMARY) <= set(said["baselines"]["class-prior"])


def test_the_metrics_are_those_of_the_predictions(result: Evaluation, models: list[Model]) -> None:
    found = result.predictions
    values = overall(found.truth, found.probability, result.thresholds())
    for name in SUMMARY:
        assert result.metrics.value(name) == pytest.approx(values[name], abs=1e-6)
    assert result.thresholds() == tuple(models[0].card.thresholds[n] for n in CLASS_NAMES)
    called = decisions(found.probability, result.thresholds())
    k = CLASS_NAMES.index(PASTURES)
    item = result.metrics.per_class[PASTURES]
    assert item.support == sum(PASTURES in x.labels for x in SPECS if x.split == "test")
    assert item.recall == pytest.approx(called[found.truth[:, k], k].mean(), abs=1e-6)


def test_the_predictions_equal_those_of_classify(
    result: Evaluation, dataset: Dataset, models: list[Model]
) -> None:
    for row, record in enumerate(dataset.records("test")):
        said = models[0].predict(sources.read(record.folder))
        np.testing.assert_allclose(
            result.predictions.probability[row], [x.probability for x in said.labels], atol=1e-5
        )
        assert result.predictions.ids[row] == record.patch_id


def test_macro_metrics_name_their_classes_and_absent_ones_are_null(
    result: Evaluation,
) -> None:
    assert result.metrics.macro_classes == (PASTURES, FOREST)
    beaches = result.metrics.per_class["Beaches, dunes, sands"]
    assert (beaches.support, beaches.ap, beaches.ap_interval) == (0, None, None)


def test_intervals_contain_the_metrics_and_margins_are_paired(result: Evaluation) -> None:
    metrics, prior = result.metrics, result.metrics.baselines["class-prior"]
    for name in SUMMARY[:4]:
        low, high = metrics.confidence_intervals[name]
        assert low <= metrics.value(name) <= high
    for name in ("macro_ap", "micro_ap"):
        margin = prior.margin[name]
        assert margin.difference == pytest.approx(metrics.value(name) - prior.value(name), abs=2e-6)
        assert margin.interval[0] <= margin.difference <= margin.interval[1]
    # The forest knows the classes by their brightness, the prior only how frequent they are.
    assert prior.margin["macro_ap"].interval[0] > 0


def test_the_report_states_whether_the_model_was_trained_on_these_patches(
    result: Evaluation, dataset: Dataset, models: list[Model]
) -> None:
    assert result.metrics.seen_in_training is False
    assert result.metrics.training_distance_m == 20 * 1200
    for split in ("val", "all"):
        seen = evaluate(models[0], dataset, split, draws=Draws(resamples=100)).metrics
        assert seen.seen_in_training is True
        assert seen.training_distance_m == 0
        assert seen.touching == 24 if split == "all" else 12
    other = evaluate(tiny_model(), dataset, "test", draws=Draws(resamples=100)).metrics
    assert other.seen_in_training is None
    assert (other.touching, other.apart) == (None, None)


def test_text_shows_metrics_intervals_and_warnings(
    result: Evaluation, dataset: Dataset, models: list[Model]
) -> None:
    text = as_text(result)
    low, high = result.metrics.confidence_intervals["micro_ap"]
    assert f"{result.metrics.micro_ap:.3f} [{low:.3f}, {high:.3f}]" in text
    assert "above class-prior: macro_ap +" in text
    assert "trained on these patches: no" in text
    assert "nearest patches of two splits: train to validation 24,000 m" in text
    assert "Austria (12)" in text
    assert "Brackets contain 95 % of 200 bootstrap resamples" in text
    again = evaluate(models[0], dataset, "train", draws=Draws(resamples=100))
    assert "trained on these patches: yes: these metrics are too good" in as_text(again)


def test_a_partial_copy_is_stated_in_the_report(models: list[Model], tmp_path: Path) -> None:
    looks = [*SPECS[-4:], PatchSpec(v2_id(99), (PASTURES,), "test", on_disk=False)]
    partial = open_dataset("bigearthnet", write_v2(tmp_path / "bigearthnet", looks))
    found = evaluate(models[0], partial, "test", draws=Draws(resamples=100))
    assert (found.metrics.n, found.metrics.absent) == (4, 1)
    assert found.metrics.macro_ap is None
    assert v2_id(99) in as_text(found)


def stable(metrics: EvaluationReport) -> dict[str, Any]:
    return {k: v for k, v in metrics.as_dict().items() if k not in ("date", "speed")}


def test_the_same_inputs_write_the_same_files(
    result: Evaluation, dataset: Dataset, models: list[Model], tmp_path: Path
) -> None:
    again = evaluate(models[0], dataset, "test", models[1:], draws=Draws(resamples=200))
    assert stable(again.metrics) == stable(result.metrics)
    first = write_report(result, tmp_path / "a")
    second = write_report(again, tmp_path / "b")
    assert first[1].read_bytes() == second[1].read_bytes()
    assert [path.name for path in first] == [
        "bigearthnet-v2-test.json",
        "bigearthnet-v2-test.parquet",
    ]


def test_a_report_is_read_back_as_written(result: Evaluation, tmp_path: Path) -> None:
    write_report(result, tmp_path)
    assert reports(tmp_path) == [("bigearthnet-v2", "test")]
    again = read_report(tmp_path, "bigearthnet-v2", "test")
    assert again.metrics == result.metrics
    assert again.predictions.ids == result.predictions.ids
    assert again.predictions.countries == result.predictions.countries
    np.testing.assert_array_equal(again.predictions.truth, result.predictions.truth)
    np.testing.assert_array_equal(again.predictions.probability, result.predictions.probability)


def test_the_coverage_of_label_sets_is_reported_if_the_card_has_them(
    dataset: Dataset, models: list[Model]
) -> None:
    found = evaluate(models[0], dataset, "test", draws=Draws(resamples=100))
    card = models[0].card
    assert card.label_sets
    said = found.metrics.label_set_coverage
    assert said.overall.present.n == int(found.predictions.truth.sum())
    assert set(said.per_class) == set(CLASS_NAMES)
    plain = Model(card.with_fields(label_sets={}), models[0].net, models[0].device)
    without = evaluate(plain, dataset, "test", draws=Draws(resamples=100))
    assert "label_set_coverage" not in without.as_dict()


def without_hash(path: Path) -> None:
    """Make a report as older versions wrote it."""
    record = json.loads(path.read_text())
    del record["predictions_sha256"]
    path.write_text(json.dumps(record))


def test_after_a_kill_between_its_files_a_report_is_the_old_or_the_new_one(
    result: Evaluation, tmp_path: Path
) -> None:
    metrics = result.metrics
    flipped = replace(result.predictions, probability=1 - result.predictions.probability)
    other = Evaluation(metrics=metrics.with_fields(date="another day"), predictions=flipped)
    json_file, table = write_report(result, tmp_path)
    old = (json_file.read_bytes(), table.read_bytes())
    write_report(other, tmp_path)
    new = (json_file.read_bytes(), table.read_bytes())
    later = table.with_name(f"{table.stem}.next.parquet")
    assert not later.exists()
    for first, second, whose in ((old[0], new[1], result), (new[0], new[1], other)):
        json_file.write_bytes(first)
        table.write_bytes(old[1])
        later.write_bytes(second)
        found = read_report(tmp_path, metrics.dataset, metrics.split)
        assert found.metrics == whose.metrics
        np.testing.assert_array_equal(found.predictions.probability, whose.predictions.probability)
        write_report(result, tmp_path)
        assert (json_file.read_bytes(), table.read_bytes()) == old
        assert not later.exists()


def test_a_report_contains_the_blocks_and_older_ones_derive_them_from_names(
    result: Evaluation, tmp_path: Path
) -> None:
    write_report(result, tmp_path)
    path = tmp_path / "evaluation" / "bigearthnet-v2-test.parquet"
    table = pd.read_parquet(path)
    found = read_report(tmp_path, "bigearthnet-v2", "test").predictions
    assert found.places == result.predictions.places
    assert len(set(found.places)) == 2
    table.drop(columns="block").to_parquet(path, index=False)
    with pytest.raises(CorruptModel, match="damaged"):  # not the file that the metrics are of
        read_report(tmp_path, "bigearthnet-v2", "test")
    without_hash(path.with_suffix(".json"))
    older = read_report(tmp_path, "bigearthnet-v2", "test").predictions
    assert older.places == ()
    assert older.blocks == found.blocks


def test_reports_of_any_classes_are_read(tmp_path: Path) -> None:
    """The classes are those of the report, whatever the data set was."""
    names = ("Forest", "River")
    probability = np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)
    found = Predictions(
        ids=("a", "b"), countries=("", ""), truth=probability > 0.5, probability=probability
    )
    metrics = EvaluationReport(
        model="any",
        dataset="eurosat",
        split="test",
        n=2,
        accuracy=1.0,
        per_class={name: ClassMetrics(threshold=0.5) for name in names},
    )
    write_report(Evaluation(metrics=metrics, predictions=found), tmp_path)
    again = read_report(tmp_path, "eurosat", "test")
    assert again.classes == names
    assert again.exclusive
    np.testing.assert_array_equal(again.predictions.probability, probability)


def test_a_data_set_is_found_by_its_name_without_version(
    result: Evaluation, tmp_path: Path
) -> None:
    write_report(result, tmp_path)
    assert report_name(tmp_path, "bigearthnet") == "bigearthnet-v2"
    assert report_name(tmp_path, "bigearthnet-v2") == "bigearthnet-v2"
    assert report_name(tmp_path, "big") == "big"


def test_drawn_blocks_are_stated_in_the_report(dataset: Dataset, models: list[Model]) -> None:
    draws = Draws(resamples=100, unit="block")
    found = evaluate(models[0], dataset, "test", draws=draws)
    assert (found.metrics.bootstrap.unit, found.metrics.bootstrap.blocks) == (
        "block",
        2,
    )
    assert "resamples of blocks of 12 km" in as_text(found)
    assert found.metrics.command.endswith("--bootstraps 100 --unit block")


@pytest.mark.parametrize("suffix", ["json", "parquet"])
@pytest.mark.parametrize("damage", [b"", b"{}", b"PAR1nonsense", None])
def test_a_damaged_report_is_named(
    result: Evaluation, tmp_path: Path, suffix: str, damage: bytes | None
) -> None:
    write_report(result, tmp_path)
    path = tmp_path / "evaluation" / f"bigearthnet-v2-test.{suffix}"
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    with pytest.raises(CorruptModel, match=r"report bigearthnet-v2-test\.json .* is damaged"):
        read_report(tmp_path, "bigearthnet-v2", "test")


def test_a_missing_report_gives_one_sentence(tmp_path: Path) -> None:
    assert reports(tmp_path) == []
    for split in ("test", "../../test"):
        with pytest.raises(BadInput, match="has no report on"):
            read_report(tmp_path, "bigearthnet-v2", split)


def test_a_model_of_other_classes_is_refused(dataset: Dataset) -> None:
    model = tiny_model()
    model.card = model.card.with_fields(
        classes=CLASS_NAMES[:5], thresholds=dict.fromkeys(CLASS_NAMES[:5], 0.5)
    )
    with pytest.raises(ModelMismatch, match="has 5 classes"):
        evaluate(model, dataset, "test")


def test_classes_in_another_order_are_reordered(dataset: Dataset) -> None:
    model = tiny_model()
    (plain,) = PatchTask(dataset).probabilities([model], "test")
    model.card = model.card.with_fields(classes=CLASS_NAMES[::-1])
    (turned,) = PatchTask(dataset).probabilities([model], "test")
    np.testing.assert_array_equal(turned, plain[:, ::-1])


def test_a_model_that_returns_nan_is_named(dataset: Dataset) -> None:
    model = tiny_model()
    torch.nn.init.constant_(model.net.head.bias, float("nan"))
    with pytest.raises(CorruptModel, match="gave a probability that is not a finite number"):
        evaluate(model, dataset, "test")


def test_an_unknown_split_is_refused_before_any_work(dataset: Dataset) -> None:
    with pytest.raises(UnknownName, match="split 'tset': did you mean 'test'"):
        evaluate(tiny_model(), dataset, "tset")


def test_speed_states_device_and_threads(dataset: Dataset) -> None:
    speed = PatchTask(dataset).speed(tiny_model(), n=3)
    assert 0 < speed.milliseconds_per_patch < 5000
    assert (speed.device, speed.runs) == ("cpu", 3)
    assert speed.threads == torch.get_num_threads()


def test_progress_ends_at_the_total(dataset: Dataset) -> None:
    seen: list[Progress] = []
    PatchTask(dataset).probabilities([tiny_model()], "all", seen.append)
    assert (seen[-1].done, seen[-1].total, seen[-1].unit) == (36, 36, "patches")
    assert [step.done for step in seen] == sorted({step.done for step in seen})


@pytest.mark.slow
@pytest.mark.data
def test_the_shipped_baselines_match_their_cards(shared_data: Path) -> None:
    """The shipped forest saw train and validation, so it ranks these nearly perfectly."""
    dataset = open_dataset("bigearthnet", shared_data / "bigearthnet")
    shipped = [registry.default().load(name, "cpu") for name in ("class-prior", "band-statistics")]
    answers = PatchTask(dataset).probabilities(shipped, "validation")
    records = dataset.records("validation")
    truth = np.array([[c in r.labels for c in CLASS_NAMES] for r in records])
    for model, answer in zip(shipped, answers, strict=True):
        thresholds = [model.card.thresholds[name] for name in CLASS_NAMES]
        found = overall(truth, answer, thresholds)
        if model.card.name == "band-statistics":
            assert found["macro_ap"] > 0.95
            assert 0.6 < model.card.selection["macro_ap"] < 0.7
        else:
            prevalence = truth.mean(axis=0)[truth.sum(axis=0) >= 5].mean()
            assert found["macro_ap"] == pytest.approx(prevalence, abs=1e-6)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", [registry.DEFAULT_MODEL, "random-convolution"])
def test_shipped_weights_give_the_metrics_of_the_shipped_report(
    name: str, shared_data: Path
) -> None:
    dataset = open_dataset("bigearthnet", shared_data / "bigearthnet")
    model = registry.default().load(name, "cpu")
    kept = read_report(registry.default().folder(name), dataset.name, "test")
    assert kept.metrics.card_hash == model.card.hash
    (answer,) = PatchTask(dataset).probabilities([model], "test")
    records = dataset.records("test")
    truth = np.array([[c in r.labels for c in CLASS_NAMES] for r in records])
    thresholds = [model.card.thresholds[label] for label in CLASS_NAMES]
    for figure, value in overall(truth, answer, thresholds).items():
        assert value == pytest.approx(kept.metrics.value(figure), abs=1e-4), figure


def test_every_failure_of_an_evaluation_gives_one_sentence(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "bigearthnet", SPECS[:2])
    broken = open_dataset("bigearthnet", root)
    next(root.rglob(f"{v2_id(1)}_B12.tif")).write_bytes(b"")
    with pytest.raises(LandcoverError, match="is empty"):
        evaluate(tiny_model(), broken, "train")
    with pytest.raises(BadInput, match="no patch of the split 'test'"):
        evaluate(tiny_model(), broken, "test")


def test_the_coverage_of_a_card_s_label_sets_is_found_among_the_reports(
    result: Evaluation, tmp_path: Path
) -> None:
    reports_of = tmp_path / "evaluation"
    assert observed_coverage(tmp_path, "abc") is None
    reports_of.mkdir()
    (reports_of / "a-test.json").write_text("{")
    (reports_of / "b-test.json").write_text("[]")
    write_report(result, tmp_path)
    own = result.metrics.card_hash
    assert observed_coverage(tmp_path, own) == result.metrics.label_set_coverage is not None
    assert observed_coverage(tmp_path, "0" * 12) is None
