"""All classes, a sentence each, by theme."""

from __future__ import annotations

import streamlit as st

from landcover.core import class_guide
from landcover.core.class_guide import Guide
from landcover.core.classes import CLASS_NAMES, EUROSAT_CLASSES, THEMES
from pages.parts.shared import elements, theme, url_state, widgets

FIELD = "about"
KEY = "classes_about"
READING = (
    "A label says that a class occurs **somewhere** in a square of 1200 m. It says neither where "
    "nor how much: a village that takes a twentieth of the square is a label like the forest "
    "around it. The labels come from CORINE, a map of Europe of 2018 drawn with areas of 25 "
    "hectares and more, so what is smaller is missing or belongs to a mixed class. Eleven of "
    "CORINE's classes, such as roads, airports, quarries, parks and bare rock, belong to none of "
    "the 19."
)


def show() -> None:
    """Show how to read a label, and all classes."""
    st.markdown(READING)
    for name in THEMES:
        own = [class_guide.of_class(one) for one in CLASS_NAMES]
        elements.heading(name)
        _list([one for one in own if one.cover.theme == name])
    elements.heading("The ten classes of colour pictures")
    st.markdown(
        "Pictures without the other bands are told apart by a model that knows the ten classes of "
        "EuroSAT. A picture has exactly one of them."
    )
    _list([class_guide.of_class(one) for one in EUROSAT_CLASSES])


def _list(guides: list[Guide]) -> None:
    """Show classes as buttons with a sentence each, two beside each other."""
    for start in range(0, len(guides), 2):
        for column, guide in zip(st.columns(2, gap="large"), guides[start:], strict=False):
            with column:
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    st.html(theme.swatch(guide.cover.hex), width="content")
                    open_button(guide, f"classes_open_{guide.name}")
                st.markdown(guide.short)


def open_button(guide: Guide, key: str) -> None:
    """Show a button that opens the text of a class."""
    widgets.button(
        guide.title,
        key=key,
        type="tertiary",
        on_click=url_state.keep,
        args=(FIELD, guide.name),
    )
