"""What the decisions should serve, and what "certainly", "possibly" and "not" mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from landcover.core.classes import BY_NAME
from pages.parts.shared import loaded_models, theme

if TYPE_CHECKING:  # at run time these would load torch before the map is drawn
    from landcover.decide.conformal import Certainty
    from landcover.models.card import Card
    from landcover.trust.result import Result

WAYS: Final[dict[str, str]] = {
    "f1": "Balanced (F1)",
    "f2": "Find more (F2)",
    "precision": "Be right when it says so: precision",
    "recall": "Miss little: recall",
}
SAID: Final[dict[Certainty | None, str]] = {
    "certain": "● certainly",
    "possible": "◐ possibly",
    "absent": "○ not",
    None: "",
}
"""A sign and a word, so that neither colour nor shade is needed to tell them apart."""
USUAL_LEVEL: Final = 0.8


def choose(card: Card) -> str:
    """Let the user say what decisions should serve; the name of an aim that the card has."""
    from landcover.models.thresholds import DEFAULT_AIM, offered  # noqa: PLC0415 - the map comes first

    there = offered(card)
    ways = [way for way in WAYS if any(aim.kind == way for aim in there)]
    if len(ways) < 2:
        return DEFAULT_AIM
    way = _kept("way", ways, ways[0])
    left, right = st.columns([3, 2])
    # Set before the widget, so that a visit to another page does not reset it.
    st.session_state["classify_aim_way"] = way
    way = left.selectbox(
        "What matters to you?",
        ways,
        format_func=WAYS.__getitem__,
        key="classify_aim_way",
        help="The thresholds from which a cover counts as present, chosen on validation. "
        "Balanced: errors and omissions count alike. Find more: an omission counts four times "
        "an error. Precision: how many of the covers named are there. Recall: how many of the "
        "covers there are named.",
    )
    st.session_state["classify_aim_way_kept"] = way
    levels = {aim.level: aim.name for aim in there if aim.kind == way and aim.level is not None}
    if not levels:
        return way
    level = _kept("level", list(levels), USUAL_LEVEL if USUAL_LEVEL in levels else min(levels))
    st.session_state["classify_aim_level"] = level
    level = right.select_slider(
        f"{way.capitalize()} of at least",
        list(levels),
        format_func="{:.0%}".format,
        key="classify_aim_level",
    )
    st.session_state["classify_aim_level_kept"] = level
    return levels[level]


def _kept(name: str, choices: list[Any], usual: Any) -> Any:  # noqa: ANN401 - a text or a number
    key = f"classify_aim_{name}"
    found = st.session_state.get(key, st.session_state.get(f"{key}_kept"))
    return found if found in choices else usual


def fallback(found: Result) -> str:
    """Which covers validation could not bring to the aim; empty where it could all."""
    names = [BY_NAME[label].short for label in found.prediction.aim_fallback]
    if not names:
        return ""
    return (
        f"Validation has too few patches to bring these to that aim, so they keep their usual "
        f"threshold: {', '.join(names)}."
    )


def meaning(card: Card, observed: dict[str, Any] | None) -> str:
    """What the three words promise, and what came of it; empty where a card has none.

    Args:
        card: of the model.
        observed: what :func:`landcover.decide.conformal.observe` gave on the test split.
    """
    sets = card.label_sets
    if sets is None:
        return ""
    wanted = f"{sets.wanted_coverage:.0%}"
    promise = (
        f"{SAID['certain']}, {SAID['possible']}, {SAID['absent']}: made so that {wanted} of the "
        f"covers that are there are not called “not”, and {wanted} of those called “certainly” "
        "are there, whatever matters to you."
    )
    if sets.pooled:
        promise += " Validation has too few patches of some rare covers to rule them out."
    where = "on test patches"
    figures = observed
    if figures is None:
        figures, where = sets.expected, "on validation patches of places held out"
    if not figures:
        return promise
    present, certain = figures["overall"]["present"], figures["overall"]["certain"]
    kept = f"{_measured(present)} of the covers there were not called “not”"
    right = f", and {_measured(certain)} of those called “certainly” were there" * bool(
        certain["n"]
    )
    return f"{promise} Measured {where}: {kept}{right}. Elsewhere it may be less."


def _measured(share: dict[str, Any]) -> str:
    if share["interval"] is None:
        return "none"
    low, high = share["interval"]
    return f"{share['share']:.0%} [{low:.0%}, {high:.0%}] of {share['n']:,}"


@st.cache_data(max_entries=16, show_spinner=False)
def observed(
    name: str,
    card_hash: str,
    state: loaded_models.Stamp,  # noqa: ARG001 - part of the cache's key
) -> dict[str, Any] | None:
    """The coverage that a registered model's label sets had on the test split."""
    from landcover.evaluate.report_files import observed_coverage  # noqa: PLC0415 - as below
    from landcover.models import registry  # noqa: PLC0415 - the map comes first

    found = observed_coverage(registry.default().folder(name), card_hash)
    return None if found is None else found.as_dict()


def explain(name: str, found: Result) -> None:
    """Say below the chart what the words mean and which covers the aim left out."""
    card = loaded_models.card(name)
    notes = (fallback(found), meaning(card, observed(name, card.hash, loaded_models.stamp(name))))
    for note in filter(None, notes):
        st.caption(theme.literal(note))
