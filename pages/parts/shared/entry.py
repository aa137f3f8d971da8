"""Make sure that a page runs inside the app."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

from pages.parts.shared import url_state

REQUESTED: Final = "app_requested"
"""State key of the page that was requested; the frame removes it."""


def require_app(file: str) -> None:
    """Switch to ``app.py``, which then opens this page, if Streamlit runs the page by itself.

    If the first visitor of a new server opens a page's own address, Streamlit treats the folder
    ``pages/`` as an older kind of multipage app and runs the page without the frame, so without
    our navigation and style. Running ``app.py`` once fixes that, but ``app.py`` opens its first
    page, so the requested page has to be remembered.

    Args:
        file: ``__file__`` of the page.
    """
    if "app_page" not in st.session_state:
        st.session_state[REQUESTED] = Path(file).name
        st.switch_page("app.py", query_params=url_state.query())
