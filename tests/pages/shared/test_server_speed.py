"""Pages that take turns."""

from __future__ import annotations

import sys

from streamlit.testing.v1 import AppTest

from landcover.core import once
from pages.parts.shared import server_speed

PAGE = """
import streamlit as st

from landcover.core import once

st.text(once.asked("key", object) is once.asked("key", object))
"""


def test_a_run_of_a_page_asks_once_for_each_fact() -> None:
    server_speed.install()
    server_speed.install()
    test = AppTest.from_string(PAGE).run()
    assert [one.value for one in test.text] == ["True"]
    assert once.asked("key", object) is not once.asked("key", object)
    assert sys.getswitchinterval() <= server_speed.SWITCH_S
