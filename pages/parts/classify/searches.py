"""Searches for live imagery: the latest one of each place, and the job that is running now.

Everything is kept in ``st.session_state`` under keys that begin with ``classify_live_``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Final

import streamlit as st

from landcover.core import logs
from landcover.core.errors import BadInput, Cancelled, LandcoverError
from landcover.core.progress import Report
from landcover.core.raster import Raster
from landcover.jobs import queue
from landcover.jobs.job import Job, Work
from landcover.stac import catalog
from landcover.stac.archives import OWN_VARIABLE, own_file
from landcover.stac.catalog import CATALOGUES, Candidate, SceneQuery, SearchResult
from pages.parts.shared import choice, sessions
from pages.parts.shared.choice import SceneLink
from pages.parts.shared.links import OWN, Place

MAX_PLACES: Final = 8
STEP: Final = 6
"""Passes shown at a time if none has a preview."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search of a catalogue and its result.

    Attributes:
        catalogue: name of an archive, or path of the server's own catalogue.
        query: place, dates and cloud.
        result: the candidates that were found.
        limit: how many passes to show if none has a preview.
    """

    catalogue: str
    query: SceneQuery
    result: SearchResult
    limit: int = STEP

    @property
    def place(self) -> Place:
        """Latitude and longitude of the query, degrees."""
        return self.query.latitude, self.query.longitude

    @property
    def has_previews(self) -> bool:
        """Whether previews can be loaded: an archive loads them a few at a time."""
        return self.catalogue in CATALOGUES and any(c.preview for c in self.result.candidates)

    @property
    def shown(self) -> list[int]:
        """Indices of the candidates to show: those with a preview, or the first few."""
        result = self.result
        if self.has_previews:
            return [i for i, candidate in enumerate(result.candidates) if candidate.preview]
        first = set(range(min(self.limit, len(result.candidates))))
        return sorted(first if result.best is None else first | {result.best})


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """Result of a job: the search, and the pixels of one candidate or why there are none."""

    search: Search
    candidate: Candidate | None = None
    patch: Raster | None = None
    error: str | None = None


def start(name: str, query: SceneQuery) -> None:
    """Start to search a catalogue and to fetch its best candidate.

    Args:
        name: name of an archive, or path of the server's own catalogue.
        query: place, dates and cloud.
    """

    def work(report: Report, cancel: Event) -> Fetched:
        _check(name)
        result = catalog.find(name, query, report=report, cancel=cancel)
        search = Search(catalogue=name, query=query, result=result)
        if result.best is None:
            return Fetched(search=search)
        return _fetched(search, result.candidates[result.best], report, cancel)

    _start(work)


def open_scene(scene: SceneLink, catalogue: str) -> None:
    """Start to fetch the image that the address of the page names.

    Args:
        scene: the image.
        catalogue: name of the archive, or path of the server's own catalogue.
    """

    def work(report: Report, cancel: Event) -> Fetched:
        _check(catalogue)
        latitude, longitude = scene.place
        query = SceneQuery(
            latitude=latitude,
            longitude=longitude,
            start=scene.day,
            end=scene.day,
            near=scene.day,
            max_cloud=1.0,
        )
        result = catalog.find(catalogue, query, report=report, cancel=cancel)
        search = Search(catalogue=catalogue, query=query, result=result)
        for candidate in result.candidates:
            if any(granule.id == scene.scene for granule in candidate.scenes):
                return _fetched(search, candidate, report, cancel)
        return Fetched(
            search=search,
            error=f"The catalogue has no image '{scene.scene}' of this place on {scene.day}: "
            "choose another one below.",
        )

    _start(work)


def _scene(search: Search, candidate: Candidate) -> SceneLink:
    """Return how the address names a candidate; the path of a catalogue stays out of it."""
    return SceneLink(
        catalogue=search.catalogue if search.catalogue in CATALOGUES else OWN,
        scene=candidate.scenes[0].id,
        day=candidate.acquired.date(),
        place=search.place,
    )


def _check(catalogue: str) -> None:
    """Check that a catalogue is an archive, or the server's own file and nothing else.

    Raises:
        BadInput: it is not, or the file is missing.
    """
    if catalogue in CATALOGUES:
        return
    if catalogue != own_file() or not catalogue or not Path(catalogue).is_file():
        raise BadInput(
            f"The catalogue file of this server is missing: set {OWN_VARIABLE} to a file made by "
            "'landcover index', or choose another catalogue."
        )


def fetch(search: Search, candidate: Candidate) -> None:
    """Show a candidate, after downloading it unless it is still held."""
    held = choice.fetched().get(candidate.key)
    if held is not None:
        stop()
        choice.add_live(candidate.key, held, _scene(search, candidate))
        return

    def work(report: Report, cancel: Event) -> Fetched:
        return _fetched(search, candidate, report, cancel)

    _start(work)


def show_more(search: Search) -> None:
    """Show more candidates, after loading their previews if the catalogue has previews."""
    if not search.has_previews:
        _keep(replace(search, limit=search.limit + STEP))
        return

    def work(report: Report, cancel: Event) -> Fetched:
        result = catalog.preview_more(search.result, search.query, report=report, cancel=cancel)
        return Fetched(search=replace(search, result=result))

    _start(work)


def _fetched(search: Search, candidate: Candidate, report: Report, cancel: Event) -> Fetched:
    """Download a candidate's pixels; on failure the search is kept with an error message."""
    try:
        patch = catalog.fetch(candidate, report=report, cancel=cancel)
    except Cancelled:
        return Fetched(search=search)
    except LandcoverError as error:
        logs.event("catalogue fault", error=error)
        return Fetched(search=search, error=str(error))
    return Fetched(search=search, candidate=candidate, patch=patch)


