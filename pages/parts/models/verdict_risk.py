"""Risk against coverage if the patches with the worst verdict are left out."""

from __future__ import annotations

from typing import Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.models.card import Card
from landcover.trust.bench.records import MIXTURES, ORDERS, Mixture, SelectiveRisk, TrustMeasurement
from landcover.trust.verdict import DECISION_LABELS
from pages.parts.models import data
from pages.parts.shared import charts as show
from pages.parts.shared import elements

AT: Final = (0.8, 0.5)
"""Coverages whose risk is given in words."""
PATCHES: Final[dict[str, Mixture]] = {
    title[0].upper() + title[1:]: name for name, title in MIXTURES.items()
}


def render_risk(card: Card, found: TrustMeasurement) -> None:
    """Draw the curves of risk against coverage, and say what they show."""
    elements.subheading("Are patches with a better verdict more often right?")
    chosen = show.switch("Patches", list(PATCHES), "models_trust_patches")
    name = PATCHES[chosen]
    own = found.selective[name]
    st.markdown(_summary(own))
    st.caption(
        f"{own.n:,} patches of split {found.split}. Left: only the most reliable patches are kept. "
        f"Right: all. Upwards: {own.loss} among the kept patches. Confidence is the mean distance "
        "of the probabilities from their thresholds; novelty is the distance from the training "
        "patches. The verdict combines both with all other checks."
    )
    show.chart(
        _curves(own),
        _curve_table(own),
        show.file_stem("risk-verdict", card.name, name),
        f"Risk against coverage by the verdict on {card.title}, {chosen.lower()}",
    )
    st.markdown(_by_decision(own))


def _summary(own: SelectiveRisk) -> str:
    """Return the areas of all orders with their intervals, and how the risk decreases."""
    verdict = own.orders["verdict"]
    steps = ", ".join(f"{verdict.at(at):.3f} for the most reliable {at:.0%}" for at in AT)
    areas = "; ".join(
        f"{title} **{data.with_span(own.orders[name].area, own.orders[name].area_interval)}**"
        for name, title in ORDERS.items()
    )
    low, high = verdict.chance
    return (
        f"Error rate of all patches: **{own.everything:.3f}**; in the order of the verdict "
        f"{steps}. Area under the curve (lower is better): {areas}; a random order gives {low:.3f} "
        f"to {high:.3f} in 95 of 100 cases. {_compared(own)}"
    )


def _compared(own: SelectiveRisk) -> str:
    """Say whether the verdict is better than the model's confidence, by the intervals."""
    verdict, alone = own.orders["verdict"], own.orders["confidence"]
    if not verdict.beats_chance:
        return "These patches do not show that the verdict sorts better than chance."
    if verdict.area_interval[1] < alone.area_interval[0]:
        return "Here the verdict sorts better than the model's confidence."
    if alone.area_interval[1] < verdict.area_interval[0]:
        return "Here the model's confidence sorts better than the verdict."
    return "Here the verdict sorts neither better nor worse than the model's confidence."


def _by_decision(own: SelectiveRisk) -> str:
    parts = [
        f"{DECISION_LABELS[name]}: {'–' if one.loss is None else f'{one.loss:.3f}'} in {one.n:,}"
        for name, one in own.decisions.items()
    ]
    return f"Error rate by verdict: {'; '.join(parts)} patches."


def _curve_table(own: SelectiveRisk) -> pd.DataFrame:
    """Return the coverage and the risk in each order."""
    first = next(iter(own.orders.values()))
    columns = {title[:1].upper() + title[1:]: own.orders[name] for name, title in ORDERS.items()}
    if any(curve.coverage != first.coverage for curve in columns.values()):
        # The orders have different coverages: put them below each other.
        parts = [
            pd.DataFrame({"Order": title, "Coverage": curve.coverage, "Risk": curve.risk})
            for title, curve in columns.items()
        ]
        return pd.concat(parts, ignore_index=True)
    risks = {title: curve.risk for title, curve in columns.items()}
    return pd.DataFrame({"Coverage": first.coverage, **risks, "At random": own.everything})


def _curves(own: SelectiveRisk) -> go.Figure:
    figure = go.Figure()
    for k, (name, title) in enumerate(ORDERS.items()):
        style, curve = show.style(k), own.orders[name]
        figure.add_scatter(
            x=curve.coverage,
            y=curve.risk,
            name=title,
            mode="lines",
            line={
                "color": style.colour,
                "dash": "solid" if name == "verdict" else ("dash", "dashdot")[k % 2],
                "width": 3 if name == "verdict" else 2,
            },
            hovertemplate="%{x:.0%} kept: %{y:.3f}<extra>%{fullData.name}</extra>",
        )
    figure.add_scatter(
        x=[0, 1],
        y=[own.everything] * 2,
        name="random order",
        mode="lines",
        line={"color": show.QUIET, "dash": "dot", "width": 1.5},
        hoverinfo="skip",
    )
    show.set_layout(figure, 400)
    figure.update_layout(legend={"y": -0.25, "yanchor": "top"}, margin_t=10)
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%", title="Coverage: share of patches kept")
    figure.update_yaxes(rangemode="tozero", title="Share of wrong labels")
    return figure
