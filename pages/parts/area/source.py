"""Choosing the imagery of a map: a sample, an uploaded image, or an archive."""

from __future__ import annotations

from typing import Final

import streamlit as st

from landcover.core.raster import Raster
from landcover.io import sources
from landcover.io.samples import Sample, samples
from pages.parts.area import map as chart
from pages.parts.area import state
from pages.parts.classify import chooser
from pages.parts.shared import choice, elements, theme, widgets

KEY: Final = "area_source"
_SHOWN: Final = "area_source_shown"
"""What the map was last moved to."""
EXAMPLE: Final = "finland-lake"
LIVE: Final = state.Source("live")
ABOUT_SAMPLES: Final = (
    "The examples are the app's six labelled places, patches of BigEarthNet (Sentinel-2 of 2017 "
    "and 2018) of 1.2 km × 1.2 km each. They are real and work without a network, but they are "
    "small: a window of 1200 m fits in only once, so near their edges the presence is of windows "
    "that lie half outside. Upload a scene to map a valley."
)


def choose() -> state.Source:
    """Let the user choose the imagery, and move the map there."""
    elements.heading("Imagery")
    options = [state.Source("sample", one.name) for one in samples()]
    options.sort(key=lambda one: one.name != EXAMPLE)
    options = [*(state.Source("upload", key) for key in reversed(_uploads())), *options, LIVE]
    fresh = _fresh_upload()
    if fresh is not None:
        st.session_state[KEY] = fresh
        state.note(KEY, fresh)
    if state.chosen(KEY) not in options:
        state.note(KEY, options[0])
        st.session_state[KEY] = options[0]
    state.seed(KEY, options[0])
    titles = {one: title(one) for one in options}
    found = (
        widgets.selectbox("Imagery", options, format_func=lambda one: titles.get(one, ""), key=KEY)
        or options[0]
    )
    state.note(KEY, found)
    if found != state.chosen(_SHOWN):
        state.note(_SHOWN, found)
        show_on_map(found)
    with st.expander("Upload Sentinel-2 imagery"):
        chooser.uploader()
        if message := choice.failure():
            st.error(theme.literal(message))
    if found.kind == "sample":
        st.caption(ABOUT_SAMPLES)
    return found


def title(source: state.Source) -> str:
    """Name of a source, for people."""
    if source.kind == "live":
        return "Live imagery from an archive"
    if source.kind == "sample":
        one = _sample(source.name)
        return f"Example: {one.title}, {one.country}"
    return _uploads()[source.name].provenance.source


def raster_of(source: state.Source) -> Raster | None:
    """Pixels of a source that is in memory."""
    if source.kind == "sample":
        return sources.read_sample(source.name)
    return _uploads().get(source.name)


def show_on_map(source: state.Source) -> None:
    """Move the map to a source."""
    raster = raster_of(source)
    if raster is not None and raster.has_place:
        latitudes, longitudes = zip(*raster.outline, strict=True)
        state.show_bounds(min(latitudes), min(longitudes), max(latitudes), max(longitudes))


def _uploads() -> dict[str, Raster]:
    return {key: one for key, one in choice.uploads().items() if one.has_place}


def _fresh_upload() -> state.Source | None:
    """The newest upload, once."""
    newest = next(reversed(_uploads()), None)
    if newest == st.session_state.get("area_newest"):
        return None
    st.session_state["area_newest"] = newest
    return None if newest is None else state.Source("upload", newest)


def _sample(name: str) -> Sample:
    return next(one for one in samples() if one.name == name)


def drawn(source: state.Source) -> list[chart.Outline]:
    """The outline of the imagery, for the map."""
    raster = raster_of(source)
    if raster is None or not raster.has_place:
        return []
    return [chart.Outline(kind="imagery", rings=(raster.outline,))]
