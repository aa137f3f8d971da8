"""Correct the answer for a place: confirm, strike out or add land covers, and undo it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.adapt.corrections import Correction, of_answer, pixels_sha256
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import LandcoverError, ModelMismatch
from landcover.core.raster import Raster
from pages.parts.classify import views
from pages.parts.shared import choice, loaded_models, taught, theme, widgets

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.trust.result import Result

THERE, ABSENT, UNKNOWN = "There", "Not there", "Can't tell"
COMPLETE: Final = "Nothing else is there: all other land covers are absent"
KEYS: Final = "correct_form_"
"""Start of the keys of the form's widgets."""
_SUBJECT: Final = "correct_subject"
TEACH: Final = Path(__file__).parents[2] / "teach.py"
HOW_TO_LOOK: Final = (
    "**True colour** is what you would see from a plane. In "
    "**false colour** plants are red: the brighter, the denser; water is nearly black, bare soil "
    "and towns are grey to turquoise. Fields have straight edges, forest is dark and rough.\n\n"
    f"Say only what you can see. What you leave at *{UNKNOWN}* stays unknown, which is fine."
)


def show(chosen: choice.Chosen, pixels: Raster, found: Result) -> None:
    """Show what was said of this answer, and the form to correct it."""
    if not pixels.is_rgb and not pixels.has_place:
        st.caption("The answer cannot be corrected, because the place of this file is not known.")
    if pixels.is_rgb or not pixels.has_place:
        return
    if not {score.label for score in found.prediction.labels} <= set(CLASS_NAMES):
        st.caption(
            "The answer cannot be corrected, because this model has classes of its own; "
            f"corrections know the {len(CLASS_NAMES)} classes of BigEarthNet."
        )
        return
    try:
        here = pixels_sha256(pixels)
        said = taught.of_pixels(here)
    except LandcoverError as error:  # a damaged file of corrections: the answer itself stays
        st.error(theme.literal(str(error)))
        return
    with st.container(key="classify_correct"):
        if failed := st.session_state.pop(taught.FAILED, None):
            st.error(theme.literal(failed))
        if said is not None:
            _said(said)
        elif here in {one.pixels_sha256 for one in taught.removed()}:
            _removed()
        with st.expander("Is this right? Correct it", icon=":material/rate_review:"):
            _form(chosen, pixels, found, said)


def sentence(one: Correction) -> str:
    """Say in words what a correction says, escaped for Markdown."""
    said = (("There", (*one.confirmed, *one.added)), ("Not there", one.struck))
    # Names of classes contain commas.
    parts = [f"{word}: {'; '.join(names)}." for word, names in said if names]
    if one.complete:
        parts.append("Nothing else is there.")
    return theme.literal(" ".join(parts))


def _said(said: Correction) -> None:
    """Show the correction of this window, with a button that undoes it."""
    st.success(f"**You said of this place.** {sentence(said)} {how_many()}")
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.button(
            "Undo this correction",
            key="correct_undo",
            icon=":material/undo:",
            on_click=taught.attempt,
            args=(taught.remove, said.id),
        )
        if widgets.button("All corrections", key="correct_all", icon=":material/school:"):
            st.switch_page(TEACH)


def _removed() -> None:
    st.info("The correction of this place was removed.")
    widgets.button(
        "Bring it back",
        key="correct_redo",
        icon=":material/redo:",
        on_click=taught.attempt,
        args=(taught.bring_back,),
    )


def how_many() -> str:
    """Say how many corrections there are, and what they are enough for."""
    count = len(taught.corrections())
    if count < taught.LEAST:
        left = taught.LEAST - count
        return (
            f"That is {count} correction{'s' * (count > 1)}; with {left} more, at other places, "
            "the model can be adapted to them."
        )
    return f"That is {count} corrections: adapt the model to them on the page Teach."


def _form(chosen: choice.Chosen, pixels: Raster, found: Result, said: Correction | None) -> None:
    names = [] if found.quality.abstained else [s.label for s in found.prediction.predicted]
    others = [name for name in CLASS_NAMES if name not in names]
    start = _fresh_keys((chosen.key, found.prediction.card_hash, names, said and said.id))
    truth = {} if said is None else said.truth
    views.show_large(chosen.key, pixels)
    st.markdown(HOW_TO_LOOK)
    with st.form("correct_form", border=False):
        answers = {
            name: widgets.segmented_control(
                name,
                (THERE, ABSENT, UNKNOWN),
                default=_word(truth.get(name)),
                required=True,
                key=f"{start}{number}",
            )
            for number, name in enumerate(names)
        }
        added = widgets.multiselect(
            "What else is there" if names else "What is there",
            others,
            [name for name in others if truth.get(name)],
            key=f"{start}added",
            placeholder="Add land covers that you see",
        )
        complete = widgets.checkbox(
            COMPLETE, value=said is not None and said.complete, key=f"{start}complete"
        )
        pressed = widgets.form_submit_button(
            "Keep this correction", type="primary", icon=":material/check:"
        )
    st.caption(taught.where())
    if not pressed:
        return
    there, absent = (
        [name for name, answer in answers.items() if answer == wanted] for wanted in (THERE, ABSENT)
    )
    if not (there or absent or added or complete):
        st.warning("You have said nothing yet: choose what is there, or what is not.")
        return
    try:
        made = of_answer(
            pixels,
            {one.label: one.probability for one in found.prediction.labels},
            predicted=names,
            present=[*there, *added],
            absent=absent,
            complete=complete,
            model=found.prediction.model,
            card_hash=found.prediction.card_hash,
        )
        _keep(made, chosen, pixels, found.prediction.model)
    except LandcoverError as error:
        st.error(theme.literal(str(error)))
        return
    st.rerun()


def _word(known: bool | None) -> str:  # noqa: FBT001 - what a correction says of a class
    return UNKNOWN if known is None else THERE if known else ABSENT


def _fresh_keys(subject: object) -> str:
    """Return how the keys of the form's widgets begin: anew for each answer and correction.

    A widget whose state a page sets loses what the user chooses while the page is still drawn.
    """
    start = f"{KEYS}{hashlib.sha256(repr(subject).encode()).hexdigest()[:12]}_"
    if st.session_state.get(_SUBJECT) != start:
        widgets.forget(KEYS)
        st.session_state[_SUBJECT] = start
    return start


def _keep(made: Correction, chosen: choice.Chosen, pixels: Raster, name: str) -> None:
    """Keep a correction, with what the model makes of its pixels.

    Raises:
        LandcoverError: it cannot be written.
    """
    from landcover.adapt import evidence  # noqa: PLC0415 - loads torch

    taught.add([made])
    taught.remember(made, chosen)
    with suppress(ModelMismatch):  # a model without features, which cannot be adapted
        evidence.keep(taught.kept(), made, loaded_models.load(name), pixels)
