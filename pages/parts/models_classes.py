"""One model class by class: figures, two-by-two tables, co-occurrence, precision and recall."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover import metrics
from landcover.evaluation import Evaluation
from landcover.nomenclature import BY_NAME, CLASS_NAMES
from pages.parts import models_data as data
from pages.parts import models_show as show

POOLED: Final = "All classes pooled (micro)"
# Nothing is transparent, so that it looks like nothing on a light and on a dark page.
SHARES: Final = ((0, "rgba(63,127,214,0)"), (1, "rgba(63,127,214,1)"))
SIGNED: Final = ((0, "rgba(217,115,26,1)"), (0.5, "rgba(134,142,150,0)"), (1, SHARES[1][1]))
VIEWS: Final = ("Called where true", "True together", "Difference")
GRID_STYLE: Final = """<style>
.lc-grid { display: grid; gap: .8rem;
  grid-template-columns: repeat(auto-fill, minmax(158px, 1fr)); }
.lc-grid table { width: 100%; border-collapse: collapse; font-size: .85rem; }
.lc-grid caption { text-align: left; font-weight: 600; padding-bottom: .15rem; }
.lc-grid th { font-weight: 400; font-size: .75rem; opacity: .85; padding: .1rem .25rem; }
.lc-grid tbody th { text-align: right; }
.lc-grid td { text-align: center; padding: .3rem; border: 1px solid rgba(134,142,150,.55);
  font-variant-numeric: tabular-nums; }
