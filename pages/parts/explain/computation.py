"""What the Explain page computes beside itself: each piece is shown as soon as it is ready.

Pieces are kept for all visitors. The job works with models of its own and one job at a time,
since methods hang hooks on a net, which would see what another thread predicts meanwhile.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal

import streamlit as st

from landcover.core.bands import PATCH_M
from landcover.core.errors import BadInput, Cancelled, LandcoverError
from landcover.core.progress import Progress, Report, check, ignore
from landcover.core.raster import Raster
from pages.parts.shared import jobs, loaded_models, theme

if TYPE_CHECKING:  # at run time it would load torch before the page is drawn
    from landcover.models.model import Model

POLL_S: Final = 1.0
"""Each look at a job is a run of a script, which holds up the job for a moment."""
MOST: Final = 256
"""Pieces that are kept: a map has 58 kB."""
INDEX: Final = "trust/neighbours.safetensors"
"""The index of training patches in a model's folder."""
SHIFT_M: Final = 100.0
_JOB: Final = "explain_job"
_WAIT_S: Final = 0.1

Kind = Literal["map", "bands", "neighbours", "stability"]
WHAT: Final[dict[Kind, str]] = {
    "map": "Maps",
    "bands": "Bands",
    "neighbours": "Training patches like it",
    "stability": "Windows around it",
}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One piece that the page wants to show.

    Attributes:
        kind: what.
        model: name of the model that is asked.
        key: of the pixels, as :attr:`pages.parts.shared.choice.Chosen.key`.
        label: full name of a class, for maps and bands.
        method: for maps.
        baseline: for maps and bands.
        aim: what the thresholds serve, for the stability.
        state: of the model; another one under the same name is asked anew.
    """

    kind: Kind
    model: str
    key: str
    label: str = ""
    method: str = ""
    baseline: str = ""
    aim: str = ""
    state: loaded_models.Stamp = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", loaded_models.stamp(self.model, INDEX))

    @property
    def group(self) -> tuple[Kind, str, str, str, str]:
        """Pieces of one group share the passes of the net."""
        return self.kind, self.model, self.method, self.baseline, self.aim


@dataclass(frozen=True)
class Failed:
    """Why a piece cannot be had, in one sentence."""

    sentence: str


class Store:
    """Pieces that are ready, shared by all threads; the oldest go first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._held: OrderedDict[Wish, Any] = OrderedDict()

    def get(self, wish: Wish) -> Any:  # noqa: ANN401 - each kind has a type of its own
        """The piece, or None where it is not ready."""
        with self._lock:
            if wish in self._held:
                self._held.move_to_end(wish)
            return self._held.get(wish)

    def put(self, wish: Wish, piece: object) -> None:
        """Keep a piece."""
        with self._lock:
            self._held[wish] = piece
            self._held.move_to_end(wish)
            while len(self._held) > self._most:
                self._held.popitem(last=False)

    def ready(self, wishes: Iterable[Wish]) -> int:
        """How many of them are ready."""
        with self._lock:
            return sum(wish in self._held for wish in wishes)


@dataclass(frozen=True, eq=False)
class Subject:
    """What is explained: the pixels, and the larger picture they were cut from."""

    pixels: Raster
    scene: Raster | None = None


@st.cache_resource
def store() -> Store:
    """The pieces of this server."""
    return Store()


@st.cache_resource
def _turn() -> threading.Lock:
    """Held by the job whose turn it is."""
    return threading.Lock()


def twin(name: str) -> Model:
    """A model for the jobs alone.

    Raises:
        LandcoverError: it is unknown or damaged.
    """
    return _twin(name, loaded_models.stamp(name))


@st.cache_resource(max_entries=4, show_spinner="Loading the model …")
def _twin(name: str, state: loaded_models.Stamp) -> Model:  # noqa: ARG001 - part of the cache's key
    from landcover.explain import band_attribution, what_if  # noqa: F401, PLC0415 - load torch
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.trust import shift_stability  # noqa: F401, PLC0415 - load torch

    model = registry.default().load(name)
    loaded_models.freeze_garbage()
    return model


def ensure(wishes: Sequence[Wish], subject: Subject) -> jobs.Job | None:
    """See to it that all are computed; None where they are there.

    Returns:
        the job that does it, or that ended early: the user stopped it, or it failed.
    """
    about, job = tuple(wishes), st.session_state.get(_JOB)
    if isinstance(job, jobs.Job):
        ended = job.cancelled or job.error is not None
        if job.purpose == about and (not job.done or ended):
            return job
        job.cancel()
        st.session_state[_JOB] = None
    kept = store()
    missing = [wish for wish in wishes if kept.get(wish) is None]
    if not missing:
        return None
    own = {wish.model: twin(wish.model) for wish in missing}
    work = _work(missing, subject, own, kept, _turn())
    st.session_state[_JOB] = jobs.start(about, work)
    return st.session_state[_JOB]  # type: ignore[no-any-return]  # just put there


