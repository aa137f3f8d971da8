"""When the patches were taken, and which classes were seen in which month."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.datasets.overview import Counts
from landcover.datasets.patch_names import season
from pages.parts.data.classes import percent, short
from pages.parts.models.classes import SHARES
from pages.parts.shared import charts as show
from pages.parts.shared import class_link, theme

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
COLOURS: Final = dict(zip(("winter", "spring", "summer", "autumn"), show.COLOURS, strict=False))


@show.section
def render(part: Counts) -> None:
    """Show patches by month, and the share of each class in each month."""
    totals = {name: n for name, n in part.totals("month").items() if name}
    if not totals:
        st.info("The names of these patches have no date, so there are no seasons.")
        return
    days = sorted(day for day in part.totals("day") if day)
    st.caption(
        f"Dates are those in the names of the patches, from {_date(days[0])} to "
        f"{_date(days[-1])}, {len(days)} days. Most places were seen on one of them only, so a "
        "month differs from another in its places, too."
    )
    table = pd.DataFrame(
        {
            "Month": MONTHS,
            "Season": [season(k + 1) for k in range(12)],
            "Patches": [totals.get(f"{k + 1:02}", 0) for k in range(12)],
        }
    )
    show.chart(_patches(table), table, "months", "Number of patches by month")
    found = part.by_class("month")
    shares = np.full((len(part.classes), 12), np.nan)
    for month, column in found.items():
        if month:
            shares[:, int(month) - 1] = column / totals[month]
    with_class = pd.DataFrame(shares, columns=list(MONTHS))
    with_class.insert(0, "Class", [short(name) for name in part.classes])
    st.caption("Of the patches of each month, the percentage with the class.")
    class_link.guide_line(part.classes)
    show.chart(_shares(with_class), with_class, "classes-months", "Share of each class by month")


def _date(day: str) -> str:
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"


def _patches(table: pd.DataFrame) -> go.Figure:
    figure = go.Figure()
    for name, colour in COLOURS.items():
        part = table[table["Season"] == name]
        figure.add_bar(
            x=part["Month"],
            y=part["Patches"],
            name=name,
            marker={"color": colour},
            hovertemplate="%{x}: %{y:,} patches<extra></extra>",
        )
    show.set_layout(figure, 300)
    figure.update_xaxes(categoryorder="array", categoryarray=MONTHS, showgrid=False)
    figure.update_yaxes(title="Patches")
    return figure


def _shares(table: pd.DataFrame) -> go.Figure:
    shares = table[list(MONTHS)].to_numpy(dtype=np.float64)
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=MONTHS,
            y=table["Class"],
            zmin=0,
            colorscale=SHARES,
            showscale=False,
            xgap=1,
            ygap=1,
            text=[[percent(value) for value in row] for row in np.nan_to_num(shares)],
            texttemplate="%{text}",
            textfont={"color": theme.ink().text, "size": 11},
            hovertemplate="%{y}, %{x}: %{z:.2%}<extra></extra>",
        )
    )
    show.set_layout(figure, 160 + 24 * len(table))
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(side="top", showgrid=False)
    return figure
