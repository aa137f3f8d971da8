"""The place of the Explain page: the one chosen on Classify, or a sample."""

from __future__ import annotations

from typing import Final

import streamlit as st

from landcover.core.bands import EUROSAT_PIXELS
from landcover.core.raster import Raster
from landcover.io.samples import samples
from pages.parts.explain import computation
from pages.parts.shared import choice, loaded_models, theme

PLACE: Final = "explain_place"
_OWN: Final = ""
"""The option for a choice on Classify that is not a sample."""


def choose() -> tuple[choice.Chosen, computation.Subject]:
    """Let the user choose a place; it becomes the choice of the Classify page too."""
    chosen = choice.current()
    found = _subject(chosen) if chosen else None
    if chosen is None or found is None:
        chosen = choice.Chosen(sample=samples()[0].name)
        found = _subject(chosen)
    own = chosen.sample is None
    options = [*([_OWN] if own else []), *(sample.name for sample in samples())]
    st.session_state[PLACE] = _OWN if own else chosen.sample
    source = found.pixels.provenance.source if found else ""
    titles = {sample.name: f"{sample.title}, {sample.country}" for sample in samples()}
    st.selectbox(
        "Place",
        options,
        format_func=lambda name: titles.get(name, f"As chosen on Classify: {source}"),
        key=PLACE,
        on_change=_take,
        help="To use any other place, date or file, choose it on the Classify page.",
    )
    assert found is not None  # a sample is always there
    return chosen, found


def _take() -> None:
    name = st.session_state[PLACE]
    if name != _OWN:
        choice.choose(choice.Chosen(sample=name))


def _subject(chosen: choice.Chosen) -> computation.Subject | None:
    """Return the pixels of a choice; None if it has none or they are no longer held."""
    picture = choice.picture_of(chosen)
    if picture is not None:
        return computation.Subject(picture.window(chosen.row, chosen.col, EUROSAT_PIXELS))
    patch = choice.patch_of(chosen)
    if patch is None:
        return None
    image = choice.uploads().get(chosen.upload or "")
    # A shifted window is found in the image by its place.
    return computation.Subject(patch, image if image is not None and image.has_place else None)


def where(pixels: Raster) -> str:
    """Return place and day in one line."""
    if pixels.is_rgb:
        return theme.literal(f"{pixels.provenance.source}, a colour picture without a place")
    day = f"{pixels.acquired:%d %B %Y}".lstrip("0") if pixels.acquired else "date unknown"
    return f"{pixels.where} · {day} · 1200 m × 1200 m, Sentinel-2"


def model_for(pixels: Raster) -> str | None:
    """Let the user choose the model, as on Classify; None if there is none."""
    if not pixels.is_rgb:
        return loaded_models.choose()
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    names = registry.default().for_pictures()
    if not names:
        st.error("No model for colour pictures is installed. Install landcover again.")
        return None
    return registry.PICTURE_MODEL if registry.PICTURE_MODEL in names else names[0]
