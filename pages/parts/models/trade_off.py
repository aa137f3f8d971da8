"""Which model to use: recommendations, and accuracy against time as bubbles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core.text import with_article
from landcover.metrics import trade_off
from pages.parts.models import data
from pages.parts.shared import charts as show
from pages.parts.shared import elements, theme

VALUES: Final = ("macro_ap", "micro_ap", "accuracy")
SIZES: Final = {"Parameters": "parameters", "Size on disk": "weights_bytes"}
NEEDS: Final = {
    "macro_ap": "Rare and common land covers count equally (best macro AP)",
    "micro_ap": "Most labels correct (best micro AP)",
    "accuracy": "Most pictures correct (best accuracy)",
}
HEIGHT: Final = 600


def recommendations(rows: Sequence[data.Row]) -> None:
    """Show one line per need: the model that serves it best."""
    named = {row.name: row for row in rows}
    alone = any(row.value("accuracy") is not None for row in rows)
    leading, second = ("accuracy", "macro_ap") if alone else ("macro_ap", "micro_ap")
    found = trade_off.advise([_candidate(row, leading, second) for row in rows])
    near = with_article(_small(data.METRICS[leading].title))
    needs = (
        (NEEDS[leading], found.best, leading),
        (NEEDS[second], found.second, second),
        (f"Fastest with {near} inside the best model's interval", found.fastest, "ms"),
        (f"Smallest with {near} inside the best model's interval", found.smallest, "size"),
    )
    lines = [
        f"- {need}: **{theme.literal(named[name].title)}**, "
        f"{_value_text(named[name], key, leading)}"
        for need, name, key in needs
        if name is not None
    ]
    if lines:
        elements.heading("Recommended models")
        st.markdown("\n".join(lines))


def _small(title: str) -> str:
    """Return a metric's title in the middle of a sentence."""
    return title[0].lower() + title[1:]


