"""Metrics by country, and the measured coverage of label sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.decide.conformal import LabelSets
from landcover.evaluate.report import (
    Evaluation,
    LabelSetCoverage,
    LabelSetShares,
    PartMetrics,
    ShareName,
)
from pages.parts.models import data
from pages.parts.shared import charts as show

SHARES: Final[dict[ShareName, str]] = {
    "present": "Present, and not marked absent",
    "absent": "Absent, and not marked certain",
    "certain": "Marked certain, and present",
    "ruled_out": "Marked absent, and absent",
}
"""The shares of a report's ``label_set_coverage``."""
_WITH_TARGET: Final = ("present", "absent", "certain")


@show.section
def countries(row: data.Row, report: Evaluation) -> None:
    """Show one metric of each country with its interval."""
    found = report.metrics.per_country
    if not found:
        _without(row, report, "metrics by country")
        return
    there = [k for k in data.METRICS if any(item.value(k) is not None for item in found.values())]
    if not there:
        st.info("No country has enough patches for its own metrics.")
        return
    by = show.pick("Metric", there, "models_country", lambda key: data.METRICS[key].title)
    table = pd.DataFrame([_country(name, item, there) for name, item in found.items()])
    drawn = [(name, item) for name, item in found.items() if item.value(by) is not None]
    one = data.METRICS[by]
    figure = _dots(
        [f"{name} ({item.n})" for name, item in drawn],
        [item.value(by) or 0.0 for _, item in drawn],
        [item.interval(by) for _, item in drawn],
        one.axis,
    )
    st.caption(
        "In brackets: number of patches; lines: 95 % intervals. Countries with few patches have "
        "wide intervals or none. Macro metrics average over different classes in each country, so "
        "compare with care."
    )
    show.chart(figure, table, f"countries-{row.name}", f"{one.title} by country, {row.title}")


def _country(name: str, item: PartMetrics, keys: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"Country": name, "Patches": item.n}
    for key in keys:
        low, high = item.interval(key) or (None, None)
        title = data.METRICS[key].title
        row |= {title: item.value(key), f"{title} low": low, f"{title} high": high}
    return row


@show.section
def label_sets(row: data.Row, report: Evaluation) -> None:
    """Show target and measured coverage: overall, by class, by country."""
    found = report.metrics.label_set_coverage
    if found is None:
        if row.card is not None and row.card.label_sets is None:
            st.info(f"{row.title} has no label sets: its card has no bounds for them.")
        else:
            _without(row, report, "coverage of label sets")
        return
    wanted = found.wanted_coverage
    per_patch = ", ".join(f"{value:.1f} {word}" for word, value in found.per_patch.items())
    st.caption(
        "Each class of a patch is marked certain, possible or absent. "
        f"The target coverage is {wanted:.0%}"
        + (f"; a patch has on average {per_patch}." if per_patch else ".")
        + f" {_sentence(found.note)} Intervals: {found.interval or '95 %'}."
    )
    st.markdown(summary(found, wanted))
    if row.card is not None and row.card.label_sets is not None:
        st.markdown(_elsewhere(row.card.label_sets))
    by = show.switch("By", ("Class", "Country"), "models_sets_by")
    what = show.pick("Share", list(SHARES), "models_sets_share", lambda key: SHARES[key])
    items = found.per_class if by == "Class" else found.per_country
    named = {data.short(name) if by == "Class" else name: item for name, item in items.items()}
    table = pd.DataFrame([_shares(by, name, item) for name, item in named.items()])
    shares = [(name, item.share_of(what)) for name, item in named.items()]
    drawn = [(name, one, one.share) for name, one in shares if one.share is not None]
    if not drawn:
        st.info("No case was marked so, so there is no share to show.")
        return
    figure = _dots(
        [f"{name} ({one.n})" for name, one, _ in drawn],
        [share for _, _, share in drawn],
        [one.interval for _, one, _ in drawn],
        SHARES[what],
    )
    figure.add_vline(x=wanted, line={"color": show.QUIET, "dash": "dash"})
    st.caption("In brackets: number of cases. Dashed line: target.")
    stem = show.file_stem("label-sets", row.name, by, what)
    show.chart(figure, table, stem, f"{SHARES[what]}, by {by.lower()}, {row.title}")


def _elsewhere(sets: LabelSets) -> str:
    """State the coverage in left-out countries, beside the one of the report."""
    if sets.by_place is None:
        return (
            "Nothing is called certain by this model: its bounds were chosen near the training "
            "places and have not been shown to hold elsewhere (`landcover trust by-place`)."
        )
    unseen = sets.by_place
    found = LabelSetCoverage.model_validate(
        {"wanted_coverage": sets.wanted_coverage, **unseen.measured}
    )
    return (
        f"In {unseen.places} {unseen.units} ({unseen.patches:,} patches), each left out of "
        f"training and of the choice of the bounds:\n\n{summary(found, sets.wanted_coverage)}"
    )


def summary(found: LabelSetCoverage, wanted: float) -> str:
    """List the shares over all classes, and whether they reach the target."""
    lines = []
    for key, title in SHARES.items():
        item = found.overall.share_of(key)
        if key not in _WITH_TARGET and not item.n:
            continue  # older reports lack it
        held = ""
        if item.interval is not None and key in _WITH_TARGET:
            low, high = item.interval
            held = (
                " – below the target"
                if high < wanted
                else " – above the target"
                if low > wanted
                else " – the interval includes the target"
            )
        lines.append(
            f"- {title}: **{data.with_span(item.share, item.interval)}** "
            f"({item.hits} of {item.n}){held}"
        )
    return "\n".join(lines)


def _shares(by: str, name: str, item: LabelSetShares) -> dict[str, Any]:
    row: dict[str, Any] = {by: name}
    for key, title in SHARES.items():
        one = item.share_of(key)
        low, high = one.interval or (None, None)
        row |= {
            title: one.share,
            f"{title}: of": one.n,
            f"{title}: low": low,
            f"{title}: high": high,
        }
    return row


def _sentence(text: str) -> str:
    return text and f"{text[0].upper()}{text[1:].rstrip('.')}."


def _without(row: data.Row, report: Evaluation, what: str) -> None:
    st.info(
        f"This report of {row.title} has no {what}. Make it again with "
        f"`{data.command(row.name, data.split_of(report))}`."
    )


def _dots(
    names: Sequence[str],
    values: Sequence[float],
    spans: Sequence[Sequence[float] | None],
    title: str,
) -> go.Figure:
    """Draw one line per name, from the top down, with intervals."""
    ends = [span or (value, value) for value, span in zip(values, spans, strict=True)]
    figure = go.Figure()
    figure.add_scatter(
        x=values,
        y=list(range(0, -len(names), -1)),
        error_x={
            "array": [high - v for v, (_, high) in zip(values, ends, strict=True)],
            "arrayminus": [v - low for v, (low, _) in zip(values, ends, strict=True)],
            "symmetric": False,
            "thickness": 2,
        },
        mode="markers",
        marker={"color": show.COLOURS[0], "size": 11},
        text=names,
        hovertemplate="%{text}: %{x:.3f}<extra></extra>",
    )
    show.set_layout(figure, 100 + 28 * len(names), showlegend=False)
    figure.update_layout(margin_t=10)
    figure.update_xaxes(title=title)
    figure.update_yaxes(
        tickvals=list(range(0, -len(names), -1)),
        ticktext=list(names),
        showgrid=False,
        range=[-len(names) + 0.4, 0.6],
    )
    return figure
