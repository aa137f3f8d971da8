"""Choosing the outline of the area: the entire image, a drawing, a file, or typed coordinates."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import shapely
import streamlit as st

from landcover.areas.area_file import Area, read_area
from landcover.core.errors import BadInput
from pages.parts.area import map as chart
from pages.parts.area import state
from pages.parts.shared import elements, theme, upload_memory, widgets

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from pages.parts.shared.links import Place

HOW: Final = "area_how"
WHOLE: Final = "The entire image"
DRAWN: Final = "Drawn on the map"
FILE: Final = "From a file"
TYPED: Final = "Typed"
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,3}(\.[0-9]{1,12})?")
_AREA: Final = "area_outlines"
_FAILED: Final = "area_outline_failed"
_TOUCHED: Final = "area_file_touched"
"""State key of whether the user has changed the field's files since they were read."""
_SEEN: Final = "area_file_seen"
_READ: Final = "area_file_read"
_MOST_READ: Final = 20
"""Outlines of files that are kept."""
_FILE_TYPES: Final = ("geojson", "json", "gpkg", "kml", "kmz", "wkt")
NOTHING: Final = {
    DRAWN: "Nothing is drawn yet: draw a rectangle or a polygon with the tools on the left of the "
    "map. Without a mouse, type the coordinates or upload a file.",
    FILE: "No outline yet: upload a GeoJSON, GeoPackage, KML or WKT file.",
    TYPED: "No outline yet: type west, south, east and north in degrees.",
}
_SHOWN_POINTS: Final = 2000
"""Most points of an outline that are drawn on the map."""


def take_drawing(text: str, name: str = "the drawing") -> None:
    """Take what was drawn on the map as the outline."""
    _take(DRAWN, lambda: read_area(text.encode(), name=name))
    take_how(DRAWN)


def take_how(how: str) -> None:
    """Choose how the area is given, before the widget is drawn."""
    state.note(HOW, how)
    st.session_state.pop(HOW, None)  # so that the widget shows it


def choose(*, whole: bool) -> str:
    """Let the user choose how the area is given.

    Args:
        whole: whether the imagery has an end, so that all of it can be mapped.

    Returns:
        One of :data:`WHOLE`, :data:`DRAWN`, :data:`FILE` and :data:`TYPED`.
    """
    elements.heading("Area")
    options = ([WHOLE] if whole else []) + [DRAWN, FILE, TYPED]
    if state.chosen(HOW) not in options:
        state.note(HOW, options[0])
        st.session_state[HOW] = options[0]
    state.seed(HOW, options[0])
    how = widgets.segmented_control("Area", options, key=HOW, required=True) or options[0]
    state.note(HOW, how)
    if how == FILE:
        _file()
    elif how == TYPED:
        _coordinates()
    message = st.session_state.get(_FAILED, {}).get(how)
    if message:
        st.error(theme.literal(message))
    elif how in NOTHING and current(how) is None:
        st.info(NOTHING[how], icon=":material/draw:")
    for note in getattr(current(how), "notes", ()):
        st.caption(theme.literal(note))
    return how


def current(how: str) -> Area | None:
    """Return the outline that was given in that way; None for none, and for the entire image."""
    found = st.session_state.get(_AREA, {}).get(how)
    return found if isinstance(found, Area) else None


def _take(how: str, read: Callable[[], Area]) -> None:
    """Read an outline; a failure is kept as a sentence."""
    failed = st.session_state.setdefault(_FAILED, {})
    try:
        area = read()
    except BadInput as error:
        failed[how] = str(error)
        st.session_state.setdefault(_AREA, {}).pop(how, None)
        return
    failed.pop(how, None)
    st.session_state.setdefault(_AREA, {})[how] = area
    _show_on_map(area)


def _file() -> None:
    files = widgets.file_uploader(
        "GeoJSON, GeoPackage, KML or WKT",
        type=list(_FILE_TYPES),
        key="area_file",
        on_change=st.session_state.update,
        kwargs={_TOUCHED: True},
    )
    token, seen = [file.file_id for file in files], st.session_state.get(_SEEN, [])
    if not token and not st.session_state.get(_TOUCHED):
        # The field is empty because it was not drawn meanwhile: nobody has taken the file back.
        st.session_state[_SEEN] = seen = []
    if len(files) > 1:
        st.caption(f"Of these files the last one counts: {theme.literal(files[-1].name)}.")
    if token == seen:
        return
    st.session_state[_SEEN], st.session_state[_TOUCHED] = token, False
    if files:
        _take(FILE, lambda: _read_once(files[-1]))
    else:
        _forget(FILE)
    st.rerun()


def _read_once(file: UploadedFile) -> Area:
    """Read an uploaded outline; what was read is kept, because the bytes of the file are dropped.

    Raises:
        BadInput: it is no outline.
    """
    read: dict[str, Area | str] = st.session_state.setdefault(_READ, {})
    if file.file_id not in read:
        try:
            read[file.file_id] = read_area(bytes(file.getbuffer()), name=file.name)
        except BadInput as error:
            read[file.file_id] = str(error)
        upload_memory.empty([file.file_id])
        while len(read) > _MOST_READ:
            del read[next(iter(read))]
    found = read[file.file_id]
    if isinstance(found, str):
        raise BadInput(found)
    return found


def _forget(how: str) -> None:
    """Forget the outline that was given in that way, and why it could not be read."""
    for key in (_AREA, _FAILED):
        st.session_state.setdefault(key, {}).pop(how, None)


def _coordinates() -> None:
    with st.form("area_box", border=False):
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        with left:
            text = widgets.text_input(
                "West, south, east, north in degrees",
                key="area_box_text",
                placeholder="26.95, 61.30, 27.00, 61.33",
            )
        with right:
            pressed = widgets.form_submit_button("Use", width="stretch")
    if pressed:
        _take(TYPED, lambda: read_area(_box(text)))
        st.rerun()


def _box(text: str) -> str:
    """Return four numbers as text, and nothing else: a visitor must not name a file.

    Raises:
        BadInput: these are not four numbers.
    """
    numbers = re.split(r"[\s,;]+", text.strip(" ,;"))
    if len(numbers) != 4 or not all(_NUMBER.fullmatch(one) for one in numbers):
        raise BadInput(
            "These are not four numbers: type west, south, east and north in degrees, such as "
            "26.95, 61.30, 27.00, 61.33."
        )
    return ",".join(numbers)


def _show_on_map(area: Area) -> None:
    west, south, east, north = area.geometry.bounds
    state.show_bounds(south, west, north, east)


def rings_of(shape: BaseGeometry) -> tuple[tuple[Place, ...], ...]:
    """Rings of an outline in WGS 84 degrees, as the map draws them."""
    if shapely.get_num_coordinates(shape) > _SHOWN_POINTS:
        west, south, east, north = shape.bounds
        shape = shape.simplify(max(east - west, north - south) / 500)
    polygons = [one for one in shapely.get_parts(shape) if one.geom_type == "Polygon"]
    rings = [ring for one in polygons for ring in (one.exterior, *one.interiors)]
    return tuple(tuple((y, x) for x, y in ring.coords) for ring in rings)


def drawn(area: Area | None) -> list[chart.Outline]:
    """The outline for the map."""
    if area is None:
        return []
    return [chart.Outline(kind="area", rings=rings_of(area.geometry))]
