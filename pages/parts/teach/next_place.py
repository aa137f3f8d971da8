"""Which place to correct next, among the windows that this session has at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from landcover.adapt.corrections import digest
from landcover.core.bands import COMPOSITES, PATCH_PIXELS
from landcover.core.errors import LandcoverError
from landcover.core.progress import Progress, Report, check
from landcover.core.raster import Raster
from landcover.core.text import plain
from landcover.io.samples import read_sample, samples
from landcover.jobs import queue
from landcover.jobs.job import Job
from pages.parts.classify import grid_results
from pages.parts.shared import (
    choice,
    elements,
    job_bar,
    loaded_models,
    sessions,
    taught,
    theme,
    widgets,
)

if TYPE_CHECKING:  # at run time it would load torch before the page is drawn
    from landcover.models.model import Model

PAGES: Final = Path(__file__).parents[2]
COUNT: Final = 3
"""Places that are suggested at a time."""
MOST: Final = 64
"""Windows among which is chosen, as many as a rectangle has."""
_JOB, _FOUND, _FAILED = "teach_next_job", "teach_next", "teach_next_failed"


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """A window that can be corrected.

    Attributes:
        name: where it is from.
        pixels: its patch.
        open: chooses it for the Classify page.
    """

    name: str
    pixels: Raster
    open: Callable[[], Any]


def show() -> None:
    """Show the button, the progress, or the suggested places."""
    elements.heading("Which place next?")
    if _running() is not None:
        job_bar.watch(_running, _collect, "teach_next_cancel")
        return
    if failed := st.session_state.get(_FAILED):
        st.error(theme.literal(failed))
    found = st.session_state.get(_FOUND)
    if found is not None and found[0] == _state():
        _suggested(found[1], found[2])
        return
    st.markdown(
        "The place that looks least like those that you corrected teaches most. It is chosen among "
        "what this tab has at hand: the samples, your files, and the windows and images that you "
        "looked at. Open files or draw a rectangle on the page Classify for a wider choice."
    )
    if widgets.button("Suggest places", key="teach_next_start", icon=":material/explore:"):
        _start()
        st.rerun()


def _state() -> str:
    return digest(taught.corrections())


def _suggested(windows: Sequence[Window], among: int) -> None:
    if not windows:
        st.info(
            f"All {among} windows at hand are corrected. Open a file or another place on the page "
            "Classify."
        )
        return
    how = "look least like those that you corrected" if taught.corrections() else "differ most"
    st.markdown(f"Of {among} windows at hand, these {how}. Correct the first one first:")
    for number, (window, column) in enumerate(zip(windows, st.columns(COUNT), strict=False), 1):
        with column:
            small = theme.png(window.pixels.image(COMPOSITES[0]), 2)
            elements.picture(small, f"True colours of suggestion {number}")
            st.caption(f"{theme.literal(window.name)} · {window.pixels.where}")
            if widgets.button(f"Show suggestion {number}", key=f"teach_next_open_{number}"):
                window.open()
                st.switch_page(PAGES / "classify.py")


def _start() -> None:
    st.session_state[_FAILED] = None
    name = loaded_models.current()
    try:
        if name is None:
            return
        model, windows, state = loaded_models.load(name), at_hand(), _state()
        corrected = {one.pixels_sha256 for one in taught.corrections()}

        def work(report: Report, cancel: Event) -> object:
            from landcover.adapt import suggestion  # noqa: PLC0415 - loads torch

            def step(progress: Progress) -> None:
                check(cancel)
                report(progress)

            usable = [one for one in windows if _fits(model, one.pixels)]
            patches = [one.pixels for one in usable]
            chosen = suggestion.choose(model, patches, corrected, COUNT, step, total=len(patches))
            return state, [usable[row] for row in chosen], len(usable)

        st.session_state[_JOB] = queue.default().submit(
            queue.LONG, "suggestion", work, owner=sessions.current()
        )
    except LandcoverError as error:
        st.session_state[_FAILED] = str(error)


def _fits(model: Model, patch: Raster) -> bool:
    try:
        model.check_input(patch)
    except LandcoverError:
        return False
    return True


def _running() -> Job | None:
    job = st.session_state.get(_JOB)
    return job if isinstance(job, Job) else None


def _collect(job: Job) -> None:
    st.session_state[_JOB] = None
    if job.result is not None:
        st.session_state[_FOUND] = job.result
    else:
        st.session_state[_FAILED] = job.error or "Stopped: nothing was suggested."


def at_hand() -> list[Window]:
    """Return the windows that this session has, each once: at most so many of each kind."""
    found: dict[object, Window] = {}
    for key, window in (*_samples(), *_windows_of_rectangle(), *_fetched(), *_uploads()):
        found.setdefault(key, window)
    return list(found.values())[: MOST + len(samples())]


def _samples() -> Iterator[tuple[object, Window]]:
    for sample in samples():
        chosen = choice.Chosen(sample=sample.name)
        yield chosen, _window(f"{sample.title}, {sample.country}", read_sample(sample.name), chosen)


def _windows_of_rectangle() -> Iterator[tuple[object, Window]]:
    outcome = grid_results.latest()
    for number, one in enumerate(outcome.results if outcome is not None else (), start=1):
        if outcome is None or one.result is None:
            continue
        row, col = one.corner
        key = (
            (outcome.purpose, number)
            if outcome.upload is None
            else choice.Chosen(upload=outcome.upload, row=row, col=col)
        )
        name = f"Window {number} of your rectangle"
        opened = partial(grid_results.open_window, outcome, one)
        yield key, Window(name=name, pixels=one.result.raster, open=opened)


def _fetched() -> Iterator[tuple[object, Window]]:
    for chosen in dict.fromkeys(choice.visited()):
        patch = choice.fetched().get(chosen.live or "")
        if patch is not None:
            yield chosen, _window("An image that you looked at", patch, chosen)


def _uploads() -> Iterator[tuple[object, Window]]:
    """Yield windows side by side in each upload with a place, and those that were looked at."""
    for chosen in dict.fromkeys(choice.visited()):
        patch = choice.patch_of(chosen) if chosen.upload in choice.uploads() else None
        if patch is not None and patch.has_place:
            yield chosen, _window(plain(patch.provenance.source), patch, chosen)
    for key, image in reversed(choice.uploads().items()):
        if not image.has_place:
            continue
        corners = [
            (row, col)
            for row in range(0, image.height - PATCH_PIXELS + 1, PATCH_PIXELS)
            for col in range(0, image.width - PATCH_PIXELS + 1, PATCH_PIXELS)
        ]
        for row, col in corners[:: max(1, len(corners) // MOST)]:
            chosen = choice.Chosen(upload=key, row=row, col=col)
            patch = image.window(row, col, PATCH_PIXELS)
            yield chosen, _window(plain(image.provenance.source), patch, chosen)


def _window(name: str, pixels: Raster, chosen: choice.Chosen) -> Window:
    return Window(name=name, pixels=pixels, open=partial(choice.choose, chosen))
