"""How good the models are: figures with intervals, class by class, two side by side.

Every number comes from files that ``landcover evaluate`` and ``landcover train`` wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from landcover.errors import LandcoverError
from landcover.evaluation import Evaluation
from pages.parts import entry
from pages.parts import models_classes as classes
from pages.parts import models_compare as compare
from pages.parts import models_data as data
from pages.parts import models_leaderboard as leaderboard

OF_REPORT: Final[dict[str, Callable[[Evaluation, str], None]]] = {
    "Classes": classes.figures,
    "Confusion": classes.confusions,
    "Co-occurrence": classes.co_occurrence,
}
OF_CARD: Final[dict[str, Callable[[data.Entry], None]]] = {
    "Training": compare.training,
    "Card": compare.card,
}
CURVES: Final = "Precision and recall"
VIEWS: Final = (*OF_REPORT, CURVES, *OF_CARD)


def main() -> None:
    """Choose a split; see all models, then one, then two side by side."""
    st.title("How good are the models?", anchor=False)
    cards, broken = data.cards()
    for sentence in broken:
        st.error(sentence)
    if not cards:
        st.info(
            "No model is installed: install landcover again, or train one with `landcover train`."
        )
        return
    split = _split(list(cards))
    found, damaged = data.entries(cards, split)
    for sentence in damaged:
        st.error(sentence)
    rows = data.rows(found)
    measured = split is not None and bool(rows)
    if split is not None and rows:
        leaderboard.render(found, rows, split)
    else:
        st.info(
            "No model has a report that can be read, so there are no figures to show: make one "
            f"with `{data.command(found[0].name, split)}`, where ROOT is the data set's folder."
        )
    st.subheader("One model", anchor=False)
    _one(found, split, measured=measured)
    if split is not None and rows:
        st.subheader("Two models side by side", anchor=False)
        compare.side_by_side(found, split)


def _split(names: list[str]) -> data.Split | None:
    options = data.splits(names)
    if len(options) < 2:
        return options[0] if options else None
    return st.selectbox(
        "Measured on",
        options,
        format_func=lambda option: f"{option[0]}, split {option[1]}",
        key="models_split",
        persist_state="session",
    )


def _one(found: Sequence[data.Entry], split: data.Split | None, *, measured: bool) -> None:
    known = {entry.name: entry for entry in found}
    name = st.selectbox(
        "Model",
        list(known),
        format_func=lambda option: known[option].card.title,
        key="models_one",
        persist_state="session",
    )
    view = st.segmented_control(
        "View",
        VIEWS,
        default=VIEWS[0],
        required=True,
        key="models_view",
        label_visibility="collapsed",
        persist_state="session",
    )
    entry = known[name]
    if view in OF_CARD:
        OF_CARD[view](entry)
    elif entry.report is not None:
        if view == CURVES:
            classes.precision_recall(found)
        else:
            OF_REPORT[view or VIEWS[0]](entry.report, entry.name)
    elif measured:
        st.info(
            f"{entry.card.title} has no report on this split: make one with "
            f"`{data.command(entry.name, split)}`."
        )
    else:
        st.caption("What needs a report stays empty; training and card are there all the same.")


entry.through_app()
try:
    main()
except LandcoverError as error:
    st.error(str(error))