def _candidate(row: data.Row, leading: str, second: str) -> trade_off.Candidate:
    span = row.span(leading)
    return trade_off.Candidate(
        name=row.name,
        leading=_or_nan(row.value(leading)),
        low=span[0] if span else math.nan,
        second=_or_nan(row.value(second)),
        milliseconds=_or_nan(row.milliseconds),
        parameters=float(row.card.parameters) if row.card else math.nan,
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _value_text(row: data.Row, key: str, leading: str) -> str:
    figure = key if key in data.METRICS else leading
    value = data.with_span(row.value(figure), row.span(figure))
    if key == figure:
        return value
    cost = (
        f"{row.milliseconds:.1f} ms per patch"
        if key == "ms"
        else f"{row.card.parameters if row.card else 0:,} parameters"
    )
    return f"{cost}, {_small(data.METRICS[figure].title)} {value}"


@show.section
def bubbles(rows: Sequence[data.Row]) -> None:
    """Draw accuracy against time, with the model size as area and the Pareto front."""
    values = [key for key in VALUES if any(row.value(key) is not None for row in rows)]
    timed = [row for row in rows if row.milliseconds and row.milliseconds > 0]
    if not values or len(timed) < 2:
        return
    elements.subheading("Accuracy against time")
    left, right = st.columns(2)
    with left:
        value = show.switch(
            "Vertical axis", [data.METRICS[key].title for key in values], "models_bubble_value"
        )
    with right:
        size = show.switch("Area of the bubbles", list(SIZES), "models_bubble_size")
    key = next(key for key in values if data.METRICS[key].title == value)
    drawn = [row for row in timed if row.value(key) is not None]
    table = _table(drawn, key)
    front = table[table["On the front"]].sort_values("ms per patch")["Model"]
    st.caption(
        "Higher is more accurate, further left is faster; vertical lines are 95 % intervals. The "
        f"dashed line joins the models that no other model beats in both: {', '.join(front)}."
        + _unlike(drawn)
        + _untimed(rows, drawn)
    )
    figure = _figure(drawn, table, key, SIZES[size])
    show.chart(figure, table, "accuracy-time", f"{value} of each model against its time per patch")


def _table(rows: Sequence[data.Row], key: str) -> pd.DataFrame:
    spans = [row.span(key) or (None, None) for row in rows]
    times, worth = (
        np.array([row.milliseconds for row in rows], dtype=np.float64),
        np.array([row.value(key) for row in rows], dtype=np.float64),
    )
    return pd.DataFrame(
        {
            "Model": [row.title for row in rows],
            data.METRICS[key].title: worth,
            "Low": [low for low, _ in spans],
            "High": [high for _, high in spans],
            "ms per patch": times,
            "Parameters": [row.card.parameters if row.card else None for row in rows],
            "Weights, MB": [row.weights_bytes / 1e6 if row.weights_bytes else None for row in rows],
            "On the front": trade_off.pareto_front(times, worth),
        }
    )


def _unlike(rows: Sequence[data.Row]) -> str:
    """Return a warning if times were measured on different devices or threads."""
    speeds = [row.report.speed if row.report else None for row in rows]
    ways = {None if speed is None else (speed.device, speed.threads) for speed in speeds}
    if len(ways) < 2:
        return ""
    return " Times were measured on different devices or numbers of threads: compare with care."


def _untimed(rows: Sequence[data.Row], drawn: Sequence[data.Row]) -> str:
    names = [row.title for row in rows if row not in drawn]
    return f" Not shown, because their time was not measured: {', '.join(names)}." if names else ""


def _figure(rows: Sequence[data.Row], table: pd.DataFrame, key: str, size: str) -> go.Figure:
    title = data.METRICS[key].title
    costs = [float(getattr(row.card, size, 0) or getattr(row, size, 0) or 0) for row in rows]
    widths = [12 + 34 * math.sqrt(cost / max(*costs, 1.0)) for cost in costs]
    figure = go.Figure()
    front = table[table["On the front"]].sort_values("ms per patch")
    figure.add_scatter(
        x=front["ms per patch"],
        y=front[title],
        mode="lines",
        name="no other model beats these in both",
        line={"color": show.QUIET, "dash": "dash", "shape": "hv", "width": 1.5},
        hoverinfo="skip",
    )
    for row, width, (_, item) in zip(rows, widths, table.iterrows(), strict=True):
        style = show.style(row.number)
        low, high = row.span(key) or (item[title], item[title])
        figure.add_scatter(
            x=[item["ms per patch"]],
            y=[item[title]],
            error_y={
                "array": [high - item[title]],
                "arrayminus": [item[title] - low],
                "symmetric": False,
                "thickness": 1,
                "width": 3,
                "color": show.QUIET,
            },
            mode="markers",
            name=row.title,
            marker={
                "size": width,
                "color": style.colour,
                "symbol": style.symbol,
                "opacity": 0.8,
                "line": {"width": 1, "color": show.QUIET},
            },
            hovertemplate=f"{row.title}<br>{title} %{{y:.3f}}, %{{x:.1f}} ms<extra></extra>",
        )
    spread = _ranges(
        table["ms per patch"].to_numpy(), table[["Low", "High", title]].to_numpy(float)
    )
    show.set_layout(figure, HEIGHT)
    legend = {"y": -0.2, "yanchor": "top", "itemsizing": "constant"}
    figure.update_layout(margin_t=10, legend=legend)
    figure.update_xaxes(
        type="log",
        range=spread[0],
        title="Milliseconds per patch (logarithmic)",
        dtick=1 if spread[0][1] - spread[0][0] > 1.6 else "D2",
    )
    figure.update_yaxes(range=spread[1], title=title)
    return figure


Spread = tuple[tuple[float, float], tuple[float, float]]


def _ranges(times: np.ndarray, heights: np.ndarray) -> Spread:
    """Return the axis ranges of the logarithm of time and of the metric."""
    logs = np.log10(times)
    low, high = float(np.nanmin(heights)), float(np.nanmax(heights))
    room = max(0.08 * (high - low), 0.02)
    wide = max(0.14 * float(logs.max() - logs.min()), 0.3)
    return (
        (float(logs.min()) - wide, float(logs.max()) + wide),
        (max(low - room, -0.02), min(high + room, 1.02)),
    )
