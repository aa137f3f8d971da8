"""Set up the app: its pages, navigation and style. Start it with ``streamlit run app.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

from landcover.core.threads import configure_threads
from pages.parts.shared import entry, naming, theme, url_state

configure_threads()

ROOT: Final = Path(__file__).parent
STYLE: Final = """<style>
[data-testid="stMainBlockContainer"] { padding-top: 4.2rem; padding-bottom: 3rem; }
@media (min-width: 1000px) {
  [data-testid="stMainBlockContainer"] { padding-left: 2.5rem; padding-right: 2.5rem; }
}
[data-testid="stMainBlockContainer"] img { image-rendering: pixelated; border-radius: 6px; }
.st-key-classify_views [data-testid="stHorizontalBlock"],
.st-key-classify_live_strip [data-testid="stHorizontalBlock"],
.st-key-classify_gallery [data-testid="stHorizontalBlock"] { flex-wrap: nowrap; gap: .7rem; }
.st-key-classify_views [data-testid="stColumn"],
.st-key-classify_live_strip [data-testid="stColumn"],
.st-key-classify_gallery [data-testid="stColumn"] { min-width: 0; }
.landcover-legend { display: flex; justify-content: space-between; gap: .5rem; font-size: .85rem; }
.st-key-classify_live_strip button :is(div, p, span) { white-space: normal; overflow: visible; }
ul.landcover-verdict { list-style: none; padding-left: 0; margin: .2rem 0 .6rem; }
ul.landcover-verdict li { margin: 0 0 .25rem; }
</style>"""

st.set_page_config(page_title="Land cover", page_icon=str(ROOT / "static/icon.png"), layout="wide")
PAGES: Final = {
    name: st.Page(ROOT / "pages" / name, title=title, default=name == "classify.py")
    for name, title in {
        "classify.py": "Classify",
        "explain.py": "Explain",
        "models.py": "Models",
    }.items()
}
requested = st.session_state.pop(entry.REQUESTED, "")
if not requested:
    url_state.begin()
page = st.navigation(list(PAGES.values()), position="top")
if requested:
    st.switch_page(PAGES.get(requested, page), query_params=url_state.query())
st.html(STYLE)
# The Classify page must know when it is opened again: its map component then starts over.
st.session_state["app_entered"] = st.session_state.get("app_page") != page.title
st.session_state["app_page"] = page.title
st.set_page_config(page_title=naming.tab_title(page.title))
problems = st.container()
page.run()
for sentence in url_state.notices():
    problems.warning(theme.literal(sentence), icon=":material/link_off:")