def at_once(wish: Wish, subject: Subject) -> Any:  # noqa: ANN401 - each kind has a type of its own
    """One piece, which the page waits for; a job that this visitor has left is stopped.

    Raises:
        LandcoverError: it cannot be had.
    """
    job = st.session_state.pop(_JOB, None)
    if isinstance(job, jobs.Job):
        job.cancel()
    kept, own = store(), twin(wish.model)
    piece = kept.get(wish)
    if piece is None:
        with _turn():
            piece = next(_pieces([wish], subject, own, ignore, threading.Event()))
        kept.put(wish, piece)
    if isinstance(piece, Failed):
        raise BadInput(piece.sentence)
    return piece


def go_on() -> None:
    """Forget that a job was stopped, so that the page starts the rest anew."""
    st.session_state[_JOB] = None


def watch(job: jobs.Job) -> None:
    """Show how far a job is, and draw the page anew whenever a piece is ready."""
    if not job.done:
        _watch(job, store().ready(job.purpose))
        return
    said = f"It failed: {job.error}" if job.error else "Stopped before all was ready."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(theme.literal(said))
        st.button("Go on", key="explain_go_on", icon=":material/play_arrow:", on_click=go_on)


@st.fragment(run_every=POLL_S)
def _watch(job: jobs.Job, shown: int) -> None:
    if job.done or store().ready(job.purpose) != shown:
        st.rerun()
    with st.container(key="explain_progress"):
        st.progress(
            job.progress.fraction,
            text=theme.literal(f"{shown} of {len(job.purpose)} ready · {job.text}"),
        )
        st.button("Stop", key="explain_stop", icon=":material/cancel:", on_click=job.cancel)


def _work(
    wishes: Sequence[Wish],
    subject: Subject,
    own: Mapping[str, Model],
    kept: Store,
    turn: threading.Lock,
) -> jobs.Work:
    def work(report: Report, cancel: threading.Event) -> None:
        report(Progress(what="Waiting for another explanation to end"))
        while not turn.acquire(timeout=_WAIT_S):
            check(cancel)
        try:
            for (kind, name, *_), group in groupby(wishes, key=lambda wish: wish.group):
                check(cancel)
                report(Progress(what=WHAT[kind]))
                left = list(group)
                _keep(left, _pieces(left, subject, own[name], report, cancel), kept, cancel)
        finally:
            turn.release()

    return work


def _keep(
    wishes: Sequence[Wish], pieces: Iterator[object], kept: Store, cancel: threading.Event
) -> None:
    """Keep pieces as they come; what cannot be had is kept as a sentence."""
    left = list(wishes)
    try:
        for piece in pieces:
            kept.put(left.pop(0), piece)
            check(cancel)
    except Cancelled:
        raise
    except LandcoverError as error:
        for wish in left:
            kept.put(wish, Failed(str(error)))


def _pieces(
    wishes: Sequence[Wish],
    subject: Subject,
    model: Model,
    report: Report,
    cancel: threading.Event,
) -> Iterator[object]:
    first, pixels = wishes[0], subject.pixels
    labels = [wish.label for wish in wishes]
    if first.kind == "map":
        from landcover.explain.explanation import explain_many  # noqa: PLC0415 - loads torch

        yield from explain_many(
            model, pixels, labels, [first.method],
            baseline=first.baseline, report=report, cancel=cancel,
        )  # fmt: skip
    elif first.kind == "bands":
        from landcover.explain.band_attribution import attribute_bands_many  # noqa: PLC0415 - as above

        yield from attribute_bands_many(model, pixels, labels, first.baseline)
    elif pixels.is_rgb:
        yield Failed("A picture has no place on the ground, so this is not to be had.")
    elif first.kind == "stability":
        from landcover.trust.shift_stability import stability  # noqa: PLC0415 - as above

        yield stability(model, pixels, SHIFT_M, scene=subject.scene, aim=first.aim)
    else:
        yield _neighbours(model, pixels)


def _neighbours(model: Model, patch: Raster) -> object:
    from landcover.explain import neighbours  # noqa: PLC0415 - loads torch

    assert model.folder is not None
    index = neighbours.load(model.folder, model.card.hash)
    if index is None:
        return Failed(
            f"No training patches of {model.card.title} are indexed: index them with "
            f"`landcover trust neighbours ROOT --model {model.card.name} --save`, where ROOT is "
            "the data set's folder."
        )
    return index.origin, neighbours.query(index, model, patch, apart_m=PATCH_M)
