"""The address of the Area page: what it says is shown, and what is chosen is in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from landcover.io.samples import read_sample
from pages.parts.area import page, state
from pages.parts.shared import links, shown, url_state
from pages.parts.shared.links import Link
from tests.browser.steps import write_stack
from tests.pages.conftest import ROOT, MapStandIn
from tests.pages.test_area_page import choose_how, draw, labels, square, texts, upload
from tests.pages.test_area_page import shown as on_map

LAKE = read_sample("finland-lake")


def opened(link: Link | None = None) -> AppTest:
    """The page, as an address shows it."""
    test = AppTest.from_file(str(ROOT / "pages" / "area.py"), default_timeout=60)
    test.session_state["app_page"] = "by itself"
    test.session_state[shown.KEY] = link or Link()
    test.run()
    assert not test.exception
    return test


def address(test: AppTest) -> Link:
    """What the address says, read as by another tab."""
    values = {n: [v] if isinstance(v, str) else v for n, v in test.query_params.items()}
    found, problems = links.read(values)
    assert not problems
    return found


def test_what_is_chosen_is_in_the_address_and_shown_again(area_map: MapStandIn) -> None:
    first = opened()
    assert address(first) == Link()
    first.selectbox(key="area_source").select(state.Source("sample", "austria-fields")).run()
    first.select_slider(key=page.STEP).set_value(48).run()
    latitude, longitude = read_sample("austria-fields").centre
    draw(first, area_map, square(longitude - 0.004, latitude - 0.002, 0.004))
    link = address(first)
    assert (link.imagery, link.step) == ("austria-fields", "48")
    assert link.outline is not None
    outline = on_map(area_map)["outlines"][1]["rings"][0]
    area_map.answer = {}

    second = opened(link)
    assert address(second) == link
    assert second.selectbox(key="area_source").value.name == "austria-fields"
    assert second.select_slider(key=page.STEP).value == 48
    again = on_map(area_map)["outlines"][1]["rings"][0]
    assert again == [pytest.approx(corner, abs=1e-5) for corner in outline]
    assert "Map this area" in labels(second)
    # Back in the browser: the address before.
    second.session_state[shown.KEY] = Link(imagery="austria-fields")
    second.run()
    assert second.segmented_control(key="area_how").value == "The entire image"
    assert second.select_slider(key=page.STEP).value == page.DETAIL
    choose_how(second, "Drawn on the map")
    assert address(second) == Link(imagery="austria-fields", outline=link.outline)


def test_an_address_with_an_uploaded_file_asks_for_it(area_map: MapStandIn, tmp_path: Path) -> None:
    latitude, longitude = LAKE.centre
    inside = ((latitude, longitude), (latitude + 0.003, longitude), (latitude, longitude + 0.004))
    test = opened(Link(imagery="file:valley_2017-09-24.tif", outline=inside))
    assert "shows the file “valley_2017-09-24.tif”" in texts(test)
    assert "upload the file again" in texts(test)
    assert "Map this area" not in labels(test)
    assert not test.error
    assert area_map.calls[-1]["center"] == pytest.approx(LAKE.centre, abs=0.01)
    upload(test, write_stack(tmp_path / "valley_2017-09-24.tif", LAKE))
    assert "upload the file again" not in texts(test)
    assert "Map this area" in labels(test)
    assert address(test).imagery == "file:valley_2017-09-24.tif"


@pytest.mark.usefixtures("area_map")
def test_values_that_the_page_does_not_have_are_left_out() -> None:
    test = opened(Link(imagery="nowhere", mapper="../../secret", step="7"))
    assert test.selectbox(key="area_source").value.name == "finland-lake"
    assert test.select_slider(key=page.STEP).value == page.DETAIL
    assert "Map this area" in labels(test)
    assert address(test) == Link()


def test_the_corners_of_an_area_are_checked() -> None:
    corners = ((62.8, 30.5), (62.9, 30.5), (62.8, 30.7))
    link = Link(outline=corners)
    assert links.read(links.write(link)) == (link, ())
    many = tuple((40 + n / 1000, -123.45678) for n in range(links.MOST_CORNERS))
    assert links.read(links.write(Link(outline=many))) == (Link(outline=many), ())
    for wrong in ("1,2,3,4", "1,2,3", "1,2,3,4,5,600", ",".join(["1"] * 400)):
        found, problems = links.read({"outline": [wrong]})
        assert found == Link()
        assert "the area" in problems[0]


@pytest.mark.usefixtures("area_map")
def test_a_step_that_is_not_offered_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(url_state, "note", said.append)
    test = AppTest.from_file(str(ROOT / "pages" / "area.py"), default_timeout=60)
    test.session_state["app_page"] = "by itself"
    test.run()
    test.session_state[shown.KEY] = Link(step="7")
    test.session_state["app_url_unchecked"] = {"step"}
    test.run()
    assert not test.exception
    assert "the step of the map “7”, which is not offered here" in said[0]
