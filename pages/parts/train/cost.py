"""What a training or test will cost, measured as soon as the form is complete, and its start."""

from __future__ import annotations

from dataclasses import replace
from threading import Event
from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.core.progress import Progress, Report
from landcover.jobs import queue
from landcover.jobs.job import Job
from landcover.jobs.runs import control
from landcover.jobs.runs.control import Cost, cost_of
from landcover.jobs.runs.order import RunOrder
from pages.parts.shared import job_bar, sessions, theme, widgets

_JOB: Final = "train_cost_job"
_FOUND: Final = "train_costs"
_MOST: Final = 30
"""Costs that a session remembers."""


def show(order: RunOrder) -> None:
    """Say what an order costs; measure it first if it is not known."""
    key = replace(order, name="any", trackers={}).to_json()
    found = _found().get(key)
    if isinstance(found, Cost):
        st.info(theme.literal(found.sentence), icon=":material/timer:")
        return
    if isinstance(found, str):
        st.warning(theme.literal(found))
        if widgets.button("Measure the cost again", key="train_cost_again"):
            del _found()[key]
            st.rerun()
        return
    job = _running()
    if job is not None and job.purpose != key:  # the form has changed meanwhile
        job.cancel()
        job = None
    if job is None:
        _start(order, key)
    job_bar.watch(_running, _collect, "train_cost_cancel")


def start(order: RunOrder, failed: str) -> bool:
    """Queue a run and stop the measurement, which needs the processor; a callback's work.

    Args:
        order: what is to be done.
        failed: key of the session's state for why it cannot be done.

    Returns:
        whether it was queued.
    """
    if (job := _running()) is not None:
        job.cancel()
        st.session_state[_JOB] = None
    try:
        control.start(order)
    except LandcoverError as error:
        st.session_state[failed] = str(error)
        return False
    return True


def _start(order: RunOrder, key: str) -> None:
    def work(report: Report, _: Event) -> Cost:
        report(Progress(what="Measuring what this costs"))
        return cost_of(order)

    try:
        st.session_state[_JOB] = queue.default().submit(
            queue.LONG, key, work, owner=sessions.current()
        )
    except LandcoverError as error:
        _keep(key, str(error))


def _running() -> Job | None:
    job = st.session_state.get(_JOB)
    return job if isinstance(job, Job) else None


def _collect(job: Job) -> None:
    st.session_state[_JOB] = None
    known = isinstance(job.result, Cost)
    _keep(str(job.purpose), job.result if known else job.error or "The cost was not measured.")


def _found() -> dict[str, Cost | str]:
    """Return cost, or why it is not known, by order."""
    return st.session_state.setdefault(_FOUND, {})  # type: ignore[no-any-return]  # our own key


def _keep(key: str, found: Cost | str) -> None:
    known = _found()
    known[key] = found
    while len(known) > _MOST:
        del known[next(iter(known))]
