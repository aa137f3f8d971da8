"""The map: its fixed and changing layers, and the user's clicks and drawings on it."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final

import folium
import streamlit as st
from streamlit_folium import st_folium

from landcover.core.bands import COMPOSITES
from landcover.core.place import wrap_longitude
from landcover.core.projection import OffEarth
from landcover.core.raster import Raster
from landcover.core.window import Window
from landcover.io.samples import Sample, samples
from landcover.io.web_mercator import map_picture
from pages.parts.classify import grid, grid_results, map_answer, squares
from pages.parts.shared import choice, loaded_models, theme
from pages.parts.shared.links import Place
from pages.parts.shared.offline_map import (
    DrawTools,
    OfflineMap,
    Script,
    base_map,
    picture_address,
    sent_to,
)

KEY: Final = "classify_map"
SEEN: Final = "classify_seen"
"""State key of the answer of the map that was handled last."""
HEIGHT: Final = 460
RETURNED: Final = (
    "last_clicked",
    "last_object_clicked",
    "last_object_clicked_count",
    "last_active_drawing",
    "center",
    "zoom",
)
LEAN_DEGREES: Final = 3.0
"""Pins of samples closer than this are tilted apart, so that none hides another."""


@st.fragment
def show(background: bool) -> None:  # noqa: FBT001 - fragments keep arguments by position
    """Draw the map and handle what the user did on it; a new choice reruns the page."""
    answer = st_folium(
        _drawn_map(background).copy(),
        key=KEY,
        render=False,  # it is drawn
        height=HEIGHT,
        use_container_width=True,
        returned_objects=list(RETURNED),
        feature_group_to_add=_changing(choice.current()),
        **sent_to(choice.view()),
    )
    if _act(map_answer.read(answer)):
        st.rerun()


def restore_view() -> None:
    """Move a new map to where the user last left it."""
    last = st.session_state.get("classify_last_view")
    if last is not None:
        choice.move_map(*last)
    st.session_state.pop(SEEN, None)


@lru_cache(maxsize=2)
def _drawn_map(background: bool) -> OfflineMap:  # noqa: FBT001 - key of the cache
    """Return the fixed map, drawn; drawing it takes longer than all else on the page."""
    drawn = fixed_map(background=background)
    drawn.get_root().render()
    return drawn


def fixed_map(*, background: bool) -> OfflineMap:
    """Build the part of the map that never changes; a change would reset the map's view."""
    chart = base_map(
        "Map of places to classify", background=background, near_zoom=squares.NEAR_ZOOM
    )
    everything = samples()
    for number, sample in enumerate(everything, 1):
        _add_sample(chart, number, sample, everything)
    DrawTools("rectangle").add_to(chart)
    return chart


def _add_sample(
    chart: OfflineMap, number: int, sample: Sample, everything: tuple[Sample, ...]
) -> None:
    tip = f"<b>{number} · {sample.title}, {sample.country}</b><br>{'; '.join(sorted(sample.truth))}"
    folium.Polygon(
        sample.outline, color=theme.ACCENT, weight=2, fill=True, fill_opacity=0.0, tooltip=tip
    ).add_to(chart)
    folium.Marker(
        sample.centre,
        icon=folium.DivIcon(
            html=_pin(number, _lean(sample, everything), f"Choose {sample.title}"),
            icon_size=(0, 0),
            class_name="lc-pin",
        ),
        tooltip=tip,
    ).add_to(chart)


def _lean(sample: Sample, everything: tuple[Sample, ...]) -> int:
    """Return by how many degrees a pin is tilted away from a near neighbour."""
    for other in everything:
        gap = (sample.centre[1] - other.centre[1], sample.centre[0] - other.centre[0])
        if other is not sample and max(map(abs, gap)) < LEAN_DEGREES:
            return 32 if gap[0] > 0 else -32
    return 0


def _pin(number: int, lean: int, words: str) -> str:
    shape = "M14 37 C11 27 2 23 2 13.5 A12 12 0 1 1 26 13.5 C26 23 17 27 14 37Z"
    return (
        f'<svg width="28" height="38" viewBox="0 0 28 38" aria-hidden="true" '
        f'style="transform: rotate({lean}deg)">'
        f'<path d="{shape}" fill="{theme.ACCENT}" stroke="#fff" stroke-width="1.5"/>'
        f'<text x="14" y="18.5" text-anchor="middle" fill="#fff" font-weight="700" '
        f'font-size="14" font-family="system-ui, sans-serif" '
        f'transform="rotate({-lean} 14 13.5)">{number}</text></svg><span>{words}</span>'
    )


