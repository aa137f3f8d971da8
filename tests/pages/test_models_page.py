"""The Models page shows the contents of the files, and what is missing.

Models and reports are real, trained and measured on a tiny synthetic data set.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from landcover import nets
from landcover.core.classes import BY_NAME, CLASS_NAMES, EUROSAT_CLASSES
from landcover.datasets import Dataset, open_dataset
from landcover.decide import conformal_fit
from landcover.evaluate import comparison
from landcover.evaluate.decision_scores import Estimate
from landcover.evaluate.report import (
    Evaluation,
    EvaluationReport,
    LabelSetCoverage,
    Predictions,
    Share,
    Speed,
)
from landcover.evaluate.report_files import read_report, write_report
from landcover.evaluate.report_metrics import Draws, Material, measure
from landcover.evaluate.run import evaluate
from landcover.models import registry
from landcover.models.card import read_card
from landcover.models.model import load_model
from landcover.train import place_decisions
from landcover.train.recipes import bigearthnet
from landcover.train.recipes.order import Order
from landcover.trust import place_record
from landcover.trust.place_record import NoveltyByPlace, NoveltyRates
from pages.parts.models import classes, compare, data
from pages.parts.shared import charts, patch_link
from tests.support import tiny
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2
from tests.support.models_view import by_class, each_view, section, view
from tests.support.placed_predictions import some

PAGE = str(Path(__file__).parents[2] / "pages" / "models.py")
PASTURES, FOREST = "Pastures", "Mixed forest"
SPECS = tuple(
    PatchSpec(v2_id(k, row=20 * s), (FOREST,) if k % 2 else (PASTURES, FOREST)[: 1 + k // 6], split)
    for s, split in enumerate(("train", "validation", "test"))
    for k in range(12)
)
SPLIT = ("bigearthnet-v2", "test")
BASELINES = ("band-statistics", "class-prior")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(
        "bigearthnet", write_v2(tmp_path_factory.mktemp("models") / "bigearthnet", SPECS)
    )


@pytest.fixture(scope="module")
def master(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A registry of a tiny net and two baselines, all of them measured."""
    folder = tmp_path_factory.mktemp("zoo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
        tiny.tiny_folder(folder / "landcover-cnn", name="landcover-cnn")
        for name in BASELINES:
            bigearthnet.make(name, dataset, folder / name, Order(fit="train+validation"))
        models = {path.name: load_model(path, "cpu") for path in sorted(folder.iterdir())}
        for name, model in models.items():
            others = [models[other] for other in BASELINES if other != name]
            found = evaluate(model, dataset, "test", others, draws=Draws(resamples=100))
            write_report(found, folder / name)
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
    monkeypatch.setattr(registry, "DEFAULT_MODEL", "landcover-cnn")
    with registry.use(registry.Registry(shipped=folder)):
        yield folder


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
    return read_report(zoo / name, *SPLIT)


def test_every_model_is_listed_with_the_metrics_of_its_file(zoo: Path) -> None:
    shown = page()
    chosen = [key for key in data.METRICS if key != "accuracy"]
    shown.multiselect(key="models_columns_several").set_value(chosen).run()
    assert not shown.exception
    rows = {row["Model"]: row for row in shown.dataframe[0].value.to_dict("records")}
    assert len(rows) == len(registry.default().names()) == 3
    for name in registry.default().names():
        row, figures = rows[registry.default().card(name).title], report(zoo, name).metrics
        for key in chosen:
            low, high = figures.confidence_intervals[key]
            title = data.METRICS[key].title
            assert row[title] == f"{figures.value(key):.3f} [{low:.3f}, {high:.3f}]"
        assert row["Parameters"] == f"{registry.default().card(name).parameters:,}"
        assert row["ms per patch"] == f"{figures.speed.milliseconds_per_patch:.1f}"


@pytest.mark.parametrize("by", ["macro_ap", "brier"])
def test_the_best_by_the_chosen_metric_comes_first(zoo: Path, by: str) -> None:
    shown = page()
    shown.selectbox(key="models_sort_several").set_value(by).run()
    assert not shown.exception
    table = shown.dataframe[0].value
    assert list(table.columns)[1] == data.METRICS[by].title
    values = [float(text.split(" ")[0]) for text in table[data.METRICS[by].title]]
    assert values == sorted(values, reverse=by == "macro_ap")
    best = {n: report(zoo, n).metrics.value(by) for n in registry.default().names()}
    first = min(best, key=best.__getitem__) if by == "brier" else max(best, key=best.__getitem__)
    assert table["Model"].iloc[0] == registry.default().card(first).title


def test_metrics_that_an_older_report_lacks_are_dashes(zoo: Path) -> None:
    path = zoo / "class-prior" / "evaluation" / "bigearthnet-v2-test.json"
    told = json.loads(path.read_text())
    kept = ("macro_ap", "micro_ap", "macro_f1", "micro_f1", "ece")
    for key in set(data.METRICS) - set(kept):
        told.pop(key, None)
        told["confidence_intervals"].pop(key, None)
    told.pop("per_country")
    for item in told["per_class"].values():
        for key in ("f2", "brier", "ece", "confidence_intervals"):
            item.pop(key)
    path.write_text(json.dumps(told))
    shown = page()
    shown.multiselect(key="models_columns_several").set_value(["brier"]).run()
    assert not shown.exception
    table = shown.dataframe[0].value.set_index("Model")
    assert table.loc[registry.default().card("class-prior").title, "Brier score"] == "–"
    section(shown, "Two models").selectbox(key="models_b").set_value("class-prior").run()
    assert not shown.error
    view(shown, "Classes").selectbox(key="models_one").set_value("class-prior").run()
    for option in each_view(shown):
        assert not shown.error, option
    assert "has no metrics by country" in text(view(shown, "Countries"))


def test_the_page_recommends_a_model(zoo: Path) -> None:
    said = text(page())
    best = max(registry.default().names(), key=lambda n: report(zoo, n).metrics.micro_ap)
    value = report(zoo, best).metrics.micro_ap
    assert f"(best micro AP): **{registry.default().card(best).title}**, {value:.3f} [" in said
    assert "inside the best model's interval" in said


def test_accuracy_against_time_has_every_model(zoo: Path) -> None:
    shown = page()
    assert zoo.is_dir()
    for value in ("Micro AP", "Macro AP"):
        shown.segmented_control(key="models_bubble_value").set_value(value).run()
        assert not shown.exception
        table = next(f.value for f in shown.dataframe if "On the front" in f.value.columns)
        assert sorted(table["Model"]) == sorted(
            registry.default().card(n).title for n in registry.default().names()
        )
        fastest = table.sort_values("ms per patch").iloc[0]
        assert fastest["On the front"]
        assert table.loc[table[value].idxmax(), "On the front"]


def test_metrics_come_with_data_support_and_interval(zoo: Path) -> None:
    said = text(page())
    assert "**12 patches** of BigEarthNet v2, split **test**" in said
    assert "In brackets: 95 % of 100 bootstrap resamples" in said
    assert "classes with at least 5 positives in this split: Pastures, Mixed forest" in said
    margin = report(zoo).metrics.baselines["class-prior"].margin["macro_ap"]
    assert f"Macro AP {margin.difference:+.3f} [{margin.interval[0]:+.3f}" in said


@pytest.mark.parametrize("name", ["landcover-cnn", "class-prior"])
def test_every_view_of_every_model_shows(zoo: Path, name: str) -> None:
    shown = view(page(), "Classes")
    shown.selectbox(key="models_one").set_value(name).run()
    for option in each_view(shown):
        assert not shown.error, option
    assert zoo.is_dir()


def test_the_classes_table_is_the_reports(zoo: Path) -> None:
    figures = report(zoo).metrics
    table = data.class_table(report(zoo)).set_index("Class")
    assert len(table) == 19
    for name, item in figures.per_class.items():
        row = table.loc[BY_NAME[name].short]
        assert row["Support"] == item.support
        assert row["Threshold"] == item.threshold
        assert row["AP"] == item.ap or (item.ap is None and np.isnan(row["AP"]))
    assert set(table[table["In macro"]].index) == {"Pastures", "Mixed forest"}
    shown = view(page(), "Classes")
    assert "[What do these classes mean?](classes)" in text(shown)
    assert "so they have no metrics: [Urban](classes?about=" in text(shown)


def test_each_two_by_two_table_counts_every_patch(zoo: Path) -> None:
    table = data.confusion_table(report(zoo)).set_index("Class")
    assert (table.sum(axis=1) == 12).all()
    truth = report(zoo).predictions.truth
    there = table["Present, predicted"] + table["Present, missed"]
    assert list(there) == list(truth.sum(axis=0))
    html = classes.two_by_two("<b>", 3, 1, 0, 8)
    assert "&lt;b&gt;" in html
    assert html.count("<td") == 5
    for count in (3, 1, 0, 8):
        assert f">{count}</td>" in html


def test_co_occurrence_can_be_compared_with_the_truth(zoo: Path) -> None:
    shown = view(page(), "Co-occurrence")
    for option in classes.VIEWS:
        shown.segmented_control(key="models_together").set_value(option).run()
        assert not shown.exception
        table = next(f.value for f in shown.dataframe if "actual class" in f.value.columns)
        assert table.shape == (19, 20)
    called = data.predicted(report(zoo))
    truth = report(zoo).predictions.truth
    k = CLASS_NAMES.index(PASTURES)
    expected = called[truth[:, k], k].mean() - 1.0
    assert table.iloc[k]["Pastures"] == pytest.approx(expected)


def test_a_curve_ends_at_the_share_of_positives(zoo: Path) -> None:
    shown = view(page(), "Precision and recall")
    box = shown.selectbox(key="models_curve")
    assert box.options == [classes.POOLED, "Pastures", "Mixed forest"]
    assert len(shown.multiselect(key="models_curves").value) == 3
    box.set_value(PASTURES).run()
    assert not shown.exception
    support = report(zoo).metrics.per_class[PASTURES].support
    assert f"({support} of 12)" in text(shown)
    curve = classes.curve_table(report(zoo), CLASS_NAMES.index(PASTURES))
    assert curve["Recall"].iloc[-1] == 1.0
    assert curve["Precision"].iloc[-1] == pytest.approx(support / 12)


def charts_shown(shown: AppTest) -> int:
    return len(shown.get("plotly_chart"))


def test_training_is_offered_only_with_a_history(zoo: Path) -> None:
    shown = view(page(), "Training")
    assert "2 epochs in 2 minutes" in text(shown)
    assert charts_shown(shown) == 2
    shown.selectbox(key="models_one").set_value("class-prior").run()
    assert not shown.exception
    assert shown.segmented_control(key="models_view").options == [
        "Can it be trusted?", "Left-out countries", "Card", "Architecture",
    ]  # fmt: skip
    (zoo / "landcover-cnn" / "history.csv").write_bytes(b"\xff\x00")
    shown.selectbox(key="models_one").set_value("landcover-cnn").run()
    assert not shown.exception
    assert "Training" not in shown.segmented_control(key="models_view").options


def test_decisions_in_left_out_countries_are_beside_those_near_the_training_data(
    zoo: Path,
) -> None:
    shown = view(page(), "Left-out countries")
    assert "has not been measured in left-out countries" in text(shown)
    folder = zoo / "landcover-cnn"
    chosen = place_decisions.choose(*some(), dataset="data")
    one = Share(n=10, hits=2, share=0.2, interval=(0.1, 0.4))
    rates = NoveltyRates(n=10, unlike=one, cannot_tell=one, cannot_tell_by_place=one)
    novelty = NoveltyByPlace(
        distances=("spectrum",),
        overall=rates,
        per_country={"Austria": rates},
        wrong_unlike=0.25,
        wrong_others=0.125,
        difference=Estimate(value=0.125, interval=(0.05, 0.2)),
        severe={"spectrum": 2.0},
    )
    decided = chosen.into(read_card(folder))
    decided.write(folder)
    place_record.save(chosen.measured.with_fields(novelty=novelty), folder, decided.hash)
    shown = view(page(), "Left-out countries")
    said = text(shown)
    assert "Each of 4 countries (115 patches of 12 products) was left out in turn" in said
    assert "Marked certain, and present: **" in said
    assert "to promise 90% takes at least 9 countries" in said
    assert "25.0% are decided wrongly, of those of the others 12.5%" in said
    for by in ("Class", "Country"):
        shown.segmented_control(key="models_left_out_by").set_value(by).run()
        for share in ("present", "ruled_out"):
            shown.selectbox(key="models_left_out_share").set_value(share).run()
            assert not shown.exception
            table = next(f.value for f in shown.dataframe if "Of" in f.value.columns)
            assert set(table["Of"]) == {"left out, plain", "left out, by place"}
            assert by in table.columns
    assert "chosen so that it holds in 4 left-out countries" in text(view(page(), "Card")).replace(
        "\\", ""
    )
    (folder / "trust" / "by-place.json").write_text("{}")
    assert "cannot be used" in text(view(page(), "Left-out countries"))


def test_training_without_validation_has_no_empty_chart(zoo: Path) -> None:
    (zoo / "landcover-cnn" / "history.csv").write_text(
        "epoch,train_loss,val_loss,val_macro_ap,val_micro_ap,seconds\n1,0.5,,,,60\n2,0.25,,,,60\n"
    )
    shown = view(page(), "Training")
    assert "so there are no validation metrics" in text(shown)
    assert charts_shown(shown) == 1


def test_the_address_of_a_view_opens_its_section(zoo: Path) -> None:
    assert zoo.is_dir()
    shown = view(page(), "Reliability")
    again = AppTest.from_file(PAGE, default_timeout=60)
    for key in ("app_page", "app_shown"):
        again.session_state[key] = shown.session_state[key]
    again.run()
    assert again.segmented_control(key="models_section").value == "Probabilities"
    assert again.segmented_control(key="models_view").value == "Reliability"
    assert len(again.segmented_control(key="models_section").options) <= 7


def test_two_models_side_by_side(zoo: Path) -> None:
    shown = section(page(), "Two models")
    shown.selectbox(key="models_a").set_value("band-statistics").run()
    shown.selectbox(key="models_b").set_value("class-prior").run()
    assert not shown.exception
    pair = next(f.value for f in shown.dataframe if list(f.value.columns)[:2] == ["Metric", "A"])
    a, b = (report(zoo, n).metrics.macro_ap for n in ("band-statistics", "class-prior"))
    assert pair.iloc[0]["A − B"].startswith(f"{a - b:+.3f} [")
    table = next(f.value for f in shown.dataframe if "Verdict" in f.value and "Class" in f.value)
    row = by_class(table).loc["Pastures"]
    assert row["A − B"] == pytest.approx(row["A"] - row["B"])
    assert row["Low"] <= row["A − B"] <= row["High"]
    said = text(shown)
    for name in ("band-statistics", "class-prior"):
        assert registry.default().card(name).hash in said


def test_a_model_compared_with_itself_does_not_differ(zoo: Path) -> None:
    shown = section(page(), "Two models")
    for key in ("models_a", "models_b"):
        shown.selectbox(key=key).set_value("band-statistics").run()
    assert not shown.exception
    table = next(f.value for f in shown.dataframe if "Verdict" in f.value and "Class" in f.value)
    assert (table[["A − B", "Low", "High"]].astype(float) == 0).all(axis=None)
    assert set(table["Verdict"]) == {"no clear difference"}
    assert "no clear difference: Macro AP, Micro AP" in text(shown)
    assert zoo.is_dir()


def test_two_models_are_compared_as_by_the_library(zoo: Path) -> None:
    shown = section(page(), "Two models")
    shown.selectbox(key="models_a").set_value("band-statistics").run()
    shown.selectbox(key="models_b").set_value("class-prior").run()
    shown.segmented_control(key="models_pair_unit").set_value("Places (blocks of 12 km)").run()
    assert not shown.exception
    found = comparison.compare(
        report(zoo, "band-statistics"),
        report(zoo, "class-prior"),
        draws=Draws(resamples=100, unit="block"),
    )
    pair = next(f.value for f in shown.dataframe if "A better in" in f.value and "A" in f.value)
    rows = pair.set_index("Metric")
    for key, gap in found.overall.items():
        row = rows.loc[data.METRICS[key].axis]
        assert row["A − B"].startswith(f"{gap.difference:+.3f}")
        assert row["Verdict"] == compare.WORDS[gap.better]
        assert row["A better in"] == f"{gap.share_a_better:.0%}"
    for figure in compare.BY_CLASS:
        shown.selectbox(key="models_pair_figure").set_value(figure).run()
        assert not shown.exception


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
    for name in BASELINES:
        shutil.rmtree(zoo / name / "evaluation")
    shown = page()
    assert len(shown.dataframe[0].value) == 3
    said = text(section(shown, "Two models"))
    assert "Two models with a report on this split are needed" in said


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_a_damaged_report_is_one_sentence(zoo: Path, suffix: str) -> None:
    (zoo / "class-prior" / "evaluation" / f"bigearthnet-v2-test.{suffix}").write_bytes(b"nonsense")
    shown = page()
    assert [error.value for error in shown.error if "is damaged" in error.value]
    assert len(shown.dataframe[0].value) == 3


def test_a_damaged_card_leaves_the_others(zoo: Path) -> None:
    (zoo / "class-prior" / "card.json").write_text("{")
    shown = page()
    # Markdown is escaped, because a card can quote anything.
    assert "'class-prior' cannot be used" in shown.error[0].value.replace("\\", "")
    offered = view(shown, "Classes").selectbox(key="models_one").options
    assert "Class prior" not in list(offered)


def test_a_report_of_other_weights_is_reported(zoo: Path) -> None:
    assert "made with other weights" not in text(page())
    path = zoo / "landcover-cnn" / "evaluation" / "bigearthnet-v2-test.json"
    told = path.read_text()
    path.write_text(told.replace(registry.default().card("landcover-cnn").hash, "0" * 12))
    assert "made with other weights" in text(page())


def test_patches_that_touch_training_patches_are_counted(zoo: Path) -> None:
    found = report(zoo)
    part = found.metrics.per_country["Austria"].with_fields(n=11)
    metrics = found.metrics.with_fields(touching=1, apart=part)
    write_report(replace(found, metrics=metrics), zoo / "landcover-cnn")
    said = text(page())
    assert "1 of the patches touch a training patch of Tiny net; on the other 11" in said
    assert f"its macro AP is {part.macro_ap:.3f} [" in said


def test_a_new_report_is_read_again(zoo: Path) -> None:
    shown = page()
    path = zoo / "landcover-cnn" / "evaluation" / "bigearthnet-v2-test.json"
    low = report(zoo).metrics.confidence_intervals["ece"][0]
    path.write_text(path.read_text().replace(f'"ece": {report(zoo).metrics.ece}', f'"ece": {low}'))
    table = shown.run().dataframe[0].value.set_index("Model")
    assert table.loc["Tiny net", "Calibration error"].startswith(f"{low:.3f} ")


def test_several_splits_can_be_chosen(zoo: Path, dataset: Dataset) -> None:
    model = load_model(zoo / "class-prior", "cpu")
    found = evaluate(model, dataset, "validation", draws=Draws(resamples=100))
    write_report(found, zoo / "class-prior")
    shown = page()
    box = shown.selectbox(key="models_split")
    assert box.options == ["BigEarthNet v2, split test", "BigEarthNet v2, split validation"]
    box.set_value(data.Split("bigearthnet-v2", "validation")).run()
    assert not shown.exception
    assert len(shown.dataframe[0].value) == 1
    assert "split **validation**" in text(shown)
    assert "--split validation --model landcover-cnn --save" in text(shown)


def test_an_empty_registry_is_one_sentence(tmp_path: Path) -> None:
    with registry.use(registry.Registry(shipped=tmp_path, home=tmp_path)):
        assert "No model is installed" in text(page())


def test_the_files_to_download_hold_numbers(zoo: Path) -> None:
    shown = page()
    assert "models_csv_models" in {button.key for button in shown.get("download_button")}
    view(shown, "Classes")
    keys = {button.key for button in shown.get("download_button")}
    assert "models_csv_classes-landcover-cnn" in keys
    table = pd.DataFrame(data.class_table(report(zoo)))
    assert pd.api.types.is_numeric_dtype(table["AP"])


def test_ten_models_differ_in_more_than_colour() -> None:
    styles = [charts.style(number) for number in range(10)]
    for part in ("colour", "symbol", "dash"):
        assert len({getattr(style, part) for style in styles}) == 10


def test_a_threshold_changes_the_metrics_and_can_be_reset(zoo: Path) -> None:
    shown = view(page(), "Thresholds")
    shown.selectbox(key="models_threshold_class").set_value(FOREST).run()
    own = report(zoo).metrics.per_class[FOREST]
    slider = shown.slider(key="models_threshold")
    assert slider.value == pytest.approx(own.threshold)
    slider.set_value(0.0).run()
    assert not shown.exception
    truth = report(zoo).predictions.truth[:, CLASS_NAMES.index(FOREST)]
    figures = {metric.label.split(" ")[0]: metric.value for metric in shown.metric}
    assert all("[" in metric.label for metric in shown.metric)
    assert figures["Recall"] == "1.000"
    assert figures["Precision"] == f"{truth.mean():.3f}"
    table = next(f.value for f in shown.dataframe if "The report's" in f.value.columns)
    row = by_class(table).loc["Mixed forest"]
    assert (row["Present, predicted"], row["Absent, predicted"]) == (truth.sum(), (~truth).sum())
    assert row["The report's"] == own.threshold
    shown.button(key="models_threshold_back").click().run()
    assert shown.slider(key="models_threshold").value == pytest.approx(own.threshold)


def test_the_curve_over_thresholds_has_its_table_and_file(zoo: Path) -> None:
    shown = view(page(), "Thresholds")
    shown.selectbox(key="models_threshold_class").set_value(FOREST).run()
    stem = "threshold-curve-landcover-cnn-mixed-forest"
    assert f"models_csv_{stem}" in {button.key for button in shown.get("download_button")}
    table = next(f.value for f in shown.dataframe if f.value.columns[0] == "Threshold")
    found = report(zoo).predictions
    index = CLASS_NAMES.index(FOREST)
    truth, probability = found.truth[:, index], found.probability[:, index]
    assert table["Threshold"].tolist() == sorted({0.0, *probability.astype(float)})
    for _, row in table.iterrows():
        called = probability >= row["Threshold"]
        both = (truth & called).sum()
        assert (row["Present, predicted"], row["Absent, predicted"]) == (both, called.sum() - both)
        assert row["Recall"] == pytest.approx(both / truth.sum())


def test_one_threshold_for_all_classes(zoo: Path) -> None:
    shown = view(page(), "Thresholds")
    shown.slider(key="models_threshold").set_value(1.0).run()
    assert not shown.exception
    table = next(f.value for f in shown.dataframe if "With these thresholds" in f.value.columns)
    recall = table.set_index("Metric").loc["Macro recall"]
    called = report(zoo).predictions.probability >= 1.0
    if not called.any():
        assert recall["With these thresholds"].startswith("0.000")
    counts = next(f.value for f in shown.dataframe if "The report's" in f.value.columns)
    assert (counts["Threshold"] == 1.0).all()
    shown.button(key="models_threshold_back").click().run()
    counts = next(f.value for f in shown.dataframe if "The report's" in f.value.columns)
    assert (counts["Threshold"] == counts["The report's"]).all()


def test_thresholds_of_an_aim_can_be_used(zoo: Path) -> None:
    path = zoo / "landcover-cnn" / "card.json"
    told = json.loads(path.read_text())
    told["aims"] = {"f2": {FOREST: 0.125}}
    path.write_text(json.dumps(told))
    shown = view(page(), "Thresholds")
    shown.selectbox(key="models_threshold_aim").set_value("find more (F2)").run()
    shown.button(key="models_threshold_take").click().run()
    assert not shown.exception
    table = next(f.value for f in shown.dataframe if "The report's" in f.value.columns)
    tried = by_class(table)["Threshold"]
    assert tried["Mixed forest"] == 0.125
    assert tried["Pastures"] == report(zoo).metrics.per_class[PASTURES].threshold


@pytest.mark.parametrize("bins", ["Equal width", "Equal mass"])
def test_reliability_shows_the_reports_error(zoo: Path, bins: str) -> None:
    shown = view(page(), "Reliability")
    shown.segmented_control(key="models_reliability_bins").set_value(bins).run()
    assert not shown.exception
    figures = report(zoo).metrics
    said = text(shown)
    for key in ("ece", "ace", "brier"):
        assert f"{data.METRICS[key].title} **{figures.value(key):.3f} [" in said
    table = next(f.value for f in shown.dataframe if "Forecasts" in f.value.columns)
    assert table["Forecasts"].sum() == 12 * 19
    shown.selectbox(key="models_reliability_class").set_value(PASTURES).run()
    assert not shown.exception
    assert f"Brier score **{figures.per_class[PASTURES].brier:.3f} [" in text(shown)


def test_risk_at_full_coverage_is_the_hamming_loss(zoo: Path) -> None:
    shown = view(page(), "Risk and coverage")
    for option in shown.selectbox(key="models_risk_measure").options:
        shown.selectbox(key="models_risk_measure").set_value(option).run()
        assert not shown.exception
        table = next(f.value for f in shown.dataframe if "Coverage" in f.value.columns)
        assert table["Risk"].iloc[-1] == pytest.approx(report(zoo).metrics.hamming_loss, abs=1e-6)
    shown.selectbox(key="models_risk_class").set_value(FOREST).run()
    assert not shown.exception


def test_the_worst_patches_come_first_with_their_labels(zoo: Path, dataset: Dataset) -> None:
    shown = view(page(), "Failures")
    table = next(f.value for f in shown.dataframe if "False alarms" in f.value.columns)
    assert len(table) == 6
    assert list(table["Loss"]) == sorted(table["Loss"], reverse=True)
    found = report(zoo).predictions
    first = found.ids.index(table["Patch"].iloc[0])
    names = {data.short(n) for k, n in enumerate(CLASS_NAMES) if found.truth[first, k]}
    assert set(table["Labels"].iloc[0].split("; ")) == names
    shown.selectbox(key="models_failures_class").set_value(PASTURES).run()
    shown.selectbox(key="models_failures_country").set_value("Austria").run()
    assert not shown.exception
    assert dataset.records("test")


def test_patches_are_shown_where_the_data_set_is(
    zoo: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = view(page(), "Failures")
    assert not shown.get("image")
    root = dataset.records("test")[0].product.parents[1]
    assert {button.label for button in shown.button} == {"Go to this place"}
    monkeypatch.setenv(patch_link.VARIABLE, str(root))
    shown.run()
    assert {button.label for button in shown.button} == {"Explain this patch"}
    assert not shown.exception
    assert len(shown.get("image")) == 6
    for other in (str(root / "nowhere"), "~nobody/here", "x" * 900):
        monkeypatch.setenv(patch_link.VARIABLE, other)
        shown.run()
        assert not shown.exception
        assert not shown.get("image")
        assert len(shown.info) == 1
    assert zoo.is_dir()


def test_countries_have_their_own_metrics(zoo: Path) -> None:
    shown = view(page(), "Countries")
    table = next(f.value for f in shown.dataframe if "Country" in f.value.columns)
    item = report(zoo).metrics.per_country["Austria"]
    assert table.set_index("Country").loc["Austria", "Patches"] == 12
    assert table.set_index("Country").loc["Austria", "Micro AP"] == item.micro_ap


def test_label_sets_show_the_coverage_that_was_observed(zoo: Path) -> None:
    shown = view(page(), "Label sets")
    assert "has no label sets" in text(shown)
    found = report(zoo)
    sets = conformal_fit.fit(
        found.predictions.probability,
        found.predictions.truth,
        np.arange(12) // 3,
        found.predictions.countries,
        CLASS_NAMES,
    )
    seen = conformal_fit.observe(
        sets, found.predictions.probability, found.predictions.truth, found.predictions.countries
    )
    write_report(
        replace(found, metrics=found.metrics.with_fields(label_set_coverage=seen)),
        zoo / "landcover-cnn",
    )
    shown = view(page(), "Label sets")
    assert "The target coverage is 90%" in text(shown)
    item = LabelSetCoverage.model_validate(seen).overall.present
    assert f"Present, and not marked absent: **{item.share:.3f} [" in text(shown)
    for by in ("Class", "Country"):
        shown.segmented_control(key="models_sets_by").set_value(by).run()
        for share in seen["overall"]:
            shown.selectbox(key="models_sets_share").set_value(share).run()
            assert not shown.exception


@pytest.fixture
def exclusive(zoo: Path) -> Path:
    """A model of ten classes that exclude each other, measured on synthetic predictions."""
    folder = zoo / "eurosat-rgb"
    tiny.tiny_folder(
        folder,
        name="eurosat-rgb",
        title="Pictures",
        class_set="eurosat-10",
        classes=EUROSAT_CLASSES,
        thresholds=dict.fromkeys(EUROSAT_CLASSES, 0.5),
        activation="softmax",
        units="picture brightness",
        level="RGB",
        bands=("red", "green", "blue"),
        mean=(0.3,) * 3,
        std=(0.1,) * 3,
    )
    random = np.random.default_rng(0)
    truth = np.eye(10, dtype=bool)[np.arange(80) % 10]
    scores = np.exp(random.normal(0, 1, truth.shape) + 2 * truth)
    answers = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    ids = tuple(f"{EUROSAT_CLASSES[k % 10]}_{k}.jpg" for k in range(80))
    material = Material(
        ids=ids,
        classes=EUROSAT_CLASSES,
        truth=truth,
        countries=("",) * 80,
        places=np.arange(80),
        exclusive=True,
    )
    card = registry.default().card("eurosat-rgb")
    found = measure([card], material, [answers], Draws(resamples=50))
    speed = Speed(milliseconds_per_patch=5.0, runs=1, device="cpu", threads=1)
    metrics = EvaluationReport(
        model="eurosat-rgb",
        dataset="eurosat",
        split="test",
        card_hash=card.hash,
        date="2020-01-01",
        speed=speed,
        **found.given_fields(),
    )
    write_report(
        Evaluation(
            metrics=metrics,
            predictions=Predictions(
                ids=ids, countries=("",) * 80, truth=truth, probability=answers
            ),
        ),
        folder,
    )
    return folder


def test_classes_that_exclude_each_other_have_one_confusion_matrix(exclusive: Path) -> None:
    shown = view(page(), "Classes")
    shown.selectbox(key="models_split").set_value(data.Split("eurosat", "test")).run()
    assert not shown.exception
    assert shown.selectbox(key="models_one").options == ["Pictures"]
    options = []
    for option in each_view(shown):
        options.append(option)
        if option != "Architecture":  # the net of the fixture is not one for pictures
            assert not shown.error, option
    assert "Confusion" in options
    assert "Thresholds" not in options
    view(shown, "Confusion")
    table = next(f.value for f in shown.dataframe if "actual" in f.value.columns)
    counts = table.drop(columns="actual").to_numpy()
    assert counts.shape == (10, 10)
    figures = read_report(exclusive, "eurosat", "test").metrics
    assert np.trace(counts) / counts.sum() == pytest.approx(figures.accuracy)
    assert f"accuracy {figures.accuracy:.3f} [" in text(shown)
    assert "[What do these classes mean?](classes)" in text(shown)
    assert "has no report on this split" not in text(shown)
    section(shown, "All models")
    assert "(best accuracy): **Pictures**" in text(shown)
    assert list(shown.dataframe[0].value.columns)[1] == "Accuracy"


def test_state_of_one_split_does_not_break_another(exclusive: Path) -> None:
    shown = page()
    shown.selectbox(key="models_sort_several").set_value("hamming_loss").run()
    view(shown, "Thresholds").selectbox(key="models_split").set_value(
        data.Split("eurosat", "test")
    ).run()
    assert not shown.exception
    section(shown, "All models")
    view(shown, "Precision and recall")
    shown.selectbox(key="models_curve").set_value("Forest").run()
    shown.selectbox(key="models_split").set_value(data.Split(*SPLIT)).run()
    assert not shown.exception
    assert shown.selectbox(key="models_curve").value == classes.POOLED
    assert exclusive.is_dir()


def test_a_section_chosen_right_after_a_view_is_opened(zoo: Path) -> None:
    """Both clicks arrive together when the server is busy with something else."""
    assert zoo.is_dir()
    shown = view(page(), "Reliability")
    shown.segmented_control(key="models_view").set_value("Thresholds")
    section(shown, "Errors")
    assert shown.segmented_control(key="models_section").value == "Errors"
    assert shown.segmented_control(key="models_view").value == "Failures"
