"""The Models page: metrics with intervals, each model class by class, two models side by side.

Every number comes from files that ``landcover evaluate``, ``landcover train`` and ``landcover
trust`` wrote. Only the view that is shown is computed, and a choice inside a section redraws
that section alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.evaluate.report import Evaluation
from pages.parts.models import (
    card,
    classes,
    compare,
    data,
    failures,
    leaderboard,
    places,
    reliability,
    thresholds,
    trust,
)
from pages.parts.models import charts as show
from pages.parts.models import selective_risk as selective
from pages.parts.models import trade_off as recommend
from pages.parts.shared import elements, entry

CURVES: Final = "Precision and recall"
OF_REPORT: Final[dict[str, Callable[[data.Row, Evaluation], None]]] = {
    "Classes": classes.metrics,
    "Confusion": classes.confusions,
    "Thresholds": thresholds.render,
    "Co-occurrence": classes.co_occurrence,
    "Reliability": reliability.render,
    "Label sets": places.label_sets,
    "Risk and coverage": selective.render,
    "Failures": failures.render,
    "Countries": places.countries,
}
OF_CARD: Final[dict[str, Callable[[data.Entry], None]]] = {
    "Can it be trusted?": trust.render,
    "Training": card.training,
    "Card": card.card,
}
# These make no sense if each patch has exactly one class.
SEVERAL_LABELS: Final = frozenset({"Thresholds", "Co-occurrence", "Label sets"})
VIEWS: Final = (*OF_REPORT, CURVES, *OF_CARD)


def main() -> None:
    """Choose a split; show all models, then one, then two side by side."""
    elements.title("Which model should I use?")
    cards, broken = data.cards()
    for sentence in broken:
        st.error(sentence)
    if not cards:
        st.info(
            "No model is installed. Install landcover again, or train a model with "
            "`landcover train`."
        )
        return
    split = _split(list(cards))
    found, damaged = data.entries(cards, split)
    for sentence in damaged:
        st.error(sentence)
    rows = data.rows(found)
    if split is not None and rows:
        recommend.recommendations(rows)
        leaderboard.render(found, rows, split)
        recommend.bubbles(rows)
    else:
        st.info(
            "No model has a readable report, so there are no metrics to show. Make one with "
            f"`{data.command(found[0].name, split)}`, where ROOT is the folder of the data set."
        )
    _one(found, rows, split)
    if split is not None and rows:
        compare.side_by_side(found, split)


def _split(names: list[str]) -> data.Split | None:
    options = data.splits(names)
    if len(options) < 2:
        return options[0] if options else None
    return show.pick(
        "Measured on",
        options,
        "models_split",
        lambda option: f"{option[0]}, split {option[1]}",
        field="split",
        text="/".join,
    )


@show.section
def _one(found: Sequence[data.Entry], rows: Sequence[data.Row], split: data.Split | None) -> None:
    elements.heading("One model")
    known = {entry.name: entry for entry in found if entry.report or data.suits(entry, found)}
    name = show.pick(
        "Model",
        list(known),
        "models_one",
        lambda option: known[option].card.title,
        field="model",
    )
    entry, report = known[name], known[name].report
    hidden = SEVERAL_LABELS if report is not None and report.exclusive else frozenset()
    view = show.switch(
        "View", [view for view in VIEWS if view not in hidden], "models_view", field="view"
    )
    if view in OF_CARD:
        OF_CARD[view](entry)
    elif view == CURVES and rows and data.ready(found):
        classes.precision_recall(found)
    elif report is not None:
        OF_REPORT[view](next(row for row in rows if row.name == name), report)
    elif rows:
        st.info(
            f"{entry.card.title} has no report on this split. Make one with "
            f"`{data.command(entry.name, split)}`."
        )
    else:
        st.caption("This view needs a report. “Training” and “Card” work without one.")


entry.require_app(__file__)
try:
    main()
except LandcoverError as error:
    st.error(str(error))
