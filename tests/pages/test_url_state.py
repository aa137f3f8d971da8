"""The address of the page as its state, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from landcover.io.samples import read_sample
from landcover.io.samples import samples as all_samples
from pages.parts.classify import map as chart
from pages.parts.shared import choice, entry, links, place_link
from pages.parts.shared.links import Link
from tests.browser.steps import write_stack
from tests.pages.conftest import MapStandIn
from tests.pages.test_classify_page import ROOT, headings

HOSTILE = {
    "sample": "no-such-place",
    "model": "../../secret",
    "class": "Pastures<script>alert(1)</script>",
    "method": "rm -rf",
    "at": "1,2,3",
    "window": "9" * 500,
    "date": "soon",
    "split": "a/b/c",
    "view": "![](https://example.com/x.png)",
}


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    monkeypatch.setattr(chart, "st_folium", MapStandIn())
    # Next to a folder pages/, an AppTest takes the app for one without st.navigation.
    run_app = f"import runpy; runpy.run_path({str(ROOT / 'app.py')!r}, run_name='__main__')"
    test = AppTest.from_string(run_app, default_timeout=60)
    yield test
    assert not test.exception


def warnings(test: AppTest) -> list[str]:
    return [item.value.replace("\\", "") for item in test.warning]


def query(test: AppTest) -> dict[str, Any]:
    return dict(test.query_params)


def test_a_link_opens_place_class_and_method(app: AppTest) -> None:
    app.query_params.update({"sample": "finland-lake", "class": "Inland waters"})
    app.query_params["method"] = "occlusion"
    app.run()
    assert headings(app)[0].endswith("Finland")
    assert app.selectbox(key="classify_label").value == "Inland waters"
    assert app.selectbox(key="classify_method").value == "occlusion"
    assert query(app) == {
        "sample": "finland-lake", "class": "Inland waters", "method": "occlusion"
    }  # fmt: skip
    assert not any("The address of this page" in sentence for sentence in warnings(app))


def test_choices_are_written_and_a_new_place_drops_the_class(app: AppTest) -> None:
    app.run()
    assert query(app) == {}
    app.selectbox(key="classify_sample").select("finland-lake").run()
    assert query(app) == {"sample": "finland-lake"}
    app.selectbox(key="classify_label").select("Inland waters").run()
    assert query(app) == {"sample": "finland-lake", "class": "Inland waters"}
    app.selectbox(key="classify_sample").select("austria-fields").run()
    assert query(app) == {"sample": "austria-fields"}
    app.selectbox(key="classify_label").select("Pastures").run()
    app.button(key="classify_clear").click().run()
    assert query(app) == {}


@pytest.mark.parametrize("page", ["pages/classify.py", "pages/explain.py", "pages/models.py"])
def test_a_page_keeps_the_place_of_the_others(app: AppTest, page: str) -> None:
    app.query_params.update({"sample": "finland-lake", "class": "Inland waters"})
    app.run()
    app.switch_page(str(ROOT / page)).run()
    assert query(app) == {"sample": "finland-lake", "class": "Inland waters"}


@pytest.mark.parametrize("page", ["classify.py", "explain.py", "models.py"])
def test_a_hostile_address_gives_sentences(app: AppTest, page: str) -> None:
    app.session_state[entry.REQUESTED] = page
    app.query_params.update(HOSTILE)
    app.run()
    assert app.session_state["app_page"] == page.removesuffix(".py").capitalize()
    found = warnings(app)
    assert any("the sample “no-such-place”" in sentence for sentence in found)
    assert any("the place as “1,2,3”" in sentence for sentence in found)
    assert all(sentence.startswith("The address of this page") for sentence in found)
    assert all(len(sentence) < 250 for sentence in found)
    app.run()
    assert warnings(app) == found
    if page == "classify.py":  # until the user chooses something else
        app.selectbox(key="classify_sample").select("finland-lake").run()
        assert not any("sample" in sentence for sentence in warnings(app))


def test_only_a_change_of_the_user_is_written() -> None:
    # Streamlit calls on_change of a widget that the last run no longer drew, with its old value.
    script = """
import streamlit as st
from pages.parts.shared import url_state, widgets
url_state.set_widget("box", "first")
if "second" in st.session_state:
    st.session_state["box"] = "second"
