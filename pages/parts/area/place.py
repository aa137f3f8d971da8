"""What a map says about one place: 19 probabilities, the cover, and what hides the ground."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.areas.layout import FLAGS, NODATA
from landcover.core.classes import cover_of
from landcover.core.errors import BadInput
from landcover.core.place import parse_place
from pages.parts.area import map as chart
from pages.parts.shared import class_link, elements, naming, theme, widgets
from pages.parts.shared.links import Place

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.areas.canvas import Canvas, PlaceFacts

PLACE: Final = "area_place"
TYPED: Final = "area_place_typed"
_ROW: Final = 24
_END: Final = 1.75
"""End of the axis of probabilities: on a phone, the text after the longest bar needs the rest."""


def choose(place: Place) -> None:
    """Choose a place of the map."""
    st.session_state[PLACE] = place


def facts(canvases: Sequence[Canvas]) -> PlaceFacts | None:
    """Return what the maps say about the chosen place; None if it is on none of them."""
    place: Place | None = st.session_state.get(PLACE)
    if place is None:
        return None
    for canvas in canvases:
        try:
            return canvas.facts_at(*place)
        except BadInput:
            continue
    return None


def outlines(found: PlaceFacts | None) -> list[chart.Outline]:
    """The window and the cell of a place, for the map."""
    if found is None:
        return []
    return [
        chart.Outline(kind="window", rings=(found.window.outline,)),
        chart.Outline(kind="cell", rings=(found.cell.outline,)),
    ]


def show(canvases: Sequence[Canvas], thresholds: dict[str, float]) -> None:
    """Show the chosen place, and a field to choose it without a mouse.

    Args:
        canvases: the maps.
        thresholds: from which a class counts as found.
    """
    elements.heading("One place")
    _typed(canvases)
    found = facts(canvases)
    if found is None and PLACE in st.session_state:
        st.warning("This place is not on the map: choose one inside its outline.")
        return
    if found is None:
        st.caption(
            "Click on the map to see the probabilities of all classes there, or type a place."
        )
        return
    st.markdown(_sentences(found))
    if found.presence is None:
        return
    rows = sorted(found.presence.items(), key=lambda row: -row[1])
    elements.subheading("Presence in the window of 1200 m")
    elements.chart(
        _chart(rows, thresholds),
        "Bars: the probability of each class in the window, the highest first; the same numbers "
        "are in the table below",
        key="area_place_chart",
    )
    with st.expander("Show as a table"):
        class_link.table(_table(rows, thresholds), "Class", hide_index=True)
    if found.cover is not None:
        elements.subheading("Cover of the cell of 80 m")
        cover = sorted(found.cover.items(), key=lambda row: -row[1])
        st.table(
            pd.DataFrame([[n, f"{p:.0%}"] for n, p in cover], columns=["Cover", "Probability"]),
            border="horizontal",
            hide_index=True,
        )


def _typed(canvases: Sequence[Canvas]) -> None:
    with st.form("area_place_form", border=False):
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        with left:
            text = widgets.text_input(
                "Latitude and longitude of a place on the map",
                key=TYPED,
                placeholder="{:.4f}, {:.4f}".format(*canvases[0].plan.window.centre),
            )
        with right:
            pressed = widgets.form_submit_button("Look there", width="stretch")
    if not pressed:
        return
    try:
        place = parse_place(text) if text else canvases[0].plan.window.centre
    except BadInput as error:
        st.warning(theme.literal(str(error)))
        return
    if place is None:
        st.warning("Type a latitude and a longitude, such as 48.2, 16.4.")
        return
    choose(place)
    st.rerun()


def _sentences(found: PlaceFacts) -> str:
    where = theme.place_text(found.latitude, found.longitude)
    return "\n".join(
        (
            f"**{where}**",
            f"- Cell of 80 m: {_cell(found)}",
            f"- Window of 1200 m: {_window(found)}",
        )
    )


def _cell(found: PlaceFacts) -> str:
    if found.decided is not None and found.confidence is not None:
        return f"**{theme.literal(found.decided)}**, {found.confidence:.0%} sure."
    return f"nothing is decided, because of {_reason(found.cell_flag)}."


def _window(found: PlaceFacts) -> str:
    valid = "" if found.window_valid is None else f" {found.window_valid:.0%} of it has data."
    if found.presence is None:
        return f"no answer, because of {_reason(found.window_flag)}.{valid}"
    if found.window_flag:
        return f"**check this**: it is flagged as {FLAGS[found.window_flag]}.{valid}"
    return f"no flag.{valid}"


def _reason(flag: int) -> str:
    if flag == NODATA:
        return "missing data (outside the imagery or the area, or not mapped yet)"
    return FLAGS[flag] if flag else "a model without land covers of cells"


def _found(name: str, probability: float, thresholds: dict[str, float]) -> bool:
    return probability >= thresholds.get(name, 0.5)


def _table(rows: list[tuple[str, float]], thresholds: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            [
                naming.class_name(name),
                f"{value:.0%}",
                f"{thresholds.get(name, 0.5):.0%}",
                "found" if _found(name, value, thresholds) else "not found",
            ]
            for name, value in rows
        ],
        columns=["Class", "Probability", "Threshold", "Result"],
    )


def _chart(rows: list[tuple[str, float]], thresholds: dict[str, float]) -> go.Figure:
    ink = theme.ink()
    names = [cover_of(name).short for name, _ in rows]
    figure = go.Figure()
    figure.add_bar(
        x=[value for _, value in rows],
        y=names,
        orientation="h",
        marker={
            "color": [cover_of(name).hex for name, _ in rows],
            "line": {"color": ink.line, "width": 1},
        },
        text=[
            f"{value:.0%}" + (" found" if _found(name, value, thresholds) else "")
            for name, value in rows
        ],
        textposition="outside",
        cliponaxis=False,
        textfont={"color": ink.text},
        hovertemplate="%{y}: %{x:.0%}<extra></extra>",
    )
    figure.update_layout(
        height=_ROW * len(rows) + 20,
        margin={"l": 2, "r": 2, "t": 4, "b": 4},
        showlegend=False,
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis={"range": [0, _END], "visible": False, "fixedrange": True},
        yaxis={
            "autorange": "reversed",
            "fixedrange": True,
            "tickfont": {"color": ink.text, "size": 13},
        },
    )
    return figure
