"""Background computations of the Explain page: each result is shown as soon as it is ready.

Results are kept for all visitors. Jobs use their own copies of the models and run one at a time
(:data:`landcover.jobs.queue.EXPLAIN`), since attribution methods put hooks on a net, which
predictions in other threads would trigger. After each result a job lets others have a turn.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal

import streamlit as st

from landcover.core import logs
from landcover.core.bands import PATCH_M
from landcover.core.errors import Cancelled, LandcoverError
from landcover.core.progress import Progress, Report, check
from landcover.core.raster import Raster
from landcover.jobs import queue
from landcover.jobs.job import Job, Work
from pages.parts.shared import loaded_models, sessions, theme, widgets

if TYPE_CHECKING:  # at run time it would load torch before the page is drawn
    from landcover.models.model import Model

POLL_S: Final = 1.0
"""Each poll of a job is a script run, which slows the job down a little."""
WAIT_POLL_S: Final = 2.0
"""Seconds between two polls of a job that waits for its turn."""
MOST: Final = 256
"""Maximum number of results that are kept; a map takes 58 kB."""
INDEX: Final = "trust/neighbours.safetensors"
"""The index of training patches in a model's folder."""
SHIFT_M: Final = 100.0
_JOB: Final = "explain_job"

Kind = Literal["map", "check", "bands", "neighbours", "stability"]
WHAT: Final[dict[Kind, str]] = {
    "map": "Maps",
    "check": "Comparing maps with chance",
    "bands": "Bands",
    "neighbours": "Similar training patches",
    "stability": "Shifted windows",
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """A result that the page needs.

    Attributes:
        kind: kind of result.
        model: name of the model.
        key: key of the pixels, as :attr:`pages.parts.shared.choice.Chosen.key`.
        label: full name of a class, for maps, their checks and bands.
        method: attribution method, for maps and their checks.
        baseline: baseline, for maps, their checks and bands.
        aim: aim of the thresholds, for the stability.
        state: state of the model's files, so that a changed model is used again.
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
        """Key of the requests that share forward passes."""
        return self.kind, self.model, self.method, self.baseline, self.aim


@dataclass(frozen=True)
class Failed:
    """The reason, in one sentence, why a result is not available."""

    sentence: str


class Store:
    """Results that are ready, shared by all threads; the least recently used are dropped."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._held: OrderedDict[Request, Any] = OrderedDict()

    def get(self, request: Request) -> Any:  # noqa: ANN401 - each kind has its own type
        """Return the result, or None if it is not ready."""
        with self._lock:
            if request in self._held:
                self._held.move_to_end(request)
            return self._held.get(request)

    def put(self, request: Request, piece: object) -> None:
        """Keep a result."""
        with self._lock:
            self._held[request] = piece
            self._held.move_to_end(request)
            while len(self._held) > self._most:
                self._held.popitem(last=False)

    def ready(self, requests: Iterable[Request]) -> int:
        """Return how many of the requests are ready."""
        with self._lock:
            return sum(request in self._held for request in requests)


@dataclass(frozen=True, eq=False)
class Subject:
    """What is explained: the pixels, and the larger image that they were cut from."""

    pixels: Raster
    scene: Raster | None = None


@st.cache_resource
def store() -> Store:
    """Return the results of this server."""
    return Store()


def job_model(name: str) -> Model:
    """Return a copy of a model that only jobs use.

    Raises:
        LandcoverError: the model is unknown or damaged.
    """
    return _job_model(loaded_models.known(name), loaded_models.stamp(name))


@st.cache_resource(max_entries=4, show_spinner="Loading the model …")
def _job_model(name: str, state: loaded_models.Stamp) -> Model:  # noqa: ARG001 - part of the cache's key
    from landcover.explain import band_attribution, what_if  # noqa: F401, PLC0415 - load torch
    from landcover.trust import shift_stability  # noqa: F401, PLC0415 - load torch

    model = loaded_models.registry_of(name).load(name)
    loaded_models.freeze_garbage()
    return model


def start_missing(requests: Sequence[Request], subject: Subject) -> Job | None:
    """Start a job that computes the missing results, unless such a job is already running.

    Returns:
        the job, which may have been stopped by the user or have failed; None if all results are
        ready.

    Raises:
        LandcoverError: a model is damaged, or too many jobs are waiting.
    """
    about, job = tuple(requests), st.session_state.get(_JOB)
    if isinstance(job, Job):
        ended = job.cancelled or job.error is not None
        if job.purpose == about and (not job.done or ended):
            return job
        job.cancel()
        st.session_state[_JOB] = None
    kept = store()
    missing = [request for request in requests if kept.get(request) is None]
    if not missing:
        return None
    own = {request.model: job_model(request.model) for request in missing}
    work = work_for(missing, subject, own, kept)
    job = queue.default().submit(queue.EXPLAIN, about, work, owner=sessions.current())
    st.session_state[_JOB] = job
    return job


def resume() -> None:
    """Forget a stopped job, so that the page computes the rest."""
    st.session_state[_JOB] = None


def watch(job: Job) -> None:
    """Show the progress of a job, and rerun the page whenever a result is ready."""
    if not job.done:
        poll_s = WAIT_POLL_S if job.waits else POLL_S
        st.fragment(_watch, run_every=poll_s)(job, store().ready(job.purpose))
        return
    message = f"Failed: {job.error}" if job.error else "Stopped before everything was computed."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(theme.literal(message))
        widgets.button("Resume", key="explain_go_on", icon=":material/play_arrow:", on_click=resume)


def _watch(job: Job, shown: int) -> None:
    if job.done or store().ready(job.purpose) != shown:
        st.rerun()
    count = len(job.purpose)
    with st.container(key="explain_progress"):
        st.progress(
            job.progress.fraction,
            text=theme.literal((f"{shown} of {count} ready · " if count > 1 else "") + job.text),
        )
        widgets.button("Stop", key="explain_stop", icon=":material/cancel:", on_click=job.cancel)


def work_for(
    requests: Sequence[Request], subject: Subject, own: Mapping[str, Model], kept: Store
) -> Work:
    """Return the work of a job that computes results and keeps each as soon as it is ready.

    Args:
        requests: the results to compute; neighbours in the list of the same group share passes.
        subject: what is explained.
        own: name → model that only jobs use.
        kept: where to keep the results.
    """

    def work(report: Report, cancel: threading.Event) -> Iterator[None]:
        for (kind, name, *_), group in groupby(requests, key=lambda request: request.group):
            check(cancel)
            # Another visitor's job may have computed some while this one waited.
            left = [request for request in group if kept.get(request) is None]
            if left:
                report(Progress(what=WHAT[kind]))
                pieces = _pieces(left, subject, own[name], kept, (report, cancel))
                yield from _keep(left, pieces, (own[name], kept), cancel)

    return work


def _keep(
    requests: Sequence[Request],
    pieces: Iterator[object],
    of: tuple[Model, Store],
    cancel: threading.Event,
) -> Iterator[None]:
    """Keep results as they are computed; on failure keep the reason for the remaining ones."""
    from landcover.adapt.lineage import logged_name  # noqa: PLC0415 - loads torch

    left, began = list(requests), time.monotonic()
    model, kept = logged_name(of[0].card), of[1]
    try:
        for piece in pieces:
            kept.put(left.pop(0), piece)
            yield
            check(cancel)
    except Cancelled:
        raise
    except LandcoverError as error:
        logs.event("explained", model=model, error=error, ms=1000 * (time.monotonic() - began))
        for request in left:
            kept.put(request, Failed(str(error)))
    else:
        ms = 1000 * (time.monotonic() - began)
        logs.event("explained", model=model, count=len(requests), ms=ms)


def _pieces(
    requests: Sequence[Request],
    subject: Subject,
    model: Model,
    kept: Store,
    control: tuple[Report, threading.Event],
) -> Iterator[object]:
    first, pixels, (report, cancel) = requests[0], subject.pixels, control
    labels = [request.label for request in requests]
    if first.kind == "map":
        from landcover.explain.explanation import explain_many  # noqa: PLC0415 - loads torch

        yield from explain_many(
            model, pixels, labels, [first.method],
            baseline=first.baseline, report=report, cancel=cancel,
        )  # fmt: skip
    elif first.kind == "check":
        yield from (_check(request, subject, model, kept, control) for request in requests)
    elif first.kind == "bands":
        from landcover.explain.band_attribution import attribute_bands_many  # noqa: PLC0415 - as above

        yield from attribute_bands_many(model, pixels, labels, first.baseline)
    elif pixels.is_rgb:
        yield Failed("This is available for Sentinel-2 patches only.")
    elif first.kind == "stability":
        from landcover.trust.shift_stability import stability  # noqa: PLC0415 - as above

        yield stability(model, pixels, SHIFT_M, scene=subject.scene, aim=first.aim)
    else:
        yield _neighbours(model, pixels)


def _check(
    request: Request,
    subject: Subject,
    model: Model,
    kept: Store,
    control: tuple[Report, threading.Event],
) -> object:
    """Compare a map with chance; the map itself is usually ready."""
    from landcover.explain.faithfulness.one_map import check_map  # noqa: PLC0415 - loads torch

    drawn = replace(request, kind="map")
    found: Any = kept.get(drawn) or next(_pieces([drawn], subject, model, kept, control))
    return (
        found
        if isinstance(found, Failed)
        else check_map(model, subject.pixels, found, cancel=control[1])
    )


def _neighbours(model: Model, patch: Raster) -> object:
    from landcover.explain import neighbours  # noqa: PLC0415 - loads torch

    if model.folder is None:
        return Failed(
            "Similar training patches are found by all twelve bands, and this source lacks some."
        )
    index = neighbours.load(model.folder, model.card.hash)
    if index is None:
        return Failed(
            f"The training patches of {model.card.title} are not indexed. Index them with "
            f"`landcover trust neighbours ROOT --model {model.card.name} --save`, where ROOT is "
            "the folder of the data set."
        )
    return index.origin, neighbours.query(index, model, patch, apart_m=PATCH_M)
