"""Your models on the Models page: rename, remove, bring back, import and download."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from landcover import nets
from landcover.core.classes import CLASS_NAMES
from landcover.models import registry, store
from landcover.models.registry import Registry
from pages.parts.shared import shown, taught
from pages.parts.shared.links import Link
from tests.support import tiny

ROOT = Path(__file__).parents[2]
PAGE = str(ROOT / "pages" / "models.py")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """The registry of an app of one person, with two shipped models and none of theirs."""
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(taught.VARIABLE, "1")
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    for name in (registry.DEFAULT_MODEL, "shipped"):
        tiny.tiny_folder(tmp_path / "zoo" / name, name=name)
    st.cache_resource.clear()
    with registry.use(Registry(shipped=tmp_path / "zoo", home=tmp_path / "home")) as used:
        yield used
    st.cache_resource.clear()


def opened(view: str = "Your models", **changes: Any) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=60)
    page.session_state["app_page"] = "by itself"
    page.session_state[shown.KEY] = Link(view=view, **changes)
    page.run()
    assert not page.exception
    return page


def press(page: AppTest, label: str) -> AppTest:
    next(one for one in page.button if one.label == label).click().run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    kinds: tuple[Any, ...] = (page.info, page.success, page.warning, page.error, page.caption)
    return "\n".join(str(item.value).replace("\\", "") for kind in kinds for item in kind)


def rename(page: AppTest, old: str, new: str) -> AppTest:
    press(page, f"Rename {old}")
    next(one for one in page.text_input if one.label == "New name").set_value(new)
    return press(page, "Save the name")


def archive(models: Registry, name: str, folder: Path) -> bytes:
    store.export_archive(models, name, folder / "model.zip")
    return (folder / "model.zip").read_bytes()


def upload(page: AppTest, *files: tuple[str, bytes]) -> AppTest:
    page.file_uploader[0].set_value([(*file, "application/zip") for file in files]).run()
    assert not page.exception
    return page


def test_without_models_the_way_to_some_is_shown(models: Registry) -> None:
    page = opened()
    assert "You have no models of your own yet" in said(page)
    assert {"Train a model", "Adapt one on Teach"} <= {one.label for one in page.button}
    assert models.user_names() == []


def test_a_model_is_renamed(models: Registry) -> None:
    store.add(models, "shipped", "mine")
    page = rename(opened(model="mine", second="mine"), "mine", "better")
    assert "mine is called better now" in said(page)
    assert models.user_names() == ["better"]
    assert "called mine before" in said(page)
    now = page.session_state[shown.KEY]
    assert (now.model, now.second) == ("better", "better")


@pytest.mark.parametrize("name", ["shipped", "other", "a b", "", "mine"])
def test_a_name_that_cannot_be_used_is_one_sentence(models: Registry, name: str) -> None:
    for each in ("mine", "other"):
        store.add(models, "shipped", each)
    page = rename(opened(), "mine", name)
    assert len(page.error) == 1
    assert [one.label for one in page.text_input] == ["New name"], "it can be corrected"
    assert models.user_names() == ["mine", "other"]
    press(page, "Keep the old name")
    assert not page.text_input


def test_a_removed_model_is_brought_back_also_after_a_reload(models: Registry) -> None:
    store.add(models, "shipped", "mine")
    card = models.card("mine")
    page = press(opened(model="mine"), "Remove mine")
    assert "other pages, which use the usual model now" in said(page)
    assert models.user_names() == []
    assert page.session_state[shown.KEY].model is None
    page = opened()
    assert "The last 20 removed models are kept" in said(page)
    press(page, "Bring back mine")
    assert "mine is back" in said(page)
    assert models.card("mine") == card
    assert not any(one.label.startswith("Bring back") for one in page.button)


def test_an_older_model_of_a_name_is_not_brought_back_over_another(models: Registry) -> None:
    store.add(models, "shipped", "mine")
    store.remove(models, "mine")
    store.add(models, "shipped", "mine")
    page = press(opened(), "Bring back mine")
    assert "You have another model 'mine' now" in said(page)


def test_a_damaged_model_and_a_copy_of_a_shipped_one_can_only_be_removed(models: Registry) -> None:
    models.saves_to("shipped")
    (models.user / "broken").mkdir()
    (models.user / "broken" / "card.json").write_text("{")
    page = opened()
    labels = {one.label for one in page.button}
    assert {"Remove broken", "Remove shipped"} <= labels
    assert not {"Rename broken", "Rename shipped", "Use broken on Classify"} & labels
    assert "A copy of the shipped model, with reports of yours" in said(page)
    press(page, "Remove broken")
    assert models.user_names() == ["shipped"]


def test_an_archive_is_imported(models: Registry, tmp_path: Path) -> None:
    store.add(models, "shipped", "mine")
    data = archive(models, "mine", tmp_path)
    store.remove(models, "mine")
    page = upload(opened(), ("from-elsewhere.zip", data))
    assert "mine is among your models now" in said(page)
    assert models.user_names() == ["mine"]


def test_an_archive_whose_name_is_taken_gets_another_one(models: Registry, tmp_path: Path) -> None:
    data = archive(models, "shipped", tmp_path)
    page = upload(opened(), ("shipped.zip", data))
    assert "is the name of a shipped model" in said(page)
    field = next(one for one in page.text_input if one.label == "Another name")
    assert field.value == "shipped-2"
    press(page, "Import it under this name")
    assert models.user_names() == ["shipped-2"]
    assert "shipped-2 is among your models now" in said(page)
    assert not page.text_input


def changed(data: bytes) -> Iterator[bytes]:
    """Archives that are no good."""
    yield b""
    yield b"not a zip"
    yield data[:-40]
    for name, content in (("../card.json", b"{}"), ("run.py", b"1"), ("card.json", b"{")):
        target = io.BytesIO(data)
        with zipfile.ZipFile(target, "a") as added:
            added.writestr(name, content)
        yield target.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_bad_archive_is_one_sentence(models: Registry, tmp_path: Path) -> None:
    page = opened()
    for bad in changed(archive(models, "shipped", tmp_path)):
        upload(page, ("bad.zip", bad))
        (sentence,) = (one.value for one in page.error)
        assert "bad" in sentence
        assert "/" not in sentence
    data = archive(models, "shipped", tmp_path)
    upload(page, ("a.zip", data), ("b.zip", data))
    assert "one archive at a time" in said(page)
    assert models.user_names() == []
    assert not list(models.user.glob("*"))


def test_on_a_shared_server_nothing_is_changed(
    models: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(models, "shipped", "mine")
    monkeypatch.delenv(taught.VARIABLE)
    page = opened()
    assert "This server is shared" in said(page)
    assert not page.button
    assert not page.file_uploader


def test_a_model_that_another_program_removed_is_a_sentence(models: Registry) -> None:
    tiny.tiny_folder(models.user / "mine", name="mine", thresholds=dict.fromkeys(CLASS_NAMES, 0.1))
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    page.query_params["model"] = "mine"
    page.query_params["sample"] = "finland-lake"
    page.run()
    assert not page.exception
    assert not page.warning
    store.remove(models, "mine")
    # The select box of the page before cannot say any more which option was chosen.
    again = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for key in (shown.KEY, "classify_trail", "app_url_started", "app_url_offered"):
        again.session_state[key] = page.session_state[key]
    page = again.run()
    assert not page.exception
    (sentence,) = (one.value for one in page.warning)
    assert "“mine” is no longer here" in sentence
