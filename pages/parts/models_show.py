"""How the Models page shows a figure: the chart, its table beneath, and a file of it."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

COLOURS: Final = ("#3f7fd6", "#d9731a", "#2b9a66", "#b35fc9", "#a08016")
"""Mid tones that stand out from white and from the dark theme's ground alike."""
SYMBOLS: Final = ("circle", "diamond", "square", "triangle-up", "x")
DASHES: Final = ("solid", "dash", "dot", "dashdot", "longdash")
POSITIVE: Final = COLOURS[0]
NEGATIVE: Final = COLOURS[1]
QUIET: Final = "#868e96"
CONFIG: Final = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["zoom2d", "pan2d", "select2d", "lasso2d", "autoScale2d"],
}


def plain(figure: go.Figure, height: int, **layout: Any) -> go.Figure:  # noqa: ANN401 - plotly's own
    """A figure with the page's margins; a swipe over it scrolls the page."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 40, "b": 8},
        dragmode=False,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "title": None},
        **layout,
    )
    figure.update_xaxes(automargin=True, gridcolor="rgba(134,142,150,.3)", zeroline=False)
    figure.update_yaxes(automargin=True, gridcolor="rgba(134,142,150,.3)", zeroline=False)
    return figure


def chart(figure: go.Figure, table: pd.DataFrame, name: str, alt: str) -> None:
    """A figure with its table and file; ``name`` is unique on the page."""
    st.plotly_chart(figure, key=f"models_chart_{name}", config=CONFIG, alt=alt)
    with st.expander("The same as a table"):
        numbers(table, name, alt)
    download(table, name)


def numbers(table: pd.DataFrame, name: str, alt: str) -> None:
    """A table with three decimals, missing values as dashes."""
    columns = {
        column: st.column_config.NumberColumn(column, format="%.3f")
        for column in table.columns
        if pd.api.types.is_float_dtype(table[column])
    }
    st.dataframe(table, hide_index=True, column_config=columns, key=f"models_table_{name}", alt=alt)


def download(table: pd.DataFrame, name: str) -> None:
    """A button that gives the table as CSV."""
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
