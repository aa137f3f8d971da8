"""Risk against coverage: the error rate if the least confident patches are left out."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.evaluate.report import Evaluation
from landcover.metrics import selective_risk
from landcover.metrics.selective_risk import RiskCoverage
from pages.parts.models import data, trust
from pages.parts.shared import charts as show

WHOLE: Final = "Whole patches"
POINTS: Final = 400
"""Maximum number of points in the chart."""
AT: Final = (0.9, 0.8, 0.5)
EXPLAINED: Final = {
    "mean distance to the threshold": "how far the probabilities lie from the thresholds on "
    "average (0 at a threshold, 1 at a probability of 0 or 1)",
    "least distance to a threshold": "how far the probability that is nearest to its threshold "
    "lies from it (0 at the threshold, 1 at a probability of 0 or 1)",
    "mean of max(p, 1 − p)": "the mean over classes of the greater of p and 1 − p",
    "highest probability": "the probability of the predicted class",
}


@show.section
def render(row: data.Row, report: Evaluation) -> None:
    """Show risk against coverage, with the random and the best possible order."""
    alone = report.exclusive
    measures = list(selective_risk.EXCLUSIVE_MEASURES if alone else selective_risk.MEASURES)
    index = None
    if not alone:
        index = show.pick_class(report, "models_risk_class", WHOLE)
    measure = measures[0]
    if len(measures) > 1 and index is None:
        measure = show.pick("Confidence", measures, "models_risk_measure")
    found = _curve(report, index, measure, data.identity(report))
    what = (
        "share of patches with a wrong prediction"
        if alone or index is not None
        else "share of wrong labels (Hamming loss)"
    )
    st.caption(
        f"Patches are sorted by the confidence of the model: {EXPLAINED[measure]}. Left: only the "
        f"most confident patches are kept. Right: all {len(found.risk)}. Upwards: {what} among "
        "the kept patches."
    )
    st.markdown(_summary(found))
    figure = _figure(found, what)
    of = "patches" if index is None else data.shorts(report)[index]
    stem = show.file_stem("risk-coverage", row.name, of, str(measures.index(measure)))
    show.chart(figure, _table(found), stem, f"Risk against coverage of {row.title}, {of}")
    trust.below_test(row.name, row.card)


@st.cache_data(max_entries=64, show_spinner="Resampling the patches …")
def _curve(
    _report: Evaluation,
    index: int | None,
    measure: str,
    key: tuple[str, ...],  # noqa: ARG001 - part of the cache's key
) -> RiskCoverage:
    found, alone = _report.predictions, _report.exclusive
    columns = slice(None) if index is None else slice(index, index + 1)
    truth, probability = found.truth[:, columns], found.probability[:, columns]
    if alone:
        sure = selective_risk.certainty(probability, (0.5,) * truth.shape[1], measure)
        return selective_risk.risk_coverage(
            sure, selective_risk.top_class_wrong(truth, probability)
        )
    thresholds = _report.thresholds()[columns]
    sure = selective_risk.certainty(probability, thresholds, measure)
    return selective_risk.risk_coverage(
        sure, selective_risk.wrong_share(truth, probability, thresholds)
    )


def _summary(found: RiskCoverage) -> str:
    steps = [
        f"{found.risk[max(int(np.ceil(at * len(found.risk))) - 1, 0)]:.3f} for the most "
        f"confident {at:.0%}"
        for at in AT
    ]
    low, high = found.chance
    verdict = (
        "so the order is better than chance"
        if found.beats_chance
        else "so these patches do not show that the order is better than chance"
    )
    return (
        f"Error rate of all patches: **{found.mean_loss:.3f}**; {', '.join(steps)}. Area under "
        f"the curve: **{data.with_span(found.area, found.area_interval)}** (lower is better). A "
        f"random order gives {low:.3f} to {high:.3f} in 95 of 100 cases, {verdict}. The best "
        f"possible order gives {found.best_area:.3f}."
    )


def _table(found: RiskCoverage) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Coverage": found.coverage,
            "Risk": found.risk,
            "At random": found.mean_loss,
            "Best order": found.best,
        }
    )


def _figure(found: RiskCoverage, what: str) -> go.Figure:
    table = _table(found)
    rows = np.unique(np.linspace(0, len(table) - 1, POINTS).round().astype(int))
    drawn = table.iloc[rows]
    figure = go.Figure()
    for k, (column, name, mode) in enumerate(
        (
            ("Risk", "the model's order", "solid"),
            ("At random", "random order", "dot"),
            ("Best order", "best possible order", "dash"),
        )
    ):
        figure.add_scatter(
            x=drawn["Coverage"],
            y=drawn[column],
            name=name,
            mode="lines",
            line={
                "color": show.COLOURS[0] if k == 0 else show.QUIET,
                "dash": mode,
                "width": 3 if k == 0 else 1.5,
            },
            hovertemplate="%{x:.0%} kept: %{y:.3f}<extra>%{fullData.name}</extra>",
        )
    show.set_layout(figure, 400)
    figure.update_layout(legend={"y": -0.25, "yanchor": "top"}, margin_t=10)
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%", title="Coverage: share of patches kept")
    figure.update_yaxes(rangemode="tozero", title=what[:1].upper() + what[1:].partition(" (")[0])
    return figure
