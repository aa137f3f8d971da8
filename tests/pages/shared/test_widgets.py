"""Values that a widget does not offer are replaced, whatever the browser sends."""

from __future__ import annotations

import math
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from landcover.core import limits
from landcover.core.errors import BadInput
from pages.parts.shared import widgets


def script() -> None:
    from datetime import date  # noqa: PLC0415 - the function runs as a script of its own

    from pages.parts.shared import widgets  # noqa: PLC0415 - as above

    options = ["a", "b", "c"]
    widgets.selectbox("Box", options, key="box")
    widgets.selectbox("Empty", options, index=None, key="empty")
    widgets.multiselect("Several", options, max_selections=2, key="several")
    widgets.segmented_control("Row", options, required=True, key="row")
    widgets.slider("Whole", 0, 100, 80, 5, key="whole")
    widgets.slider("Part", 0.0, 1.0, 0.5, key="part")
    widgets.select_slider("Steps", [0.5, 0.8], key="steps")
    widgets.number_input("Number", min_value=2, max_value=9, key="number")
    widgets.text_input("Text", key="text")
    widgets.date_span(
        "Days",
        (date(2020, 1, 1), date(2020, 2, 1)),
        min_value=date(2019, 1, 1),
        max_value=date(2021, 1, 1),
        key="days",
    )
    widgets.checkbox("Box", key="check")


@pytest.fixture(scope="module")
def offers() -> dict[str, widgets.Offer]:
    test = AppTest.from_function(script).run()
    assert not test.exception
    found: dict[str, widgets.Offer] = test.session_state[widgets.OFFERS]
    return found


ANYTHING: tuple[Any, ...] = (
    "/etc/passwd", "", "d", b"a", 7, True, -1, 10**400, 1e300, math.nan, math.inf, None, object(),
    [], ["a", "a"], ["a", "b", "c"], ["d"], ("a",), {"a": 1}, "x" * 1000, "\0", 0.7,
)  # fmt: skip
FINE: dict[str, list[Any]] = {
    "box": ["a"],
    "empty": ["a", None],
    "several": [["a", "b"], []],
    "row": ["c"],
    "whole": [0, 80, 100],
    "part": [0.0, 0.123, 1.0],
    "steps": [0.8],
    "number": [2, 9],
    "text": ["", "São Tomé, 48°13′", "x" * 200],
    "check": [True, False],
}
ALLOWED: dict[str, tuple[Any, ...]] = {
    "empty": (None,),
    "several": ([], ("a",)),
    "number": (7,),
    "part": (0.7,),
    "text": ("/etc/passwd", "", "d"),
    "check": (True,),
}


@pytest.mark.parametrize("key", FINE)
def test_what_a_widget_offers(offers: dict[str, widgets.Offer], key: str) -> None:
    offer = offers[key]
    assert all(offer.allows(one) for one in FINE[key])
    assert offer.allows(offer.default)
    passed = [one for one in ANYTHING if offer.allows(one)]
    assert [repr(one) for one in passed] == [repr(one) for one in ALLOWED.get(key, ())]


def test_files_are_counted() -> None:
    class Sent:
        size = 5

    sent: list[Any] = [Sent() for _ in range(5)]
    widgets.check_files(sent)
    with limits.changed(upload_files=4), pytest.raises(BadInput, match="These are 5 files"):
        widgets.check_files(sent)
    with limits.changed(session_upload_bytes=24), pytest.raises(BadInput, match="upload fewer"):
        widgets.check_files(sent)


def uploader() -> None:
    import streamlit as st  # noqa: PLC0415 - the function runs as a script of its own

    from pages.parts.shared import widgets  # noqa: PLC0415 - as above

    st.session_state["names"] = [
        file.name for file in widgets.file_uploader("Files", type=["tif"], key="files")
    ]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/a.tif", "a.tif"),
        ("C:\\x\\b.tif", "b.tif"),
        ("/\n\u202ec.tif", "c.tif"),
        ("d" * 999 + ".tif", "d" * 196 + ".tif"),
    ],
)
def test_files_lose_their_folders(sent: str, kept: str) -> None:
    test = AppTest.from_function(uploader).run()
    test.file_uploader[0].set_value([(sent, b"x", "image/tiff")]).run()
    assert test.session_state["names"] == [kept]
