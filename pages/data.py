"""The Data page: what labelled data contain, and what one should know before learning from them.

Without a data set on the computer every figure comes from counts that ship with the program. Only
the view that is shown is computed, and a choice inside it redraws that view alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.datasets.overview import Counts, shipped
from pages.parts.data import (
    classes,
    combinations,
    errors,
    patches,
    places,
    seasons,
    source,
    spectra,
    together,
)
from pages.parts.data.folder import Folder
from pages.parts.data.folder import choose as choose_folder
from pages.parts.shared import charts as show
from pages.parts.shared import elements, entry, theme

SPECTRA: Final = "Spectra"
PATCHES, ERRORS = "Patches", "Label errors"
OF_FOLDER: Final = (PATCHES, ERRORS)  # views of a data set on this computer only
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
        "model has learnt well. The figures are of all its patches; no data are needed to see them."
    )
    folder = choose_folder()
    view = show.switch("View", _offered(folder), "data_view", field="view")
    if view == SPECTRA:
        spectra.render()
        return
    if view == ERRORS and folder is not None:
        errors.render(folder)
        return
    part, limits = source.chosen(shipped() if folder is None else folder.counts)
    st.markdown(source.sentence(part))
    if view == PATCHES and folder is not None:
        patches.render(folder, limits)
    else:
        VIEWS[view](part)


def _offered(folder: Folder | None) -> tuple[str, ...]:
    """Return the views; the packaged spectra are of BigEarthNet's classes."""
    if folder is None:
        return tuple(VIEWS)
    views = (view for view in VIEWS if view != SPECTRA or not folder.own_classes)
    return (*views, *OF_FOLDER)


entry.require_app(__file__)
try:
    main()
except LandcoverError as error:
    st.error(theme.literal(str(error)))
