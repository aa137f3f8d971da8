"""The Classes page without a browser: all classes, one class, and what an address names."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from landcover.core import class_guide
from landcover.core.classes import CLASS_NAMES, EUROSAT_CLASSES
from pages.parts.shared import class_link, shown
from pages.parts.shared.links import Link

PAGE = str(Path(__file__).parents[2] / "pages" / "classes.py")


def show(about: str | None = None) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=60)
    page.session_state["app_page"] = "by itself"
    if about is not None:
        page.session_state[shown.KEY] = Link(about=about)
    return page.run()


def words(page: AppTest) -> str:
    parts = (*page.markdown, *page.caption, *page.subheader, *page.header)
    return " ".join(str(one.value) for one in parts)


def test_all_classes_are_listed_and_a_button_opens_one() -> None:
    page = show()
    assert not page.exception
    titles = [button.label for button in page.button]
    assert titles == [guide.title for guide in class_guide.guides().values()]
    next(button for button in page.button if button.label == "Inland wetlands").click().run()
    assert not page.exception
    assert [heading.value for heading in page.header] == ["Inland wetlands"]
    assert "3 of the 115 test patches have this class." in words(page)


@pytest.mark.parametrize("name", ["Urban fabric", "Beaches, dunes, sands", "Industrial", "Highway"])
def test_a_class_that_the_address_names_is_shown(name: str) -> None:
    page = show(name)
    assert not page.exception
    guide = class_guide.of_class(name)
    text = words(page)
    assert [heading.value for heading in page.header] == [guide.title]
    for part in (guide.short, guide.look, *guide.pitfalls):
        assert part in text
    assert "test patches" in text
    assert ("What it reflects" in text) == (name in CLASS_NAMES)


def test_pictures_say_what_else_is_there_and_how_few_there_are() -> None:
    text = words(show("Inland wetlands"))
    assert "Also there: [" in text
    assert "There are no more in the data that we have." in text
    assert "no more in the data" not in words(show("Pastures"))


def test_a_link_has_the_full_name_which_alone_is_unique() -> None:
    names = (*CLASS_NAMES, *EUROSAT_CLASSES)
    assert len({class_link.address(name) for name in names}) == len(names)
    assert class_link.as_markdown("SeaLake") == r"[Sea or lake](classes?about=SeaLake)"
    html = class_link.as_html("Beaches, dunes, sands", "<Sand>")
    assert 'href="classes?about=Beaches%2C%20dunes%2C%20sands"' in html
    assert ">&lt;Sand&gt;</a>" in html


def test_a_class_of_ones_own_has_no_link() -> None:
    assert class_link.as_html("Sunflowers", "<i>") == "&lt;i&gt;"
    assert class_link.as_markdown("Sunflowers") == "Sunflowers"
