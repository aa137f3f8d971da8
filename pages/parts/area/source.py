"""Choosing the imagery of a map: a sample, an uploaded image, or an archive."""

from __future__ import annotations

from typing import Final

import streamlit as st

from landcover.core.bands import COMPOSITES
from landcover.core.projection import OffEarth
from landcover.core.raster import Raster
from landcover.core.window import Window
from landcover.io import sources
from landcover.io.samples import Sample, samples
from landcover.io.web_mercator import map_picture, placed_picture
from pages.parts.area import map as chart
from pages.parts.area import state
from pages.parts.classify import chooser, uploads
from pages.parts.shared import choice, elements, holdings, theme, widgets
from pages.parts.shared.holdings import Whole

KEY: Final = "area_source"
SHOWN: Final = "area_source_shown"
"""What the map was last moved to."""
_PICTURE: Final = "area_picture"
EXAMPLE: Final = "finland-lake"
LIVE: Final = state.Source("live")
SCENES: Final = state.Source("scenes")
_MOST_PICTURES: Final = 8
"""Scenes that are shown in true colour at the same time."""
ABOUT_SCENES: Final = (
    "Each block is mapped from the scenes of the day that hides least of it; of equally clear days "
    "from the newest. What that day does not cover of a block stays empty."
)
ABOUT_SAMPLES: Final = (
    "The examples are the app's six labelled places, patches of BigEarthNet (Sentinel-2 of 2017 "
    "and 2018) of 1.2 km × 1.2 km each. They are real and work without a network, but they are "
    "small: a window of 1200 m fits in only once, so near their edges the presence is of windows "
    "that lie half outside. Upload a scene to map a valley."
)

ABOUT_UPLOADS: Final = (
    f"{chooser.ABOUT_FILES} They need a position on Earth. All of an image is mapped, also one "
    f"that does not fit into memory; it is removed when you close this tab. {chooser.STAY}"
)


def choose() -> state.Source:
    """Let the user choose the imagery, and move the map there."""
    elements.heading("Imagery")
    offered = options()
    fresh = _fresh_upload()
    if fresh is not None:
        take(fresh)
    if state.chosen(KEY) not in offered:
        take(offered[0])
    state.seed(KEY, offered[0])
    titles = {one: title(one) for one in offered}
    found = (
        widgets.selectbox("Imagery", offered, format_func=lambda one: titles.get(one, ""), key=KEY)
        or offered[0]
    )
    state.note(KEY, found)
    if found != state.chosen(SHOWN):
        state.note(SHOWN, found)
        show_on_map(found)
    with st.expander("Upload Sentinel-2 imagery"):
        chooser.uploader(
            "Sentinel-2 images, one or several", chooser.STACK_TYPES, ABOUT_UPLOADS, _listed
        )
        if message := choice.failure():
            st.error(theme.literal(message))
    if found.kind == "sample":
        st.caption(ABOUT_SAMPLES)
    if found.kind == "scenes":
        st.caption(ABOUT_SCENES)
    return found


def options() -> list[state.Source]:
    """Return the imagery to choose from, the newest upload first."""
    found = [state.Source("upload", key) for key in reversed(_uploads())]
    if len(together()) > 1:
        found.append(SCENES)
    shipped = [state.Source("sample", one.name) for one in samples()]
    shipped.sort(key=lambda one: one.name != EXAMPLE)
    return [*found, *shipped, LIVE]


def take(source: state.Source) -> None:
    """Choose imagery, before the widget is drawn."""
    st.session_state[KEY] = source
    state.note(KEY, source)


def title(source: state.Source) -> str:
    """Name of a source, for people."""
    if source.kind == "live":
        return "Live imagery from an archive"
    if source.kind == "scenes":
        return f"All {len(together())} uploaded scenes together"
    if source.kind == "sample":
        sample = _sample(source.name)
        return f"Example: {sample.title}, {sample.country}"
    one = _uploads()[source.name]
    return one.title if isinstance(one, Whole) else one.provenance.source


