"""Correcting an answer on the Classify page, and undoing it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from landcover.adapt import corrections
from landcover.adapt.corrections import Kept, pixels_sha256
from landcover.core import home
from landcover.core.classes import CLASS_NAMES
from landcover.io.images import picture_of
from landcover.io.samples import read_sample
from pages.parts.classify import correct
from pages.parts.shared import choice, holdings, taught
from tests.support.colour_pictures import pixels
from tests.support.held import hold

KEEP = "Keep this correction"


def kept(page: AppTest) -> tuple[corrections.Correction, ...]:
    held = page.session_state[holdings.KEY]
    return Kept(path=held.folder / corrections.FILE).read()


def press(page: AppTest, label: str) -> AppTest:
    return next(one for one in page.button if one.label == label).click().run()


def rows(page: AppTest) -> dict[str, str]:
    """Label → key of each row of the form."""
    shown = [one for one in page.segmented_control if one.label in CLASS_NAMES]
    return {one.label: str(one.key) for one in shown}


def added(page: AppTest) -> Any:
    return next(one for one in page.multiselect if one.label.startswith("What else is there"))


def corrected(page: AppTest) -> AppTest:
    """A page on which the first class of a sample is confirmed and the others are struck out."""
    page.selectbox(key="classify_sample").select("austria-fields").run()
    first, *others = rows(page).values()
    page.segmented_control(key=first).set_value(correct.THERE)
    for key in others:
        page.segmented_control(key=key).set_value(correct.ABSENT)
    added(page).set_value(["Pastures"])
    return press(page, KEEP)


def test_a_correction_is_kept_and_undone(page: AppTest) -> None:
    corrected(page)
    names = list(rows(page))
    (one,) = kept(page)
    assert (list(one.confirmed), list(one.struck)) == (names[:1], names[1:])
    assert one.added == ("Pastures",)
    assert not one.complete
    assert one.pixels_sha256 == pixels_sha256(read_sample("austria-fields"))
    assert one.source == "austria-fields"
    assert one.acquired == read_sample("austria-fields").acquired
    assert one.answer[names[0]] > 0.5
    said = page.success[-1].value
    assert names[0] in said
    assert "Pastures" in said
    assert "1 correction; with 4 more" in said
    press(page, "Undo this correction")
    assert kept(page) == ()
    assert any("was removed" in item.value for item in page.info)
    press(page, "Bring it back")
    assert kept(page) == (one,)


def test_the_net_s_features_are_kept_beside_it(page: AppTest) -> None:
    corrected(page)
    folder = page.session_state[holdings.KEY].folder
    (file,) = Kept(path=folder / corrections.FILE).folder.iterdir()
    assert file.name.startswith(kept(page)[0].pixels_sha256)


def test_nothing_said_is_not_a_correction(page: AppTest) -> None:
    page.selectbox(key="classify_sample").select("austria-fields").run()
    press(page, KEEP)
    assert any("said nothing yet" in item.value for item in page.warning)
    assert not any(item.label == "Undo this correction" for item in page.button)


def test_nothing_else_is_there(page: AppTest) -> None:
    page.selectbox(key="classify_sample").select("finland-lake").run()
    next(one for one in page.checkbox if one.label == correct.COMPLETE).check()
    press(page, KEEP)
    (one,) = kept(page)
    assert one.complete
    assert set(one.truth.values()) == {False}
    assert "Nothing else is there" in page.success[-1].value


def test_the_form_begins_anew_at_each_place_and_shows_what_was_said(page: AppTest) -> None:
    corrected(page)
    page.selectbox(key="classify_sample").select("ireland-fields").run()
    values = {page.segmented_control(key=key).value for key in rows(page).values()}
    assert values == {correct.UNKNOWN}
    assert added(page).value == []
    page.button(key="classify_back").click().run()
    values = {page.segmented_control(key=key).value for key in rows(page).values()}
    assert values == {correct.THERE, correct.ABSENT}
    assert added(page).value == ["Pastures"]


def test_a_window_without_a_place_says_why_it_cannot_be_corrected(page: AppTest) -> None:
    nowhere = replace(read_sample("austria-fields"), crs=None, transform=None)
    hold(page.session_state, uploads={"upload:1": nowhere})
    page.session_state["classify_trail"] = [choice.Chosen(upload="upload:1")]
    page.run()
    assert any("cannot be corrected" in item.value for item in page.caption)
    assert rows(page) == {}


def test_a_colour_picture_has_no_form(page: AppTest) -> None:
    hold(page.session_state, pictures={"picture:1": picture_of(pixels(), "p.png")})
    page.session_state["classify_trail"] = [choice.Chosen(colours="picture:1")]
    page.run()
    assert rows(page) == {}
    assert not any(item.label == KEEP for item in page.button)


@pytest.mark.parametrize(
    ("value", "address", "personal"),
    [
        ("1", "127.0.0.1", True),
        ("1", "localhost", True),
        ("1", "0.0.0.0", False),
        ("1", "", False),
        ("1", "lab.example", False),
        ("", "127.0.0.1", False),
        ("0", "127.0.0.1", False),
    ],
)
def test_one_person_s_app_says_so_and_answers_this_computer_only(
    monkeypatch: pytest.MonkeyPatch, value: str, address: str, *, personal: bool
) -> None:
    monkeypatch.setenv(taught.VARIABLE, value)
    monkeypatch.setattr(st, "get_option", lambda name: address)  # noqa: ARG005
    assert taught.is_personal() is personal


def test_on_a_personal_computer_corrections_are_in_the_home_folder(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(taught.VARIABLE, "1")
    file = home.location() / corrections.FILE
    try:
        corrected(page)
        assert len(Kept(path=file).read()) == 1
        assert any("kept on this computer" in item.value for item in page.caption)
        press(page, "Undo this correction")
        assert Kept(path=file).read() == ()
    finally:
        file.unlink(missing_ok=True)


def test_a_damaged_file_of_corrections_leaves_the_answer(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(taught.VARIABLE, "1")
    file = home.location() / corrections.FILE
    file.write_text("{")
    try:
        page.selectbox(key="classify_sample").select("austria-fields").run()
        assert "move it away to start anew" in page.error[0].value
        assert any(item.value == "All 19 land covers" for item in page.header)
        assert rows(page) == {}
    finally:
        file.unlink()
