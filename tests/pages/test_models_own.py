"""The Models page with models of one's own data: their own classes in every view, kept apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from landcover.datasets import Dataset, open_patches
from landcover.evaluate.report_files import read_metrics, write_report
from landcover.evaluate.report_metrics import Draws
from landcover.evaluate.run import evaluate
from landcover.models import registry
from landcover.models.model import load_model
from landcover.train.recipes import bigearthnet
from landcover.train.recipes.order import Order
from pages.parts.models import data
from pages.parts.shared import patch_link
from tests.support import own_folder
from tests.support.models_view import each_view, section, view

PAGE = str(Path(__file__).parents[2] / "pages" / "models.py")
TREES, WATER = own_folder.CLASSES
NAMES = ("fields-trees", "fields-prior", "crops-prior")


def written(root: Path, *labels: str) -> Dataset:
    """Write 24 patches with these labels in turn, half of them in the test split."""
    split = ("test", "train", "test", "validation", "test", "train")
    lines = [f"field_{k}.tif,{labels[k % len(labels)]},{split[k // 4]}" for k in range(24)]
    table = "\n".join(["file,labels,split", *lines]) + "\n"
    return open_patches("folder", own_folder.write_folder(root, table=table))


def measured(folder: Path, dataset: Dataset, recipe: str) -> None:
    """Fit a model to a data set and keep its report on the test split in its folder."""
    bigearthnet.make(recipe, dataset, folder, Order(fit="train+validation"))
    model = load_model(folder, "cpu")
    write_report(evaluate(model, dataset, "test", draws=Draws(resamples=100)), folder)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two models of one data set, and one of another with other classes."""
    folder, root = tmp_path_factory.mktemp("zoo"), tmp_path_factory.mktemp("data")
    first = written(root / "fields", TREES, WATER)
    second = written(root / "crops", "Maize", "Wheat", "Maize;Wheat;Rape")
    measured(folder / "fields-trees", first, "band-statistics")
    measured(folder / "fields-prior", first, "class-prior")
    measured(folder / "crops-prior", second, "class-prior")
    with registry.use(registry.Registry(shipped=folder)):
        yield root


def page() -> AppTest:
    shown = AppTest.from_file(PAGE, default_timeout=60)
    shown.session_state["app_page"] = "by itself"
    shown.run()
    assert not shown.exception
    return shown


def text(shown: AppTest) -> str:
    kinds = (shown.markdown, shown.caption, shown.info, shown.warning, shown.error)
    return "\n".join(str(one.value).replace("\\", "") for kind in kinds for one in kind)


def chosen(shown: AppTest, name: str) -> data.Split:
    """Choose the split of a data set by the name of its folder."""
    box = shown.selectbox(key="models_split")
    title = next(title for title in box.options if title.startswith(f"Own data, {name} ("))
    box.select(title).run()
    assert not shown.exception
    return next(one for one in data.splits(NAMES) if f"{one.data}, split {one.name}" == title)


def test_data_sets_of_ones_own_are_not_mixed(zoo: Path) -> None:
    shown = page()
    assert len(shown.selectbox(key="models_split").options) == 2
    split = chosen(shown, "fields")
    named = read_metrics(registry.default().folder("fields-trees"), "folder", "test").own_data
    assert (split.dataset, split.name, split.own) == ("folder", "test", named)
    assert len(shown.dataframe[0].value) == 2
    assert f"patches** of Own data, {named}, split **test**" in text(shown)
    assert "has no report on this split" not in text(shown)
    chosen(shown, "crops")
    assert len(shown.dataframe[0].value) == 1
    assert zoo.is_dir()


def test_each_view_has_the_classes_of_the_data(zoo: Path) -> None:
    shown = page()
    chosen(shown, "fields")
    section(shown, "Land covers")
    shown.selectbox(key="models_one").set_value("fields-trees").run()
    assert len(shown.selectbox(key="models_one").options) == 2
    seen = list(each_view(shown))
    assert {"Classes", "Confusion", "Co-occurrence", "Failures", "Card"} <= set(seen)
    assert not shown.error
    assert list(view(shown, "Classes").dataframe[0].value["Class"]) == [WATER, TREES]
    tables = " ".join(str(one.value) for one in view(shown, "Confusion").get("html"))
    assert WATER in tables
    assert TREES in tables
    assert "Pastures" not in tables + text(shown)
    assert zoo.is_dir()


def test_failures_have_own_names_and_pictures_if_the_data_are_there(
    zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = page()
    chosen(shown, "fields")
    view(shown, "Failures")
    assert f"- {TREES}: " in text(shown) or f"- {WATER}: " in text(shown)
    assert "classes?about" not in text(shown)
    assert "the report does not say where your data are" in text(shown)
    assert not shown.image
    monkeypatch.setenv(patch_link.VARIABLE, str(zoo / "fields"))
    shown.run()
    assert len(shown.image) == 6
    assert "does not say where" not in text(shown)
    monkeypatch.setenv(patch_link.VARIABLE, str(zoo))
    shown.run()
    assert "Own data is not in the folder that LANDCOVER_DATA names" in text(shown)


def test_the_address_names_the_data(zoo: Path) -> None:
    shown = page()
    split = chosen(shown, "crops")
    other = AppTest.from_file(PAGE, default_timeout=60)
    other.session_state["app_page"] = "by itself"
    other.query_params["split"] = split.address
    other.run()
    assert other.selectbox(key="models_split").value == split
    assert zoo.is_dir()
