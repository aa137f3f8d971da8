"""What was asked of the archives, place by place, and the one job that is asking now.

All of it lives in ``st.session_state`` under keys that begin with ``classify_live_``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Final

import streamlit as st

from landcover.core.errors import BadInput, Cancelled, LandcoverError
from landcover.core.progress import Report
from landcover.core.raster import Raster
from landcover.stac import catalog
from landcover.stac.catalog import CATALOGUES, Candidate, SceneQuery, SearchResult
from pages.parts.shared import choice, jobs

MAX_PLACES: Final = 8
STEP: Final = 6
"""Passes that are shown at once where none could be looked at."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked of a catalogue and what it found.

    Attributes:
        catalogue: name of an archive, or path of the user's own catalogue.
        wish: place, dates and cloud.
        finding: what there is.
        limit: how many passes to show where none could be looked at.
    """

    catalogue: str
    wish: SceneQuery
    finding: SearchResult
    limit: int = STEP

    @property
    def place(self) -> choice.Place:
        """Where the pictures were wished for."""
        return self.wish.latitude, self.wish.longitude

    @property
    def looks(self) -> bool:
        """Whether a further look can tell more: an archive's passes are looked at by and by."""
        return self.catalogue in CATALOGUES and any(c.preview for c in self.finding.candidates)

    @property
    def in_sight(self) -> list[int]:
        """Which candidates to show: those that were looked at, or the first few."""
        finding = self.finding
        if self.looks:
            return [i for i, candidate in enumerate(finding.candidates) if candidate.preview]
        first = set(range(min(self.limit, len(finding.candidates))))
        return sorted(first if finding.best is None else first | {finding.best})


@dataclass(frozen=True, kw_only=True)
class Brought:
    """What a job brought: what was found, and the pixels of one candidate or why there are none."""

    asked: Asked
    candidate: Candidate | None = None
    patch: Raster | None = None
    error: str | None = None


def find(name: str, wish: SceneQuery) -> None:
    """Begin to search a catalogue and to fetch the best that it has."""

    def work(report: Report, cancel: Event) -> Brought:
        if name not in CATALOGUES:
            _check_file(name)
        finding = catalog.find(name, wish, report=report, cancel=cancel)
        asked = Asked(catalogue=name, wish=wish, finding=finding)
        if finding.best is None:
            return Brought(asked=asked)
        return _fetched(asked, finding.candidates[finding.best], report, cancel)

    _start(work)


def _check_file(path: str) -> None:
    """Refuse what is no file, in words that fit the form.

    Raises:
        BadInput: it is none.
    """
    try:
        if Path(path).is_file():
            return
    except (OSError, ValueError):
        pass
    # The end of a long path says more than its beginning.
    shown = path if len(path) <= 60 else "…" + path[-59:]
    what = f"There is no file '{shown}'" if path else "Your own catalogue has no file yet"
    raise BadInput(
        f"{what}: give the path of one that 'landcover index' made, or choose another catalogue."
    )


def take(asked: Asked, candidate: Candidate) -> None:
    """Show a candidate; it is fetched unless it is held."""
    held = choice.fetched().get(candidate.key)
    if held is not None:
        stop()
        choice.add_live(candidate.key, held)
        return

    def work(report: Report, cancel: Event) -> Brought:
        return _fetched(asked, candidate, report, cancel)

    _start(work)


def more(asked: Asked) -> None:
    """Check further candidates; where none can be checked, show further ones."""
    if not asked.looks:
        _keep(replace(asked, limit=asked.limit + STEP))
        return

    def work(report: Report, cancel: Event) -> Brought:
        finding = catalog.preview_more(asked.finding, asked.wish, report=report, cancel=cancel)
        return Brought(asked=replace(asked, finding=finding))

    _start(work)


def _fetched(asked: Asked, candidate: Candidate, report: Report, cancel: Event) -> Brought:
    """The candidate's pixels; what was found is kept where they cannot be had."""
    try:
        patch = catalog.fetch(candidate, report=report, cancel=cancel)
    except Cancelled:
        return Brought(asked=asked)
    except LandcoverError as error:
        return Brought(asked=asked, error=str(error))
    return Brought(asked=asked, candidate=candidate, patch=patch)


def _start(work: jobs.Work) -> None:
    stop()
    fail(None)
    st.session_state["classify_live_job"] = jobs.start(choice.current(), work)


def stop() -> None:
    """Stop whatever is being fetched, and take nothing of it."""
    job = st.session_state.get("classify_live_job")
    if isinstance(job, jobs.Job):
        job.cancel()
    st.session_state["classify_live_job"] = None


def running() -> jobs.Job | None:
    """The job that is under way for the current choice; one for another choice is stopped."""
    job = st.session_state.get("classify_live_job")
    if not isinstance(job, jobs.Job):
        return None
    if job.purpose != choice.current():
        # The user has turned to another place; this one is not wanted any more.
        stop()
        return None
    return job


def collect(job: jobs.Job) -> None:
    """Make what a job brought the page's state."""
    st.session_state["classify_live_job"] = None
    brought = job.result
    if not isinstance(brought, Brought):
        fail(job.error)
        return
    _keep(brought.asked)
    fail(brought.error)
    if brought.candidate is not None and brought.patch is not None:
        choice.add_live(brought.candidate.key, brought.patch)


def _keep(asked: Asked) -> None:
    kept = _kept()
    kept.pop(asked.place, None)
    kept[asked.place] = asked
    for old in list(kept)[:-MAX_PLACES]:
        del kept[old]


def _kept() -> dict[choice.Place, Asked]:
    kept = st.session_state.setdefault("classify_live_asked", {})
    assert isinstance(kept, dict)
    return kept


def asked_about(chosen: choice.Chosen) -> Asked | None:
    """What was asked last about a bare place, or to get a fetched picture."""
    if chosen.bare_place is not None:
        return _kept().get(chosen.bare_place)
    for asked in reversed(_kept().values()):
        if any(candidate.key == chosen.live for candidate in asked.finding.candidates):
            return asked
    return None


def fail(message: str | None) -> None:
    """Keep one sentence to show as long as the current choice stands."""
    st.session_state["classify_live_error"] = message and (choice.current(), message)


def failure() -> str | None:
    """The sentence to show about the current choice."""
    kept = st.session_state.get("classify_live_error")
    return str(kept[1]) if kept and kept[0] == choice.current() else None
