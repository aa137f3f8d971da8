"""The Data page: what labelled data contain, and what one should know before learning from them.

Without a data set on the computer every figure comes from counts that ship with the program. Only
the view that is shown is computed, and a choice inside it redraws that view alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.datasets.overview import Counts
from pages.parts.data import (
    classes,
    combinations,
    places,
    seasons,
    source,
    spectra,
    together,
)
from pages.parts.models import charts as show
from pages.parts.shared import elements, entry, theme

SPECTRA: Final = "Spectra"
VIEWS: Final[dict[str, Callable[[Counts], None]]] = {
    "Classes": classes.render,
    "Together": together.render,
    "Combinations": combinations.render,
    "Seasons": seasons.render,
    "Map": places.render,
    SPECTRA: lambda _part: spectra.render(),
}


def main() -> None:
    """Choose a view and a part of the data, and show the view of that part."""
    elements.title("What is in the data?")
    st.markdown(
        "The models learn from **BigEarthNet v2**: patches of 1200 m with the land covers that "
        "CORINE, a map of Europe made by people, has there. What is rare or missing in it, no "
        "model has learnt well. These figures are of all its patches; no data are needed to see "
        "them."
    )
    view = show.switch("View", tuple(VIEWS), "data_view", field="view")
    if view == SPECTRA:
        spectra.render()
        return
    part = source.chosen()
    st.markdown(source.sentence(part))
    VIEWS[view](part)


entry.require_app(__file__)
try:
    main()
except LandcoverError as error:
    st.error(theme.literal(str(error)))
