"""Names of places in the browser's tab and in downloaded files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
import streamlit as st

from landcover.io.samples import read_sample
from pages.parts.shared import choice, holdings, naming
from tests.support.held import hold

TRAIL = "classify_trail"


@pytest.fixture(autouse=True)
def nothing_chosen() -> Iterator[None]:
    st.session_state.pop(TRAIL, None)
    st.session_state.pop(holdings.KEY, None)
    yield
    st.session_state.pop(TRAIL, None)
    st.session_state.pop(holdings.KEY, None)


def choose(chosen: choice.Chosen) -> None:
    st.session_state[TRAIL] = [chosen]


def test_without_a_place_the_tab_names_the_page() -> None:
    assert naming.tab_title("Classify") == "Classify · Land cover"


def test_a_sample_names_tab_and_files() -> None:
    choose(choice.Chosen(sample="finland-lake"))
    patch = read_sample("finland-lake")
    assert naming.tab_title("Explain").endswith("Finland · Explain · Land cover")
    assert naming.tab_title("Models") == "Models · Land cover"
    for page in ("Teach", "Train", "Experiments", "Data", "Classes"):
        assert naming.tab_title(page) == f"{page} · Land cover"
    stem = naming.file_stem(patch, "landcover-mosaic", "Coniferous forest")
    assert stem == "landcover-finland-lake-2017-09-24-landcover-mosaic-coniferous-forest"


def test_an_image_is_named_after_place_and_day() -> None:
    scene = choice.SceneLink(
        catalogue="earth-search", scene="S2A", day=date(2020, 6, 1), place=(48.2, -13.7)
    )
    choose(choice.Chosen(live="key", scene=scene))
    patch = replace(read_sample("finland-lake"), acquired=datetime(2020, 6, 1, tzinfo=UTC))
    assert naming.tab_title("Classify") == (
        "48.2000° N, 13.7000° W, 1 June 2020 · Classify · Land cover"
    )
    assert naming.file_stem(patch) == "landcover-48.2000n-13.7000w-2020-06-01"


def test_names_of_files_are_safe_and_short() -> None:
    patch = read_sample("finland-lake")
    hostile = replace(
        patch,
        provenance=replace(patch.provenance, source="../Füße/\n=a b?.tif" + 300 * "x"),
        acquired=None,
    )
    hold(st.session_state, uploads={"upload:1": hostile})
    choose(choice.Chosen(upload="upload:1"))
    stem = naming.file_stem(hostile, "indices")
    assert stem.startswith("landcover-fu")
    assert stem.isascii()
    assert not set(stem) & set("/\\ \n?=")
    assert ".." not in stem
    assert stem.endswith("-indices")
    assert len(stem) < 100
    assert len(naming.tab_title("Classify")) < 100
