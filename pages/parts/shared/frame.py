"""The frame of all pages: their list, navigation, style and what comes before and after each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.core import logs
from landcover.core.errors import BadInput
from landcover.core.threads import configure_threads
from pages.parts.shared import (
    entry,
    naming,
    server_log,
    server_speed,
    sessions,
    theme,
    training,
    upload_memory,
    url_state,
    wire,
)

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

__all__ = ["show"]

_TITLE: Final = "app_tab_title"
_TITLES: Final = {
    "classify.py": "Classify",
    "area.py": "Area",
    "explain.py": "Explain",
    "models.py": "Models",
    "teach.py": "Teach",
    "train.py": "Train",
    "experiments.py": "Experiments",
    "data.py": "Data",
    "classes.py": "Classes",
}


def show(root: Path) -> None:
    """Show the page that the address names.

    Args:
        root: folder with ``pages`` and ``static``.
    """
    wire.install()
    server_speed.install()
    configure_threads()
    # The last title stays until the new one is known, so that the tab does not flicker.
    title = st.session_state.get(_TITLE, naming.APP)
    st.set_page_config(page_title=title, page_icon=str(root / "static/icon.png"), layout="wide")
    upload_memory.bound()
    _enter()
    training.wake_runs()
    pages = {
        name: st.Page(root / "pages" / name, title=title, default=name == "classify.py")
        for name, title in _TITLES.items()
    }
    requested = st.session_state.pop(entry.REQUESTED, "")
    if not requested:
        url_state.begin()
    page = st.navigation(list(pages.values()), position="hidden")
    if requested:
        st.switch_page(pages.get(requested, page), query_params=url_state.query())
    st.html(root / "static/style.css")
    # The Classify page must know when it is opened again: its map component then starts over.
    st.session_state["app_entered"] = st.session_state.get("app_page") != page.title
    st.session_state["app_page"] = page.title
    st.session_state[_TITLE] = naming.tab_title(page.title)
    st.set_page_config(page_title=st.session_state[_TITLE])
    _navigation(pages)
    problems = st.container()
    page.run()
    for sentence in url_state.notices(page.title):
        problems.warning(theme.literal(sentence), icon=":material/link_off:")


def _enter() -> None:
    """Count this session among those of the server, or say that there are too many."""
    try:
        server_log.start()
        sessions.enter()
    except BadInput as busy:
        logs.event("session refused", error=busy)
        st.warning(theme.literal(str(busy)), icon=":material/group:")
        st.stop()
    server_log.opened()


def _navigation(pages: Mapping[str, StreamlitPage]) -> None:
    # Streamlit's own navigation hides behind an arrow without a name on a phone.
    with st.container(horizontal=True, key="app_navigation"):
        for each in pages.values():
            st.page_link(each, query_params=url_state.query())  # for a link opened in a new tab
