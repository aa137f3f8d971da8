"""The Models page: metrics of all models, two side by side, each in detail, and the user's own.

Every number comes from files that ``landcover evaluate``, ``landcover train`` and ``landcover
trust`` wrote. Only the section that is shown is computed, and a choice inside it redraws that
section alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from pages.parts.models import (
    card,
    classes,
    compare,
    data,
    leaderboard,
    left_out,
    store,
    trust,
    views,
)
from pages.parts.models import trade_off as recommend
from pages.parts.shared import charts as show
from pages.parts.shared import elements, entry, shown, theme, url_state, widgets

ALL, PAIR, CURVES = "All models", "Two models", "Precision and recall"
YOURS = "Your models"
OF_CARD: Final[dict[str, Callable[[data.Entry], None]]] = {
    "Can it be trusted?": trust.render,
    "Left-out countries": left_out.render,
    "Card": card.card,
    "Training": card.training,
    "Architecture": card.architecture,
}
SECTION: Final = "models_section"
VIEW: Final = "models_view"
# Sections of the page, each with its views; the address of the page names the view.
SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    ALL: (ALL,),
    PAIR: (PAIR,),
    "Land covers": ("Classes", "Confusion", "Co-occurrence", CURVES),
    "Probabilities": ("Thresholds", "Reliability", "Label sets", "Risk and coverage"),
    "Errors": ("Failures", "Countries"),
    "Trust and card": (
        "Can it be trusted?",
        "Left-out countries",
        "Card",
        "Training",
        "Architecture",
    ),
    YOURS: (YOURS,),
}
VIEWS: Final = tuple(view for inside in SECTIONS.values() for view in inside)


def main() -> None:
    """Choose a section and a split; show all models, two of them, or one."""
    elements.title("Which model should I use?")
    cards, broken = data.cards()
    for sentence in broken:
        st.error(theme.literal(sentence))
    section = _section()
    if section == YOURS:
        store.render()
        return
    if not cards:
        st.info(
            "No model is installed. Install landcover again, or train a model with "
            "`landcover train`."
        )
        return
    split = _split(list(cards))
    found, damaged = data.entries(cards, split)
    for sentence in damaged:
        st.error(theme.literal(sentence))
    rows = data.rows(found)
    measured = split is not None and bool(rows)
    if not measured and SECTIONS[section][0] not in OF_CARD:
        st.info(
            "No model has a readable report, so there are no metrics to show. Make one with "
            f"`{data.command(found[0].name, split)}`, where ROOT is the folder of the data set."
        )
    if section not in {ALL, PAIR}:
        _one(section, found, rows, split)
    elif split is not None and rows and section == ALL:
        recommend.recommendations(rows)
        leaderboard.render(found, rows, split)
        recommend.bubbles(rows)
    elif split is not None and rows:
        compare.side_by_side(found, split)


def _section() -> str:
    """Let the user jump to a section; return the one that has the view of the address."""
    chosen = url_state.offered("view", VIEWS, str)
    view = chosen[0] if chosen else ALL
    st.session_state[SECTION] = next(name for name, inside in SECTIONS.items() if view in inside)
    section = widgets.segmented_control(
        "Section",
        list(SECTIONS),
        required=True,
        key=SECTION,
        on_change=_jump,
        label_visibility="collapsed",
    )
    return str(section)


def _jump() -> None:
    url_state.drop_change(VIEW)  # a view of the section before
    shown.keep(view=SECTIONS[widgets.value(SECTION)][0])
    url_state.publish()


def _split(names: list[str]) -> data.Split | None:
    options = data.splits(names)
    if len(options) < 2:
        return options[0] if options else None
    return show.pick(
        "Measured on",
        options,
        "models_split",
        lambda option: f"{option.data}, split {option.name}",
        field="split",
        text=lambda option: option.address,
    )


@show.section
def _one(
    section: str,
    found: Sequence[data.Entry],
    rows: Sequence[data.Row],
    split: data.Split | None,
) -> None:
    elements.heading(section)
    known = {entry.name: entry for entry in found if entry.report or data.suits(entry, found)}
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        name = show.pick(
            "Model",
            list(known),
            "models_one",
            lambda option: known[option].card.title,
            field="model",
        )
    entry, report = known[name], known[name].report
    with right:
        view = show.switch("View", _views(section, entry), VIEW, field="view")
    if view in OF_CARD:
        OF_CARD[view](entry)
    elif view == CURVES and rows and data.ready(found):
        classes.precision_recall(found)
    elif report is not None:
        views.OF_REPORT[view](next(row for row in rows if row.name == name), report)
    elif rows:
        st.info(
            f"{entry.card.title} has no report on this split. Make one with "
            f"`{data.command(entry.name, split)}`."
        )


def _views(section: str, entry: data.Entry) -> list[str]:
    """Return the views of a section for which the model has something to show."""
    hidden = set(views.SEVERAL_LABELS if entry.card.exclusive else ())
    if not data.history(entry.name):
        hidden.add("Training")
    return [view for view in SECTIONS[section] if view not in hidden]


entry.require_app(__file__)
try:
    main()
except LandcoverError as error:
    st.error(theme.literal(str(error)))
