"""Reliability diagram of a model's probabilities, with counts."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from landcover.evaluate.report import Evaluation
from landcover.metrics import reliability
from landcover.metrics.reliability import Bins, Rule
from pages.parts.models import data
from pages.parts.shared import charts as show

POOLED: Final = "All classes pooled"
ERRORS: Final = ("ece", "ace", "brier")
WORDS: Final[dict[str, Rule]] = {"Equal width": "equal width", "Equal mass": "equal mass"}


@show.section
def render(row: data.Row, report: Evaluation) -> None:
    """Show the mean probability against the observed share per bin, of all classes or one."""
    left, right = st.columns(2)
    with left:
        index = show.pick_class(report, "models_reliability_class", POOLED)
    with right:
        rule = WORDS[show.switch("Bins", list(WORDS), "models_reliability_bins")]
    columns = slice(None) if index is None else slice(index, index + 1)
    truth = report.predictions.truth[:, columns]
    found = reliability.bins(truth, report.predictions.probability[:, columns], rule)
    what = POOLED.lower() if index is None else data.shorts(report)[index]
    st.caption(
        f"{truth.size} forecasts ({what}); in {int(truth.sum())} of them the class is present. On "
        "the dotted line the probabilities are right; below it they are too high, above it too "
        "low. Vertical lines: Wilson's 95 % interval of the share, as if forecasts were "
        "independent. The lower part counts the forecasts of each bin on a logarithmic scale."
    )
    errors = _errors(report, index, data.identity(report))
    st.markdown(
        ", ".join(
            f"{data.METRICS[key].title} **{data.with_span(*errors[key])}**"
            for key in ERRORS
            if key in errors
        )
        + "; lower is better. The intervals of the errors are biased upwards, because resampled "
        "bins vary more."
    )
    table = _table(found)
    stem = show.file_stem("reliability", row.name, "all" if index is None else what, rule)
    show.chart(_figure(found), table, stem, f"Reliability of {row.title}, {what}, {rule} bins")


def _table(found: Bins) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "From": found.low,
            "To": found.high,
            "Forecasts": found.count,
            "Mean probability": found.probability,
            "Observed share": found.share,
            "Share low": found.share_low,
            "Share high": found.share_high,
        }
    )


@st.cache_data(max_entries=64, show_spinner="Resampling the patches …")
def _errors(
    _report: Evaluation,
    index: int | None,
    key: tuple[str, ...],  # noqa: ARG001 - part of the cache's key
) -> dict[str, tuple[float | None, tuple[float, float] | None]]:
    """Return calibration errors with intervals, from the report if it has them."""
    metrics = _report.metrics
    if index is None and all(metrics.value(name) is not None for name in ERRORS):
        return {name: (metrics.value(name), metrics.interval(name)) for name in ERRORS}
    columns = slice(None) if index is None else slice(index, index + 1)
    found = _report.predictions
    drawn = reliability.errors(found.truth[:, columns], found.probability[:, columns])
    return {name: (one.value, one.interval) for name, one in drawn.items()}


def _figure(found: Bins) -> go.Figure:
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.78, 0.22], vertical_spacing=0.05
    )
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": show.QUIET, "dash": "dot"},
        hoverinfo="skip", row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=found.probability,
        y=found.share,
        error_y={
            "array": found.share_high - found.share,
            "arrayminus": found.share - found.share_low,
            "symmetric": False,
            "thickness": 1.5,
        },
        mode="lines+markers",
        line={"color": show.COLOURS[0], "width": 1},
        marker={"size": 10},
        customdata=found.count,
        hovertemplate="probability %{x:.3f}, observed %{y:.3f}, of %{customdata}<extra></extra>",
        row=1,
        col=1,
    )
    figure.add_bar(
        x=(found.low + found.high) / 2,
        y=found.count,
        width=np.maximum(found.high - found.low, 0.006),
        marker={"color": show.COLOURS[0], "opacity": 0.7},
        hovertemplate="%{y} forecasts<extra></extra>",
        row=2,
        col=1,
    )
    show.set_layout(figure, 520, showlegend=False)
    figure.update_layout(margin_t=10)
    figure.update_xaxes(range=[-0.02, 1.02])
    figure.update_xaxes(title="Mean probability in the bin", row=2, col=1)
    figure.update_yaxes(range=[-0.02, 1.02], title="Observed share", row=1, col=1)
    figure.update_yaxes(type="log", title="Count", dtick=1, row=2, col=1)
    return figure
