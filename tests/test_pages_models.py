"""The Models page shows what the files say, and says what is missing.

Models and reports are real ones, fitted and measured on a tiny look-alike data set.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from landcover import baselines, evaluation, nets, registry
from landcover.datasets import Dataset, open_dataset
from landcover.evaluation import Evaluation
from landcover.model import load_model
from landcover.nomenclature import BY_NAME, CLASS_NAMES
from pages.parts import models_classes, models_data
from tests import tiny
from tests.bigearthnet_tree import Look, v2_id, write_v2

PAGE = str(Path(__file__).parent.parent / "pages" / "models.py")
PASTURES, FOREST = "Pastures", "Mixed forest"
LOOKS = tuple(
    Look(v2_id(k, row=20 * s), (FOREST,) if k % 2 else (PASTURES, FOREST)[: 1 + k // 6], split)
    for s, split in enumerate(("train", "validation", "test"))
    for k in range(12)
)
SPLIT = ("bigearthnet-v2", "test")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(
        "bigearthnet", write_v2(tmp_path_factory.mktemp("models") / "bigearthnet", LOOKS)
    )


@pytest.fixture(scope="module")
def master(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A zoo of a tiny net and both baselines, all of them measured."""
    folder = tmp_path_factory.mktemp("zoo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
        tiny.tiny_folder(folder / "landcover-cnn", name="landcover-cnn")
        for name in baselines.RECIPES:
            baselines.make(name, dataset, folder / name)
        models = {path.name: load_model(path, "cpu") for path in sorted(folder.iterdir())}
        for name, model in models.items():
            others = [models[other] for other in baselines.RECIPES if other != name]
            found = evaluation.evaluate(model, dataset, "test", others, bootstraps=100)
            evaluation.write_report(found, folder / name)
        (folder / "landcover-cnn" / "history.csv").write_text(
            "epoch,train_loss,val_loss,val_macro_ap,val_micro_ap,seconds\n"
            "1,0.5,,,,60\n2,0.25,0.3,0.61,0.72,60\n"
        )
        yield folder


@pytest.fixture
def zoo(master: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it that a test may damage, in place of the registry's."""
    folder = tmp_path / "zoo"
    shutil.copytree(master, folder)
    monkeypatch.setattr(registry, "ZOO", folder)
    registry.card.cache_clear()
    yield folder
    registry.card.cache_clear()


def page() -> AppTest:
    shown = AppTest.from_file(PAGE, default_timeout=60)
    shown.session_state["app_page"] = "by itself"
    shown.run()
    assert not shown.exception
    return shown


def text(shown: AppTest) -> str:
    parts = (*shown.markdown, *shown.caption, *shown.info, *shown.warning, *shown.error)
    return "\n".join(part.value for part in parts)


def report(zoo: Path, name: str = "landcover-cnn") -> Evaluation:
    return evaluation.read_report(zoo / name, *SPLIT)


def view(shown: AppTest, name: str) -> AppTest:
    shown.segmented_control(key="models_view").set_value(name).run()
    assert not shown.exception
    return shown


def test_every_model_is_listed_with_the_figures_of_its_file(zoo: Path) -> None:
    table = page().dataframe[0].value
    assert list(table["Model"]) == [
        registry.card(name).title for name in ("landcover-cnn", "band-statistics", "class-prior")
    ]
    for row, name in zip(table.to_dict("records"), registry.names(), strict=True):
        figures = report(zoo, name).figures
        for key, title in models_data.SUMMARY_TITLES.items():
            low, high = figures["confidence_intervals"][key]
            assert row[title] == f"{figures[key]:.3f} [{low:.3f}, {high:.3f}]"
        assert row["Parameters"] == f"{registry.card(name).parameters:,}"
        assert row["ms a patch"] == f"{figures['speed']['milliseconds_per_patch']:.1f}"


def test_figures_come_with_data_support_and_interval(zoo: Path) -> None:
    said = text(page())
    assert "**12 patches** of `bigearthnet-v2`, split **test**" in said
    assert "95 % of 100 bootstrap resamples" in said
    assert "classes with at least 5 positives in this split: Pastures, Mixed forest" in said
    margin = report(zoo).figures["baselines"]["class-prior"]["margin"]["macro_ap"]
    assert f"Macro AP {margin['difference']:+.3f} [{margin['interval'][0]:+.3f}" in said


@pytest.mark.parametrize("name", ["landcover-cnn", "class-prior"])
def test_every_view_of_every_model_shows(zoo: Path, name: str) -> None:
    shown = page()
    shown.selectbox(key="models_one").set_value(name).run()
    for option in shown.segmented_control(key="models_view").options:
        view(shown, option)
        assert not shown.error, option
    assert zoo.is_dir()


def test_the_classes_table_is_the_reports(zoo: Path) -> None:
    figures = report(zoo).figures
    table = models_data.class_table(report(zoo)).set_index("Class")
    assert len(table) == 19
    for name, item in figures["per_class"].items():
        row = table.loc[BY_NAME[name].short]
        assert row["Support"] == item["support"]
        assert row["Threshold"] == item["threshold"]
        assert row["AP"] == item["ap"] or (item["ap"] is None and np.isnan(row["AP"]))
    assert set(table[table["In macro"]].index) == {"Pastures", "Mixed forest"}


def test_each_two_by_two_table_counts_every_patch(zoo: Path) -> None:
    table = models_data.confusion_table(report(zoo)).set_index("Class")
    assert (table.sum(axis=1) == 12).all()
    truth = report(zoo).predictions.truth
    there = table["Present, called"] + table["Present, missed"]
    assert list(there) == list(truth.sum(axis=0))
    html = models_classes._two_by_two("<b>", 3, 1, 0, 8)
    assert "&lt;b&gt;" in html
    assert html.count("<td") == 5
    for count in (3, 1, 0, 8):
        assert f">{count}</td>" in html


def test_co_occurrence_can_be_compared_with_the_truth(zoo: Path) -> None:
    shown = view(page(), "Co-occurrence")
    for option in models_classes.VIEWS:
        shown.segmented_control(key="models_together").set_value(option).run()
        assert not shown.exception
        table = next(f.value for f in shown.dataframe if "truly there" in f.value.columns)
        assert table.shape == (19, 20)
    called = models_data.called(report(zoo))
    truth = report(zoo).predictions.truth
    k = CLASS_NAMES.index(PASTURES)
    expected = called[truth[:, k], k].mean() - 1.0
    assert table.iloc[k]["Pastures"] == pytest.approx(expected)


def test_a_curve_ends_at_the_share_of_positives(zoo: Path) -> None:
    shown = view(page(), "Precision and recall")
    box = shown.selectbox(key="models_curve")
    assert box.options == [models_classes.POOLED, "Pastures", "Mixed forest"]
    box.set_value(PASTURES).run()
    assert not shown.exception
    support = report(zoo).figures["per_class"][PASTURES]["support"]
    assert f"({support} of 12)" in text(shown)
    curve = models_classes._curve(report(zoo), PASTURES)
    assert curve["Recall"].iloc[-1] == 1.0
    assert curve["Precision"].iloc[-1] == pytest.approx(support / 12)


def test_training_shows_the_history_or_says_that_there_is_none(zoo: Path) -> None:
    shown = view(page(), "Training")
    assert "2 epochs in 2 minutes" in text(shown)
    shown.selectbox(key="models_one").set_value("class-prior").run()
    assert "has no training history" in text(shown)
    (zoo / "landcover-cnn" / "history.csv").write_bytes(b"\xff\x00")
    shown.selectbox(key="models_one").set_value("landcover-cnn").run()
    assert not shown.exception
    assert "has no training history" in text(shown)


def test_two_models_side_by_side(zoo: Path) -> None:
    shown = page()
    shown.selectbox(key="models_a").set_value("band-statistics").run()
    shown.selectbox(key="models_b").set_value("class-prior").run()
    assert not shown.exception
    pair = next(f.value for f in shown.dataframe if list(f.value.columns)[:2] == ["Figure", "A"])
    a, b = (report(zoo, n).figures["macro_ap"] for n in ("band-statistics", "class-prior"))
    assert pair.iloc[0]["A − B"] == f"{a - b:+.3f}"
    table = next(f.value for f in shown.dataframe if "Low" in f.value.columns)
    row = table.set_index("Class").loc["Pastures"]
    assert row["A − B"] == pytest.approx(row["AP of A"] - row["AP of B"])
    assert row["Low"] <= row["A − B"] <= row["High"]
    said = text(shown)
    for name in ("band-statistics", "class-prior"):
        assert registry.card(name).hash in said


def test_a_model_compared_with_itself_does_not_differ(zoo: Path) -> None:
    found = report(zoo)
    table = models_data.ap_differences(found, found, ("itself", str(zoo)))
    there = table["A − B"].notna()
    assert there.sum() == 2
    assert (table.loc[there, ["A − B", "Low", "High"]] == 0).all(axis=None)


def test_without_any_report_the_command_is_named(zoo: Path) -> None:
    for folder in zoo.glob("*/evaluation"):
        shutil.rmtree(folder)
    said = text(page())
    assert "landcover evaluate ROOT --dataset bigearthnet --split test" in said
    assert "--model landcover-cnn --save" in said


def test_a_missing_report_of_one_model_is_named_and_the_rest_shown(zoo: Path) -> None:
    shutil.rmtree(zoo / "landcover-cnn" / "evaluation")
    shown = page()
    assert "--split test --model landcover-cnn --save" in text(shown)
    assert len(shown.dataframe[0].value) == 2


def test_a_baseline_measured_beside_a_model_needs_no_report_of_its_own(zoo: Path) -> None:
    for name in baselines.RECIPES:
        shutil.rmtree(zoo / name / "evaluation")
    shown = page()
    assert len(shown.dataframe[0].value) == 3
    assert "Two models with a report on this split are needed" in text(shown)


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_a_damaged_report_is_one_sentence(zoo: Path, suffix: str) -> None:
    (zoo / "class-prior" / "evaluation" / f"bigearthnet-v2-test.{suffix}").write_bytes(b"nonsense")
    shown = page()
    assert [error.value for error in shown.error if "is damaged" in error.value]
    assert len(shown.dataframe[0].value) == 3


def test_a_damaged_card_leaves_the_others(zoo: Path) -> None:
    (zoo / "class-prior" / "card.json").write_text("{")
    shown = page()
    assert "'class-prior' cannot be used" in shown.error[0].value
    assert "Class prior" not in list(shown.selectbox(key="models_one").options)


def test_a_report_of_other_weights_is_said_to_be_one(zoo: Path) -> None:
    assert "made with other weights" not in text(page())
    path = zoo / "landcover-cnn" / "evaluation" / "bigearthnet-v2-test.json"
    told = path.read_text()
    path.write_text(told.replace(registry.card("landcover-cnn").hash, "0" * 12))
    assert "made with other weights" in text(page())


def test_a_report_made_anew_is_read_anew(zoo: Path) -> None:
    shown = page()
    path = zoo / "landcover-cnn" / "evaluation" / "bigearthnet-v2-test.json"
    low = report(zoo).figures["confidence_intervals"]["ece"][0]
    path.write_text(
        path.read_text().replace(f'"ece": {report(zoo).figures["ece"]}', f'"ece": {low}')
    )
    assert shown.run().dataframe[0].value["Calibration error"][0].startswith(f"{low:.3f} ")


def test_several_splits_can_be_chosen(zoo: Path, dataset: Dataset) -> None:
    model = load_model(zoo / "class-prior", "cpu")
    found = evaluation.evaluate(model, dataset, "validation", bootstraps=100)
    evaluation.write_report(found, zoo / "class-prior")
    shown = page()
    box = shown.selectbox(key="models_split")
    assert box.options == ["bigearthnet-v2, split test", "bigearthnet-v2, split validation"]
    box.set_value(("bigearthnet-v2", "validation")).run()
    assert not shown.exception
    assert len(shown.dataframe[0].value) == 1
    assert "split **validation**" in text(shown)
    assert "--split validation --model landcover-cnn --save" in text(shown)


def test_an_empty_registry_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "ZOO", tmp_path)
    assert "No model is installed" in text(page())


def test_the_files_to_download_hold_numbers(zoo: Path) -> None:
    shown = page()
    assert {"models_csv_models", "models_csv_classes-landcover-cnn"} <= {
        button.key for button in shown.get("download_button")
    }
    table = pd.DataFrame(models_data.class_table(report(zoo)))
    assert pd.api.types.is_numeric_dtype(table["AP"])
