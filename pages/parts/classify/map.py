"""The map: its fixed and changing layers, and the user's clicks and drawings on it."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final

import folium
import streamlit as st
from branca.element import Element, Figure
from streamlit_folium import st_folium

from landcover.core.bands import COMPOSITES
from landcover.core.place import wrap_longitude
from landcover.core.projection import OffEarth
from landcover.core.raster import Raster
from landcover.core.window import Window
from landcover.io.samples import Sample, samples
from landcover.io.web_mercator import map_picture
from pages.parts.classify import grid, grid_results, map_answer, squares
from pages.parts.classify.offline_map import APP_STATIC, VENDOR, OfflineMap, RectangleDraw, Script
from pages.parts.shared import basemap, choice, loaded_models, sessions, theme
from pages.parts.shared.links import Place

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

ONLINE_LAYERS: Final = (
    {
        "name": "Satellite: Sentinel-2 cloudless 2016 (online)",
        "url": "https://tiles.maps.eox.at/wmts/1.0.0/s2cloudless_3857/default/g/{z}/{y}/{x}.jpg",
        "credit": '<a href="https://s2maps.eu">Sentinel-2 cloudless</a> '
        "(EOX, Copernicus data, CC BY 4.0)",
        "finest": 15,
        "satellite": True,
    },
    {
        "name": "Streets: OpenStreetMap (online)",
        "url": "https://tile.openstreetmap.org/{z}/{x}/{y}.png",
        "credit": '© <a href="https://www.openstreetmap.org/copyright">OpenStreetMap</a> '
        "contributors",
        "finest": 19,
        "satellite": False,
    },
)
"""Overlays from the network; the first one is on if the browser reaches it."""
OFFLINE_CREDIT: Final = (
    '© <a href="https://www.openstreetmap.org/copyright">OpenStreetMap</a> contributors (ODbL)'
)
DETAILS_NAME: Final = "Places, rivers and borders (on this computer)"
DETAILS_CREDIT: Final = "Natural Earth, GeoNames (CC BY 4.0)"

STYLE: Final = """<style>
.leaflet-container { --lc-water: #c3d7e2; --lc-land: #f1efe8; --lc-river: #5f9fc4;
  --lc-border: #97798c; --lc-control: #ffffff; --lc-ink: #1f2328; --lc-line: #b6bcc3;
  background: var(--lc-water); font-family: system-ui, sans-serif; }
