"""The answer of an adapted model beside that of the model it was adapted from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.adapt.corrections import pixels_sha256
from landcover.core.classes import cover_of
from landcover.core.errors import LandcoverError
from landcover.core.raster import Raster
from pages.parts.shared import (
    class_link,
    elements,
    loaded_models,
    naming,
    theme,
    url_state,
    widgets,
)

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.trust.result import Result

NOTICEABLE: Final = 0.05
"""Change of a probability from which the headline names it."""
MOST_NAMED: Final = 3
DRAWN: Final = 0.005
"""Change of a probability from which the chart shows it."""
ROW: Final = 36
"""Height of a class in the chart, pixels."""


@dataclass(frozen=True)
class Change:
    """The probability of a class before and after the adaptation."""

    label: str
    before: float
    after: float

    @property
    def by(self) -> float:
        """The difference, from -1 to 1."""
        return self.after - self.before


def parent_of(name: str) -> str | None:
    """Return the installed model that a model was adapted from; None for other models."""
    from landcover.adapt.lineage import parent  # noqa: PLC0415 - loads torch

    try:
        found = parent(loaded_models.card(name), loaded_models.registry_of(name))
        return None if found is None else loaded_models.known(found)
    except LandcoverError:
        return None


def is_adapted_to(name: str, pixels: Raster) -> bool:
    """Return whether a window is one of those that a model is adapted to."""
    from landcover.adapt.lineage import window_name, windows  # noqa: PLC0415 - loads torch

    return window_name(pixels_sha256(pixels)) in windows(loaded_models.card(name))


def show_way_back(name: str, found: Result, before: Result | None) -> None:
    """Say what the corrections changed in this answer, with a button to the model before.

    Args:
        name: name of the adapted model.
        found: its result.
        before: the result of the model that it was adapted from; None shows nothing.
    """
    if before is None:
        return
    st.info(headline(before, found), icon=":material/school:")
    if is_adapted_to(name, found.raster):
        st.caption("The model is adapted to this place, so that it is right here proves little.")
    widgets.button(
        f"Back to {loaded_models.title(before.prediction.model)}",
        key="before_after_back",
        icon=":material/undo:",
        on_click=url_state.keep,
        args=("model", before.prediction.model),
        help=f"{loaded_models.title(name)} stays in the list of models.",
    )


def show(name: str, found: Result, before: Result | None) -> None:
    """Show each probability before and after the adaptation, as a chart and a table."""
    if before is None:
        return
    elements.heading("Before and after your corrections")
    st.caption(
        f"Circle: {theme.literal(loaded_models.title(before.prediction.model))}. Square: "
        f"{theme.literal(loaded_models.title(name))}. The largest change comes first; those below "
        "half a percentage point are only in the table."
    )
    rows = changes(before, found)
    if drawn := [one for one in rows if abs(one.by) >= DRAWN]:
        elements.chart(
            _chart(drawn, theme.ink()),
            "Probability of land covers before and after the adaptation, as in the table",
            key="before_after_chart",
        )
    with st.expander("Show before and after as a table"):
        class_link.table(table(rows), "Land cover")


def headline(before: Result, found: Result) -> str:
    """Say in one sentence which probabilities the adaptation changed most, for Markdown."""
    clear = [one for one in changes(before, found) if abs(one.by) >= NOTICEABLE][:MOST_NAMED]
    if not clear:
        return "Your corrections change this answer by less than 5 percentage points."
    parts = [f"{one.label} from {one.before:.0%} to {one.after:.0%}" for one in clear]
    return f"**Your corrections change this answer:** {theme.literal('; '.join(parts))}."


def changes(before: Result, found: Result) -> list[Change]:
    """Return the change of each class, the largest first."""
    pairs = zip(before.prediction.labels, found.prediction.labels, strict=True)
    every = [Change(new.label, old.probability, new.probability) for old, new in pairs]
    return sorted(every, key=lambda one: -abs(one.by))


def table(rows: Sequence[Change]) -> pd.DataFrame:
    """Return a row for each class."""
    return pd.DataFrame(
        {
            "Land cover": naming.class_name(one.label),
            "Before": f"{one.before:.1%}",
            "After": f"{one.after:.1%}",
            "Change in points": f"{round(100 * one.by, 1) + 0.0:+.1f}",
        }
        for one in rows
    )


def _chart(rows: Sequence[Change], ink: theme.Ink) -> go.Figure:
    """Draw a line from the circle before to the square after for each class."""
    figure = go.Figure()
    ys = [-float(number) for number in range(len(rows))]
    ends = [x for one in rows for x in (one.before, one.after, None)]
    figure.add_scatter(
        x=ends, y=[y for each in ys for y in (each, each, None)], mode="lines",
        hoverinfo="skip", line={"color": ink.quiet, "width": 2},
    )  # fmt: skip
    colours = [cover_of(one.label).hex for one in rows]
    for when, xs, marker in (
        ("before", [one.before for one in rows], {"symbol": "circle-open", "color": ink.text}),
        ("after", [one.after for one in rows], {"symbol": "square", "color": colours}),
    ):
        figure.add_scatter(
            x=xs,
            y=ys,
            mode="markers",
            marker={"size": 10, "line": {"color": ink.text, "width": 1.5}, **marker},
            customdata=[one.label for one in rows],
            hovertemplate="%{customdata}<br>" + when + " %{x:.1%}<extra></extra>",
        )
    names = [
        {
            "x": 0.0, "y": y + 0.42, "text": cover_of(one.label).short, "showarrow": False,
            "xanchor": "left", "yanchor": "middle", "font": {"color": ink.text, "size": 13},
        }
        for y, one in zip(ys, rows, strict=True)
    ]  # fmt: skip
    figure.update_layout(
        annotations=names,
        height=ROW * len(rows) + 40,
        margin={"l": 8, "r": 8, "t": 4, "b": 30},
        showlegend=False,
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis={
            "range": [-0.01, 1.01], "tickformat": ".0%", "fixedrange": True,
            "tickfont": {"color": ink.text}, "gridcolor": "rgba(134,142,150,.3)",
            "zeroline": False,
        },
        yaxis={"range": [-len(rows) + 0.4, 0.8], "visible": False, "fixedrange": True},
    )  # fmt: skip
    return figure
