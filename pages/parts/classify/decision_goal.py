"""Choice of the aim of the thresholds, and what "certain" and "possible" mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from landcover.core.classes import cover_of
from pages.parts.shared import loaded_models, theme, url_state, widgets

if TYPE_CHECKING:  # at run time these would load torch before the map is drawn
    from collections.abc import Iterator

    from landcover.decide.conformal import LabelSets
    from landcover.models.card import Card
    from landcover.models.thresholds import Aim
    from landcover.trust.result import Result
    from landcover.trust.wording import Outcome

GOALS: Final[dict[str, str]] = {
    "f1": "Balanced (F1)",
    "f2": "Find more (F2)",
    "precision": "Fewer false alarms (precision)",
    "recall": "Fewer misses (recall)",
}
OUTCOME_LABELS: Final[dict[Outcome, str]] = {
    "certain": "● certain",
    "found": "✓ found",
    "possible": "◐ possible",
    "not found": "– not found",
}
"""A sign and a word, so that colour is never the only sign."""
DEFAULT_LEVEL: Final = 0.8
HELP: Final = (
    "Sets the thresholds from which a land cover counts as present. They were chosen on "
    "validation patches. Balanced: false alarms and misses count equally. Find more: a miss "
    "counts four times as much as a false alarm. Precision: the share of the predicted land "
    "covers that are really there. Recall: the share of the land covers there that are "
    "predicted."
)
_KIND: Final = "classify_aim_way"
_LEVEL: Final = "classify_aim_level"


def choose(card: Card) -> str:
    """Let the user choose the aim of the thresholds; return the name of an aim of the card."""
    chosen, available = current(card), _available(card)
    kinds = [kind for kind in GOALS if any(aim.kind == kind for aim in available.values())]
    if len(kinds) < 2:
        return chosen
    kind, level = available[chosen].kind, available[chosen].level
    left, right = st.columns([3, 2])
    url_state.set_widget(_KIND, kind)
    with left:
        widgets.selectbox(
            "What matters to you?",
            kinds,
            format_func=GOALS.__getitem__,
            key=_KIND,
            on_change=_take,
            args=(available, level),
            help=HELP,
        )
    if level is not None:
        url_state.set_widget(_LEVEL, level)
        with right:
            widgets.select_slider(
                f"{kind.capitalize()} of at least",
                [aim.level for aim in available.values() if aim.kind == kind],
                format_func="{:.0%}".format,
                key=_LEVEL,
                on_change=_take,
                args=(available,),
            )
    return chosen


def current(card: Card) -> str:
    """Return the name of the aim that the user chose, or of the default one."""
    from landcover.models.thresholds import DEFAULT_AIM  # noqa: PLC0415 - the map comes first

    found = url_state.offered("aim", list(_available(card)), str)
    return found[0] if found else DEFAULT_AIM


def _available(card: Card) -> dict[str, Aim]:
    from landcover.models.thresholds import available_aims  # noqa: PLC0415 - the map comes first

    return {aim.name: aim for aim in available_aims(card)}


def _take(available: dict[str, Aim], level: float | None = None) -> None:
    """Keep the aim of the widgets; a level is offered for some kinds only."""
    kind = widgets.value(_KIND)
    levels = {aim.level: name for name, aim in available.items() if aim.kind == kind}
    usual = DEFAULT_LEVEL if DEFAULT_LEVEL in levels else next(iter(levels))
    wanted = level if level is not None else widgets.value(_LEVEL)
    if url_state.changed(_KIND) or url_state.changed(_LEVEL):
        url_state.keep("aim", levels.get(wanted, levels[usual]))


def fallback(found: Result) -> str:
    """Return a sentence on the land covers that cannot serve the aim; empty if all can."""
    names = [cover_of(label).short for label in found.prediction.aim_fallback]
    if not names:
        return ""
    return (
        "The validation set has too few patches to choose a threshold for this aim, so these "
        f"land covers keep their usual threshold: {', '.join(names)}."
    )


def meaning(card: Card, observed: dict[str, Any] | None) -> str:
    """Explain "certain" and "possible" with their measured coverage; empty without label sets.

    Args:
        card: card of the model.
        observed: the result of :func:`landcover.decide.conformal.observe` on the test split.
    """
    sets = card.label_sets
    if sets is None:
        return ""
    wanted = f"{sets.wanted_coverage:.0%}"
    certain, possible = OUTCOME_LABELS["certain"], OUTCOME_LABELS["possible"]
    promise = (
        f"{possible}: not found, but not ruled out either, so that at most "
        f"{1 - sets.wanted_coverage:.0%} of the land covers that are there should be ruled out. "
        "It does not depend on the choice above, and is not shown at 0 %."
    )
    if sets.by_place is None:
        promise += (
            f" Nothing is marked {certain}, because this model's bounds have not been shown "
            "to hold in countries that it has not seen."
        )
    else:
        promise = (
            f"{certain}: found, and so probable that {wanted} of such findings were right in "
            f"{sets.by_place.units} that were left out. {promise}"
        )
    if sets.pooled:
        promise += " Some rare land covers have too few labelled patches to be ruled out."
    return " ".join([promise, *_coverages(sets, observed)])


def _coverages(sets: LabelSets, observed: dict[str, Any] | None) -> Iterator[str]:
    """State what was measured: in left-out countries first, since a user's place is like one."""
    near, where = observed, "on test patches"
    if sets.by_place is not None:
        unseen = sets.by_place
        places = f"in {unseen.places} {unseen.units}, each left out in turn"
        yield _shares(unseen.measured["overall"], places, with_certain=True)
    elif near is None:
        near, where = sets.expected, "on validation patches of held-out places"
    if near:
        yield _shares(near["overall"], where, with_certain=sets.by_place is not None)
    yield "In other regions the shares may be lower."


def _shares(overall: dict[str, Any], where: str, *, with_certain: bool) -> str:
    there, right = overall["present"], overall["certain"]
    kept = f"{_measured(there)} of the land covers there were not ruled out"
    hits = f", and {_measured(right)} of those marked certain were there"
    return f"Measured {where}: {kept}{hits * bool(with_certain and right['n'])}."


def _measured(share: dict[str, Any]) -> str:
    if share["share"] is None:
        return "none"
    span = ""
    if share["interval"] is not None:
        low, high = share["interval"]
        span = f" [{low:.0%}, {high:.0%}]"
    return f"{share['share']:.0%}{span} of {share['n']:,}"


@st.cache_data(max_entries=16, show_spinner=False)
def observed(
    name: str,
    card_hash: str,
    state: loaded_models.Stamp,  # noqa: ARG001 - part of the cache's key
) -> dict[str, Any] | None:
    """Return the measured coverage of a registered model's label sets on the test split."""
    from landcover.evaluate.report_files import observed_coverage  # noqa: PLC0415 - the map comes first

    found = observed_coverage(loaded_models.registry_of(name).folder(name), card_hash)
    return None if found is None else found.as_dict()


def explain(name: str, found: Result) -> None:
    """Show below the chart what the words mean and which land covers cannot serve the aim."""
    card = loaded_models.card(name)
    notes = (fallback(found), meaning(card, observed(name, card.hash, loaded_models.stamp(name))))
    for note in filter(None, notes):
        st.caption(theme.literal(note))
