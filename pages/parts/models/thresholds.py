"""Interactive thresholds: hits, misses and false alarms as a threshold moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.evaluate.report import Evaluation
from landcover.metrics import operating_points, scores
from landcover.models import thresholds as aims
from landcover.models.card import Card
from pages.parts.models import classes, data
from pages.parts.shared import charts as show
from pages.parts.shared import widgets

ALL: Final = "All classes at once"
TITLES: Final = {"precision": "Precision", "recall": "Recall", "f1": "F1", "f2": "F2"}
STEP: Final = 0.005
POINTS: Final = 300
"""Maximum number of thresholds in the chart."""
KEY: Final = "models_threshold"

Tried = dict[str, float]
"""Class → the threshold that the user has set."""


@show.section
def render(row: data.Row, report: Evaluation) -> None:
    """Show the slider of one class or all, its effect, and a table of all classes."""
    tried = _tried(row, report)
    index = show.pick_class(report, "models_threshold_class", ALL)
    names = report.classes
    chosen = names if index is None else (names[index],)
    _slider(tried, chosen)
    _buttons(row, report, tried, chosen)
    if index is None:
        _pooled(report, tried)
    else:
        _single(row, report, tried, index)
    st.caption(
        "Thresholds that are chosen on the patches on which they are measured look better than "
        "they are. Choose thresholds on validation, like those of the card, and only explore here."
    )
    _every(row, report, tried)


def _tried(row: data.Row, report: Evaluation) -> Tried:
    """Return the thresholds that the user has set for this report; at first its own."""
    place = f"{KEY}s_{row.name}"
    key = data.identity(report)
    if st.session_state.get(place, (None,))[0] != key:
        own = dict(zip(report.classes, report.thresholds(), strict=True))
        st.session_state[place] = (key, own)
    tried: Tried = st.session_state[place][1]
    return tried


def _slider(tried: Tried, chosen: tuple[str, ...]) -> None:
    values = {tried[name] for name in chosen}
    # If the classes differ, the slider shows their median until it is moved.
    st.session_state[KEY] = float(np.median([tried[name] for name in chosen]))

    def moved() -> None:
        tried.update(dict.fromkeys(chosen, float(widgets.value(KEY))))

    what = data.short(chosen[0]) if len(chosen) == 1 else "all classes"
    differ = "" if len(values) == 1 else " (now different; moving the slider sets all to one value)"
    widgets.slider(
        f"Threshold of {what}{differ}",
        0.0,
        1.0,
        step=STEP,
        format="%.3f",
        key=KEY,
        on_change=moved,
    )


def _buttons(row: data.Row, report: Evaluation, tried: Tried, chosen: tuple[str, ...]) -> None:
    """Show buttons to reset thresholds or take those of an aim."""
    own = dict(zip(report.classes, report.thresholds(), strict=True))
    offered = {aim.title: aim.name for aim in aims.available_aims(row.card)} if row.card else {}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        widgets.button(
            "Reset to the report's",
            on_click=_set(tried, {name: own[name] for name in chosen}),
            key="models_threshold_back",
            icon=":material/undo:",
        )
        if len(chosen) == 1:
            widgets.button(
                "Reset all classes",
                on_click=_set(tried, own),
                key="models_threshold_all_back",
                icon=":material/restart_alt:",
                disabled=tried == own,
            )
        if len(offered) > 1 and row.card is not None:
            title = show.pick("Thresholds of the card for", list(offered), "models_threshold_aim")
            found = _aim(row.card, offered[title])
            widgets.button(
                "Use these thresholds",
                on_click=_set(tried, {n: found[n] for n in chosen if n in found}),
                key="models_threshold_take",
                disabled=not any(name in found for name in chosen),
                help="Classes for which validation could not serve this aim keep their threshold.",
            )


def _aim(card: Card, name: str) -> Tried:
    """Return the thresholds of an aim, without the classes that fall back."""
    found = aims.thresholds_for(card, name)
    return {label: value for label, value in found.of.items() if label not in found.fallback}


def _set(tried: Tried, values: Tried) -> Callable[[], None]:
    return lambda: tried.update(values)


def _single(row: data.Row, report: Evaluation, tried: Tried, index: int) -> None:
    """Show metrics, 2 × 2 table and curve of a class."""
    found, name = report.predictions, report.classes[index]
    own = report.thresholds()[index]
    decided = scores.decisions(found.probability[:, [index]], [tried[name]])
    before = scores.decisions(found.probability[:, [index]], [own])
    tables = [scores.confusions(found.truth[:, [index]], each)[0] for each in (decided, before)]
    values, was = (operating_points.rates(table[None]) for table in tables)
    spans = operating_points.intervals(tables[0])
    _metrics(
        {
            key: (float(getattr(values, key)[0]), float(getattr(was, key)[0]), spans[key])
            for key in TITLES
        }
    )
    left, right = st.columns([1, 3])
    with left:
        classes.grid(data.confusion_table(report, _decided(report, tried)).iloc[[index]])
    with right:
        _curve(row, report, (tried[name], own), index)


def _decided(report: Evaluation, tried: Tried) -> np.ndarray[Any, np.dtype[np.bool_]]:
    thresholds = [tried[name] for name in report.classes]
    return scores.decisions(report.predictions.probability, thresholds)


def _metrics(values: dict[str, tuple[float, float, tuple[float, float]]]) -> None:
    """Show four metrics with intervals, and their change from the report's thresholds."""
    with st.container(horizontal=True):
        for key, (value, was, (low, high)) in values.items():
            known = not np.isnan(value)
            change = value - was if known and not np.isnan(was) else 0.0
            span = f" [{low:.2f}, {high:.2f}]" if known and not np.isnan(low) else ""
            st.metric(
                TITLES[key] + span,
                f"{value:.3f}" if known else "–",
                delta=f"{change:+.3f}" if abs(change) >= 0.0005 else None,
                border=True,
            )


