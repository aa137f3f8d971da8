"""All models at a glance: a table, and a figure with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.nomenclature import BY_NAME
from pages.parts import models_data as data
from pages.parts import models_show as show

DRAWN = ("macro_ap", "micro_ap", "macro_f1", "micro_f1")


def render(found: Sequence[data.Entry], rows: Sequence[data.Row], split: data.Split) -> None:
    """Table, figure, and what the figures rest on."""
    st.subheader("All models", anchor=False)
    st.dataframe(
        _readable(rows),
        hide_index=True,
        key="models_table_leaderboard",
        alt="One row a model: figures with 95 % intervals, size and speed",
    )
    show.download(_numbers(rows), "models")
    _sentences(rows[0].figures, split)
    for entry in found:
        if entry.report is None and entry.name not in {row.name for row in rows}:
            st.info(
                f"{entry.card.title} has no report on this split: make one with "
                f"`{data.command(entry.name, split)}`."
            )
        elif entry.stale:
            st.warning(
                f"The report of {entry.card.title} was made with other weights or another card "
                f"than those installed: make it anew with `{data.command(entry.name, split)}`."
            )
    st.plotly_chart(
        _figure(rows),
        key="models_chart_leaderboard",
        config=show.CONFIG,
        alt="Average precision and F1 of each model with 95 % intervals; the table above says the "
        "same",
    )
    _margins(rows)


def _readable(rows: Sequence[data.Row]) -> pd.DataFrame:
    out = []
    for row in rows:
        spans = row.figures["confidence_intervals"]
        item: dict[str, Any] = {"Model": row.title}
        for key, title in data.SUMMARY_TITLES.items():
            item[title] = data.with_span(row.figures[key], spans[key])
        item["Parameters"] = f"{row.card.parameters:,}" if row.card else "–"
        size = row.weights_bytes
        item["Weights"] = "–" if size is None else f"{size / 1e6:.2f} MB"
        item["ms a patch"] = "–" if row.milliseconds is None else f"{row.milliseconds:.1f}"
        item["Learnt from"] = " + ".join(row.figures.get("training_splits", [])) or "–"
        out.append(item)
    return pd.DataFrame(out)


def _numbers(rows: Sequence[data.Row]) -> pd.DataFrame:
    """For the file: one number a column."""
    out = []
    for row in rows:
        item: dict[str, Any] = {"model": row.name}
        for key in data.SUMMARY_TITLES:
            low, high = row.figures["confidence_intervals"][key] or (None, None)
            item |= {key: row.figures[key], f"{key}_low": low, f"{key}_high": high}
        item["parameters"] = row.card.parameters if row.card else None
        item["weights_bytes"] = row.weights_bytes
        item["milliseconds_per_patch"] = row.milliseconds
        out.append(item)
    return pd.DataFrame(out)


def _sentences(figures: dict[str, Any], split: data.Split) -> None:
    """What every figure above rests on."""
    dataset, part = split
    if "n" not in figures:
        return
    counted = figures["macro_classes"]
    names = ", ".join(BY_NAME[name].short for name in counted)
    boot = figures["bootstrap"]
    speed = figures["speed"]
    measured = (
        f"Measured on **{figures['n']} patches** of `{dataset}`, split **{part}**, on "
        f"{figures['date']}. Brackets hold 95 % of {boot['resamples']} bootstrap resamples of "
        "patches; neighbouring patches are alike, so the true doubt is larger."
    )
    averaged = (
        f"Macro figures average the {len(counted)} {figures['macro_rule']}: {names}. Micro "
        "figures pool all 19. AP is average precision: it needs no threshold, F1 does."
    )
    timed = (
        f"The calibration error (ECE) has {figures['ece_bins']} bins; lower is better. Time: "
        f"{speed['device']}, {speed['threads']} threads, median of {speed['runs']}."
    )
    lines = [measured, averaged, timed]
    if figures.get("note"):
        lines.append(figures["note"])
    if figures.get("seen_in_training"):
        lines.append(
            "**This model has learnt from these very patches, so its figures flatter it.**"
        )
    st.caption("  \n".join(lines))


def _figure(rows: Sequence[data.Row]) -> go.Figure:
    figure = go.Figure()
    for k, row in enumerate(rows):
        values = [row.figures[key] for key in DRAWN]
        spans = [
            row.figures["confidence_intervals"][key] or (v, v)
            for key, v in zip(DRAWN, values, strict=True)
        ]
        # Models lie beside each other on a line of their own, so that intervals do not overlap.
        shift = (k - (len(rows) - 1) / 2) * 0.6 / max(len(rows), 1)
        figure.add_scatter(
            x=values,
            y=[-number - shift for number in range(len(DRAWN))],
            error_x={
                "array": [s[1] - v for s, v in zip(spans, values, strict=True)],
                "arrayminus": [v - s[0] for s, v in zip(spans, values, strict=True)],
                "symmetric": False,
                "thickness": 2,
            },
            mode="markers",
            name=row.title,
            marker={
                "color": show.COLOURS[k % len(show.COLOURS)],
                "symbol": show.SYMBOLS[k % len(show.SYMBOLS)],
                "size": 11,
            },
            hovertemplate="%{x:.3f}<extra>%{fullData.name}</extra>",
        )
    show.plain(figure, 130 + 20 * len(DRAWN) * max(len(rows), 1))
    figure.update_xaxes(range=[0, 1], title="0 is worst, 1 is perfect")
    titles = [data.SUMMARY_TITLES[key] for key in DRAWN]
    figure.update_yaxes(tickvals=[-k for k in range(len(DRAWN))], ticktext=titles, showgrid=False)
    return figure


def _margins(rows: Sequence[data.Row]) -> None:
    """By how much the first model is above each baseline that was measured with it."""
    first = rows[0]
    lines = []
    for name, item in first.figures.get("baselines", {}).items():
        parts = [
            f"{data.SUMMARY_TITLES[key]} {margin['difference']:+.3f} "
            f"[{margin['interval'][0]:+.3f}, {margin['interval'][1]:+.3f}]"
            for key, margin in item["margin"].items()
            if margin["difference"] is not None and margin["interval"] is not None
        ]
        title = next((row.title for row in rows if row.name == name), name)
        lines.append(f"{first.title} minus {title}: {', '.join(parts)}.")
    if lines:
        st.caption("On the same resamples — " + "  \n".join(lines))
