"""Fields of the Area page that keep what the user chose while they are not drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from pages.parts.area import state
from pages.parts.shared import widgets


def select(
    label: str,
    options: Sequence[str],
    default: str | None,
    key: str,
    text: Callable[[str], str] = str,
) -> str:
    """Show a list to choose from; a choice that is no longer among the options is forgotten."""
    default = default if default in options else options[0]
    if state.chosen(key) not in options:
        state.note(key, default)
        st.session_state[key] = default
    state.seed(key, default)
    titles = {one: text(one) for one in options}
    found = widgets.selectbox(label, options, key=key, format_func=lambda one: titles.get(one, one))
    found = found or options[0]
    state.note(key, found)
    return found


def percent(label: str, default: int, key: str) -> int:
    """Show a slider from 0 to 100 %."""
    state.seed(key, default)
    found = int(widgets.slider(label, 0, 100, step=5, format="%d%%", key=key))
    state.note(key, found)
    return found