</style>"""


def figures(report: Evaluation, name: str) -> None:
    """Support, AP with interval, precision, recall, F1 and threshold of each class."""
    table = data.class_table(report)
    drawn = table[table["AP"].notna()].iloc[::-1]
    figure = go.Figure()
    for counted, colour, symbol, title in (
        (True, show.COLOURS[0], "circle", "in the macro figures"),
        (False, show.QUIET, "circle-open", f"fewer than {metrics.MIN_POSITIVES} positives"),
    ):
        part = drawn[drawn["In macro"] == counted]
        low, high = part["AP low"].fillna(part["AP"]), part["AP high"].fillna(part["AP"])
        figure.add_scatter(
            x=part["AP"],
            y=[f"{c} ({n})" for c, n in zip(part["Class"], part["Support"], strict=True)],
            error_x={"array": high - part["AP"], "arrayminus": part["AP"] - low},
            mode="markers",
            name=title,
            marker={"color": colour, "symbol": symbol, "size": 11},
            hovertemplate="%{y}: AP %{x:.3f}<extra></extra>",
        )
    show.plain(figure, 110 + 26 * len(drawn))
    figure.update_xaxes(range=[0, 1.02], title="Average precision with 95 % interval")
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=[f"{c} ({n})" for c, n in zip(drawn["Class"], drawn["Support"], strict=True)],
    )
    absent = ", ".join(table[table["Support"] == 0]["Class"])
    st.caption(
        f"In brackets: patches of {report.figures['n']} that have the class. "
        + (f"Without any, so without a figure: {absent}." if absent else "")
    )
    alt = f"Average precision of each class with 95 % intervals, model {name}"
    show.chart(figure, table, f"classes-{name}", alt)


def confusions(report: Evaluation, name: str) -> None:
    """The nineteen two-by-two tables."""
    table = data.confusion_table(report)
    st.caption(
        "Rows: is the class there? Columns: did the model call it? The shade is a cell's share of "
        f"its row; the numbers are patches, of {report.figures['n']}."
    )
    cells = "".join(_two_by_two(*values) for values in table.itertuples(index=False, name=None))
    st.html(f'{GRID_STYLE}<div class="lc-grid">{cells}</div>')
    with st.expander("The same as one table"):
        show.numbers(table, f"confusion-{name}", f"Counts of the two-by-two tables, model {name}")
    show.download(table, f"confusion-{name}")


def _two_by_two(title: str, both: int, missed: int, wrong: int, neither: int) -> str:
    def cell(count: int, other: int) -> str:
        share = count / (count + other) if count + other else 0.0
        return f'<td style="background: rgba(63,127,214,{0.45 * share:.2f})">{count}</td>'

    return (
        f"<table><caption>{html.escape(title)}</caption>"
        '<thead><tr><td style="border:0"></td><th scope="col">called</th>'
        '<th scope="col">not called</th></tr></thead><tbody>'
        f'<tr><th scope="row">there</th>{cell(both, missed)}{cell(missed, both)}</tr>'
        f'<tr><th scope="row">not there</th>{cell(wrong, neither)}{cell(neither, wrong)}</tr>'
        "</tbody></table>"
    )


def co_occurrence(report: Evaluation, name: str) -> None:
    """What is called where a class truly is, beside what is truly there."""
    view = st.segmented_control(
        "Show",
        VIEWS,
        default=VIEWS[0],
        required=True,
        key="models_together",
        persist_state="session",
    )
    truth = report.predictions.truth
    called = metrics.co_occurrence(truth, data.called(report))
    really = metrics.co_occurrence(truth, truth)
    values = {VIEWS[0]: called, VIEWS[1]: really, VIEWS[2]: called - really}[view or VIEWS[0]]
    st.caption(
        {
            VIEWS[0]: "Of the patches that truly have the row's class, the share in which the "
            "column's class was called. The diagonal is recall. Classes lie side by side in a "
            "patch, so a high value off the diagonal need not be an error. Rows of classes that no "
            "patch has are empty.",
            VIEWS[1]: "Of the patches that truly have the row's class, the share that truly have "
            "the column's class too: what a perfect model would show.",
            VIEWS[2]: "Called minus true. Above 0 the column's class is called too often beside "
            "the row's (blue), below 0 too seldom (orange).",
        }[view or VIEWS[0]]
    )
    signed = view == VIEWS[2]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=data.SHORT,
            y=data.SHORT,
            zmin=-1 if signed else 0,
            zmax=1,
            colorscale=SIGNED if signed else SHARES,
            colorbar={"thickness": 10, "title": None},
            xgap=1,
            ygap=1,
            hovertemplate="truly %{y}, column %{x}: %{z:.2f}<extra></extra>",
        )
    )
    show.plain(figure, 640)
    figure.update_yaxes(autorange="reversed", title="truly there", showgrid=False, tickfont_size=11)
    figure.update_xaxes(tickangle=-90, showgrid=False, tickfont_size=11)
    table = pd.DataFrame(values, columns=data.SHORT)
    table.insert(0, "truly there", data.SHORT)
    alt = f"{view}: 19 by 19 classes, model {name}"
    show.chart(figure, table, f"together-{name}-{VIEWS.index(view or VIEWS[0])}", alt)


def precision_recall(found: Sequence[data.Entry]) -> None:
    """The curve of one class, of all models with a report."""
    ready = [(entry, entry.report) for entry in found if entry.report is not None]
    options = [
        POOLED,
        *(c for k, c in enumerate(CLASS_NAMES) if ready[0][1].predictions.truth[:, k].any()),
    ]
    label = st.selectbox(
        "Class",
        options,
        format_func=lambda c: BY_NAME[c].short if c in BY_NAME else c,
        key="models_curve",
        persist_state="session",
    )
    figure, parts = go.Figure(), []
    for k, (entry, report) in enumerate(ready):
        part = _curve(report, label)
        parts.append(part.assign(Model=entry.card.title))
        colour = show.COLOURS[k % len(show.COLOURS)]
        figure.add_scatter(
            x=part["Recall"],
            y=part["Precision"],
            mode="lines",
            line={"color": colour, "dash": show.DASHES[k % len(show.DASHES)], "shape": "vh"},
            name=f"{entry.card.title}, AP {_ap(report, label)}",
            hovertemplate="recall %{x:.2f}, precision %{y:.2f}<extra>%{fullData.name}</extra>",
        )
        if label in BY_NAME:
            item = report.figures["per_class"][label]
            if item["precision"] is not None and item["recall"] is not None:
                figure.add_scatter(
                    x=[item["recall"]],
                    y=[item["precision"]],
                    mode="markers",
                    marker={"color": colour, "symbol": show.SYMBOLS[k % 5], "size": 13},
                    name=f"at its threshold {item['threshold']:.2f}",
                    hovertemplate="recall %{x:.2f}, precision %{y:.2f}<extra>at threshold</extra>",
                )
    truth = ready[0][1].predictions.truth
    share = float((truth if label == POOLED else truth[:, CLASS_NAMES.index(label)]).mean())
    figure.add_hline(y=share, line={"color": show.QUIET, "dash": "dot"})
    show.plain(figure, 470)
    figure.update_layout(legend={"y": -0.2, "yanchor": "top", "orientation": "v"})
    figure.update_xaxes(range=[0, 1.02], title="Recall: share of true ones that are found")
    figure.update_yaxes(range=[0, 1.02], title="Precision")
    st.caption(
        f"The dotted line is chance: the share of positives, {share:.3f} "
        f"({int((truth if label == POOLED else truth[:, CLASS_NAMES.index(label)]).sum())} of "
        f"{truth.size if label == POOLED else len(truth)})."
    )
    table = pd.concat(parts, ignore_index=True)
    short = BY_NAME[label].short if label in BY_NAME else "all"
    name = f"curve-{short.lower().replace(' ', '-')}"
    show.chart(figure, table, name, f"Precision against recall for {label}")


def _ap(report: Evaluation, label: str) -> str:
    if label == POOLED:
        spans = report.figures["confidence_intervals"]
        return data.with_span(report.figures["micro_ap"], spans["micro_ap"])
    item = report.figures["per_class"][label]
    return data.with_span(item["ap"], item["ap_interval"])


def _curve(report: Evaluation, label: str) -> pd.DataFrame:
    found = report.predictions
    if label == POOLED:
        truth, probability = found.truth.ravel(), found.probability.ravel()
    else:
        k = CLASS_NAMES.index(label)
        truth, probability = found.truth[:, k], found.probability[:, k]
    precision, recall, threshold = metrics.curve(truth, probability)
    table = pd.DataFrame({"Recall": recall, "Precision": precision, "Threshold": threshold})
    return table.replace(np.inf, np.nan)
