"""How many patches have each class, by split, country or season."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core.classes import cover_of
from landcover.datasets.overview import Counts, Integers
from pages.parts.models.classes import SHARES
from pages.parts.shared import charts as show
from pages.parts.shared import class_link, theme

BY: Final = {"split": "Split", "country": "Country", "season": "Season"}
NUMBERS, PERCENT = "Number of patches", "Share of patches"


@show.section
def render(part: Counts) -> None:
    """Show numbers as stacked bars, or shares as a table of colours."""
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        axis = show.pick("By", list(BY), "data_classes_by", lambda key: BY[key])
    with right:
        what = show.switch("Show", (NUMBERS, PERCENT), "data_classes_what")
    totals, found = part.totals(axis), part.by_class(axis)
    names = [short(name) for name in part.classes]
    all_patches = np.sum(list(found.values()), axis=0)
    table = pd.DataFrame({"Class": names, "All": all_patches, "Share": all_patches / part.n})
    for value, column in found.items():
        table[value] = column
        table[f"{value}, share"] = column / totals[value]
    if what == NUMBERS:
        st.caption(
            "A patch with several classes counts for each of them. The classes are as frequent as "
            "the figure says in these patches only: they are no random sample of Europe."
        )
        figure = _bars(names, found, all_patches)
    else:
        st.caption(
            f"Of the patches of each {BY[axis].lower()}, the percentage with the class. In the "
            "headings: number of patches."
        )
        figure = _shares(names, found, totals)
    class_link.guide_line(part.classes)
    stem = show.file_stem("classes by", axis, what)
    show.chart(figure, table, stem, f"{what} with each class, by {BY[axis].lower()}")


def short(name: str) -> str:
    """Return the short name of a class."""
    return cover_of(name).short


def _bars(names: list[str], found: dict[str, Integers], total: Integers) -> go.Figure:
    order = np.argsort(total, kind="stable")
    figure = go.Figure()
    for number, (value, column) in enumerate(found.items()):
        figure.add_bar(
            y=[names[k] for k in order],
            x=column[order],
            name=value or "unknown",
            orientation="h",
            marker={"color": show.style(number).colour},
            hovertemplate="%{y}, %{fullData.name}: %{x:,}<extra></extra>",
        )
    show.set_layout(figure, 150 + 24 * len(names), barmode="stack")
    figure.update_xaxes(title="Patches with the class")
    figure.update_yaxes(showgrid=False)
    return figure


def _shares(names: list[str], found: dict[str, Integers], totals: dict[str, int]) -> go.Figure:
    shares = np.array([column / totals[value] for value, column in found.items()]).T
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=[f"{value or 'unknown'} ({totals[value]:,})" for value in found],
            y=names,
            zmin=0,
            zmax=max(0.5, float(shares.max())),
            colorscale=SHARES,
            showscale=False,
            xgap=1,
            ygap=1,
            text=[[percent(value) for value in row] for row in shares],
            texttemplate="%{text}",
            textfont={"color": theme.ink().text, "size": 11},
            hovertemplate="%{y}, %{x}: %{z:.2%}<extra></extra>",
        )
    )
    show.set_layout(figure, 220 + 24 * len(names))
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(side="top", tickangle=-45, showgrid=False)
    return figure


def percent(share: float) -> str:
    """Return a share as text of few letters, such as ``12`` or ``0.3``; empty for none."""
    if not share:
        return ""
    return f"{100 * share:.0f}" if share >= 0.095 else f"{100 * share:.1f}"
