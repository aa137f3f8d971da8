"""Sessions that leave are forgotten, and what was kept for them is freed."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.shared import sessions

SESSION = "test session id"
"""The id that Streamlit gives to the session of every test."""


PAGE = """
import streamlit as st

from landcover.core.errors import BadInput
from pages.parts.shared import sessions

try:
    sessions.enter()
except BadInput as error:
    st.warning(str(error))
else:
    st.write(sessions.current())
"""


@pytest.fixture(autouse=True)
def _no_session_stays() -> None:
    sessions.leave({SESSION})


def test_a_session_is_there_until_it_leaves() -> None:
    assert sessions.current() == ""
    assert AppTest.from_string(PAGE).run().markdown[0].value == SESSION
    assert sessions.alive(SESSION)
    gone: list[str] = []
    sessions.on_leave("test", gone.append)
    sessions.leave({SESSION})
    assert gone == [SESSION]
    assert not sessions.alive(SESSION)


def test_a_callback_that_fails_does_not_keep_the_others_from_freeing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone: list[str] = []

    def fail(_session: str) -> None:
        raise ValueError("broken")

    sessions.on_leave("first", fail)
    sessions.on_leave("second", gone.append)
    try:
        sessions.leave({"somebody"})
    finally:
        sessions.on_leave("first", gone.append)
    assert gone == ["somebody"]
    assert "first failed" in caplog.text


def test_one_session_too_many_is_told_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDCOVER_LIMIT_SESSIONS", "1")
    assert not AppTest.from_string(PAGE).run().warning
    monkeypatch.setattr(sessions, "current", lambda: "another session")
    assert AppTest.from_string(PAGE).run().warning[0].value == sessions.BUSY
    sessions.leave({SESSION})
    assert not AppTest.from_string(PAGE).run().warning
    sessions.leave({"another session"})
