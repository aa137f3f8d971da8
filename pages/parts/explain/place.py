"""The place of the Explain page: the one chosen on Classify, or a sample."""

from __future__ import annotations

from typing import Final

import streamlit as st

from landcover.io.samples import samples
from pages.parts.explain import computation
from pages.parts.shared import choice, widgets

PLACE: Final = "explain_place"
_OWN: Final = ""
"""The option for a choice on Classify that is not a sample."""


def choose() -> tuple[choice.Chosen, computation.Subject]:
    """Let the user choose a place; it becomes the choice of the Classify page too."""
    chosen = choice.current()
    found = _subject(chosen) if chosen else None
    lost = chosen is not None and found is None
    if chosen is None or found is None:
        chosen = choice.Chosen(sample=samples()[0].name)
        found = _subject(chosen)
    own = chosen.sample is None
    options = [*([_OWN] if own else []), *(sample.name for sample in samples())]
    st.session_state[PLACE] = _OWN if own else chosen.sample
    source = found.pixels.provenance.source if found else ""
    titles = {sample.name: f"{sample.title}, {sample.country}" for sample in samples()}
    widgets.selectbox(
        "Place",
        options,
        format_func=lambda name: titles.get(name, f"As chosen on Classify: {source}"),
        key=PLACE,
        on_change=_take,
        help="To use any other place, date or file, choose it on the Classify page.",
    )
    if lost:
        st.caption(
            "The place chosen on Classify has no image on this computer, so a sample is shown."
        )
    assert found is not None  # a sample is always there
    return chosen, found


def _take() -> None:
    name = widgets.value(PLACE)
    if name != _OWN:
        choice.choose(choice.Chosen(sample=name))


def _subject(chosen: choice.Chosen) -> computation.Subject | None:
    """Return the pixels of a choice; None if it has none or they are no longer held."""
    pixels = choice.pixels_of(chosen)
    if pixels is None:
        return None
    image = choice.uploads().get(chosen.upload or "")
    # A shifted window is found in the image by its place.
    return computation.Subject(pixels, image if image is not None and image.has_place else None)
