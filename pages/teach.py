"""The Teach page: corrections of answers, and models that are adapted to them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from landcover.core.errors import LandcoverError
from pages.parts.shared import elements, entry, taught, theme, widgets
from pages.parts.teach import adapted, adapting, exchange, listing, next_place


def main() -> None:
    """Show the corrections, what to correct next, the adaptation, and the adapted models."""
    elements.title("Teach it your region")
    st.markdown(
        "A model knows the places that it was trained on. Elsewhere other land covers are "
        "frequent, and they look different. Correct some of its answers on the page Classify, "
        "under *Is this right?*: from five corrections on, a model is adapted to them here in "
        "seconds, and measured at places that it was not adapted to."
    )
    st.caption(taught.where())
    if widgets.button(
        "Correct an answer on Classify", key="teach_to_classify", icon=":material/rate_review:"
    ):
        st.switch_page(Path(__file__).with_name("classify.py"))
    if failed := st.session_state.pop(taught.FAILED, None):
        st.error(theme.literal(failed))
    left, right = st.columns(2, gap="large")
    with left:
        listing.show()
        exchange.show()
    with right:
        adapting.show()
        adapted.show()
        next_place.show()


entry.require_app(__file__)
try:
    main()
except LandcoverError as error:
    st.error(theme.literal(str(error)))
