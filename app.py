"""Set up the app: its pages, navigation and style. Start it with ``streamlit run app.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

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
    upload_memory,
    url_state,
    wire,
)

wire.install()
server_speed.install()
configure_threads()

ROOT: Final = Path(__file__).parent


st.set_page_config(page_title="Land cover", page_icon=str(ROOT / "static/icon.png"), layout="wide")
upload_memory.bound()
try:
    server_log.start()
    sessions.enter()
except BadInput as busy:
    logs.event("session refused", error=busy)
    st.warning(theme.literal(str(busy)), icon=":material/group:")
    st.stop()
server_log.opened()
PAGES: Final = {
    name: st.Page(ROOT / "pages" / name, title=title, default=name == "classify.py")
    for name, title in {
        "classify.py": "Classify",
        "area.py": "Area",
        "explain.py": "Explain",
        "models.py": "Models",
        "teach.py": "Teach",
    }.items()
}
requested = st.session_state.pop(entry.REQUESTED, "")
if not requested:
    url_state.begin()
page = st.navigation(list(PAGES.values()), position="hidden")
if requested:
    st.switch_page(PAGES.get(requested, page), query_params=url_state.query())
st.html(ROOT / "static/style.css")
# The Classify page must know when it is opened again: its map component then starts over.
st.session_state["app_entered"] = st.session_state.get("app_page") != page.title
st.session_state["app_page"] = page.title
st.set_page_config(page_title=naming.tab_title(page.title))
# Streamlit's own navigation hides behind an arrow without a name on a phone.
with st.container(horizontal=True, key="app_navigation"):
    for each in PAGES.values():
        st.page_link(each, query_params=url_state.query())  # for a link opened in a new tab
problems = st.container()
page.run()
for sentence in url_state.notices(page.title):
    problems.warning(theme.literal(sentence), icon=":material/link_off:")