def _changing(chosen: choice.Chosen | None) -> folium.FeatureGroup:
    """Build the layers that follow the choice: image, outline, or a place without an image."""
    group = folium.FeatureGroup(control=False)
    for key, image in choice.uploads().items():
        if image.has_place and max(image.height, image.width) > 120:
            _add_picture(group, key, image, opacity=0.75)
            folium.Polygon(
                image.outline, color="#1c4f8a", weight=2, fill=False, interactive=False
            ).add_to(group)
    patch = choice.patch_of(chosen)
    plan = grid.plan_of(chosen)
    windows = plan.grid.windows if plan is not None and plan.grid is not None else ()
    grid_results.add_to_map(group)
    _add_neighbours(group, None if windows else squares.square_of(chosen))
    if chosen is not None and chosen.drawn is not None:
        folium.Rectangle(
            chosen.drawn, color=theme.ACCENT, weight=1.5, dash_array="6 4", interactive=False
        ).add_to(group)
    if windows:
        if grid_results.shown() is None:
            _add_windows(group, windows)
    elif chosen is not None and patch is not None and patch.has_place:
        _add_picture(group, chosen.key, patch, opacity=1.0)
        for colour, weight in (("#ffffff", 6), (theme.ACCENT, 3)):
            # Filled, so that the tooltip of a sample's square does not cover its image.
            folium.Polygon(
                patch.outline, color=colour, weight=weight, fill=True, fill_opacity=0.0
            ).add_to(group)
    elif chosen is not None and chosen.bare_place is not None:
        _add_bare(group, chosen.bare_place)
    # The outline shows what was chosen, so the drawing is removed.
    group.add_child(Script("if (drawnItems.clearLayers) { drawnItems.clearLayers(); }"))
    dark = json.dumps(theme.ink() is theme.DARK)
    group.add_child(Script(f"landcover.theme(map_div, {dark});"))
    return group


def _add_neighbours(group: folium.FeatureGroup, square: Window | None) -> None:
    """Add the squares around the chosen one, each of which can be clicked."""
    for name, window in (squares.neighbours(square) if square is not None else {}).items():
        folium.Polygon(
            window.outline,
            color=theme.ACCENT,
            weight=1,
            opacity=0.55,
            fill=True,
            fill_opacity=0.0,
            class_name="lc-neighbour",
            tooltip=f"Go one square to the {name}",
        ).add_to(group)


def _add_windows(group: folium.FeatureGroup, windows: tuple[Window, ...]) -> None:
    """Add the outlines of the windows of a rectangle that is not classified yet."""
    for window in windows:
        folium.Polygon(
            window.outline, color=theme.ACCENT, weight=1.5, fill=False, interactive=False
        ).add_to(group)


def _add_bare(group: folium.FeatureGroup, place: Place) -> None:
    """Add the square that a place without an image would get, and a cross for far zooms."""
    tip = "No image of this square on this computer"
    square = squares.square_of(choice.current())
    if square is not None:
        for colour, weight, dash in (("#ffffff", 6, None), (theme.ACCENT, 3, "8 5")):
            folium.Polygon(
                square.outline,
                color=colour,
                weight=weight,
                dash_array=dash,
                fill=True,
                fill_opacity=0.0,
                class_name="lc-square",
                tooltip=tip,
            ).add_to(group)
    folium.Marker(
        place,
        icon=folium.DivIcon(html="✕", icon_size=(26, 26), class_name="lc-nowhere"),
        tooltip=tip,
    ).add_to(group)


def _add_picture(group: folium.FeatureGroup, key: str, patch: Raster, opacity: float) -> None:
    try:
        data, south, west, north, east = _preview(key, patch)
    except OffEarth:
        return  # so near a pole that the web map has no place for it; the outline is still drawn
    overlay = folium.raster_layers.ImageOverlay(
        "data:,", bounds=[[south, west], [north, east]], opacity=opacity, control=False
    )
    overlay.url = picture_address(key, data)
    overlay.add_to(group)


@st.cache_data(max_entries=16, show_spinner=False)
def _preview(
    key: str,  # noqa: ARG001 - part of the cache's key
    _patch: Raster,
) -> tuple[bytes, float, float, float, float]:
    picture = map_picture(_patch, COMPOSITES[0])
    return theme.png(picture.rgba), picture.south, picture.west, picture.north, picture.east


def _act(answer: map_answer.MapAnswer) -> bool:
    """Handle what is new in the map's answer; return whether the choice changed."""
    if answer.view is not None:
        st.session_state["classify_last_view"] = answer.view
        # A map reports its centre only after it is drawn.
        loaded_models.warm_up()
    before = st.session_state.get(SEEN, map_answer.MapAnswer())
    st.session_state[SEEN] = answer
    # One gesture may be reported as several, such as a drawing that ends with a click.
    if answer.drawn is not None and answer.drawn != before.drawn:
        _choose_rectangle(*answer.drawn)
        return True
    if answer.on_object is not None and answer.on_object != before.on_object:
        _choose(*answer.on_object[0])
        return True
    if answer.on_map is not None and answer.on_map != before.on_map:
        _choose(*answer.on_map)
        return True
    return False


def _choose_rectangle(south: float, west: float, north: float, east: float) -> None:
    shift = wrap_longitude(west) - west
    choice.choose_drawn(south, west + shift, north, east + shift)
    plan = grid.plan_of(choice.current())
    if plan is not None and plan.grid is not None:
        # Stay at the rectangle; a sample or an upload in it would move the map.
        choice.move_map(plan.bounds.centre, choice.last_zoom())


def _choose(latitude: float, longitude: float) -> None:
    longitude = wrap_longitude(longitude)
    if grid_results.open_at(latitude, longitude):
        return
    beside = squares.neighbour_at(choice.current(), latitude, longitude)
    if beside is not None and choice.last_zoom() >= squares.NEAR_ZOOM:
        latitude, longitude = beside.centre
    squares.go(latitude, longitude)
