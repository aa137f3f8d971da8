"""The page that the app opens on: choose a place, see its covers and what made a net say so."""

from __future__ import annotations

import streamlit as st

from landcover.core.errors import LandcoverError
from pages.parts.classify import chooser, live, pictures, result, searches
from pages.parts.classify import map as chart
from pages.parts.shared import basemap, choice, entry, theme


def main() -> None:
    """Map and ways to choose on the left, the answer on the right, details below."""
    if st.session_state.get("app_entered"):
        chart.remember_view()
    st.title("Which land covers are here?", anchor=False)
    st.markdown(
        "Choose a place on the map, by coordinates or from a file: a neural network says which of "
        "19 land covers it sees in a Sentinel-2 picture of 1200 m, how sure it is, and which "
        "pixels made it say so."
    )
    left, right = st.columns([6, 5], gap="medium")
    with left:
        background = _background()
        chart.show(background)
        if not background:
            st.caption(basemap.HOW_TO_GET)
        chooser.show()
    chosen = choice.current()
    searches.running()  # stops what is fetched for a place that the user has left
    patch, picture = choice.patch_of(chosen), choice.picture_of(chosen)
    with right:
        if chosen is None:
            chooser.gallery()
        elif chosen.nowhere is not None:
            chooser.nowhere(chosen, chosen.nowhere)
        elif picture is not None:
            pictures.beside_map(chosen, picture)
        elif patch is not None:
            result.beside_map(chosen, patch)
            live.beside(chosen, patch)
    if chosen is not None and picture is not None:
        pictures.below_map(chosen, picture)
    if chosen is not None and patch is not None:
        result.below_map(chosen, patch)


@st.cache_resource
def _background() -> bool:
    return basemap.ensure()


entry.through_app(__file__)
try:
    main()
except LandcoverError as error:
    st.error(theme.literal(str(error)))
