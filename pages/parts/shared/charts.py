"""Charts of a page: the chart, its table below, and a CSV download."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, TypeVar

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core.classes import cover_of
from landcover.core.errors import LandcoverError
from landcover.evaluate.report import Evaluation
from pages.parts.shared import class_link, elements, naming, theme, url_state, widgets

Option = TypeVar("Option")
Section = TypeVar("Section", bound=Callable[..., None])

COLOURS: Final = (
    "#3f7fd6",
    "#d9731a",
    "#2b9a66",
    "#b35fc9",
    "#a08016",
    "#d64550",
    "#1b98a6",
    "#d4569f",
    "#9c6b48",
    "#7d8794",
)
"""Mid tones that are visible on the light and the dark theme."""
SYMBOLS: Final = (
    "circle",
    "diamond",
    "square",
    "triangle-up",
    "x",
    "cross",
    "star",
    "triangle-down",
    "pentagon",
    "hourglass",
)
DASHES: Final = (
    "solid",
    "dash",
    "dot",
    "dashdot",
    "longdash",
    "longdashdot",
    "9px,3px",
    "2px,6px",
    "12px,3px,2px,3px",
    "6px,6px",
)
POSITIVE: Final = COLOURS[0]
NEGATIVE: Final = COLOURS[1]
QUIET: Final = "#868e96"
_SMALL: Final = 0.01
"""Numbers below this have hardly a digit among three decimals."""
CONFIG: Final = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["zoom2d", "pan2d", "select2d", "lasso2d", "autoScale2d"],
}


@dataclass(frozen=True)
class Style:
    """Style of a model in every chart; ten models have ten different values of each field."""

    colour: str
    symbol: str
    dash: str


def style(number: int) -> Style:
    """Return the style of the model with that number, counted from 0."""
    return Style(*(table[number % len(table)] for table in (COLOURS, SYMBOLS, DASHES)))


def set_layout(figure: go.Figure, height: int, **layout: Any) -> go.Figure:  # noqa: ANN401 - plotly's own
    """Set the page's margins and legend; a swipe over the chart scrolls the page."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 40, "b": 8},
        dragmode=False,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "title": None},
        **layout,
    )
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(automargin=True, gridcolor="rgba(134,142,150,.3)", zeroline=False)
    return figure


def section(draw: Section) -> Section:
    """Decorate a part of the page so that a choice inside it redraws only that part."""

    @wraps(draw)
    def safe(*args: Any, **options: Any) -> None:  # noqa: ANN401 - any arguments of the section
        try:
            draw(*args, **options)
        except LandcoverError as error:
            st.error(theme.literal(str(error)))

    return st.fragment(safe)  # type: ignore[return-value]  # the same call, wrapped


def pick(
    title: str,
    options: Sequence[Option],
    key: str,
    show: Callable[[Option], str] = str,
    index: int = 0,
    *,
    field: str | None = None,
    text: Callable[[Option], str] = str,
) -> Option:
    """Show a select box that keeps its value, and resets it if it is no longer offered.

    Args:
        title: label of the box.
        options: what it offers.
        key: key of the box.
        show: label of an option.
        index: index of the default option.
        field: field of :class:`~pages.parts.shared.links.Link` if the address of the page has the
            value, else None.
        text: text of an option in the address.
    """
    if field is not None:
        url_state.seed(key, field, options, options[index], text)
        chosen = widgets.selectbox(
            title,
            options,
            format_func=show,
            key=key,
            on_change=url_state.take,
            args=(key, field, text),
        )
        return options[index] if chosen is None else chosen
    if st.session_state.get(key) not in (None, *options):
        # Set it instead of deleting it, or the browser would keep showing the old value.
        st.session_state[key] = options[index]
    chosen = widgets.selectbox(
        title, options, index=index, format_func=show, key=key, persist_state="session"
    )
    return options[index] if chosen is None else chosen


def switch(
    title: str,
    options: Sequence[str],
    key: str,
    *,
    field: str | None = None,
    text: Callable[[str], str] = str,
) -> str:
    """Show a row of options that keeps its value in the same way; arguments as for :func:`pick`."""
    if field is not None:
        url_state.seed(key, field, options, options[0], text)
        chosen = widgets.segmented_control(
            title,
            options,
            required=True,
            key=key,
            on_change=url_state.take,
            args=(key, field, text),
        )
        return chosen or options[0]
    if st.session_state.get(key) not in (None, *options):
        st.session_state[key] = options[0]
    chosen = widgets.segmented_control(
        title, options, default=options[0], required=True, key=key, persist_state="session"
    )
    return chosen or options[0]


def pick_class(
    report: Evaluation, key: str, everything: str, *, present: bool = False
) -> int | None:
    """Let the user choose a class; return its index in the report, or None for all classes.

    Args:
        report: report whose classes are offered.
        key: key of the select box.
        everything: label of the option for all classes.
        present: whether to offer only classes that some patch has.
    """
    names = report.classes
    support = report.predictions.truth.sum(axis=0)
    options = [everything, *(n for k, n in enumerate(names) if support[k] > 0 or not present)]
    chosen = pick("Class", options, key, lambda name: cover_of(name).short)
    return names.index(chosen) if chosen in names else None


def file_stem(*parts: str) -> str:
    """Return a file's name without suffix from what the file shows."""
    return "-".join(filter(None, map(naming.slug, parts)))


def draw(figure: go.Figure, name: str, alt: str) -> None:
    """Show a chart with text that is readable on a light and on a dark page."""
    ink = {"color": theme.ink().text}
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(tickfont=ink, title_font=ink)
    figure.update_layout(legend_font=ink)
    elements.chart(figure, alt, key=f"models_chart_{name}", config=CONFIG)


def chart(figure: go.Figure, table: pd.DataFrame, name: str, alt: str) -> None:
    """Show a chart with its table and download; ``name`` is unique on the page."""
    draw(figure, name, alt)
    with st.expander("Show as a table"):
        numbers(table, name, alt)
    download(table, name)


def numbers(table: pd.DataFrame, name: str, alt: str) -> None:
    """Show a table with three decimals, or digits in columns of very small numbers."""
    columns = {
        column: st.column_config.NumberColumn(column, format=_form(table[column]))
        for column in table.columns
        if pd.api.types.is_float_dtype(table[column])
    }
    shown, links = class_link.in_frame(table)
    columns |= links
    st.dataframe(
        shown,
        hide_index=True,
        column_config=columns,
        key=f"models_table_{name}",
        placeholder="–",
        alt=alt,
    )


def _form(numbers: pd.Series[float]) -> str:
    largest = numbers.abs().max()
    return "%.3g" if 0 < largest < _SMALL else "%.3f"


def download(table: pd.DataFrame, name: str) -> None:
    """Show a button that downloads the table as CSV."""
    st.download_button(
        "Download CSV",
        table.to_csv(index=False).encode(),
        f"landcover-{name}.csv",
        "text/csv",
        key=f"models_csv_{name}",
        on_click="ignore",
        icon=":material/download:",
        type="tertiary",
    )