offer = widgets.Offer(allows=["first", "second"].__contains__)
st.session_state[widgets.OFFERS] = {"box": offer}
url_state.take("box", "view")
url_state.take("never drawn", "compare")
"""
    test = AppTest.from_string(script).run()
    assert not test.exception
    assert query(test) == {}
    test.session_state["second"] = True
    test.run()
    assert query(test) == {"view": "second"}


def test_old_labels_of_options_are_not_written() -> None:
    script = """
import streamlit as st
from pages.parts.shared import url_state, widgets
st.session_state["box"] = ["Forest (95 %)", "Lake"]
offer = widgets.Offer(allows=lambda labels: set(labels) <= {"Forest", "Lake"})
st.session_state[widgets.OFFERS] = {"box": offer}
url_state.take("box", "labels")
"""
    test = AppTest.from_string(script).run()
    assert not test.exception
    assert query(test) == {}


def test_the_link_of_an_upload_asks_for_the_file(app: AppTest, tmp_path: Path) -> None:
    app.query_params.update({"file": "my field.tif", "window": "60,0"})
    app.run()
    assert headings(app)[0].replace("\\", "") == "my field.tif"
    assert any("Upload it" in item.value for item in app.info)
    assert query(app) == {"file": "my field.tif", "window": "60,0"}
    large = write_stack(tmp_path / "my field.tif", read_sample("austria-fields"), (2, 1))
    app.file_uploader[0].upload("my field.tif", large.read_bytes(), "image/tiff").run()
    assert app.number_input(key="classify_row").value == 60
    assert query(app) == {"file": "my field.tif", "window": "60,0"}


def test_explain_waits_for_the_file_of_a_link(app: AppTest) -> None:
    app.query_params["file"] = "my field.tif"
    app.run()
    app.switch_page(str(ROOT / "pages/explain.py")).run()
    assert any("Upload it on the Classify page" in item.value for item in app.info)
    assert not app.subheader


def test_a_link_to_an_unknown_catalogue_is_explained(app: AppTest) -> None:
    app.query_params.update(
        {"at": "10,10", "catalogue": "nasa", "scene": "S2A", "date": "2020-01-01"}
    )
    app.run()
    assert any("the catalogue “nasa”" in sentence for sentence in warnings(app))
    assert query(app) == {"at": "10,10"}


def test_a_link_to_an_own_catalogue_does_not_name_its_path(app: AppTest) -> None:
    app.query_params.update(
        {"at": "10,10", "catalogue": links.OWN, "scene": "S2A", "date": "2020-01-01"}
    )
    app.run()
    assert any("somebody's computer" in item.value for item in app.info)


def test_a_link_to_an_image_is_fetched_and_can_be_retried(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path))
    wanted = {"at": "10,10", "catalogue": "earth-search", "scene": "S2A", "date": "2020-01-01"}
    app.query_params.update(wanted)
    app.run()
    for _ in range(600):
        job = app.session_state["classify_live_job"]
        if job is None:
            break
        app.run()
    assert any("network" in item.value or "reach" in item.value for item in app.error)
    assert app.button(key="classify_live_linked").label == "Fetch the image again"
    assert query(app) == wanted


def test_a_choice_has_a_link_and_a_link_its_choice(app: AppTest) -> None:
    app.run()
    scene = choice.SceneLink(
        catalogue="earth-search", scene="S2A_X", day=date(2020, 1, 1), place=(1.5, 2.0)
    )
    area = ((48.0, 13.0), (49.0, 14.0))
    for chosen, expected in (
        (choice.Chosen(sample=all_samples()[0].name), Link(sample=all_samples()[0].name)),
        (choice.Chosen(bare_place=(1.0, 2.0), drawn=area), Link(at=(1.0, 2.0), area=area)),
        (
            choice.Chosen(missing="a.tif", missing_window=(1, 2)),
            Link(file="a.tif", window=(1, 2)),
        ),
        (choice.Chosen(missing="a.tif"), Link(file="a.tif")),
        (
            choice.Chosen(live="key", scene=scene),
            Link(at=(1.5, 2.0), catalogue="earth-search", scene="S2A_X", date=date(2020, 1, 1)),
        ),
    ):
        assert place_link.link_of(chosen, Link()) == expected
    assert place_link.link_of(None, Link(model="m")) == Link(model="m")
    assert place_link.without_place(Link(sample="a", model="m")) == Link(model="m")
