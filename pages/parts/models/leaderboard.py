"""All models: a table to sort, and a chart with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core.text import readable
from landcover.evaluate.report import EvaluationReport
from landcover.evaluate.report_text import threads
from pages.parts.models import data
from pages.parts.shared import charts as show
from pages.parts.shared import elements, theme, widgets


@show.section
def render(
    found: Sequence[data.Entry],
    rows: Sequence[data.Row],
    split: data.Split,
    title: str = "All models",
) -> None:
    """Show the table, the chart, and how the metrics were measured."""
    elements.heading(title)
    there = [key for key in data.METRICS if any(row.value(key) is not None for row in rows)]
    if not there:
        st.info("None of the reports on this split has a metric over all classes.")
        return
    # Multi-label models and single-label models have different metrics, so separate state.
    kind = "one" if "accuracy" in there else "several"
    first = there.index("accuracy") if kind == "one" else 0
    left, right = st.columns([1, 2])
    with left:
        by = show.pick(
            "Sorted by",
            there,
            f"models_sort_{kind}",
            lambda key: data.METRICS[key].title,
            index=first,
        )
    with right:
        columns = _columns(there, f"models_columns_{kind}")
    ordered = _ordered(rows, by)
    shown = [by, *(key for key in there if key in columns and key != by)]
    st.dataframe(
        _readable(ordered, shown),
        hide_index=True,
        key="models_table_leaderboard",
        alt="One row per model: metrics with 95 % intervals, size and speed",
    )
    show.download(_numbers(ordered, there), "models")
    alt = f"{data.METRICS[by].title} of each model with its 95 % interval, as in the table"
    show.draw(_figure(ordered, by), "leaderboard", alt)
    _sentences(rows, split)
    _margins(rows)
    _missing(found, rows, split)


def _columns(there: Sequence[str], key: str) -> list[str]:
    """Let the user choose the metrics in the table."""
    kept = st.session_state.get(key)
    if kept is not None and not set(kept) <= set(there):
        st.session_state[key] = [name for name in kept if name in there]
    return widgets.multiselect(
        "Metrics in the table",
        there,
        default=[name for name in data.FIRST if name in there] if kept is None else None,
        format_func=lambda name: data.METRICS[name].title,
        key=key,
        persist_state="session",
        placeholder="Choose more metrics",
    )


def _ordered(rows: Sequence[data.Row], by: str) -> list[data.Row]:
    """Sort the best first, and models without the metric last."""
    sign = 1 if data.METRICS[by].lower else -1

    def key(row: data.Row) -> tuple[bool, float]:
        value = row.value(by)
        return value is None, 0.0 if value is None else sign * value

    return sorted(rows, key=key)


def _readable(rows: Sequence[data.Row], metrics: Sequence[str]) -> pd.DataFrame:
    out = []
    for row in rows:
        item: dict[str, Any] = {"Model": row.title}
        for key in metrics:
            item[data.METRICS[key].title] = data.with_span(row.value(key), row.span(key))
        item["Parameters"] = f"{row.card.parameters:,}" if row.card else "–"
        size = row.weights_bytes
        item["Weights"] = "–" if size is None else f"{size / 1e6:.2f} MB"
        item["ms per patch"] = "–" if row.milliseconds is None else f"{row.milliseconds:.1f}"
        item["Trained on"] = " + ".join(row.metrics.training_splits) or "–"
        out.append(item)
    return pd.DataFrame(out)


def _numbers(rows: Sequence[data.Row], metrics: Sequence[str]) -> pd.DataFrame:
    """Return the table for the CSV file, one number per column."""
    out = []
    for row in rows:
        item: dict[str, Any] = {"model": row.name}
        for key in metrics:
            low, high = row.span(key) or (None, None)
            item |= {key: row.value(key), f"{key}_low": low, f"{key}_high": high}
        item["parameters"] = row.card.parameters if row.card else None
        item["weights_bytes"] = row.weights_bytes
        item["milliseconds_per_patch"] = row.milliseconds
        out.append(item)
    return pd.DataFrame(out)


def _figure(rows: Sequence[data.Row], by: str) -> go.Figure:
    """Draw one line per model, the best at the top."""
    drawn = [row for row in rows if row.value(by) is not None]
    figure = go.Figure()
    for place, row in enumerate(drawn):
        style, value = show.style(row.number), row.value(by) or 0.0
        low, high = row.span(by) or (value, value)
        figure.add_scatter(
            x=[value],
            y=[-place],
            error_x={
                "array": [high - value],
                "arrayminus": [value - low],
                "symmetric": False,
                "thickness": 2,
            },
            mode="markers",
            name=row.title,
            marker={"color": style.colour, "symbol": style.symbol, "size": 12},
            hovertemplate=f"{data.with_span(value, row.span(by))}<extra>%{{fullData.name}}</extra>",
        )
    show.set_layout(figure, 110 + 30 * max(len(drawn), 1), showlegend=False)
    figure.update_layout(margin_t=10)
    figure.update_xaxes(title=data.METRICS[by].axis)
    figure.update_yaxes(
        tickvals=[-place for place in range(len(drawn))],
        ticktext=[row.title for row in drawn],
        showgrid=False,
        range=[-len(drawn) + 0.4, 0.6],
    )
    return figure


def _sentences(rows: Sequence[data.Row], split: data.Split) -> None:
    """Show how the metrics above were measured."""
    source = next((row for row in rows if row.report is not None), None)
    if source is None or source.report is None:
        return
    report = source.report
    counted = [data.short(name) for name in report.macro_classes]
    patches = "1 patch" if report.n == 1 else f"{report.n} patches"
    measured = (
        f"Measured on **{patches}** of {theme.literal(split.data)}, split **{split.name}**, on "
        f"{report.date}."
    )
    rule = (
        f"Macro metrics average over the {len(counted)} {report.macro_rule}: {', '.join(counted)}."
        if counted
        else f"There are no {report.macro_rule}, and so no macro metrics."
    )
    averaged = (
        f"{rule} Micro metrics pool all {len(report.per_class)} classes. AP is average precision; "
        "it needs no threshold, unlike F1 and F2."
    )
    lines = [measured + _resamples(report), averaged, *_speed(report)]
    if report.note:
        lines.append(report.note)
    apart = report.apart
    if report.touching and apart is not None:
        macro, micro = (
            data.with_span(apart.value(key), apart.interval(key))
            for key in ("macro_ap", "micro_ap")
        )
        lines.append(
            f"{report.touching} of the patches touch a training patch of {source.title}; on the "
            f"other {apart.n} its macro AP is {macro} and its micro AP {micro}."
        )
    trained = [row.title for row in rows if row.metrics.seen_in_training]
    if trained:
        lines.append(
            f"**Trained on these same patches, so their metrics are too good: "
            f"{', '.join(trained)}.**"
        )
    st.caption("  \n".join(lines))


def _resamples(report: EvaluationReport) -> str:
    """Say what the numbers in brackets are."""
    boot = report.bootstrap
    if boot is None:
        return ""
    unit = "blocks of neighbouring patches" if boot.unit == "block" else "patches"
    caveat = "; neighbouring patches are similar, so the true uncertainty is larger"
    return (
        f" In brackets: 95 % of {boot.resamples} bootstrap resamples of "
        f"{unit}{caveat if unit == 'patches' else ''}."
    )


def _speed(report: EvaluationReport) -> list[str]:
    bins = f"The calibration error (ECE) uses {report.ece_bins} bins."
    speed = report.speed
    if speed is None:
        return [bins]
    timed = (
        f"{bins} Time: one patch at a time on {speed.device}, {threads(speed.threads)}, "
        f"median of {speed.runs}."
    )
    return [timed]


def _margins(rows: Sequence[data.Row]) -> None:
    """Show how much better the first model is than each baseline measured with it."""
    first = rows[0]
    lines = []
    for name, item in first.report.baselines.items() if first.report else ():
        parts = [
            f"{data.METRICS[key].title} {data.with_span(margin.difference, margin.interval, '+')}"
            for key, margin in item.margin.items()
            if key in data.METRICS and margin.difference is not None
        ]
        title = next((row.title for row in rows if row.name == name), readable(name))
        if parts:
            lines.append(f"{first.title} minus {title}: {', '.join(parts)}.")
    if lines:
        st.caption("On the same resamples: " + "  \n".join(lines))


def _missing(found: Sequence[data.Entry], rows: Sequence[data.Row], split: data.Split) -> None:
    """Show which models have no report here, or one made with other weights."""
    named = {row.name for row in rows}
    for entry in found:
        command = data.command(entry.name, split)
        if entry.stale:
            st.warning(
                f"The report of {entry.card.title} was made with other weights or another card "
                f"than the installed ones. Make it again with `{command}`."
            )
        elif entry.report is None and entry.name not in named and data.suits(entry, found):
            st.info(f"{entry.card.title} has no report on this split. Make one with `{command}`.")
