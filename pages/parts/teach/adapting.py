"""Adapt a model to the corrections: the job, whether it helps, and keeping the result."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.adapt.corrections import Correction, Kept, digest, pixels_sha256
from landcover.core.errors import BadInput, LandcoverError, ModelMismatch
from landcover.core.progress import Progress, Report, check
from landcover.core.raster import Raster
from landcover.core.text import plain
from landcover.io.samples import read_sample, samples
from landcover.jobs import queue
from landcover.jobs.job import Job
from pages.parts.shared import (
    choice,
    elements,
    job_bar,
    loaded_models,
    sessions,
    taught,
    theme,
    url_state,
    widgets,
)
from pages.parts.teach import judged

if TYPE_CHECKING:  # at run time it would load torch before the page is drawn
    from landcover.adapt.adaptation import Adaptation
    from landcover.models.model import Model

USUAL_NAME: Final = "my-region"
_JOB, _MADE, _FAILED, _DONE = "teach_job", "teach_made", "teach_job_failed", "teach_registered"


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """An adapted model that is not kept yet.

    Attributes:
        of: digest of the corrections, and name of the model that was adapted.
        adaptation: the model, and whether it helps.
        lost: a sentence about each correction that could not be used.
    """

    of: tuple[str, str]
    adaptation: Adaptation
    lost: tuple[str, ...]


def show() -> None:
    """Show what is missing for an adaptation, or the button, the progress and the result."""
    elements.heading("Adapt a model")
    made = taught.corrections()
    if len(made) < taught.LEAST:
        _too_few(len(made))
        return
    _registered()
    base = _base()
    if base is None:
        st.info("No installed model can be adapted: install landcover again.")
        return
    of = (digest(made), base)
    if _running() is not None:
        job_bar.watch(_running, _collect, "teach_cancel")
        return
    found = _made()
    current = found is not None and found.of == of
    if found is not None and not current:
        st.caption("The corrections or the model have changed since: adapt again.")
    if failed := st.session_state.get(_FAILED):
        st.error(theme.literal(failed))
    if widgets.button(
        f"Adapt {loaded_models.title(base)} to {len(made)} corrections",
        key="teach_adapt",
        type="secondary" if current else "primary",
        icon=":material/school:",
    ):
        _start(of, made)
        st.rerun()
    if found is not None and current:
        _result(found)


def _too_few(count: int) -> None:
    left = taught.LEAST - count
    st.info(
        f"{left} more correction{'s' * (left > 1)} at other places, and a model can be adapted. "
        f"Fewer than {taught.LEAST} cannot show whether that helps: each place is left out once, "
        "and answered by a model that is adapted to the others. Strike out what is wrong as well "
        "as confirming what is right."
    )


def _base() -> str | None:
    """Let the user choose the model to adapt: one that has features and was not adapted itself."""
    names = [name for name in loaded_models.for_patches() if _is_suited(name)]
    if not names:
        return None
    if len(names) == 1:
        return names[0]
    return widgets.selectbox(
        "Model to adapt", names, format_func=loaded_models.title, key="teach_base"
    )


def _is_suited(name: str) -> bool:
    from landcover.adapt.lineage import parent  # noqa: PLC0415 - loads torch

    try:
        card = loaded_models.card(name)
    except LandcoverError:
        return False
    return card.explainable and not card.exclusive and parent(card) is None


def _running() -> Job | None:
    job = st.session_state.get(_JOB)
    return job if isinstance(job, Job) else None


def _made() -> Made | None:
    found = st.session_state.get(_MADE)
    return found if isinstance(found, Made) else None


def _start(of: tuple[str, str], corrections: Sequence[Correction]) -> None:
    """Start the job; what it needs of the session is taken here."""
    st.session_state[_FAILED] = st.session_state[_DONE] = None
    try:
        model, kept = loaded_models.load(of[1]), taught.kept()
        patches = _at_hand(corrections)

        def work(report: Report, cancel: Event) -> Made:
            from landcover.adapt import adaptation, evidence  # noqa: PLC0415 - loads torch

            def step(progress: Progress) -> None:
                check(cancel)
                report(progress)

            _, missing = evidence.find(kept, corrections, model)
            _measure(kept, missing, model, patches, step)
            found, lost = evidence.gather(kept, corrections, model, report=step)
            made = adaptation.adapt_from(model, found, USUAL_NAME, step)
            return Made(of=of, adaptation=made, lost=tuple(lost))

        st.session_state[_JOB] = queue.default().submit(
            queue.LONG, of, work, owner=sessions.current()
        )
    except LandcoverError as error:
        st.session_state[_FAILED] = str(error)


def _at_hand(corrections: Sequence[Correction]) -> list[Raster]:
    """Return the windows whose pixels this session has, of those that were corrected."""
    chosen = [taught.choice_of(one) for one in corrections]
    found = [choice.patch_of(one) for one in dict.fromkeys(chosen) if one.sample is None]
    own = [read_sample(sample.name) for sample in samples()]
    return [*own, *choice.fetched().values(), *(patch for patch in found if patch is not None)]


def _measure(
    kept: Kept,
    missing: Sequence[Correction],
    model: Model,
    patches: Sequence[Raster],
    report: Report,
) -> None:
    """Keep what the model makes of corrected windows of which nothing is kept yet."""
    from landcover.adapt import evidence  # noqa: PLC0415 - loads torch

    if not missing:
        return
    by_hash = {pixels_sha256(patch): patch for patch in patches}
    for done, one in enumerate(missing, start=1):
        # A window that does not fit the model is named with those whose pixels are not here.
        with suppress(ModelMismatch):
            if one.pixels_sha256 in by_hash:
                evidence.keep(kept, one, model, by_hash[one.pixels_sha256])
        report(Progress(what="Features", done=done, total=len(missing), unit="windows"))


def _collect(job: Job) -> None:
    st.session_state[_JOB] = None
    if isinstance(job.result, Made):
        st.session_state[_MADE] = job.result
    else:
        st.session_state[_FAILED] = job.error or "Stopped: no model was made."


def _result(made: Made) -> None:
    if made.lost:
        count = len(made.lost)
        with st.expander(f"{count} correction{'s' * (count > 1)} could not be used"):
            st.markdown("\n".join(f"- {theme.literal(sentence)}" for sentence in made.lost))
    judged.show(made.adaptation.judgement)
    st.caption(theme.literal(made.adaptation.decisions.reason))
    _keep_form(made)


def _keep_form(made: Made) -> None:
    """Let the user name the model and keep it; one that is not shown to help only on purpose."""
    helps = made.adaptation.judgement.helps
    with st.form("teach_keep", border=False):
        name = widgets.text_input("Name of the new model", _free_name(), key="teach_name")
        pressed = widgets.form_submit_button(
            "Use this model" if helps else "Keep it anyway",
            type="primary" if helps else "secondary",
            icon=":material/check:" if helps else None,
        )
    if pressed:
        try:
            _register(made, name.strip())
        except LandcoverError as error:
            st.error(theme.literal(str(error)))
            return
        st.rerun()


def _register(made: Made, name: str) -> None:
    """Add the model to the user's models, or to those of this session, and choose it.

    Raises:
        LandcoverError: the name is taken or invalid, or the model cannot be written.
    """
    from landcover.core import files  # noqa: PLC0415
    from landcover.models import registry, store  # noqa: PLC0415 - loads torch

    own = taught.registry_to_add()
    if name in registry.default().names() or name in own.names():
        raise BadInput(f"There is a model '{plain(name)}' already: give another name.")
    with files.scratch() as folder:
        made.adaptation.save(folder / "model")
        store.add(own, folder / "model", name)
    url_state.keep("model", name)
    st.session_state[_MADE] = None
    st.session_state[_DONE] = name


def _free_name() -> str:
    taken = {name.casefold() for name in loaded_models.for_patches()}
    names = [USUAL_NAME, *(f"{USUAL_NAME}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _registered() -> None:
    """Say that the model is there, once it is."""
    name = st.session_state.get(_DONE)
    if name in loaded_models.for_patches():
        st.success(
            f"**{theme.literal(name)}** is in the list of models, and is used on the page Classify "
            "now. There each answer is shown before and after your corrections."
        )