def pixels_of(source: state.Source) -> Raster | Whole | None:
    """Pixels of one image: in memory, or an upload that is read by parts; None for others."""
    if source.kind == "sample":
        return sources.read_sample(source.name)
    return _uploads().get(source.name)


def together() -> dict[str, Whole]:
    """Uploaded scenes that can be mapped together: each block is read from the clearest."""
    return {key: one for key, one in holdings.now().wholes.items() if key in choice.uploads()}


def token(source: state.Source) -> tuple[int, ...]:
    """Identifies the pixels of a source."""
    found = together().values() if source.kind == "scenes" else [pixels_of(source)]
    return tuple(map(id, found))


def _extents(source: state.Source) -> list[Window]:
    if source.kind == "scenes":
        return [one.extent for one in together().values()]
    pixels = pixels_of(source)
    return [] if pixels is None else [pixels.extent]


def show_on_map(source: state.Source) -> None:
    """Move the map to a source."""
    corners = [corner for extent in _extents(source) for corner in extent.outline]
    if corners:
        latitudes, longitudes = zip(*corners, strict=True)
        state.show_bounds(min(latitudes), min(longitudes), max(latitudes), max(longitudes))


def _uploads() -> dict[str, Raster | Whole]:
    """What was uploaded, on this page or on Classify, and can be mapped."""
    wholes = holdings.now().wholes
    return {
        key: wholes[key] if holdings.is_part(one) else one
        for key, one in choice.uploads().items()
        if (key in wholes if holdings.is_part(one) else one.has_place)
    }


def _listed() -> None:
    """Say where uploaded images are listed, and which ones are not, because of what."""
    uploads.show_failures()
    if (several := len(_uploads())) > 1:
        joined = f", and so is “{title(SCENES)}”" if len(together()) > 1 else ""
        st.caption(f"Your {several} images are in the list “Imagery”{joined}.")
    elsewhere = [one for one in choice.uploads().values() if not one.has_place]
    others = [*elsewhere, *choice.pictures().values()]
    if others:
        names = ", ".join(one.provenance.source for one in others)
        st.warning(
            f"Not in the list: {theme.literal(names)}. A map needs reflectance and a position on "
            "Earth: upload a file that has both."
        )


def _fresh_upload() -> state.Source | None:
    """The newest upload, once."""
    newest = next(reversed(_uploads()), None)
    if newest == st.session_state.get("area_newest"):
        return None
    st.session_state["area_newest"] = newest
    return None if newest is None else state.Source("upload", newest)


def picture(source: state.Source) -> list[chart.Layer]:
    """The imagery in true colour, for the map; the latest one is kept."""
    asked = source, token(source)
    kept = st.session_state.get(_PICTURE)
    if kept is None or kept[0] != asked:
        shown = list(together()) if source.kind == "scenes" else []
        listed = [_uploads()[key] for key in shown[-_MOST_PICTURES:]]
        images: list[Raster | Whole | None] = [*listed] or [pixels_of(source)]
        drawn = [layer for number, one in enumerate(images) for layer in _drawn(one, number)]
        kept = st.session_state[_PICTURE] = asked, drawn
    found: list[chart.Layer] = kept[1]
    return found


def _drawn(pixels: Raster | Whole | None, number: int) -> list[chart.Layer]:
    if pixels is None:
        return []
    try:
        if isinstance(pixels, Whole):
            if pixels.picture is None:
                return []
            drawn = placed_picture(*pixels.picture)
        else:
            drawn = map_picture(pixels, COMPOSITES[0], uploads.PICTURE)
    except OffEarth:
        return []  # so near a pole that the web map has no place for it
    return [
        chart.Layer(
            key=f"imagery {number}",
            name="The imagery in true colour",
            side="under",
            picture=theme.png(drawn.rgba),
            edges=chart.edges_of(drawn),
        )
    ]


def _sample(name: str) -> Sample:
    return next(one for one in samples() if one.name == name)


def drawn(source: state.Source) -> list[chart.Outline]:
    """The outline of the imagery, for the map."""
    return [chart.Outline(kind="imagery", rings=(one.outline,)) for one in _extents(source)]
