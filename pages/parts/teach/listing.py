"""The list of corrections: each with its place, what was said, and buttons to show or remove it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

from landcover.adapt.corrections import Correction
from landcover.core.text import place_text
from pages.parts.shared import choice, class_link, elements, naming, taught, theme, widgets

PAGES: Final = Path(__file__).parents[2]
AT_ONCE: Final = 10
"""Corrections that are shown before the user asks for more."""
_MOST: Final = "teach_list_most"


def show() -> None:
    """Show the corrections, the newest first."""
    made = taught.corrections()
    elements.heading(f"Your corrections ({len(made)})" if made else "Your corrections")
    _removed()
    if not made:
        st.info("There are no corrections yet. Choose a place on the page Classify to make one.")
        return
    most = int(st.session_state.get(_MOST, AT_ONCE))
    newest_first = list(enumerate(made, start=1))[::-1]
    for number, one in newest_first[:most]:
        _row(number, one)
    with st.container(horizontal=True):
        if len(made) > most:
            widgets.button(
                f"Show older ones ({len(made) - most})",
                key="teach_list_more",
                on_click=st.session_state.update,
                args=({_MOST: most + 2 * AT_ONCE},),
            )
        widgets.button(
            "Remove all corrections",
            key="teach_remove_all",
            icon=":material/delete_sweep:",
            on_click=taught.attempt,
            args=(taught.remove_all,),
        )


def _removed() -> None:
    """Say what was removed last, with a button that brings it back."""
    count = len(taught.removed())
    if not count:
        return
    st.info("1 correction was removed." if count == 1 else f"{count} corrections were removed.")
    widgets.button(
        "Bring it back" if count == 1 else "Bring them back",
        key="teach_bring_back",
        icon=":material/undo:",
        on_click=taught.attempt,
        args=(taught.bring_back,),
    )


def _row(number: int, one: Correction) -> None:
    with st.container(border=True, key=f"teach_row_{number}"):
        st.markdown(f"**{number} · {place_text(*one.place)}**  \n{_said(one)}")
        st.caption(theme.literal(_facts(one)))
        with st.container(horizontal=True):
            if widgets.button(f"Show place {number}", key=f"teach_show_{number}"):
                choice.choose(taught.choice_of(one))
                choice.move_map(one.place, choice.CLOSE_ZOOM)
                st.switch_page(PAGES / "classify.py")
            widgets.button(
                f"Remove correction {number}",
                key=f"teach_remove_{number}",
                on_click=taught.attempt,
                args=(taught.remove, one.id),
            )


def _said(one: Correction) -> str:
    parts = [
        f"{word}: {'; '.join(class_link.as_markdown(name, name) for name in names)}"
        for word, names in (
            ("Confirmed", one.confirmed),
            ("Added", one.added),
            ("Struck out", one.struck),
        )
        if names
    ]
    return "  \n".join([*parts, *(["Nothing else is there"] if one.complete else [])])


def _facts(one: Correction) -> str:
    parts = [
        one.source,
        f"image of {naming.day_text(one.acquired)}" if one.acquired else "",
        f"answer of {one.model}" if one.model else "",
        f"corrected on {naming.day_text(one.made)}",
    ]
    return " · ".join(filter(None, parts))
