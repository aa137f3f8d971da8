"""A drawn rectangle larger than one window: a result for each window of a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.core.bands import PATCH_M
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.progress import Report
from landcover.core.window_grid import Bounds, WindowGrid, window_grid
from landcover.jobs import queue
from landcover.jobs.job import Job, Work
from landcover.stac.archives import CATALOGUES
from pages.parts.classify import decision_goal, grid_results, live
from pages.parts.shared import (
    choice,
    elements,
    job_bar,
    links,
    loaded_models,
    sessions,
    theme,
    widgets,
)
from pages.parts.shared.links import Place

if TYPE_CHECKING:  # at run time these would load torch before the map is drawn
    from landcover.models.card import Card
    from landcover.stac.candidates import SceneQuery

MB_PER_WINDOW: Final = 3
"""Size of the blocks that one window touches (docs/live.md); neighbours share blocks."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a rectangle asks for.

    Attributes:
        bounds: the rectangle.
        grid: its windows; None if they are too many.
        problem: why there is no grid.
        upload: key of the upload that has the pixels; None if they must be fetched.
    """

    bounds: Bounds
    grid: WindowGrid | None = None
    problem: str = ""
    upload: str | None = None


def plan_of(chosen: choice.Chosen | None) -> Plan | None:
    """Return the plan for the drawn rectangle; None without one, or if one window covers it."""
    if chosen is None or chosen.drawn is None:
        return None
    (south, west), (north, east) = chosen.drawn
    bounds = Bounds(south=south, west=west, north=north, east=east)
    for key, image in reversed(choice.uploads().items()):
        if not image.has_place:
            continue
        try:
            grid = window_grid(bounds, inside=image.extent)
        except BadInput:
            continue
        one = len(grid.corners) == 1
        return None if one else Plan(bounds=bounds, grid=grid, upload=key)
    try:
        grid = window_grid(bounds)
    except BadInput as error:
        return Plan(bounds=bounds, problem=str(error))
    return None if len(grid.corners) == 1 else Plan(bounds=bounds, grid=grid)


def show(chosen: choice.Chosen) -> bool:
    """Show the windows of the drawn rectangle: what is fetched first, then progress, then results.

    Returns:
        whether it is shown, and so nothing else of the choice is.
    """
    plan = plan_of(chosen)
    if plan is None:
        return False
    if plan.grid is None:
        st.warning(
            f"{theme.literal(plan.problem)} What follows is for one window only.",
            icon=":material/grid_off:",
        )
        return False
    _show(chosen, plan, plan.grid)
    return True


def _show(chosen: choice.Chosen, plan: Plan, grid: WindowGrid) -> None:
    count = len(grid.corners)
    elements.heading(f"{count} windows in your rectangle")
    height, width = (grid.rows * PATCH_M / 1000, grid.columns * PATCH_M / 1000)
    st.caption(
        f"{grid.rows} × {grid.columns} windows of {PATCH_M} m, {height:.1f} km × {width:.1f} km "
        f"around {theme.place_text(*plan.bounds.centre)}."
    )
    name = loaded_models.choose()
    if name is None:
        return
    purpose = (chosen.drawn, plan.upload, name, _aim(loaded_models.card(name)))
    outcome, message = grid_results.kept(purpose), _failure(purpose)
    if outcome is not None:
        grid_results.show(outcome)
    elif _running() is not None:
        job_bar.watch(_running, _collect, "classify_grid_cancel")
    elif plan.upload is not None and message:
        st.error(theme.literal(message))
        widgets.button("Try again", key="classify_grid_again", on_click=_fail, args=(None,))
    elif plan.upload is not None:
        _start_upload(purpose, plan.upload, grid, name)
        st.rerun()
    else:
        if message:
            st.error(theme.literal(message))
        _offer(plan, count, lambda form, _: _start_live(purpose, form, plan.bounds, name))


def _offer(plan: Plan, count: int, start: Callable[[live.Form, Place], None]) -> None:
    """Say what would be fetched, and offer to fetch it."""
    st.markdown(
        "No image of this area is on this computer. The best pass over its centre is fetched once "
        f"for all windows: twelve bands, at most about {count * MB_PER_WINDOW} MB. Nothing is "
        "fetched before you press the button."
    )
    live.show_form(plan.bounds.centre, f"Fetch and classify {count} windows", start)
    if (sample := choice.sample_of(choice.current())) is not None:
        widgets.button(
            f"Open the labelled sample in it: {sample.title}, {sample.country}",
            key="classify_grid_sample",
            on_click=choice.choose,
            args=(choice.Chosen(sample=sample.name),),
        )


def _start_upload(purpose: object, upload: str, grid: WindowGrid, name: str) -> None:
    raster, model = choice.uploads()[upload], loaded_models.load(name)
    aim = _aim(model.card)

    def work(report: Report, cancel: Event) -> grid_results.Outcome:
        from landcover.trust.window_results import predict_windows  # noqa: PLC0415 - loads torch

        results = predict_windows(model, raster, grid, aim, report=report, cancel=cancel)
        return grid_results.Outcome(purpose=purpose, grid=grid, results=results, upload=upload)

    _start(purpose, work)


def _start_live(purpose: object, form: live.Form, bounds: Bounds, name: str) -> None:
    try:
        query: SceneQuery = form.query(bounds.centre)
        model = loaded_models.load(name)
    except LandcoverError as error:
        _fail((purpose, str(error)))
        return
    aim, catalogue = _aim(model.card), form.catalogue
    known = catalogue if catalogue in CATALOGUES else links.OWN

    def work(report: Report, cancel: Event) -> grid_results.Outcome:
        from landcover.stac.area import fetch_area  # noqa: PLC0415 - loads slowly
        from landcover.trust.window_results import predict_windows  # noqa: PLC0415 - loads torch

        area = fetch_area(catalogue, bounds, query, report=report, cancel=cancel)
        results = predict_windows(model, area.raster, area.grid, aim, report=report, cancel=cancel)
        return grid_results.Outcome(
            purpose=purpose,
            grid=area.grid,
            results=results,
            candidate=area.candidate,
            catalogue=known,
        )

    _start(purpose, work)


def _aim(card: Card) -> str:
    """The aim of the thresholds that the user chose for single places."""
    return "f1" if card.exclusive else decision_goal.current(card)


def _start(purpose: object, work: Work) -> None:
    job = _running()
    if job is not None:
        job.cancel()
    _fail(None)
    try:
        job = queue.default().submit(queue.LONG, purpose, work, owner=sessions.current())
    except BadInput as error:  # too many jobs
        _fail((purpose, str(error)))
        return
    st.session_state["classify_grid_job"] = (choice.current(), purpose, job)


def _running() -> Job | None:
    """Return the job for the current rectangle; a job for another one is cancelled."""
    kept = st.session_state.get("classify_grid_job")
    if not kept:
        return None
    chosen, _, job = kept
    assert isinstance(job, Job)
    if chosen != choice.current():
        job.cancel()
        st.session_state["classify_grid_job"] = None
        return None
    return job


def _collect(job: Job) -> None:
    st.session_state["classify_grid_job"] = None
    if isinstance(job.result, grid_results.Outcome):
        grid_results.keep(job.result)
    else:
        _fail((job.purpose, job.error or "Stopped: no window was kept."))


def _fail(failure: tuple[object, str] | None) -> None:
    st.session_state["classify_grid_failure"] = failure


def _failure(purpose: object) -> str:
    kept = st.session_state.get("classify_grid_failure")
    return str(kept[1]) if kept and kept[0] == purpose else ""
