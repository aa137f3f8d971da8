"""The Classify page, the first one: choose a place, see its land covers and the evidence."""

from __future__ import annotations

from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.core.raster import Raster
from pages.parts.classify import chooser, grid, live, place_search, result, searches, squares
from pages.parts.classify import map as chart
from pages.parts.shared import basemap, choice, elements, entry, theme

INTRODUCTION: Final = (
    "Choose a place on the map, by name, by coordinates or from a file. A neural network then "
    "predicts which of 19 land covers a Sentinel-2 patch of 1200 m × 1200 m shows, with a "
    "probability for each, whether the result is reliable, and which pixels led to it."
)


def main() -> None:
    """Show the map and the forms on the left, the result on the right, and details below."""
    if st.session_state.get("app_entered"):
        chart.restore_view()
    elements.title("Which land covers are here?")
    with st.container(key="classify_intro"):  # always there, or the map would be drawn anew
        if choice.current() is None:
            st.markdown(INTRODUCTION)
    with st.container(key="classify_main"):
        left, right = st.columns([6, 5], gap="medium")
    with left:
        place_search.show()
        chooser.show_failure()
        background = _background()
        chart.show(background)
        if not background:
            st.caption(basemap.HOW_TO_GET)
        with st.container(key="classify_more_places"):
            squares.show_moves()
            chooser.show()
    chosen = choice.current()
    searches.running()  # stops a download for a place that the user has left
    pixels = choice.pixels_of(chosen)
    with right:
        if chosen is None:
            chooser.gallery()
        if chosen is None or grid.show(chosen):
            return
        _beside_map(chosen, pixels)
    if pixels is not None:
        result.below_map(chosen, pixels)


def _beside_map(chosen: choice.Chosen, pixels: Raster | None) -> None:
    if chosen.missing is not None:
        chooser.missing_file(chosen.missing)
    elif chosen.bare_place is not None:
        chooser.no_picture(chosen, chosen.bare_place)
    elif pixels is not None:
        result.beside_map(chosen, pixels)
        live.show_passes(chosen, pixels)


@st.cache_resource
def _background() -> bool:
    basemap.write_places_if_missing()
    return basemap.unpack_if_missing()


entry.require_app(__file__)
try:
    main()
except LandcoverError as error:
    st.error(theme.literal(str(error)))
