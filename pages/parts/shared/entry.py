"""The way into a page."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

ASKED: Final = "app_asked"
"""State key of the page that was asked for; ``app.py`` takes it out."""


def through_app(file: str) -> None:
    """Send a page that Streamlit runs by itself through ``app.py``, and back to it from there.

    Where the first visitor of a fresh server asks for a page's own address, Streamlit
    takes the folder ``pages/`` for its older kind of app and runs the page without
    ``app.py``, so without our navigation and style. ``app.py`` sets it right for good, but
    it is entered at its first page: which one was asked for has to be remembered.

    Args:
        file: the page's own, ``__file__``.
    """
    if "app_page" not in st.session_state:
        st.session_state[ASKED] = Path(file).name
        st.switch_page("app.py")
