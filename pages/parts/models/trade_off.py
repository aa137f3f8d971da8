"""Which model to take: the advice in words, and accuracy against time as bubbles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.metrics import trade_off
from pages.parts.models import data
from pages.parts.models import report_figures as show
from pages.parts.shared import theme

VALUES: Final = ("macro_ap", "micro_ap", "accuracy")
SIZES: Final = {"Trained values": "parameters", "Size on disk": "weights_bytes"}
WISHES: Final = {
    "macro_ap": "Rare and common covers alike (best macro AP)",
    "micro_ap": "The most labels right (best micro AP)",
    "accuracy": "The most pictures right (best accuracy)",
}
HEIGHT: Final = 600


def advice(rows: Sequence[data.Row]) -> None:
    """One line a wish: the model that serves it best."""
    named = {row.name: row for row in rows}
    alone = any(row.value("accuracy") is not None for row in rows)
    leading, second = ("accuracy", "macro_ap") if alone else ("macro_ap", "micro_ap")
    found = trade_off.advise([_candidate(row, leading, second) for row in rows])
    title = data.FIGURES[leading].title
    wishes = (
        (WISHES[leading], found.best, leading),
        (WISHES[second], found.second, second),
        (f"Fast, with a {_small(title)} inside the best one's interval", found.fastest, "ms"),
        (f"Small, with a {_small(title)} inside the best one's interval", found.smallest, "size"),
    )
    lines = [
        f"- {wish}: **{theme.literal(named[name].title)}**, {_said(named[name], key, leading)}"
        for wish, name, key in wishes
        if name is not None
    ]
    if lines:
        st.subheader("Recommended models", anchor=False)
        st.markdown("\n".join(lines))


def _small(title: str) -> str:
    """A figure's title within a sentence."""
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


def _said(row: data.Row, key: str, leading: str) -> str:
    figure = key if key in data.FIGURES else leading
    value = data.with_span(row.value(figure), row.span(figure))
    if key == figure:
        return value
    cost = (
        f"{row.milliseconds:.1f} ms a patch"
        if key == "ms"
        else f"{row.card.parameters if row.card else 0:,} trained values"
    )
    return f"{cost}, {_small(data.FIGURES[figure].title)} {value}"


@show.section
def bubbles(rows: Sequence[data.Row]) -> None:
    """Accuracy against milliseconds, a bubble's area its size, the front marked."""
    values = [key for key in VALUES if any(row.value(key) is not None for row in rows)]
    timed = [row for row in rows if row.milliseconds and row.milliseconds > 0]
    if not values or len(timed) < 2:
        return
    st.markdown("##### Accuracy against time")
    left, right = st.columns(2)
    with left:
        value = show.switch(
            "Upwards", [data.FIGURES[key].title for key in values], "models_bubble_value"
        )
    with right:
        size = show.switch("A bubble's area", list(SIZES), "models_bubble_size")
    key = next(key for key in values if data.FIGURES[key].title == value)
    drawn = [row for row in timed if row.value(key) is not None]
    table = _table(drawn, key)
    front = table[table["On the front"]].sort_values("ms a patch")["Model"]
    st.caption(
        "Up is more accurate, left is faster; upright lines are 95 % intervals. The dashed line "
        f"joins the models that no other beats in both: {', '.join(front)}."
        + _unlike(drawn)
        + _untimed(rows, drawn)
    )
    figure = _figure(drawn, table, key, SIZES[size])
    show.chart(figure, table, "accuracy-time", f"{value} of each model against its time a patch")


def _table(rows: Sequence[data.Row], key: str) -> pd.DataFrame:
    spans = [row.span(key) or (None, None) for row in rows]
    times, worth = (
        np.array([row.milliseconds for row in rows], dtype=np.float64),
        np.array([row.value(key) for row in rows], dtype=np.float64),
    )
    return pd.DataFrame(
        {
            "Model": [row.title for row in rows],
            data.FIGURES[key].title: worth,
            "Low": [low for low, _ in spans],
            "High": [high for _, high in spans],
            "ms a patch": times,
            "Trained values": [row.card.parameters if row.card else None for row in rows],
            "Weights, MB": [row.weights_bytes / 1e6 if row.weights_bytes else None for row in rows],
            "On the front": trade_off.pareto_front(times, worth),
        }
    )


def _unlike(rows: Sequence[data.Row]) -> str:
    """A warning where times were not taken alike."""
    speeds = [row.report.speed if row.report else None for row in rows]
    ways = {None if speed is None else (speed.device, speed.threads) for speed in speeds}
    if len(ways) < 2:
        return ""
    return " Their times were not taken on the same device and threads: compare with care."


def _untimed(rows: Sequence[data.Row], drawn: Sequence[data.Row]) -> str:
    names = [row.title for row in rows if row not in drawn]
    return f" Without a time of their own, so not drawn: {', '.join(names)}." if names else ""


def _figure(rows: Sequence[data.Row], table: pd.DataFrame, key: str, size: str) -> go.Figure:
    title = data.FIGURES[key].title
    costs = [float(getattr(row.card, size, 0) or getattr(row, size, 0) or 0) for row in rows]
    widths = [12 + 34 * math.sqrt(cost / max(*costs, 1.0)) for cost in costs]
    figure = go.Figure()
    front = table[table["On the front"]].sort_values("ms a patch")
    figure.add_scatter(
        x=front["ms a patch"],
        y=front[title],
        mode="lines",
        name="no other model is better in both",
        line={"color": show.QUIET, "dash": "dash", "shape": "hv", "width": 1.5},
        hoverinfo="skip",
    )
    for row, width, (_, item) in zip(rows, widths, table.iterrows(), strict=True):
        look = show.look(row.number)
        low, high = row.span(key) or (item[title], item[title])
        figure.add_scatter(
            x=[item["ms a patch"]],
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
                "color": look.colour,
                "symbol": look.symbol,
                "opacity": 0.8,
                "line": {"width": 1, "color": show.QUIET},
            },
            hovertemplate=f"{row.title}<br>{title} %{{y:.3f}}, %{{x:.1f}} ms<extra></extra>",
        )
    spread = _ranges(table["ms a patch"].to_numpy(), table[["Low", "High", title]].to_numpy(float))
    show.plain(figure, HEIGHT)
    legend = {"y": -0.2, "yanchor": "top", "itemsizing": "constant"}
    figure.update_layout(margin_t=10, legend=legend)
    figure.update_xaxes(
        type="log",
        range=spread[0],
        title="Milliseconds a patch (logarithmic)",
        dtick=1 if spread[0][1] - spread[0][0] > 1.6 else "D2",
    )
    figure.update_yaxes(range=spread[1], title=title)
    return figure


Spread = tuple[tuple[float, float], tuple[float, float]]


def _ranges(times: np.ndarray, heights: np.ndarray) -> Spread:
    """Of the logarithm of time, whole decades at least, and of the figure."""
    logs = np.log10(times)
    low, high = float(np.nanmin(heights)), float(np.nanmax(heights))
    room = max(0.08 * (high - low), 0.02)
    wide = max(0.14 * float(logs.max() - logs.min()), 0.3)
    return (
        (float(logs.min()) - wide, float(logs.max()) + wide),
        (max(low - room, -0.02), min(high + room, 1.02)),
    )
