"""The Area page: draw an area, and get a map of its land covers, with hectares and confidence."""

from __future__ import annotations

from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from pages.parts.area import map as chart
from pages.parts.area import page, state
from pages.parts.shared import basemap, elements, entry, theme

INTRODUCTION: Final = (
    "Choose imagery, and draw or upload an area. A neural network maps its land covers block by "
    "block: the most probable cover of each cell of 80 m, how sure it is, and where clouds hide "
    "the ground."
)


def main() -> None:
    """Show the map on the left; choices, progress and results on the right."""
    if st.session_state.get("app_entered"):
        state.restore_view()
        chart.forget_reply()
    elements.title("Map an area")
    st.markdown(INTRODUCTION)
    page.show(background=_background())


@st.cache_resource
def _background() -> bool:
    basemap.write_places_if_missing()
    return basemap.unpack_if_missing()


entry.require_app(__file__)
try:
    main()
except LandcoverError as error:
    st.error(theme.literal(str(error)))
