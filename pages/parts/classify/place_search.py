"""The search box of the map: a town's name, or latitude and longitude."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.core.text import place_text
from landcover.io import gazetteer
from landcover.io.sources import parse_place
from landcover.net import cache, nominatim
from pages.parts.classify import squares
from pages.parts.shared import choice, theme, widgets

LABEL: Final = "Place, or latitude and longitude"
EXAMPLE: Final = "Vienna, or 48.2223, 13.7209"


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The answer to a search.

    Attributes:
        text: what the user typed.
        places: name, latitude and longitude of places to choose from.
        known: whether the first of them was chosen; otherwise they are guesses.
    """

    text: str
    places: tuple[tuple[str, float, float], ...]
    known: bool = True


def show() -> None:
    """Show the search box, and the other places of the same name."""
    with st.form("classify_search_form", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            text = widgets.text_input(
                LABEL,
                placeholder=EXAMPLE,
                key=f"classify_place_{choice.form_round()}",
                help="The name of a town or village, also with its country, or degrees, north and "
                "east positive. 48°13'20\"N 13°43'15\"E works too.",
            )
            pressed = widgets.form_submit_button("Go there", key="classify_go")
        if pressed:
            _go(text)
            st.rerun()
    _answer()


def _go(text: str) -> None:
    """Choose the place that a text names, or explain why there is none."""
    _keep(None)
    try:
        place = parse_place(text)
    except LandcoverError as error:
        choice.fail(str(error))
        return
    if place is not None:
        squares.go(*place)
        return
    if not text.strip():
        choice.fail(f"Enter the name of a place, or latitude and longitude: {EXAMPLE}.")
        return
    choice.fail(None)
    towns = gazetteer.search(text)
    if towns:
        first = towns[0]
        squares.go(first.latitude, first.longitude)
        places = tuple((town.text, town.latitude, town.longitude) for town in towns)
        _keep(_Found(text=text, places=places))
        return
    near = gazetteer.suggest(text)
    places = ((near.text, near.latitude, near.longitude),) if near is not None else ()
    _keep(_Found(text=text, places=places, known=False))


def _answer() -> None:
    # The container is always there: if the map below moved, it would be reset.
    with st.container(horizontal=True, key="classify_search_answer", gap="small"):
        found = _kept()
        if found is None:
            return
        shown = theme.literal(found.text.strip()[:40])
        if not found.known:
            st.warning(
                f"‘{shown}’ is not a place in the list on this computer, which has all towns and "
                "villages of at least 1000 people.",
                icon=":material/wrong_location:",
            )
        rest = found.places[1 if found.known else 0 :]
        if rest:
            title = f"{len(rest)} more called ‘{shown}’" if found.known else "Did you mean …"
            with st.popover(title, type="tertiary"):
                for number, (name, latitude, longitude) in enumerate(rest):
                    widgets.button(
                        theme.literal(name),
                        key=f"classify_search_{number}",
                        type="tertiary",
                        on_click=squares.go,
                        args=(latitude, longitude),
                    )
        widgets.button(
            f"Search OpenStreetMap for ‘{shown}’",
            key="classify_search_online",
            type="tertiary",
            icon=":material/travel_explore:",
            help="Sends these words to nominatim.openstreetmap.org; © OpenStreetMap contributors.",
            on_click=_search_online,
            args=(found.text,),
        )


def _search_online(text: str) -> None:
    """Ask Nominatim once, because the user pressed the button."""
    try:
        places = nominatim.search(text, cache=cache.default())
    except LandcoverError as error:
        choice.fail(str(error))
        return
    if not places:
        choice.fail(f"OpenStreetMap knows no place ‘{text.strip()[:40]}’: check the spelling.")
        return
    first = places[0]
    squares.go(first.latitude, first.longitude)
    rows = tuple(
        (
            f"{place.name} ({place_text(place.latitude, place.longitude)})",
            place.latitude,
            place.longitude,
        )
        for place in places
    )
    _keep(_Found(text=text, places=rows))


def _keep(found: _Found | None) -> None:
    st.session_state["classify_search"] = found and (choice.current(), found)


def _kept() -> _Found | None:
    """Return the answer until the user goes to a place that it does not list."""
    kept = st.session_state.get("classify_search")
    if not kept:
        return None
    chosen, found = kept
    now = choice.current()
    listed = [(latitude, longitude) for _, latitude, longitude in found.places]
    is_listed = now is not None and now.bare_place in listed
    assert isinstance(found, _Found)
    return found if now == chosen or is_listed else None
