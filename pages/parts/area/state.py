"""State of the Area page, in ``st.session_state`` under keys that begin with ``area_``.

Streamlit forgets the value of a widget that a run does not draw, so what the user chose is kept
apart, and set again before the widget is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import streamlit as st

from pages.parts.shared import choice
from pages.parts.shared.links import Place

Kind = Literal["sample", "upload", "scenes", "live"]
_WIDTH: Final = 340
"""Pixels of the map that a rectangle may fill."""
_CHOSEN: Final = "area_chosen"
_VIEW: Final = "area_view"
_SEEN: Final = "area_last_view"


@dataclass(frozen=True)
class Source:
    """Where the pixels of a map come from.

    Attributes:
        kind: a sample, an uploaded image, all uploaded images together, or an archive.
        name: of the sample or key of the upload; else empty.
    """

    kind: Kind
    name: str = ""


def seed(key: str, default: object) -> None:
    """Set the value of a widget before it is drawn: what the user chose last, or the default."""
    if key not in st.session_state:
        st.session_state[key] = _chosen().get(key, default)


def note(key: str, value: object) -> None:
    """Keep what the user chose, for :func:`seed`."""
    _chosen()[key] = value


def forget(key: str) -> None:
    """Forget what the user chose, so that :func:`seed` takes the default."""
    _chosen().pop(key, None)


def chosen(key: str, default: Any = None) -> Any:  # noqa: ANN401 - each widget has its own type
    """Return what the user chose last in a widget, also while it is not drawn."""
    return _chosen().get(key, default)


def _chosen() -> dict[str, Any]:
    return st.session_state.setdefault(_CHOSEN, {})  # type: ignore[no-any-return]  # our own key


def view() -> choice.View:
    """Return where the map was sent last."""
    found = st.session_state.setdefault(_VIEW, choice.View())
    assert isinstance(found, choice.View)
    return found


def move_map(centre: Place, zoom: float) -> None:
    """Move the map there, even if it was sent to the same view before."""
    st.session_state[_VIEW] = choice.View(centre, zoom, view().turn + 1)


def show_bounds(south: float, west: float, north: float, east: float) -> None:
    """Move the map so that a rectangle (WGS 84 degrees) fills it."""
    middle = ((south + north) / 2, (west + east) / 2)
    narrow = math.cos(math.radians(middle[0]))
    wide = max(east - west, (north - south) / max(narrow, 0.05), 1e-4)
    zoom = math.floor(2 * math.log2(_WIDTH / 256 * 360 / wide)) / 2
    move_map(middle, min(max(zoom, 2.0), 16.0))


def seen(where: tuple[Place, float]) -> None:
    """Keep where the user sees the map."""
    st.session_state[_SEEN] = where


def restore_view() -> None:
    """Move a new map to where the user last left it."""
    if (last := st.session_state.get(_SEEN)) is not None:
        move_map(*last)
