"""Which classes occur in the same patch."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.datasets.overview import Counts, Together, together
from landcover.datasets.overview.figures import RARE
from landcover.metrics.scores import Doubles
from pages.parts.data.classes import short
from pages.parts.models.classes import SHARES, SIGNED
from pages.parts.shared import charts as show
from pages.parts.shared import class_link

BOTH, CONDITIONAL, LIFT = "Both", "Conditional", "Lift"
CAPTIONS: Final = {
    BOTH: "Number of patches that have the row's and the column's class: darker is more, "
    "by the square root. Point at a cell for its numbers, or open the table.",
    CONDITIONAL: "Of the patches that have the row's class, the percentage that also have the "
    "column's class: from none to all.",
    LIFT: "How often two classes occur together, divided by how often they would by chance. Blue: "
    f"more often; orange: less often. Empty where chance gives fewer than {RARE} patches.",
}
_STRONGEST: Final = 4.0
"""Lift as a power of two at which the colour is strongest: 16 times as often."""


@show.section
def render(part: Counts) -> None:
    """Show one of three figures for each pair of classes."""
    view = show.switch("Show", tuple(CAPTIONS), "data_together")
    st.caption(CAPTIONS[view])
    class_link.guide_line(part.classes)
    pairs = together(part)
    if view == BOTH:
        share = np.sqrt(pairs.both / max(pairs.both.max(), 1))
        figure = _figure(part, share, pairs)
    elif view == CONDITIONAL:
        figure = _figure(part, pairs.conditional, pairs)
    else:
        says = (pairs.expected >= RARE) & ~np.eye(len(pairs.both), dtype=bool)
        with np.errstate(divide="ignore"):
            strength = np.clip(np.log2(pairs.lift), -_STRONGEST, _STRONGEST) / _STRONGEST
        figure = _figure(part, np.where(says, strength, np.nan), pairs, signed=True)
    show.chart(figure, table(part, pairs), f"together-{view.lower()}", f"{view}, pairs of classes")


def table(part: Counts, pairs: Together) -> pd.DataFrame:
    """Return one row for each ordered pair of different classes that occurs."""
    names = [short(name) for name in part.classes]
    first, second = np.nonzero(pairs.both * ~np.eye(len(names), dtype=bool))
    return pd.DataFrame(
        {
            "Class": [names[k] for k in first],
            "Other class": [names[k] for k in second],
            BOTH: pairs.both[first, second],
            "Expected by chance": pairs.expected[first, second],
            CONDITIONAL: pairs.conditional[first, second],
            LIFT: pairs.lift[first, second],
        }
    )


def _figure(part: Counts, colour: Doubles, pairs: Together, *, signed: bool = False) -> go.Figure:
    names = [short(name) for name in part.classes]
    facts = np.dstack([pairs.both, pairs.expected, pairs.conditional, pairs.lift])
    figure = go.Figure(
        go.Heatmap(
            z=colour,
            x=names,
            y=names,
            zmin=-1 if signed else 0,
            zmax=1,
            colorscale=SIGNED if signed else SHARES,
            showscale=False,
            xgap=1,
            ygap=1,
            customdata=facts,
            hovertemplate="%{y} and %{x}<br>both: %{customdata[0]:,.0f} patches<br>by chance: "
            "%{customdata[1]:,.0f}<br>of %{y}: %{customdata[2]:.1%}<br>lift: "
            "%{customdata[3]:.2f}<extra></extra>",
        )
    )
    show.set_layout(figure, 680)
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont_size=11)
    figure.update_xaxes(side="top", tickangle=-90, showgrid=False, tickfont_size=11)
    return figure
