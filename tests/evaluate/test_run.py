"""A whole evaluation on a tiny look-alike data set, and the files that it leaves."""

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
from landcover.datasets import Dataset, open_dataset
from landcover.evaluate import run
from landcover.io.band_files import read_folder
from landcover.metrics.scores import CLASS_FIGURES, FIGURES, SUMMARY, decisions, overall
from landcover.models import registry
from landcover.models.model import Model, load_model
from landcover.train.recipes import bigearthnet
from tests.support.bigearthnet_tree import Look, v2_id, write_v2
from tests.support.tiny import tiny_model

SPLITS = ("train", "validation", "test")
PASTURES, FOREST = "Pastures", "Mixed forest"
LOOKS = tuple(
    Look(v2_id(k, row=20 * s), (FOREST,) if k % 2 else (PASTURES, FOREST)[: 1 + k // 6], split)
    for s, split in enumerate(SPLITS)
    for k in range(12)
)
N = 12


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = write_v2(tmp_path_factory.mktemp("evaluation") / "bigearthnet", LOOKS)
    return open_dataset("bigearthnet", root)


@pytest.fixture(scope="module")
def models(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Model]:
    folder = tmp_path_factory.mktemp("zoo")
    names = ("band-statistics", "class-prior")
    for name in names:
        bigearthnet.make(name, dataset, folder / name, bigearthnet.Order(fit="train+validation"))
    return [load_model(folder / name, "cpu") for name in names]


@pytest.fixture(scope="module")
def result(dataset: Dataset, models: list[Model]) -> run.Evaluation:
    return run.evaluate(models[0], dataset, "test", models[1:], bootstraps=200)


def test_the_answer_has_the_documented_keys(result: run.Evaluation) -> None:
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
    keys = {"support", *CLASS_FIGURES, "threshold", "ap_interval", "confidence_intervals"}
    assert set(said["per_class"][PASTURES]) == keys
    assert set(FIGURES) <= set(said)
    assert set(said["confidence_intervals"]) == set(FIGURES)
    assert set(said["baselines"]) == {"class-prior"}
    assert set(SUMMARY) <= set(said["baselines"]["class-prior"])


def test_the_figures_are_those_of_the_predictions(
    result: run.Evaluation, models: list[Model]
) -> None:
    found = result.predictions
    values = overall(found.truth, found.probability, result.thresholds())
    for name in SUMMARY:
        assert result.figures[name] == pytest.approx(values[name], abs=1e-6)
    assert result.thresholds() == tuple(models[0].card.thresholds[n] for n in CLASS_NAMES)
    called = decisions(found.probability, result.thresholds())
    k = CLASS_NAMES.index(PASTURES)
    item = result.figures["per_class"][PASTURES]
    assert item["support"] == sum(PASTURES in x.labels for x in LOOKS if x.split == "test")
    assert item["recall"] == pytest.approx(called[found.truth[:, k], k].mean(), abs=1e-6)


def test_the_predictions_are_those_that_classify_gives(
    result: run.Evaluation, dataset: Dataset, models: list[Model]
) -> None:
    for row, record in enumerate(dataset.records("test")):
        said = models[0].predict(read_folder(record.folder))
        np.testing.assert_allclose(
            result.predictions.probability[row], [x.probability for x in said.labels], atol=1e-5
        )
        assert result.predictions.ids[row] == record.patch_id


def test_macro_figures_name_their_classes_and_absent_ones_are_null(
    result: run.Evaluation,
) -> None:
    assert result.figures["macro_classes"] == [PASTURES, FOREST]
    beaches = result.figures["per_class"]["Beaches, dunes, sands"]
    assert (beaches["support"], beaches["ap"], beaches["ap_interval"]) == (0, None, None)


def test_intervals_hold_the_figures_and_margins_are_paired(result: run.Evaluation) -> None:
    figures, prior = result.figures, result.figures["baselines"]["class-prior"]
    for name in SUMMARY[:4]:
        low, high = figures["confidence_intervals"][name]
        assert low <= figures[name] <= high
    for name in ("macro_ap", "micro_ap"):
        margin = prior["margin"][name]
        assert margin["difference"] == pytest.approx(figures[name] - prior[name], abs=2e-6)
        assert margin["interval"][0] <= margin["difference"] <= margin["interval"][1]
    # The forest knows the classes by their brightness, the prior only how frequent they are.
    assert prior["margin"]["macro_ap"]["interval"][0] > 0


def test_it_says_whether_the_model_has_learnt_from_these_patches(
    result: run.Evaluation, dataset: Dataset, models: list[Model]
) -> None:
    assert result.figures["seen_in_training"] is False
    assert result.figures["training_distance_m"] == 20 * 1200
    for split in ("val", "all"):
        seen = run.evaluate(models[0], dataset, split, bootstraps=100).figures
        assert seen["seen_in_training"] is True
        assert seen["training_distance_m"] == 0
        assert seen["touching"] == 24 if split == "all" else 12
    other = run.evaluate(tiny_model(), dataset, "test", bootstraps=100).figures
    assert other["seen_in_training"] is None
    assert (other["touching"], other["apart"]) == (None, None)


def test_text_shows_figures_intervals_and_warnings(
    result: run.Evaluation, dataset: Dataset, models: list[Model]
) -> None:
    text = run.as_text(result)
    low, high = result.figures["confidence_intervals"]["micro_ap"]
    assert f"{result.figures['micro_ap']:.3f} [{low:.3f}, {high:.3f}]" in text
    assert "above class-prior: macro_ap +" in text
    assert "learnt from these patches: no" in text
    assert "nearest patches of two splits: train to validation 24,000 m" in text
    assert "Austria (12)" in text
    assert "Brackets hold 95 % of 200 bootstrap resamples" in text
    again = run.evaluate(models[0], dataset, "train", bootstraps=100)
    assert "flatter" in run.as_text(again)


def test_a_partial_copy_is_stated_in_the_answer(models: list[Model], tmp_path: Path) -> None:
    looks = [*LOOKS[-4:], Look(v2_id(99), (PASTURES,), "test", on_disk=False)]
    partial = open_dataset("bigearthnet", write_v2(tmp_path / "bigearthnet", looks))
    found = run.evaluate(models[0], partial, "test", bootstraps=100)
    assert (found.figures["n"], found.figures["absent"]) == (4, 1)
    assert found.figures["macro_ap"] is None
    assert v2_id(99) in run.as_text(found)


def stable(figures: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in figures.items() if k not in ("date", "speed")}


def test_the_same_inputs_write_the_same_files(
    result: run.Evaluation, dataset: Dataset, models: list[Model], tmp_path: Path
) -> None:
    again = run.evaluate(models[0], dataset, "test", models[1:], bootstraps=200)
    assert stable(again.figures) == stable(result.figures)
    first = run.write_report(result, tmp_path / "a")
    second = run.write_report(again, tmp_path / "b")
    assert first[1].read_bytes() == second[1].read_bytes()
    assert [path.name for path in first] == [
        "bigearthnet-v2-test.json",
        "bigearthnet-v2-test.parquet",
    ]


def test_a_report_reads_back_as_it_was_written(result: run.Evaluation, tmp_path: Path) -> None:
    run.write_report(result, tmp_path)
    assert run.reports(tmp_path) == [("bigearthnet-v2", "test")]
    again = run.read_report(tmp_path, "bigearthnet-v2", "test")
    assert again.figures == result.figures
    assert again.predictions.ids == result.predictions.ids
    assert again.predictions.countries == result.predictions.countries
    np.testing.assert_array_equal(again.predictions.truth, result.predictions.truth)
    np.testing.assert_array_equal(again.predictions.probability, result.predictions.probability)


def test_the_coverage_of_label_sets_is_reported_where_the_card_has_them(
    dataset: Dataset, models: list[Model]
) -> None:
    found = run.evaluate(models[0], dataset, "test", bootstraps=100)
    card = models[0].card
    assert card.label_sets
    said = found.figures["label_set_coverage"]
    assert said["overall"]["present"]["n"] == int(found.predictions.truth.sum())
    assert set(said["per_class"]) == set(CLASS_NAMES)
    plain = Model(replace(card, label_sets={}), models[0].net, models[0].device)
    without = run.evaluate(plain, dataset, "test", bootstraps=100)
    assert "label_set_coverage" not in without.figures


def test_a_report_keeps_the_blocks_and_older_ones_find_them_by_name(
    result: run.Evaluation, tmp_path: Path
) -> None:
    run.write_report(result, tmp_path)
    path = tmp_path / "evaluation" / "bigearthnet-v2-test.parquet"
    table = pd.read_parquet(path)
    found = run.read_report(tmp_path, "bigearthnet-v2", "test").predictions
    assert found.places == result.predictions.places
    assert len(set(found.places)) == 2
    table.drop(columns="block").to_parquet(path, index=False)
    older = run.read_report(tmp_path, "bigearthnet-v2", "test").predictions
    assert older.places == ()
    assert older.blocks == found.blocks


def test_reports_of_any_classes_are_read(tmp_path: Path) -> None:
    """The classes are those of the report, whatever the data set was."""
    names = ("Forest", "River")
    probability = np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)
    found = run.Predictions(
        ids=("a", "b"), countries=("", ""), truth=probability > 0.5, probability=probability
    )
    figures = {
        "dataset": "eurosat",
        "split": "test",
        "n": 2,
        "accuracy": 1.0,
        "per_class": {name: {"threshold": 0.5} for name in names},
    }
    run.write_report(run.Evaluation(figures=figures, predictions=found), tmp_path)
    again = run.read_report(tmp_path, "eurosat", "test")
    assert again.classes == names
    assert again.exclusive
    np.testing.assert_array_equal(again.predictions.probability, probability)


def test_a_data_set_is_found_by_its_name_without_version(
    result: run.Evaluation, tmp_path: Path
) -> None:
    run.write_report(result, tmp_path)
    assert run.report_name(tmp_path, "bigearthnet") == "bigearthnet-v2"
    assert run.report_name(tmp_path, "bigearthnet-v2") == "bigearthnet-v2"
    assert run.report_name(tmp_path, "big") == "big"


def test_drawn_blocks_are_said_in_the_report(dataset: Dataset, models: list[Model]) -> None:
    draws = run.Draws(resamples=100, unit="block")
    found = run.evaluate(models[0], dataset, "test", draws=draws)
    assert (found.figures["bootstrap"]["unit"], found.figures["bootstrap"]["blocks"]) == (
        "block",
        2,
    )
    assert "resamples of blocks of 12 km" in run.as_text(found)
    assert found.figures["command"].endswith("--bootstraps 100 --unit block")


@pytest.mark.parametrize("suffix", ["json", "parquet"])
@pytest.mark.parametrize("damage", [b"", b"{}", b"PAR1nonsense", None])
def test_a_damaged_report_is_named(
    result: run.Evaluation, tmp_path: Path, suffix: str, damage: bytes | None
) -> None:
    run.write_report(result, tmp_path)
    path = tmp_path / "evaluation" / f"bigearthnet-v2-test.{suffix}"
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    with pytest.raises(CorruptModel, match=r"report bigearthnet-v2-test\.json .* is damaged"):
        run.read_report(tmp_path, "bigearthnet-v2", "test")


def test_a_report_that_is_not_there(tmp_path: Path) -> None:
    assert run.reports(tmp_path) == []
    for split in ("test", "../../test"):
        with pytest.raises(BadInput, match="has no report on"):
            run.read_report(tmp_path, "bigearthnet-v2", split)


def test_a_model_of_other_classes_is_refused(dataset: Dataset) -> None:
    model = tiny_model()
    model.card = replace(model.card, classes=CLASS_NAMES[:5])
    with pytest.raises(ModelMismatch, match="knows 5 classes"):
        run.evaluate(model, dataset, "test")


def test_classes_in_another_order_come_back_in_ours(dataset: Dataset) -> None:
    model = tiny_model()
    (plain,) = run.probabilities([model], dataset, "test")
    model.card = replace(model.card, classes=CLASS_NAMES[::-1])
    (turned,) = run.probabilities([model], dataset, "test")
    np.testing.assert_array_equal(turned, plain[:, ::-1])


def test_a_model_that_answers_with_nan_is_named(dataset: Dataset) -> None:
    model = tiny_model()
    torch.nn.init.constant_(model.net.head.bias, float("nan"))
    with pytest.raises(CorruptModel, match="no number"):
        run.evaluate(model, dataset, "test")


def test_an_unknown_split_is_refused_before_any_work(dataset: Dataset) -> None:
    with pytest.raises(UnknownName, match="split 'tset': did you mean 'test'"):
        run.evaluate(tiny_model(), dataset, "tset")


def test_speed_names_what_it_was_measured_on() -> None:
    speed = run.milliseconds_per_patch(tiny_model(), n=3)
    assert 0 < speed["milliseconds_per_patch"] < 5000
    assert (speed["device"], speed["runs"]) == ("cpu", 3)
    assert speed["threads"] == torch.get_num_threads()


def test_progress_ends_at_all(dataset: Dataset) -> None:
    seen: list[tuple[int, int, str]] = []
    run.probabilities([tiny_model()], dataset, "all", lambda *a: seen.append(a))
    assert seen[-1] == (36, 36, "patches")
    assert [done for done, _, _ in seen] == sorted({done for done, _, _ in seen})


@pytest.mark.slow
@pytest.mark.data
def test_the_shipped_baselines_know_what_their_cards_say(shared_data: Path) -> None:
    """The shipped forest saw train and validation, so it ranks these nearly perfectly."""
    dataset = open_dataset("bigearthnet", shared_data / "bigearthnet")
    shipped = [registry.load(name, "cpu") for name in ("class-prior", "band-statistics")]
    answers = run.probabilities(shipped, dataset, "validation")
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
def test_shipped_weights_give_the_figures_of_the_shipped_report(
    name: str, shared_data: Path
) -> None:
    dataset = open_dataset("bigearthnet", shared_data / "bigearthnet")
    model = registry.load(name, "cpu")
    kept = run.read_report(registry.folder(name), dataset.name, "test")
    assert kept.figures["card_hash"] == model.card.hash
    (answer,) = run.probabilities([model], dataset, "test")
    records = dataset.records("test")
    truth = np.array([[c in r.labels for c in CLASS_NAMES] for r in records])
    thresholds = [model.card.thresholds[label] for label in CLASS_NAMES]
    for figure, value in overall(truth, answer, thresholds).items():
        assert value == pytest.approx(kept.figures[figure], abs=1e-4), figure


def test_every_failure_of_an_evaluation_is_a_sentence(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "bigearthnet", LOOKS[:2])
    broken = open_dataset("bigearthnet", root)
    next(root.rglob(f"{v2_id(1)}_B12.tif")).write_bytes(b"")
    with pytest.raises(LandcoverError, match="is empty"):
        run.evaluate(tiny_model(), broken, "train")
    with pytest.raises(BadInput, match="no patch of the split 'test'"):
        run.evaluate(tiny_model(), broken, "test")
