"""Curves of a training run by epoch: loss, and the metrics on validation, with their table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.parts.shared import charts as show

if TYPE_CHECKING:  # at run time it would load torch before the page is drawn
    from landcover.train.history import Epoch

Columns = Sequence[tuple[str, str]]
"""Columns of the table that a chart shows, each with its name in the legend."""
LOSSES: Final[Columns] = (("train_loss", "training, augmented"), ("val_loss", "validation"))
METRICS: Final[Columns] = (
    ("val_macro_ap", "macro AP"),
    ("val_micro_ap", "micro AP"),
    ("val_accuracy", "accuracy"),
)
CHARTS: Final = (
    (LOSSES, "Loss (cross-entropy)", "loss", "Training and validation loss by epoch"),
    (METRICS, "Validation metrics", "validation", "Validation metrics by epoch"),
)
_MARKED: Final = 40
"""Fewer points than this have a marker each."""


def table_of(history: Sequence[Epoch]) -> pd.DataFrame:
    """Return the epochs of a run as a table, one row an epoch."""
    return pd.DataFrame([asdict(entry) for entry in history])


def show_curves(table: pd.DataFrame, name: str, *, epochs: int | None = None) -> None:
    """Show the charts that the table has values for, the table, and its download.

    Args:
        table: one row an epoch, with the columns of :class:`~landcover.train.history.Epoch`.
        name: of the run, unique on the page.
        epochs: number of epochs of the whole run, if it goes on; the axes then reach that far.
    """
    # A model that is fitted to all labelled patches has no validation metrics.
    drawn = [chart for chart in CHARTS if any(measured(table, column) for column, _ in chart[0])]
    if not drawn:
        return
    for place, (columns, title, key, alt) in zip(st.columns(len(drawn)), drawn, strict=True):
        with place:
            figure = lines(table, columns, title)
            if epochs is not None:
                figure.update_xaxes(range=[0.5, epochs + 0.5])
            show.draw(figure, f"{key}-{name}", alt)
    with st.expander("Show as a table"):
        show.numbers(table, f"history-{name}", "Training history, one row per epoch")
    show.download(table, f"history-{name}")


def measured(table: pd.DataFrame, column: str) -> bool:
    """Return whether a table has any value in a column."""
    return column in table and bool(table[column].notna().any())


def lines(
    table: pd.DataFrame, columns: Columns, title: str, styles: Sequence[show.Style] | None = None
) -> go.Figure:
    """Draw columns of a table over its epochs.

    Args:
        table: one row an epoch, with a column ``epoch``.
        columns: what to draw, as far as it is there, with names for the legend.
        title: of the chart.
        styles: of the columns; by default each has its own.
    """
    styles = styles or [show.style(k) for k in range(len(columns))]
    figure = go.Figure()
    for (column, name), style in zip(columns, styles, strict=True):
        if not measured(table, column):
            continue
        there = table[table[column].notna()]
        figure.add_scatter(
            x=there["epoch"],
            y=there[column],
            name=name,
            mode="lines+markers" if len(there) < _MARKED else "lines",
            line={"color": style.colour, "dash": style.dash},
            marker={"symbol": style.symbol, "size": 7},
            hovertemplate="epoch %{x}: %{y:.3f}<extra>%{fullData.name}</extra>",
        )
    show.set_layout(figure, 340, showlegend=True)
    figure.update_layout(title={"text": title, "font": {"size": 15}, "y": 0.98}, margin_t=70)
    figure.update_xaxes(title="Epoch")
    return figure
