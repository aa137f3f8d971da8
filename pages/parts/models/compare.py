"""Comparison of two models: overall, class by class, and their cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.evaluate.comparison import Comparison, Gap, compare
from landcover.evaluate.report import Evaluation, Unit
from landcover.evaluate.report_metrics import Draws
from landcover.metrics import scores
from pages.parts.models import card, data
from pages.parts.shared import charts as show
from pages.parts.shared import elements, theme

RESAMPLES: Final = 500
"""Maximum number of resamples, to keep the page fast."""
UNITS: Final[dict[str, Unit]] = {"Patches": "patch", "Places (blocks of 12 km)": "block"}
WORDS: Final = {"a": "A is better", "b": "B is better", None: "no clear difference"}
DECIDING: Final = ("macro_ap", "micro_ap", "accuracy", "macro_f1", "micro_f1", "ece", "brier")
"""The metrics of the summary in words; the table has all metrics."""
BY_CLASS: Final = {
    "ap": "AP",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "f2": "F2",
    "brier": "Brier score",
    "ece": "Calibration error",
    "ace": "Adaptive ECE",
}


@show.section
def side_by_side(found: Sequence[data.Entry], split: data.Split) -> None:
    """Show the metrics of two models, their differences by class, and their cards.

    Raises:
        BadInput: the two reports cover different patches.
    """
    elements.heading("Two models side by side")
    ready = {row.name: (row, report) for row, report in data.ready(found)}
    if len(ready) < 2:
        missing = [e.name for e in found if e.name not in ready and data.suits(e, found)]
        hint = f": make another with `{data.command(missing[0], split)}`" if missing else ""
        st.info(f"Two models with a report on this split are needed{hint}.")
        return
    names, sides = list(ready), []
    for k, place in enumerate(st.columns(2)):
        with place:
            name = show.pick(
                f"Model {'AB'[k]}",
                names,
                f"models_{'ab'[k]}",
                lambda option: ready[option][0].title,
                index=k,
                field=("first", "second")[k],
            )
        sides.append(ready[name])
    (first, a), (second, b) = sides
    unit = UNITS[show.switch("Intervals over", list(UNITS), "models_pair_unit")]
    found_gaps = _differences(a, b, unit, (*data.identity(a), *data.identity(b)))
    _overall(first, second, found_gaps)
    _by_class(first, second, found_gaps)
    _cards(first, second)


@st.cache_data(max_entries=16, show_spinner="Resampling the patches …")
def _differences(
    _first: Evaluation,
    _second: Evaluation,
    unit: Unit,
    key: tuple[str, ...],  # noqa: ARG001 - part of the cache's key
) -> Comparison:
    """Compare two reports with :func:`landcover.evaluate.comparison.compare`."""
    boots = (_first.metrics.bootstrap, _second.metrics.bootstrap)
    resamples = min(RESAMPLES, *(boot.resamples for boot in boots if boot is not None))
    return compare(_first, _second, draws=Draws(resamples=resamples, unit=unit))


def _row(name: str, gap: Gap) -> dict[str, Any]:
    """Return one row of the table, with one number per column."""
    low, high = gap.interval or (None, None)
    return {
        "Metric": name,
        "A": gap.a,
        "B": gap.b,
        "A − B": gap.difference,
        "Low": low,
        "High": high,
        "A better in": gap.share_a_better,
        "Verdict": WORDS[gap.better],
    }


def _overall(first: data.Row, second: data.Row, found: Comparison) -> None:
    """Show every metric over all classes, and a summary in words."""
    st.markdown(_answer(first, second, found))
    gaps = {key: gap for key, gap in found.overall.items() if key in data.METRICS}
    ordered = [key for key in data.METRICS if key in gaps]
    shown = pd.DataFrame(
        {
            "Metric": [data.METRICS[key].axis for key in ordered],
            "A": [data.with_span(gaps[key].a, first.span(key)) for key in ordered],
            "B": [data.with_span(gaps[key].b, second.span(key)) for key in ordered],
            "A − B": [
                data.with_span(gaps[key].difference, gaps[key].interval, "+") for key in ordered
            ],
            "A better in": [_percent(gaps[key].share_a_better) for key in ordered],
            "Verdict": [WORDS[gaps[key].better] for key in ordered],
        }
    )
    st.dataframe(shown, hide_index=True, key="models_table_pair", alt="Metrics of both models")
    numbers = pd.DataFrame([_row(data.METRICS[key].title, gaps[key]) for key in ordered])
    show.download(numbers, f"pair-{first.name}-{second.name}")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _answer(first: data.Row, second: data.Row, found: Comparison) -> str:
    """Say in one or two sentences which model is better by the main metrics."""
    main = {key: gap for key, gap in found.overall.items() if key in DECIDING}
    parts = []
    for better, words in (
        ("a", f"**A ({theme.literal(first.title)}) is better** in"),
        ("b", f"**B ({theme.literal(second.title)}) is better** in"),
        (None, "no clear difference:"),
    ):
        names = [
            data.METRICS[key].title
            for key in DECIDING
            if key in main and main[key].better == better and main[key].a is not None
        ]
        if names:
            parts.append(f"{words} {', '.join(names)}")
    boot = found.bootstrap
    over = "patches" if boot.unit == "patch" else f"{boot.blocks} places"
    return (
        f"{'; '.join(parts)}. A model counts as better only if the 95 % interval of the difference "
        f"excludes 0, over the same {boot.resamples} resamples of {over} for both. By chance, one "
        "metric in twenty does."
    )


def _by_class(first: data.Row, second: data.Row, found: Comparison) -> None:
    """Show the differences of one metric class by class."""
    elements.subheading("Class by class")
    by = show.pick("Metric", list(BY_CLASS), "models_pair_figure", lambda key: BY_CLASS[key])
    rows = [
        {"Class": data.short(name), "Support": item.support, **_row(BY_CLASS[by], item.gap(by))}
        for name, item in found.per_class.items()
        if item.gap(by).difference is not None
    ]
    if not rows:
        st.info(f"No class has a value of this metric ({BY_CLASS[by]}) for both models.")
        return
    table = pd.DataFrame(rows)
    lower = by in scores.LOWER_IS_BETTER
    st.caption(
        f"{'Left' if lower else 'Right'}: A ({theme.literal(first.title)}) is better. "
        f"{'Right' if lower else 'Left'}: B ({theme.literal(second.title)}) is better. If the "
        "interval includes 0, or fewer than five patches have the class, these patches do not "
        "show which is better. In brackets: number of patches with the class."
    )
    name = show.file_stem("difference", first.name, second.name, by)
    alt = f"{BY_CLASS[by]} of {first.title} minus {second.title} by class"
    show.chart(_bars(table.iloc[::-1], BY_CLASS[by]), table, name, alt)


def _bars(drawn: pd.DataFrame, title: str) -> go.Figure:
    gaps = drawn["A − B"]
    low, high = drawn["Low"].astype(float).fillna(gaps), drawn["High"].astype(float).fillna(gaps)
    figure = go.Figure(
        go.Bar(
            x=gaps,
            y=[f"{c} ({n:.0f})" for c, n in zip(drawn["Class"], drawn["Support"], strict=True)],
            orientation="h",
            marker_color=[show.POSITIVE if gap >= 0 else show.NEGATIVE for gap in gaps],
            error_x={
                "array": high - gaps,
                "arrayminus": gaps - low,
                "symmetric": False,
                "thickness": 1.5,
                "color": show.QUIET,
            },
            customdata=drawn["Verdict"],
            hovertemplate="%{y}: %{x:+.3f}, %{customdata}<extra></extra>",
        )
    )
    show.set_layout(figure, 120 + 26 * len(drawn), bargap=0.35)
    figure.add_vline(x=0, line={"color": show.QUIET})
    figure.update_xaxes(title=f"{title} of A minus {title} of B, 95 % interval", tickformat="+.2f")
    return figure


def _cards(first: data.Row, second: data.Row) -> None:
    with st.expander("The two cards"):
        for place, letter, row in zip(st.columns(2), "AB", (first, second), strict=True):
            with place:
                st.markdown(f"**{letter}: {theme.literal(row.title)}**")
                if row.card is not None:
                    card.facts(row.card)