def _pooled(report: Evaluation, tried: Tried) -> None:
    """Show macro and micro metrics of all classes."""
    truth = report.predictions.truth
    found = operating_points.averages(truth, _decided(report, tried))
    was = operating_points.averages(
        truth,
        scores.decisions(report.predictions.probability, report.thresholds()),
        resamples=1,
    )
    rows = [
        {
            "Metric": data.METRICS[key].title,
            "With these thresholds": data.with_span(one.value, one.interval),
            "With the report's": data.with_span(was[key].value, None),
            "Change": f"{one.value - was[key].value:+.3f}",
        }
        for key, one in found.items()
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="models_table_threshold_averages",
        alt="Macro and micro metrics with these thresholds",
    )


def _curve(row: data.Row, report: Evaluation, places: tuple[float, float], index: int) -> None:
    """Draw four metrics by threshold; ``places`` are the set threshold and the report's."""
    now, own = places
    found = report.predictions
    thresholds, tables = operating_points.sweep(found.truth[:, index], found.probability[:, index])
    table = sweep_table(thresholds, tables)
    rows = np.unique(np.linspace(0, len(thresholds) - 1, POINTS).round().astype(int))
    values = operating_points.rates(tables[rows])
    figure = go.Figure()
    for k, (key, title) in enumerate(TITLES.items()):
        figure.add_scatter(
            x=thresholds[rows],
            y=getattr(values, key),
            name=title,
            mode="lines",
            line={"color": show.COLOURS[k], "dash": show.DASHES[k], "shape": "vh"},
            hovertemplate=f"{title} %{{y:.3f}} from %{{x:.3f}}<extra></extra>",
        )
    figure.add_vline(x=own, line={"color": show.QUIET, "dash": "dot", "width": 1.5})
    figure.add_vline(x=now, line={"color": show.QUIET, "width": 2.5})
    show.set_layout(figure, 330)
    figure.update_xaxes(range=[0, 1.01], title="Threshold (solid line: now; dotted: the report's)")
    figure.update_yaxes(range=[0, 1.03])
    name = data.shorts(report)[index]
    alt = f"Precision, recall, F1 and F2 of {name} by threshold, model {row.title}"
    show.chart(figure, table, show.file_stem("threshold-curve", row.name, name), alt)


def sweep_table(thresholds: scores.Doubles, tables: scores.Counts) -> pd.DataFrame:
    """Return one row per threshold that makes a difference: 2 × 2 table and metrics.

    Args:
        thresholds: ``(k,)``.
        tables: ``(k, 2, 2)``, as :func:`landcover.metrics.operating_points.sweep` gives both.
    """
    values = operating_points.rates(tables)
    return pd.DataFrame(
        {
            "Threshold": thresholds,
            "Present, predicted": tables[:, 1, 1],
            "Present, missed": tables[:, 1, 0],
            "Absent, predicted": tables[:, 0, 1],
            "Absent, not predicted": tables[:, 0, 0],
            **{title: getattr(values, key) for key, title in TITLES.items()},
        }
    )


def _every(row: data.Row, report: Evaluation, tried: Tried) -> None:
    """Show all classes with these thresholds, as tables and as a file."""
    decided = _decided(report, tried)
    counts = data.confusion_table(report, decided)
    values = operating_points.rates(scores.confusions(report.predictions.truth, decided))
    table = counts.assign(
        **{
            "Threshold": [tried[name] for name in report.classes],
            "The report's": report.thresholds(),
            **{title: getattr(values, key) for key, title in TITLES.items()},
        }
    )
    with st.expander("All classes with these thresholds"):
        show.numbers(table, f"thresholds-tried-{row.name}", "All classes with these thresholds")
        classes.grid(counts)
    show.download(table, f"thresholds-tried-{row.name}")
