"""The way into a page."""

from __future__ import annotations

import streamlit as st


def through_app() -> None:
    """Send a page that Streamlit runs by itself through ``app.py``.

    Where the first visitor of a fresh server asks for a page's own address, Streamlit
    takes the folder ``pages/`` for its older kind of app and runs the page without
    ``app.py``, so without our navigation and style. ``app.py`` sets it right for good.
    """
    if "app_page" not in st.session_state:
        st.switch_page("app.py")
