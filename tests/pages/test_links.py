"""The query of the app's address: reading, writing, and queries that nobody wrote."""

from __future__ import annotations

import string
from dataclasses import fields
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.parts.shared import links
from pages.parts.shared.links import Link

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True)
WORDS = st.builds(
    "{} {}".format,
    st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20),
    st.text(st.characters(exclude_categories=("C", "Z")), max_size=links.MOST_LETTERS - 21),
)
PLACES = st.tuples(st.floats(-90, 90), st.floats(-180, 180)).map(links.rounded)
SIDES = st.integers(0, links.MOST_PIXELS)


def several(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, max_size=links.MOST_VALUES, unique=True).map(tuple)


AREAS = st.tuples(PLACES, PLACES).map(
    lambda pair: (
        (min(pair[0][0], pair[1][0]), min(pair[0][1], pair[1][1])),
        (max(pair[0][0], pair[1][0]), max(pair[0][1], pair[1][1])),
    )
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "sample": NAMES,
    "at": PLACES,
    "area": AREAS,
    "catalogue": NAMES,
    "scene": WORDS,
    "date": st.dates(),
    "file": WORDS,
    "window": st.tuples(SIDES, SIDES),
    "model": WORDS,
    "aim": NAMES,
    "labels": several(WORDS),
    "methods": several(NAMES),
    "baseline": NAMES,
    "compare": WORDS,
    "other": WORDS,
    "split": WORDS,
    "view": WORDS,
    "first": WORDS,
    "second": WORDS,
    "about": WORDS,
    "run": WORDS,
    "beside": WORDS,
}
LINKS = st.fixed_dictionaries({}, optional=VALUES).map(lambda found: Link(**found))


def test_each_field_has_one_parameter() -> None:
    assert {row.field for row in links.PARAMETERS} == {field.name for field in fields(Link)}
    assert len(links.NAMES) == len(links.PARAMETERS)


@given(LINKS)
def test_a_link_is_read_as_it_was_written(link: Link) -> None:
    assert links.read(links.write(link)) == (link, ())


@given(
    st.dictionaries(
        st.sampled_from(sorted(links.NAMES)) | st.text(max_size=8),
        st.lists(st.text(max_size=300) | st.text(string.digits + ",.-e", max_size=40), max_size=6),
    )
)
def test_any_query_gives_a_link_and_short_sentences(query: dict[str, list[str]]) -> None:
    link, notices = links.read(query)
    assert links.read(links.write(link)) == (link, ())
    assert len(notices) <= len(links.PARAMETERS)
    for notice in notices:
        assert notice.isprintable()
        assert len(notice) < 200


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("at", "91,0"),
        ("at", "nan,0"),
        ("at", "1e1,0"),
        ("at", "48.2"),
        ("at", "٣,٤"),
        ("area", "2,0,1,1"),
        ("area", "0,10,1,541"),
        ("date", "2018-02-30"),
        ("date", "20180203"),
        ("window", "-1,0"),
        ("window", "9999999,0"),
        ("sample", "../../etc/passwd"),
        ("catalogue", "/etc/passwd"),
        ("file", "a\nb"),
        ("file", "  "),
        ("model", "m" * 201),
        ("class", "<script>\x00"),
    ],
)
def test_a_value_of_the_wrong_form_is_left_out_with_a_sentence(name: str, text: str) -> None:
    link, notices = links.read({name: [text], "view": ["Card"]})
    assert link == Link(view="Card")
    (notice,) = notices
    assert notice.startswith("The address of this page gives the ")
    assert notice.endswith("which cannot be used, so it is left out.")


def test_a_rectangle_may_cross_the_date_line() -> None:
    link = Link(area=((-16.8, 179.98), (-16.77, 180.02)))
    assert links.read(links.write(link)) == (link, ())


def test_a_repeated_parameter_is_refused_unless_it_may_be_repeated() -> None:
    link, notices = links.read({"model": ["a", "b"], "class": ["a", "b", "a"]})
    assert link == Link(labels=("a", "b"))
    assert len(notices) == 1
    assert links.read({"class": list("abcde")})[0] == Link()


def test_an_address_is_short_and_readable() -> None:
    link = Link(at=(48.2, -0.5), date=date(2020, 6, 1), window=(0, 120), labels=("Pastures",))
    assert links.write(link) == {
        "at": ["48.2,-0.5"],
        "date": ["2020-06-01"],
        "window": ["0,120"],
        "class": ["Pastures"],
    }