def _start(work: Work) -> None:
    stop()
    fail(None)
    try:
        st.session_state["classify_live_job"] = queue.default().submit(
            queue.FETCH, choice.current(), work, owner=sessions.current()
        )
    except BadInput as error:  # too many jobs
        fail(str(error))


def stop() -> None:
    """Cancel the running job and ignore its result."""
    job = st.session_state.get("classify_live_job")
    if isinstance(job, Job):
        job.cancel()
    st.session_state["classify_live_job"] = None


def running() -> Job | None:
    """Return the job for the current choice; a job for another choice is cancelled."""
    job = st.session_state.get("classify_live_job")
    if not isinstance(job, Job):
        return None
    if job.purpose != choice.current():
        # The user has moved to another place, so this job is no longer needed.
        stop()
        return None
    return job


def collect(job: Job) -> None:
    """Store the result of a finished job in the page's state."""
    st.session_state["classify_live_job"] = None
    fetched = job.result
    if not isinstance(fetched, Fetched):
        fail(job.error)
        return
    _keep(fetched.search)
    fail(fetched.error)
    if fetched.candidate is not None and fetched.patch is not None:
        scene = _scene(fetched.search, fetched.candidate)
        choice.add_live(fetched.candidate.key, fetched.patch, scene)


def _keep(search: Search) -> None:
    kept = _kept()
    kept.pop(search.place, None)
    kept[search.place] = search
    for old in list(kept)[:-MAX_PLACES]:
        del kept[old]


def _kept() -> dict[Place, Search]:
    kept = st.session_state.setdefault("classify_live_searches", {})
    assert isinstance(kept, dict)
    return kept


def search_of(chosen: choice.Chosen) -> Search | None:
    """Return the latest search for a bare place, or the one that found a fetched patch."""
    if chosen.bare_place is not None:
        return _kept().get(chosen.bare_place)
    for search in reversed(_kept().values()):
        if any(candidate.key == chosen.live for candidate in search.result.candidates):
            return search
    return None


def fail(message: str | None) -> None:
    """Set the error message of the current choice; None removes it."""
    st.session_state["classify_live_error"] = message and (choice.current(), message)


def failure() -> str | None:
    """Return the error message of the current choice, or None."""
    kept = st.session_state.get("classify_live_error")
    return str(kept[1]) if kept and kept[0] == choice.current() else None