.lc-dark { --lc-water: #17242e; --lc-land: #2a2d31; --lc-river: #4d86a8; --lc-border: #a88a9e;
  --lc-control: #1c2128; --lc-ink: #f0f3f6; --lc-line: #4a525c; }
.lc-dark .lc-offline, .lc-dark .lc-streets {
  filter: invert(1) hue-rotate(180deg) brightness(.85) contrast(.9); }
.leaflet-container :is(.leaflet-bar a, .leaflet-control-layers, .leaflet-tooltip,
  .leaflet-control-attribution, .leaflet-control-scale-line, .leaflet-draw-actions a) {
  background-color: var(--lc-control); color: var(--lc-ink); border-color: var(--lc-line); }
.leaflet-container .leaflet-control-scale-line { font-size: 11px; text-shadow: none; }
.leaflet-container .leaflet-control-attribution { font-size: 10px; opacity: .9; }
.leaflet-container .leaflet-control-attribution a { color: inherit; text-decoration: underline; }
.lc-dark .leaflet-draw-toolbar a.leaflet-draw-draw-rectangle { background-color: #e3dede;
  filter: invert(1) hue-rotate(180deg); }
.lc-dark .leaflet-control-layers-toggle { background-color: #aab3bd; border-radius: 4px; }
.leaflet-container :is(a, .lc-pin, input):focus-visible { outline: 3px solid #1668dc;
  outline-offset: 1px; }
.leaflet-container:focus-visible { outline: 3px solid #1668dc; outline-offset: -3px; }
.lc-pin svg { position: absolute; left: -14px; top: -38px; transform-origin: 50% 100%;
  filter: drop-shadow(0 1px 2px rgb(0 0 0 / .5)); cursor: pointer; }
.leaflet-container .lc-pin:focus { outline: none; }
.lc-pin:focus-visible svg path { stroke: #000; stroke-width: 3; }
.lc-pin span { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; }
.lc-near .lc-pin, .lc-near .lc-nowhere { display: none; }
.leaflet-container:not(.lc-near) .lc-neighbour { display: none; }
.lc-neighbour:hover { stroke-width: 3; stroke-opacity: 1; fill-opacity: .12; }
.lc-nowhere { font: 600 26px/26px sans-serif; text-align: center; color: #b3261e;
  text-shadow: 0 0 3px #fff, 0 0 3px #fff, 0 0 3px #fff; }
.lc-label span { position: absolute; left: 5px; top: -9px; white-space: nowrap;
  font: 600 12px/18px system-ui, sans-serif; color: var(--lc-ink);
  text-shadow: 0 0 2px var(--lc-control), 0 0 2px var(--lc-control), 0 0 3px var(--lc-control),
  0 0 3px var(--lc-control); }
.lc-label::before { content: ""; position: absolute; left: -3px; top: -3px; width: 4px;
  height: 4px; border-radius: 50%; background: var(--lc-control);
  border: 1.5px solid var(--lc-ink); }
.lc-online .leaflet-lc-lines-pane, .lc-on-streets .leaflet-lc-labels-pane { display: none; }
.leaflet-container .leaflet-tooltip { white-space: normal; width: max-content;
  max-width: 240px; font-size: 12px; }
.leaflet-container[style*="crosshair"] .leaflet-tooltip { display: none; }
.leaflet-image-layer { image-rendering: pixelated; }
path.leaflet-interactive:focus { outline: none; }
</style>"""


@st.fragment
def show(background: bool) -> None:  # noqa: FBT001 - fragments keep arguments by position
    """Draw the map and handle what the user did on it; a new choice reruns the page."""
    view = choice.view()
    # The component moves only if these values change, so each turn changes them by a millionth
    # of a degree and of a zoom level, which the map rounds away.
    nudge = view.turn % 1000 * 1e-6
    answer = st_folium(
        _drawn_map(background).copy(),
        key=KEY,
        render=False,  # it is drawn
        height=HEIGHT,
        use_container_width=True,
        returned_objects=list(RETURNED),
        feature_group_to_add=_changing(choice.current()),
        center=(view.centre[0] + nudge, view.centre[1]),
        zoom=view.zoom + nudge,
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
    centre, zoom = choice.OVERVIEW
    chart = OfflineMap(
        location=centre,
        zoom_start=int(zoom),
        zoom_snap=0.5,
        world_copy_jump=True,  # beyond the date line, pins and squares move to the other world
    )
    # folium's argument takes integers only, and its limits are those of its tile layers.
    chart.options.update(zoom=zoom, min_zoom=2, max_zoom=17)
    root = chart.get_root()
    assert isinstance(root, Figure)
    root.header.add_child(Element(STYLE))
    chart.add_child(Script(f"landcover.prepare(map_div, {json.dumps(_options(background))});"))
    everything = samples()
    for number, sample in enumerate(everything, 1):
        _add_sample(chart, number, sample, everything)
    RectangleDraw().add_to(chart)
    return chart


def _options(background: bool) -> dict[str, object]:  # noqa: FBT001
    """Return what ``static/map/map.js`` needs to know."""
    return {
        "files": APP_STATIC,
        "vendor": VENDOR,
        "background": background,
        "credit": OFFLINE_CREDIT,
        "tilesZoom": basemap.MAX_ZOOM,
        "nearZoom": squares.NEAR_ZOOM,
        "detailsName": DETAILS_NAME,
        "detailsCredit": DETAILS_CREDIT,
        "online": ONLINE_LAYERS,
    }


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
    overlay.url = _address(key, data)
    overlay.add_to(group)


def _address(key: str, data: bytes) -> str:
    """Where the map component finds a picture.

    The layers are written as text again and again, which takes most of the time of a page if the
    pictures are in it.
    """
    server = sessions.server()
    if server is None:
        return theme.data_url(data)
    return f"../..{server.media_file_mgr.add(data, 'image/png', f'map {key}')}"


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
