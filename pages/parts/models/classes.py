"""Metrics of a model by class: average precision, confusion, co-occurrence, curves."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.evaluate.report import Evaluation
from landcover.metrics import failures, scores
from pages.parts.models import data
from pages.parts.shared import charts as show
from pages.parts.shared import class_link, theme, widgets

POOLED: Final = "All classes pooled (micro)"
# Zero is transparent, so that it blends into a light and a dark page.
SHARES: Final = ((0, "rgba(63,127,214,0)"), (1, "rgba(63,127,214,1)"))
SIGNED: Final = ((0, "rgba(217,115,26,1)"), (0.5, "rgba(134,142,150,0)"), (1, SHARES[1][1]))
VIEWS: Final = ("Predicted", "Actual", "Difference")
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


@show.section
def metrics(row: data.Row, report: Evaluation) -> None:
    """Show support, AP with interval, precision, recall, F1 and threshold of each class."""
    table = data.class_table(report)
    drawn = table[table["AP"].notna()].iloc[::-1]
    figure = go.Figure()
    for counted, colour, symbol, title in (
        (True, show.COLOURS[0], "circle", "in the macro average"),
        (False, show.QUIET, "circle-open", f"fewer than {scores.MIN_POSITIVES} positives"),
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
    show.set_layout(figure, 110 + 26 * len(drawn))
    figure.update_xaxes(range=[0, 1.02], title="Average precision with 95 % interval")
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=[f"{c} ({n})" for c, n in zip(drawn["Class"], drawn["Support"], strict=True)],
    )
    per_class = report.metrics.per_class
    absent = class_link.several(name for name, item in per_class.items() if not item.support)
    st.caption(
        f"In brackets: number of patches, of {report.metrics.n}, that have the class. "
        + (f"No patch has these classes, so they have no metrics: {absent}." if absent else "")
    )
    class_link.guide_line(report.classes)
    alt = f"Average precision of each class with 95 % intervals, model {row.title}"
    show.chart(figure, table, f"classes-{row.name}", alt)


@show.section
def confusions(row: data.Row, report: Evaluation) -> None:
    """Show a 2 × 2 table per class, or one confusion matrix if classes are exclusive."""
    if report.exclusive:
        _one_of_many(row, report)
        return
    table = data.confusion_table(report)
    st.caption(
        "Rows: is the class present? Columns: does the model predict it? The numbers are patches, "
        f"of {report.metrics.n}; the shade is a cell's share of its row."
    )
    grid(table)
    with st.expander("Show as one table"):
        show.numbers(
            table, f"confusion-{row.name}", f"Counts of the 2 × 2 tables, model {row.title}"
        )
    show.download(table, f"confusion-{row.name}")


def _one_of_many(row: data.Row, report: Evaluation) -> None:
    """Show which class was predicted for each actual class."""
    found = report.predictions
    counts = failures.confusion(found.truth, found.probability)
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)
    names = data.shorts(report)
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=names,
            y=names,
            zmin=0,
            zmax=1,
            colorscale=SHARES,
            showscale=False,
            xgap=1,
            ygap=1,
            text=counts,
            texttemplate="%{text}",
            textfont={"color": theme.ink().text},
            hovertemplate="actual %{y}, predicted %{x}: %{text} (%{z:.1%} of row)<extra></extra>",
        )
    )
    show.set_layout(figure, 180 + 38 * len(names))
    figure.update_yaxes(autorange="reversed", title="actual", showgrid=False)
    figure.update_xaxes(tickangle=-90, title="predicted", showgrid=False)
    accuracy = data.with_span(row.value("accuracy"), row.span("accuracy"))
    st.caption(
        f"The numbers are patches, of {report.metrics.n}; the shade is their share of the row. "
        f"The diagonal holds the correct predictions: accuracy {accuracy}."
    )
    class_link.guide_line(report.classes)
    table = pd.DataFrame(counts, columns=names)
    table.insert(0, "actual", names)
    show.chart(figure, table, f"confusion-{row.name}", f"Confusion matrix, model {row.title}")


def grid(table: pd.DataFrame) -> None:
    """Show the 2 × 2 tables of :func:`pages.parts.models.data.confusion_table` side by side."""
    cells = "".join(two_by_two(*values) for values in table.itertuples(index=False, name=None))
    st.html(f'{GRID_STYLE}<div class="lc-grid">{cells}</div>')


def two_by_two(title: str, both: int, missed: int, wrong: int, neither: int) -> str:
    """Return the 2 × 2 table of a class as HTML, with its name, which is escaped, as a link."""
    label = class_link.of_text(title)
    name = html.escape(title) if label is None else class_link.as_html(label, title)

    def cell(count: int, other: int) -> str:
        share = count / (count + other) if count + other else 0.0
        return f'<td style="background: rgba(63,127,214,{0.45 * share:.2f})">{count}</td>'

    return (
        f"<table><caption>{name}</caption>"
        '<thead><tr><td style="border:0"></td><th scope="col">predicted</th>'
        '<th scope="col">not pred.</th></tr></thead><tbody>'
        f'<tr><th scope="row">present</th>{cell(both, missed)}{cell(missed, both)}</tr>'
        f'<tr><th scope="row">absent</th>{cell(wrong, neither)}{cell(neither, wrong)}</tr>'
        "</tbody></table>"
    )


@show.section
def co_occurrence(row: data.Row, report: Evaluation) -> None:
    """Show which classes are predicted, and which are present, together with each class."""
    view = show.switch("Show", VIEWS, "models_together")
    truth = report.predictions.truth
    predicted = scores.co_occurrence(truth, data.predicted(report))
    actual = scores.co_occurrence(truth, truth)
    values = {VIEWS[0]: predicted, VIEWS[1]: actual, VIEWS[2]: predicted - actual}[view]
    st.caption(
        {
            VIEWS[0]: "Of the patches that have the row's class, the share for which the column's "
            "class is predicted. The diagonal is recall. Several classes can be in one patch, so a "
            "high value off the diagonal is not always an error. Rows of classes that no patch has "
            "are empty.",
            VIEWS[1]: "Of the patches that have the row's class, the share that also have the "
            "column's class: what a perfect model would show.",
            VIEWS[2]: "Predicted minus actual. Blue, above 0: the column's class is predicted too "
            "often together with the row's class. Orange, below 0: too rarely.",
        }[view]
    )
    class_link.guide_line(report.classes)
    signed = view == VIEWS[2]
    names = data.shorts(report)
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=names,
            y=names,
            zmin=-1 if signed else 0,
            zmax=1,
            colorscale=SIGNED if signed else SHARES,
            colorbar={"thickness": 10, "title": None},
            xgap=1,
            ygap=1,
            hovertemplate="actual %{y}, column %{x}: %{z:.2f}<extra></extra>",
        )
    )
    show.set_layout(figure, 640)
    figure.update_yaxes(
        autorange="reversed", title="actual class", showgrid=False, tickfont_size=11
    )
    figure.update_xaxes(tickangle=-90, showgrid=False, tickfont_size=11)
    table = pd.DataFrame(values, columns=names)
    table.insert(0, "actual class", names)
    alt = f"{view}: {len(names)} by {len(names)} classes, model {row.title}"
    show.chart(figure, table, f"together-{row.name}-{VIEWS.index(view)}", alt)


@show.section
def precision_recall(found: Sequence[data.Entry]) -> None:
    """Show the precision-recall curve of a class for the chosen models."""
    ready = data.ready(found)
    index = show.pick_class(ready[0][1], "models_curve", POOLED, present=True)
    name = POOLED if index is None else ready[0][1].classes[index]
    chosen = _chosen([row for row, _ in ready])
    figure, parts = go.Figure(), []
    for row, report in ready:
        if row.name not in chosen:
            continue
        part = curve_table(report, index)
        parts.append(part.assign(Model=row.title))
        style = show.style(row.number)
        figure.add_scatter(
            x=part["Recall"],
            y=part["Precision"],
            mode="lines",
            line={"color": style.colour, "dash": style.dash, "shape": "vh"},
            name=f"{row.title}, AP {_ap(row, report, index)}",
            hovertemplate="recall %{x:.2f}, precision %{y:.2f}<extra>%{fullData.name}</extra>",
        )
        item = None if index is None else report.metrics.per_class[name]
        if item is not None and None not in (item.recall, item.precision):
            figure.add_scatter(
                x=[item.recall],
                y=[item.precision],
                mode="markers",
                marker={"color": style.colour, "symbol": style.symbol, "size": 13},
                name=f"at its threshold {item.threshold:.2f}",
                hovertemplate="recall %{x:.2f}, precision %{y:.2f}<extra>at threshold</extra>",
            )
    truth = ready[0][1].predictions.truth
    own = truth if index is None else truth[:, index]
    figure.add_hline(y=float(own.mean()), line={"color": show.QUIET, "dash": "dot"})
    show.set_layout(figure, 470)
    figure.update_layout(legend={"y": -0.2, "yanchor": "top", "orientation": "v"})
    figure.update_xaxes(
        range=[0, 1.02], title="Recall: share of the actual positives that are found"
    )
    figure.update_yaxes(range=[0, 1.02], title="Precision")
    st.caption(
        f"The dotted line is chance: the share of positives, {own.mean():.3f} "
        f"({int(own.sum())} of {own.size})."
    )
    if parts:
        table = pd.concat(parts, ignore_index=True)
        stem = show.file_stem("curve", "all" if index is None else data.short(name))
        show.chart(figure, table, stem, f"Precision against recall for {name}")


def _chosen(rows: Sequence[data.Row]) -> list[str]:
    """Let the user choose models; by default the four with the best macro AP."""
    titles = {row.name: row.title for row in rows}
    best = sorted(
        titles, key=lambda n: -next(r.value("macro_ap") or 0 for r in rows if r.name == n)
    )
    key = "models_curves"
    kept = st.session_state.get(key)
    if kept is not None and not set(kept) <= set(titles):
        st.session_state[key] = [name for name in kept if name in titles]
    return widgets.multiselect(
        "Models",
        list(titles),
        default=best[:4] if kept is None else None,
        format_func=lambda name: titles[name],
        key=key,
        persist_state="session",
    )


def _ap(row: data.Row, report: Evaluation, index: int | None) -> str:
    if index is None:
        return data.with_span(row.value("micro_ap"), row.span("micro_ap"))
    item = report.metrics.per_class[report.classes[index]]
    return data.with_span(item.ap, item.ap_interval)


def curve_table(report: Evaluation, index: int | None) -> pd.DataFrame:
    """Return recall, precision and threshold along the curve of a class, or of all (None)."""
    found = report.predictions
    columns = slice(None) if index is None else slice(index, index + 1)
    precision, recall, threshold = scores.curve(
        found.truth[:, columns].ravel(), found.probability[:, columns].ravel()
    )
    table = pd.DataFrame({"Recall": recall, "Precision": precision, "Threshold": threshold})
    return table.replace(np.inf, np.nan)
