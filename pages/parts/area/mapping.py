"""A map that is being made as a job of the queue: its layers grow while the page shows them."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from landcover.areas.canvas import Canvas
from landcover.core import files
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report
from landcover.jobs import queue
from landcover.jobs.job import Job
from pages.parts.area import request as requests
from pages.parts.area.request import Request
from pages.parts.shared import holdings, naming, sessions

if TYPE_CHECKING:  # at run time these would load torch before the map is drawn
    from landcover.areas.block import BlockMap
    from landcover.areas.job import Executor, Index, MapTask
    from landcover.areas.mapping import MapResult, Prepared

KEY: Final = "area_mapping"
_REMOVED: Final = "area_removed"
NAME: Final = "map.tif"
SCHEDULER_VARIABLE: Final = "LANDCOVER_SCHEDULER"
"""Environment variable with the address of the Dask scheduler that maps the areas of the app."""


@dataclass(eq=False, kw_only=True)
class Mapping:
    """A map: what was asked for, the layers so far, and its files once it is complete.

    Attributes:
        request: what was asked for.
        folder: where its files lie.
        canvases: the layers, one canvas for each task; empty until the model is loaded.
        thresholds: probability from which each class counts as found.
        job: the job that makes it; None while nothing is made.
        began: when this job began to compute blocks, :func:`time.monotonic`.
        fresh: blocks that this job has computed.
        error: why it failed, one sentence.
        is_complete: whether all blocks and files are there.
        results: what was written, one a task.
        figures: name → PNG of a figure of each task, once it is complete.
        drawn: pictures of the layers, the latest used last.
    """

    request: Request
    folder: Path
    canvases: tuple[Canvas, ...] = ()
    thresholds: dict[str, float] = field(default_factory=dict)
    job: Job | None = None
    began: float | None = None
    fresh: int = 0
    error: str = ""
    is_complete: bool = False
    results: tuple[MapResult, ...] = ()
    figures: dict[str, bytes] = field(default_factory=dict)
    drawn: OrderedDict[Any, Any] = field(default_factory=OrderedDict)

    @property
    def stem(self) -> str:
        """Start of the names of its files to download: imagery, days, and a mark of its own."""
        source, title = self.request.source, Path(self.request.title)
        named = source.name if source.kind == "sample" else naming.slug(title.stem)
        found = [day for result in self.results for day in result.facts.dates or ()]
        days = sorted({f"{day:%Y-%m-%d}" for day in found})
        told = [day for day in (days[:1] + days[1:][-1:]) if day not in named]
        digest = hashlib.sha256("".join(self.request.key).encode()).hexdigest()[:8]
        return "-".join(["landcover-area", named, *told, digest])

    @property
    def is_running(self) -> bool:
        """Whether it is being made."""
        return self.job is not None and not self.job.done

    @property
    def done(self) -> int:
        """Number of finished blocks."""
        return sum(len(one.done) for one in self.canvases)

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the blocks so far; None before the second one."""
        if self.began is None or self.fresh < 2:
            return None
        each = (time.monotonic() - self.began) / self.fresh
        return each * (self.request.prepared.blocks - self.done)

    def work(self, report: Report, cancel: Event) -> tuple[MapResult, ...]:
        """Make the map."""
        from landcover.areas.job import close_imagery  # noqa: PLC0415 - loads torch

        try:
            return self._made(report, cancel)
        finally:
            for task in self.request.prepared.tasks:
                close_imagery(task.imagery)

    def _made(self, report: Report, cancel: Event) -> tuple[MapResult, ...]:
        from landcover.areas import mapping  # noqa: PLC0415 - loads torch
        from landcover.areas.job import open_mapper  # noqa: PLC0415 - as above
        from landcover.models.thresholds import DEFAULT_AIM, thresholds_for  # noqa: PLC0415

        report(Progress(what="Loading the model"))
        prepared = self.request.prepared
        first = prepared.tasks[0]
        if os.sep in first.model and not Path(first.model.partition("@")[0]).is_dir():
            raise BadInput(
                "The adapted model of this map was removed: bring it back on the page Teach, or "
                "map the area with another model."
            )
        mapper = open_mapper(first.model, first.model_hash)
        card = mapper.model.card
        self.thresholds = dict(thresholds_for(card, DEFAULT_AIM).of)
        if not self.canvases:
            self.canvases = tuple(
                Canvas(task.plan, card.classes, mapper.covers) for task in prepared.tasks
            )
        self.began = time.monotonic()
        executor = _Watched(self, _executor(prepared))
        self.results = mapping.run(
            prepared, self.folder / NAME, executor=executor, report=report, cancel=cancel
        )
        report(Progress(what="Packing the files"))
        self._pack(f"{card.title}, card {card.hash}")
        if self.fresh == prepared.blocks:
            seconds = time.monotonic() - self.began
            requests.note_speed(first.model, self.request.read_km2, seconds)
        self.is_complete = True
        return self.results

    @property
    def bundle(self) -> Path:
        """The zip of all files."""
        return self.folder / "map.zip"

    def _pack(self, model: str) -> None:
        """Draw the figures, and put all files into a zip."""
        from landcover.areas.bundle import write_bundle  # noqa: PLC0415 - as above
        from landcover.report import area_figure  # noqa: PLC0415 - loads matplotlib

        paths: list[Path] = []
        figures: dict[str, bytes] = {}
        for canvas, result in zip(self.canvases, self.results, strict=True):
            paths += result.written.all
            figures[result.written.presence.with_suffix(".png").name] = area_figure.as_png(
                canvas,
                title=self.request.title,
                model=model,
                rows=result.rows,
                notes=_dates(result),
            )
        self.figures = figures
        write_bundle(self.bundle, paths, figures)


