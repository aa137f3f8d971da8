"""The Data page with a folder, without a browser: figures, patches, look-alikes, label errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from landcover.datasets.example_folder import write_example
from pages.parts.shared import taught, training
from tests.support import own_folder
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_mislabelled, write_v2

PAGE = str(Path(__file__).parents[2] / "pages" / "data.py")
PASTURES, FOREST = "Pastures", "Mixed forest"
WAIT_S = 120.0


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One person's app with a home of its own, in which nothing is cached."""
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(taught.VARIABLE, "1")
    st.cache_data.clear()
    st.cache_resource.clear()
    yield tmp_path
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_example(tmp_path_factory.mktemp("data") / "six")


@pytest.fixture(scope="module")
def mislabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "wrong"
    write_mislabelled(root)
    return root


def opened(root: Path | None = None, kind: str = "bigearthnet") -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=60)
    page.session_state["app_page"] = "by itself"
    page.session_state["data_dataset"] = kind
    page.session_state["data_root"] = "" if root is None else str(root)
    page.run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    kinds: tuple[Any, ...] = (*(page.info, page.success, page.error, page.markdown, page.caption),)
    return "\n".join(str(item.value).replace("\\", "") for kind in kinds for item in kind)


def press(page: AppTest, label: str) -> AppTest:
    next(one for one in page.button if one.label == label).click().run()
    assert not page.exception
    return page


def view(page: AppTest, name: str) -> AppTest:
    page.segmented_control(key="data_view").set_value(name).run()
    assert not page.exception
    return page


def checked(page: AppTest) -> AppTest:
    """Start the check of labels and wait for its end."""
    press(page, "Look for label errors")
    end = time.monotonic() + WAIT_S
    while any(one.label == "Cancel" for one in page.button):
        assert time.monotonic() < end
        time.sleep(0.1)
        page.run()
        assert not page.exception
    return page


def test_only_an_app_that_may_read_its_folders_offers_one(
    monkeypatch: pytest.MonkeyPatch, example: Path
) -> None:
    monkeypatch.delenv(taught.VARIABLE)
    page = opened(example)
    assert not page.text_input
    assert "**480,038 patches**" in said(page)
    assert "Patches" not in page.segmented_control(key="data_view").options
    monkeypatch.setenv(training.VARIABLE, "1")
    assert opened(example).text_input


def test_the_example_is_written_and_browsed(home: Path) -> None:
    page = press(opened(), "Try it with the six example patches")
    assert (home / "home" / "examples" / "six-patches" / "train.csv").is_file()
    # One of the six has seasonal snow.
    assert "**5 patches** of 1200 m" in said(page)
    view(page, "Patches")
    assert "5 patches, in the order of the tables" in said(page)
    assert len(page.image) == 5
    page.multiselect(key="data_combination").set_value(["Inland waters"]).run()
    assert "[Inland waters](classes?about=Inland%20waters)" in said(page)
    assert len(page.image) < 5


def test_parts_and_combinations_limit_the_patches(example: Path) -> None:
    page = view(opened(example), "Patches")
    page.selectbox(key="data_split").select("train").run()
    assert "3 patches, in the order" in said(page)
    page.multiselect(key="data_combination").set_value(["Beaches, dunes, sands"]).run()
    assert "No patch of this folder has this combination" in said(page)


def test_look_alikes_are_shown_below_the_patch_and_closed_again(example: Path) -> None:
    page = view(opened(example), "Patches")
    press(page, "Look-alikes")
    assert "Look-alikes" in [one.value for one in page.header]
    assert "which may have learnt this patch, too" in said(page)
    assert any("Land covers in its label" in str(one.value.columns) for one in page.table)
    press(page, "Close")
    assert not page.header


def test_six_patches_are_too_few_to_check_labels(example: Path) -> None:
    page = checked(view(opened(example), "Label errors"))
    assert "there are 4 of the splits train and validation: give at least 20" in said(page)


def test_suspected_labels_have_pictures_and_reasons(mislabelled: Path) -> None:
    page = checked(view(opened(mislabelled), "Label errors"))
    text = said(page)
    assert "**2 labels** of 26 patches are suspected" in text
    forest = f"[{FOREST}](classes?about={quote(FOREST)})"
    assert f"**Labelled {forest}, but a model that has not seen this patch gives it" in text
    assert f"**Not labelled [{PASTURES}](classes?about={PASTURES}), but" in text
    assert "each time without the blocks of 12 km" in text
    assert "Too rare, or too frequent, to be checked: [Urban](classes?about=" in text
    assert len(page.image) == 2
    table = page.dataframe[0].value
    assert set(table["Patch"]) == {v2_id(20, row=0)}
    page.selectbox(key="data_errors_class").select(PASTURES).run()
    assert len(page.image) == 1


def test_given_predictions_are_used_or_refused_in_a_sentence(
    mislabelled: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("patch,Pastures\nsome,0.5\n")
    page = view(opened(mislabelled), "Label errors")
    page.text_input(key="data_predictions").set_value(str(path)).run()
    checked(page)
    assert [one.value for one in page.error]
    assert "mine.csv has no column for" in said(page)


def test_data_with_classes_of_ones_own_are_shown(tmp_path: Path) -> None:
    root = own_folder.write_folder(tmp_path / "fields", 24)
    page = opened(root, "folder")
    assert "**fields (" in said(page)
    assert list(page.dataframe[0].value["Class"]) == ["Open water", "Tall trees"]
    assert "Spectra" not in page.segmented_control(key="data_view").options
    for name in ("Together", "Combinations", "Seasons", "Map"):
        assert not view(page, name).error
        assert "classes?about" not in said(page)
        assert "What do these classes mean" not in said(page)
    view(page, "Patches")
    assert "24 patches, in the order" in said(page)
    page.number_input(key="data_page").set_value(2).run()
    assert len(page.image) == 12
    assert "Open water" in said(page)


def test_a_missing_picture_has_one_sentence(tmp_path: Path) -> None:
    specs = [PatchSpec(v2_id(k), (PASTURES,)) for k in range(2)]
    root = write_v2(tmp_path / "data", specs)
    page = view(opened(root), "Patches")
    assert len(page.image) == 2
    folder = root / "BigEarthNet-S2" / v2_id(0).rsplit("_", 2)[0] / v2_id(0)
    (folder / f"{v2_id(0)}_B02.tif").write_bytes(b"no tiff")
    st.cache_data.clear()
    page.run()
    assert not page.exception
    assert len(page.image) == 1


@pytest.mark.parametrize("typed", ["/no/such/folder", "~nobody-here/data", "\0", "x" * 900])
def test_a_folder_that_cannot_be_read_has_one_sentence(typed: str) -> None:
    page = opened(Path("/"))
    page.text_input(key="data_root").set_value(typed).run()
    assert not page.exception
    assert len(page.error) <= 1
    assert "**480,038 patches**" in said(page)
