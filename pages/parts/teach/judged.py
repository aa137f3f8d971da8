"""Whether an adaptation helps: a headline, a chart of each class, and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core.classes import cover_of
from pages.parts.shared import class_link, elements, theme

if TYPE_CHECKING:  # at run time it would load torch before the page is drawn
    from landcover.adapt.judgement import Change, Judgement

ROW: Final = 30
"""Height of a class in the chart, pixels."""
BETTER, WORSE = "#2b9a66", "#d9731a"


def show(found: Judgement) -> None:
    """Show the headline, the chart and the table."""
    box, icon = (
        (st.success, ":material/check_circle:")
        if found.helps
        else (
            st.warning,
            ":material/help:",
        )
    )
    then = "" if found.helps else " Correct more places, and adapt again."
    box(f"**{theme.literal(found.reason)}**{then}", icon=icon)
    st.caption(
        f"{found.n} corrections at {found.places} places; each place was left out once. What is "
        "known of it was then answered before and after the adaptation. Log loss: 0 is perfect, "
        "so less is better. Line: 95 % interval of the gain."
    )
    rows = [(name, one.log_loss) for name, one in found.per_class.items()]
    elements.chart(
        _chart(rows, theme.ink()),
        "Gain in log loss of each land cover with its interval, as in the table",
        key="teach_chart",
    )
    with st.expander("Show as a table"):
        class_link.table(table(found), "Land cover")


def table(found: Judgement) -> pd.DataFrame:
    """Return a row for all classes together by each metric, and one for each class."""
    rows = [
        _row("All, micro average precision", found.known, found.present, found.micro_ap),
        _row("All, log loss", found.known, found.present, found.log_loss),
        *(
            _row(cover_of(name).short, one.known, one.present, one.log_loss)
            for name, one in found.per_class.items()
        ),
    ]
    return pd.DataFrame(rows)


def _row(what: str, known: int, present: int, change: Change) -> dict[str, str]:
    """Return the cells of a row: few, so that they fit on a phone."""
    there, span = change.gain is not None, change.interval
    interval = "" if span is None else f" [{_signed(span[0])}, {_signed(span[1])}]"
    return {
        "Land cover": what,
        "Known (there)": f"{known} ({present})",
        "Before → after": f"{change.before:.3f} → {change.after:.3f}" if there else "–",
        "Gain [95 % interval]": _signed(change.gain) + interval,
    }


def _signed(value: float | None) -> str:
    """Write a number with its sign; a rounded zero has none."""
    return "–" if value is None else f"{round(value, 3) + 0.0:+.3f}"


def _chart(rows: list[tuple[str, Change]], ink: theme.Ink) -> go.Figure:
    known = [(name, one) for name, one in rows if one.gain is not None]
    known.sort(key=lambda pair: pair[1].gain or 0.0)
    gains = [one.gain or 0.0 for _, one in known]
    spans = [one.interval or (gain, gain) for (_, one), gain in zip(known, gains, strict=True)]
    names = [cover_of(name).short for name, _ in known]
    figure = go.Figure()
    figure.add_bar(
        x=gains,
        y=names,
        orientation="h",
        width=0.4,
        marker={"color": [BETTER if gain > 0 else WORSE for gain in gains]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, high - gain) for (_, high), gain in zip(spans, gains, strict=True)],
            "arrayminus": [
                max(0.0, gain - low) for (low, _), gain in zip(spans, gains, strict=True)
            ],
            "color": ink.text,
            "thickness": 1.5,
        },
        hovertemplate="%{y}<br>gain in log loss %{x:+.3f}<extra></extra>",
    )
    grid = "rgba(134,142,150,.3)"
    figure.update_layout(
        height=ROW * len(known) + 70,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        showlegend=False,
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis={
            "title": {"text": "Gain in log loss (more is better)", "font": {"color": ink.text}},
            "tickfont": {"color": ink.text},
            "gridcolor": grid,
            "zerolinecolor": ink.text,
            "fixedrange": True,
        },
        yaxis={"tickfont": {"color": ink.text}, "automargin": True, "fixedrange": True},
    )
    return figure
