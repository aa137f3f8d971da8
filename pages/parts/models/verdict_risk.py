"""What is left where the patches that the verdict trusts least are not answered."""

from __future__ import annotations

from typing import Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.models.card import Card
from landcover.trust.bench.records import MIXTURES, ORDERS, Mixture, SelectiveRisk, TrustMeasurement
from pages.parts.models import data
from pages.parts.models import report_figures as show

AT: Final = (0.8, 0.5)
"""Coverages at which the risk is told in words."""
PATCHES: Final[dict[str, Mixture]] = {
    title[0].upper() + title[1:]: name for name, title in MIXTURES.items()
}


def render_risk(card: Card, found: TrustMeasurement) -> None:
    """Draw the curves of risk against coverage, and say what they show."""
    st.markdown("##### What is left where the least believed are not answered?")
    chosen = show.switch("Patches", list(PATCHES), "models_trust_patches")
    name = PATCHES[chosen]
    own = found.selective[name]
    st.markdown(_said(own))
    st.caption(
        f"{own.n:,} patches of split {found.split}. Left, only the most believed are answered; "
        f"right, all are. Upwards: {own.loss}, of the answered. Confidence alone is the mean "
        "distance of the probabilities to their thresholds, novelty alone how unlike the patch "
        "is to all that was learnt from; the verdict puts both and all other checks together."
    )
    show.chart(
        _curves(own),
        _curve_table(own),
        show.file_stem("risk-verdict", card.name, name),
        f"Risk against coverage by the verdict on {card.title}, {chosen.lower()}",
    )
    st.markdown(_by_decision(own))


def _said(own: SelectiveRisk) -> str:
    """The areas of all orders with their intervals, and how the risk falls, in one sentence."""
    verdict = own.orders["verdict"]
    steps = ", ".join(f"{verdict.at(at):.3f} of the most believed {at:.0%}" for at in AT)
    areas = "; ".join(
        f"{title} **{data.with_span(own.orders[name].area, own.orders[name].area_interval)}**"
        for name, title in ORDERS.items()
    )
    low, high = verdict.chance
    return (
        f"Wrong where all are answered: **{own.everything:.3f}**; in the order of the verdict "
        f"{steps}. Area below the curve (lower is better): {areas}; leaving out at random gives "
        f"{low:.3f} to {high:.3f} in 95 of 100 cases. {_compared(own)}"
    )


def _compared(own: SelectiveRisk) -> str:
    """Whether the verdict adds to the model's own confidence, as far as the intervals tell."""
    verdict, alone = own.orders["verdict"], own.orders["confidence"]
    if not verdict.beats_chance:
        return "These patches do not show that the verdict sorts better than chance."
    if verdict.area_interval[1] < alone.area_interval[0]:
        return "Here the verdict tells more than the model's own confidence."
    if alone.area_interval[1] < verdict.area_interval[0]:
        return "Here the model's own confidence tells more than the verdict."
    return "Here the verdict sorts no worse and no better than the model's own confidence."


def _by_decision(own: SelectiveRisk) -> str:
    words = {"answer": "an answer", "warn": "a warning", "cannot tell": "no answer"}
    parts = [
        f"{words[name]}: {'–' if one.loss is None else f'{one.loss:.3f}'} in {one.n:,}"
        for name, one in own.decisions.items()
    ]
    return f"Wrong by decision of the verdict: {'; '.join(parts)} patches."


def _curve_table(own: SelectiveRisk) -> pd.DataFrame:
    """Coverage, and the risk in each order."""
    first = next(iter(own.orders.values()))
    columns = {title[:1].upper() + title[1:]: own.orders[name] for name, title in ORDERS.items()}
    if any(curve.coverage != first.coverage for curve in columns.values()):
        # A file that was written otherwise: one below the other.
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
        look, curve = show.look(k), own.orders[name]
        figure.add_scatter(
            x=curve.coverage,
            y=curve.risk,
            name=title,
            mode="lines",
            line={
                "color": look.colour,
                "dash": "solid" if name == "verdict" else ("dash", "dashdot")[k % 2],
                "width": 3 if name == "verdict" else 2,
            },
            hovertemplate="%{x:.0%} answered: %{y:.3f}<extra>%{fullData.name}</extra>",
        )
    figure.add_scatter(
        x=[0, 1],
        y=[own.everything] * 2,
        name="left out at random",
        mode="lines",
        line={"color": show.QUIET, "dash": "dot", "width": 1.5},
        hoverinfo="skip",
    )
    show.plain(figure, 400)
    figure.update_layout(legend={"y": -0.25, "yanchor": "top"}, margin_t=10)
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%", title="Coverage: patches answered")
    figure.update_yaxes(rangemode="tozero", title="Share of classes decided wrongly")
    return figure
