"""Class lists of one's own: names, looks, and how any class is found by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.core import limits, own_classes
from landcover.core.classes import BY_NAME, OWN_THEME, cover_of, resolve
from landcover.core.errors import BadInput, UnknownName
from landcover.core.own_classes import ClassLook, check_names, colours, declare, is_name, look_of

ACTIVE = set('<>*_`[]{}$|\\#~^="!;:@\n\t')
"""What HTML, Markdown, TeX, CSV and spreadsheets give a meaning."""


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    own_classes.forget()
    yield
    own_classes.forget()


@given(st.text(max_size=120))
def test_a_name_has_no_character_that_a_page_or_a_table_would_act_on(text: str) -> None:
    if is_name(text):
        assert not (set(text) & (ACTIVE - {"_"}))
        assert text[0].isalnum()
        assert text.isprintable()
        assert text == text.strip()


@pytest.mark.parametrize("name", ["Maize", "Forêt de pins", "松林", "Peat, cut (2 m)", "B_1"])
def test_names_of_any_language_are_names(name: str) -> None:
    check_names([name])


@pytest.mark.parametrize(
    "name",
    ["", " Maize", "<b>x</b>", "=1+1", "-x", "a;b", "a\nb", "x" * 101, "\u202egnol", "[a](b)"],
)
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="cannot be the name of a class"):
        check_names(["Maize", name])


def test_a_class_list_has_each_name_once_and_not_too_many() -> None:
    with pytest.raises(BadInput, match="named twice"):
        check_names(["Maize", "maize"])
    with pytest.raises(BadInput, match="There is no class"):
        check_names([])
    check_names([f"class {k}" for k in range(200)])
    with limits.changed(own_classes=3), pytest.raises(BadInput, match="at most 3"):
        check_names(["a", "b", "c", "d"])


@given(st.text(min_size=1, max_size=200))
def test_every_name_has_a_look(name: str) -> None:
    found = cover_of(name)
    assert found.name == name
    assert re.fullmatch("#[0-9a-f]{6}", found.hex)
    assert len(found.short) > 0
    assert cover_of(name) == found


def test_a_declared_look_is_shown_everywhere_and_the_newest_counts() -> None:
    old = ClassLook(short="Maize", colour="#112233", description="Maize for silage")
    new = ClassLook(short="Corn", colour="#445566")
    declare({"Maize field": new}, "2026-02-01")
    declare({"Maize field": old}, "2026-01-01")
    assert look_of("Maize field") == new
    found = cover_of("Maize field")
    assert (found.short, found.hex, found.theme) == ("Corn", "#445566", OWN_THEME)
    assert resolve("corn", ["Maize field"]).name == "Maize field"
    with pytest.raises(UnknownName, match="Maize field"):
        resolve("rye", ["Maize field"])


def test_the_look_of_a_class_of_a_known_set_cannot_be_changed() -> None:
    declare({"Pastures": ClassLook(short="Mine", colour="#000000")}, "2030-01-01")
    assert cover_of("Pastures") == BY_NAME["Pastures"]


def test_looks_of_many_models_do_not_pile_up() -> None:
    look = ClassLook(short="Mine", colour="#000000")
    for k in range(60):
        declare({f"class {k} {n}": look for n in range(100)}, "2026-01-01")
    assert look_of("class 59 99") == look
    assert look_of("class 0 0") is None


def test_colours_in_a_row_differ() -> None:
    assert len(set(colours(500))) == 500


@pytest.mark.parametrize(
    "change", [{"colour": "red"}, {"short": "<i>"}, {"short": "x" * 40}, {"description": "a\nb"}]
)
def test_a_look_that_cannot_be_shown_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        ClassLook(**{"short": "a", "colour": "#000000", **change})
