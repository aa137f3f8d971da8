"""The square of the current choice on the ground, and the eight squares around it."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import streamlit as st

from landcover.core.bands import PATCH_PIXELS
from landcover.core.place import wrap_longitude
from landcover.core.projection import OffEarth
from landcover.core.window import Window
from landcover.stac.candidates import MAX_LATITUDE, MIN_LATITUDE
from pages.parts.shared import choice, widgets

NEAR_ZOOM: Final = 11
"""From this zoom on, squares can be seen and clicked; below it, places are pins."""
PLACE_ZOOM: Final = 13
"""Zoom at which a square and its neighbours fit into the map."""
COMPASS: Final = ("north", "west", "east", "south")
STEPS: Final = {
    "north-west": (-1, -1),
    "north": (-1, 0),
    "north-east": (-1, 1),
    "west": (0, -1),
    "east": (0, 1),
    "south-west": (1, -1),
    "south": (1, 0),
    "south-east": (1, 1),
}
"""Squares down and to the right."""


def square_of(chosen: choice.Chosen | None) -> Window | None:
    """Return the window of a choice, or the one that a bare place would get.

    None if the choice has no position, or lies beyond the projection of Sentinel-2's tiles.
    """
    if chosen is not None and chosen.bare_place is not None:
        return around(*chosen.bare_place)
    patch = choice.patch_of(chosen)
    return patch.extent if patch is not None and patch.has_place else None


def around(latitude: float, longitude: float) -> Window | None:
    """Return the square around a place; None near the poles, which no image shows."""
    if not MIN_LATITUDE <= latitude <= MAX_LATITUDE:
        return None
    return Window.around(latitude, longitude, pixels=PATCH_PIXELS)


def neighbours(square: Window) -> dict[str, Window]:
    """Return the squares of the same size around a square, by direction: eight, if on Earth."""
    height, width = square.height, square.width
    found = {}
    for name, (down, right) in STEPS.items():
        part = square.part(down * height, right * width, height, width)
        with suppress(OffEarth):
            part.check_on_earth()
            found[name] = part
    return found


def neighbour_at(chosen: choice.Chosen | None, latitude: float, longitude: float) -> Window | None:
    """Return the neighbour of the current square that contains a place, or None."""
    square = square_of(chosen)
    if square is None:
        return None
    try:
        row, col = square.pixel_of(latitude, longitude)
    except OffEarth:
        return None
    step = (int(row // square.height), int(col // square.width))
    around_it = neighbours(square)
    return next((around_it[name] for name in around_it if STEPS[name] == step), None)


def go(latitude: float, longitude: float) -> None:
    """Choose a place, and move the map to it if no image moves it there."""
    choice.choose_place(latitude, wrap_longitude(longitude))
    chosen = choice.current()
    if chosen is not None and chosen.bare_place is not None:
        choice.move_map(chosen.bare_place, max(choice.last_zoom(), PLACE_ZOOM))


def show_moves() -> None:
    """Show buttons that move the square by its own size, for the keyboard."""
    # The container is always there: if what follows moved, it would be reset.
    with st.container(horizontal=True, key="classify_moves", gap="small"):
        if square_of(choice.current()) is None:
            return
        for name in COMPASS:
            widgets.button(
                name.capitalize(),
                key=f"classify_move_{name}",
                icon=f":material/{name}:",
                help=f"Go one square to the {name}",
                on_click=_move,
                args=(name,),
            )


def _move(name: str) -> None:
    square = square_of(choice.current())
    beside = neighbours(square).get(name) if square is not None else None
    if beside is not None:
        go(*beside.centre)
