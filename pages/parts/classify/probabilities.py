"""Chart and table of all probabilities, grouped by theme."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import plotly.graph_objects as go

from landcover.core.classes import OWN_THEME, THEMES, cover_of
from landcover.trust.wording import outcome
from pages.parts.classify.decision_goal import OUTCOME_LABELS
from pages.parts.shared import naming
from pages.parts.shared.theme import Ink

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.models.model import LabelScore
    from landcover.trust.result import Result

ROW: Final = 34
"""Height of a class or of a theme's heading, pixels."""


@dataclass(frozen=True)
class Theme:
    """A CORINE level-1 theme with its classes, the most probable first."""

    name: str
    scores: tuple[LabelScore, ...]


def by_theme(scores: tuple[LabelScore, ...]) -> tuple[Theme, ...]:
    """Group classes by theme; sort both by their highest probability."""
    groups = []
    for name in (*THEMES, OWN_THEME):
        own = [score for score in scores if cover_of(score.label).theme == name]
        if own:
            groups.append(Theme(name, tuple(sorted(own, key=lambda s: -s.probability))))
    return tuple(sorted(groups, key=lambda group: -group.scores[0].probability))


def decision(score: LabelScore, found: Result) -> str:
    """Return decision and certainty as one sign and word, so that colour is never the only sign."""
    if found.quality.abstained:
        return "? no result"
    return OUTCOME_LABELS[outcome(score)]


def groups_of(found: Result) -> tuple[Theme, ...]:
    """Return the classes by theme; the classes of a picture, which has one, in one group."""
    scores = found.prediction.labels
    if not found.raster.is_rgb:
        return by_theme(scores)
    return (Theme("", tuple(sorted(scores, key=lambda score: -score.probability))),)


def table(found: Result, truth: frozenset[str] | None) -> pd.DataFrame:
    """Return one row per class, in the order of the chart."""
    rows = []
    for group in groups_of(found):
        for score in group.scores:
            row = {
                "Land cover": naming.class_name(score.label),
                "Probability": f"{score.probability:.1%}",
                "Threshold": f"{score.threshold:.1%}",
                "Result": decision(score, found),
            }
            if found.raster.is_rgb:
                del row["Threshold"]
            if truth is not None:
                row["Reference label"] = "yes" if score.label in truth else "no"
            rows.append(row)
    return pd.DataFrame(rows)


def chart(found: Result, ink: Ink) -> go.Figure:
    """Draw bars in the classes' colours with their thresholds, in two lines per class.

    Names are above the bars and not next to them, so that they fit on a phone.
    """
    rows = list(_rows(groups_of(found)))
    classes = [(y, row) for y, row in rows if not isinstance(row, str)]
    ys = [y for y, _ in classes]
    figure = go.Figure()
    figure.add_bar(
        x=[1.0] * len(ys), y=ys, orientation="h", width=0.26, hoverinfo="skip",
        marker={"color": "rgba(128,128,128,.16)"},
    )  # fmt: skip
    figure.add_bar(
        x=[score.probability for _, score in classes],
        y=ys,
        orientation="h",
        width=0.26,
        marker={
            "color": [cover_of(score.label).hex for _, score in classes],
            "line": {"color": ink.line, "width": 1},
        },
        customdata=[
            (naming.class_name(s.label), f"{s.threshold:.1%}", decision(s, found))
            for _, s in classes
        ],
        hovertemplate="%{customdata[0]}<br>probability %{x:.1%}"
        + ("" if found.raster.is_rgb else ", threshold %{customdata[1]}")
        + "<br>%{customdata[2]}<extra></extra>",
    )
    if not found.raster.is_rgb:
        figure.add_scatter(
            x=[score.threshold for _, score in classes],
            y=ys,
            mode="markers",
            marker={"symbol": "line-ns", "size": 13, "line": {"width": 2, "color": ink.text}},
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=[0.008] * len(ys), y=[y + 0.46 for y in ys], mode="markers", hoverinfo="skip",
        marker={
            "symbol": "square", "size": 11,
            "color": [cover_of(score.label).hex for _, score in classes],
            "line": {"color": ink.line, "width": 1},
        },
    )  # fmt: skip
    # All at once: adding texts one by one checks all of those before again.
    texts = [
        text
        for y, row in rows
        for text in (
            [_text(f"<b>{row}</b>", ink.quiet, x=0.0, y=y + 0.1, side="left")]
            if isinstance(row, str)
            else _class_texts(row, found, y=y, ink=ink)
        )
    ]
    figure.update_layout(
        annotations=texts,
        barmode="overlay",
        height=ROW * len(rows) + 8,
        margin={"l": 2, "r": 2, "t": 4, "b": 4},
        showlegend=False,
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis={"range": [-0.008, 1.008], "visible": False, "fixedrange": True},
        yaxis={"range": [-len(rows) + 0.2, 0.6], "visible": False, "fixedrange": True},
    )
    return figure


def _rows(groups: tuple[Theme, ...]) -> Iterator[tuple[float, str | LabelScore]]:
    """Yield the y position and the content of every line, from the top down."""
    y = 0.0
    for group in groups:
        if group.name:
            yield y, group.name
            y -= 0.9
        for score in group.scores:
            yield y, score
            y -= 1.0


def _class_texts(score: LabelScore, found: Result, *, y: float, ink: Ink) -> list[dict[str, Any]]:
    name = cover_of(score.label).short
    present = score.predicted and not found.quality.abstained
    colour = ink.text if present else ink.quiet
    weight = "<b>{}</b>" if present else "{}"
    text = f"{score.probability:.0%}"
    if not found.quality.abstained and outcome(score) != "not found":
        text += f" {decision(score, found)}"
    return [
        _text(weight.format(name), colour, x=0.03, y=y + 0.46, side="left"),
        _text(weight.format(text), colour, x=1.0, y=y + 0.46, side="right"),
    ]


def _text(text: str, colour: str, *, x: float, y: float, side: str) -> dict[str, Any]:
    return {
        "x": x, "y": y, "text": text, "showarrow": False, "xanchor": side, "yanchor": "middle",
        "font": {"color": colour, "size": 13},
    }  # fmt: skip