def _dates(result: MapResult) -> str:
    days = result.facts.dates
    if days is None:
        return ""
    first, last = (f"{day:%Y-%m-%d}" for day in days)
    return f"Imagery of {first}." if first == last else f"Imagery of {first} to {last}."


def _executor(prepared: Prepared) -> Executor:
    """What computes the blocks: the cluster that the server was given, or this computer.

    Raises:
        BadInput: the server was given an address that is none.
    """
    from landcover.areas.cluster import executor_of  # noqa: PLC0415 - loads torch
    from landcover.areas.job import LocalExecutor, open_mapper  # noqa: PLC0415 - as above

    if address := os.environ.get(SCHEDULER_VARIABLE):
        return executor_of(address)
    task = prepared.tasks[0]
    mapper = open_mapper(task.model, task.model_hash)
    return LocalExecutor.within(prepared.memory, task.plan, mapper)


class _Watched:
    """An executor whose blocks are also put into the canvases, with their pixels."""

    def __init__(self, made: Mapping, own: Executor) -> None:
        self._made = made
        self._own = own

    @property
    def text(self) -> str:
        """What computes."""
        return self._own.text

    def run(
        self, task: MapTask, indices: Sequence[Index], cancel: Event | None
    ) -> Iterator[tuple[Index, BlockMap]]:
        """See :class:`landcover.areas.job.Executor`."""
        from landcover.areas.job import open_imagery  # noqa: PLC0415 - loads torch

        canvas = next(one for one in self._made.canvases if one.plan == task.plan)
        imagery, halo = open_imagery(task.imagery), task.plan.halo
        for index, found in self._own.run(task, indices, cancel):
            block = task.plan.block_at(index)
            core = block.read.part(halo, halo, block.height, block.width)
            canvas.put(block, found, imagery.read(core, cancel=cancel))
            self._made.fresh += 1
            yield index, found


def current() -> Mapping | None:
    """Return the latest map of this session."""
    found = st.session_state.get(KEY)
    return found if isinstance(found, Mapping) else None


def start(request: Request) -> None:
    """Start to make a map; another one is removed, and stopped if it is being made.

    The same map goes on where it was stopped.
    """
    stop()
    kept = current()
    if kept is None or kept.request.key != request.key or kept.is_complete:
        drop()
        # Another map of the same request may be kept as the first of two dates.
        folder = holdings.now().folder / f"area-{secrets.token_hex(8)}"
        files.make_folder(folder)
        kept = Mapping(request=request, folder=folder)
        st.session_state[KEY] = kept
    kept.error, kept.began, kept.fresh = "", None, 0
    try:
        kept.job = queue.default().submit(
            queue.LONG, request.key, kept.work, owner=sessions.current()
        )
    except BadInput as error:  # too many jobs
        kept.error = str(error)


def stop() -> None:
    """Stop the map that is being made; its finished blocks are kept."""
    kept = current()
    if kept is not None and kept.job is not None:
        kept.job.cancel()


def take() -> Mapping | None:
    """Take the latest map out of this module's hands; its files stay."""
    kept = current()
    st.session_state[KEY] = None
    return kept


def drop() -> None:
    """Remove the latest map; until another one is removed, it can be brought back."""
    stop()
    kept = take()
    if kept is not None:
        remove(kept)


def remove(made: Mapping) -> None:
    """Put a map aside, and delete the one that was put aside before it.

    A map without a finished block is deleted at once.
    """
    gone: Mapping | None = made
    if made.done:
        gone, st.session_state[_REMOVED] = removed(), made
    if gone is not None:
        shutil.rmtree(gone.folder, ignore_errors=True)


def removed() -> Mapping | None:
    """Return the map that was removed last."""
    found = st.session_state.get(_REMOVED)
    return found if isinstance(found, Mapping) else None


def bring_back() -> None:
    """Show the map that was removed last again; the one that is shown takes its place."""
    kept = removed()
    if kept is not None:
        st.session_state[_REMOVED] = None
        drop()
        st.session_state[KEY] = kept


def collect(job: Job) -> None:
    """Take the end of a job."""
    kept = current()
    if kept is not None and kept.job is job:
        kept.job = None
        kept.error = job.error or ""
