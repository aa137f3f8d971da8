"""The runs that wait, run or have ended lately: live curves, log, stop, resume, what to do next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.jobs.runs import control, record
from landcover.jobs.runs.record import ACTIVE, Run, RunProgress, State
from landcover.jobs.runs.text import progress_parts
from pages.parts.models import curves
from pages.parts.shared import elements, theme, url_state, widgets
from pages.parts.train import tracking

PAGES: Final = Path(__file__).parents[2]
POLL_S: Final = 2.0
FAILED: Final = "train_run_failed"
_KNOWN: Final = "train_known_runs"
_ENDED: Final = 3
"""Runs that have ended and are shown; the page Experiments shows all."""
_LOG_LETTERS: Final = 8_000
_STATES: Final[dict[State, tuple[str, str]]] = {
    "queued": ("waits", ":material/hourglass_empty:"),
    "running": ("is running", ":material/play_circle:"),
    "stopped": ("was stopped", ":material/pause_circle:"),
    "interrupted": ("was interrupted", ":material/power_off:"),
    "failed": ("failed", ":material/error:"),
    "finished": ("is finished", ":material/check_circle:"),
}
"""State → words, and icon."""
_STEPS: Final = {"train": "Training", "train+validation": "Training again, on both splits"}
"""Name of a fit → words."""


def show(kind: str) -> None:
    """Show the runs of a kind; while one waits or runs they are read again every two seconds.

    Args:
        kind: ``train`` or ``test``.
    """
    elements.heading("Runs")
    if failed := st.session_state.pop(FAILED, None):
        st.error(theme.literal(failed))
    runs = some(kind)
    if not runs:
        st.caption(
            "None yet. A run goes on when you leave this page, close the browser or end the app, "
            "and is found here again."
        )
        return
    st.session_state[_KNOWN] = _states(runs)
    if any(run.state in ACTIVE for run in runs):
        _poll(kind)
    else:
        _list(runs)
    if widgets.button(
        "All experiments", key="train_experiments", icon=":material/science:", type="tertiary"
    ):
        st.switch_page(PAGES / "experiments.py")


def some(kind: str) -> list[Run]:
    """Return the runs of a kind to show: all that wait or run, and the last that have ended."""
    runs = [run for run in record.all_runs() if run.order.kind == kind]
    active = sorted((run for run in runs if run.state in ACTIVE), key=lambda run: run.place)
    return [*active, *[run for run in runs if run.state not in ACTIVE][:_ENDED]]


@st.fragment(run_every=POLL_S)
def _poll(kind: str) -> None:
    runs = some(kind)
    if _states(runs) != st.session_state.get(_KNOWN):
        st.rerun()  # other parts of the page depend on it, and the last one need not be polled
    _list(runs)


def _states(runs: Sequence[Run]) -> tuple[tuple[str, State], ...]:
    return tuple((run.id, run.state) for run in runs)


def _list(runs: Sequence[Run]) -> None:
    for number, run in enumerate(runs):
        with st.container(border=True, key=f"train_run_{run.id}"):
            _one(run, is_first=number == 0)


def _one(run: Run, *, is_first: bool) -> None:
    words, icon = _STATES[run.state]
    elements.subheading(f"{icon} {theme.literal(run.name)} {words}")
    st.caption(theme.literal(about(run)))
    if run.state == "running":
        _progress(run.step)
    elif run.state == "queued":
        st.caption(f"Number {run.place} in the queue. One run computes at a time.")
    if run.error:
        st.error(theme.literal(run.error))
    if run.history:
        _curves(run, is_first=is_first)
    tracking.show_places(run)
    if log := _log(run):
        with st.expander("Log"):
            st.code(log, language=None, height=240)
    with st.container(horizontal=True):
        _buttons(run)


def about(run: Run) -> str:
    """Return what a run does and when it was queued, in one line."""
    when = f"{run.created.astimezone():%Y-%m-%d %H:%M}"
    if run.damaged:
        return when
    if run.order.kind == "test":
        done = f"Tests {run.order.model} on the split {run.order.split} of '{run.order.root.name}'"
    else:
        done = f"Trains {run.order.model} on '{run.order.root.name}'"
    return f"{done}, {when}"


def titled(run: Run) -> str:
    """Return the name of a run with its time."""
    return f"{run.name}, {run.created.astimezone():%Y-%m-%d %H:%M}"


def _progress(step: RunProgress | None) -> None:
    if step is None:
        st.progress(0.0, text="Starting")
        return
    parts = [_STEPS.get(step.what, step.what), *progress_parts(step)]
    if step.seconds_left is not None:
        parts.append(f"about {duration(step.seconds_left)} left")
    st.progress(step.fraction, text=theme.literal(", ".join(parts)))


def duration(seconds: float) -> str:
    """Return a time such as ``40 s``, ``5 min`` or ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _curves(run: Run, *, is_first: bool) -> None:
    """Show the curves of a run; those of older runs only on request."""
    table = curves.table_of(run.history)
    ends = max(run.step.epochs if run.step else 0, len(table)) if run.state == "running" else None
    if is_first or run.state == "running":
        curves.show_curves(table, run.id, epochs=ends)
    else:
        with st.expander("Curves"):
            curves.show_curves(table, run.id)


def _log(run: Run) -> str:
    try:
        return record.log_of(run.id, _LOG_LETTERS).strip()
    except LandcoverError:
        return ""


def _buttons(run: Run) -> None:
    """Show what can be done with a run."""
    if run.state in ACTIVE:
        _button("Stop", run, control.stop, ":material/stop:")
    elif run.state != "finished" and not run.damaged:
        _button("Resume", run, control.resume, ":material/play_arrow:")
    if run.state == "finished" and run.model:
        next_steps(run.model, run.id)
    if run.state not in ACTIVE and widgets.button(
        "More on Experiments", key=f"train_more_{run.id}"
    ):
        url_state.keep("run", run.id)
        st.switch_page(PAGES / "experiments.py")


def next_steps(model: str, key: str) -> None:
    """Show buttons that lead to a model on other pages.

    Args:
        model: its name in the registry.
        key: what tells the buttons from others on the page.
    """
    if widgets.button(f"Use {model} on Classify", key=f"train_use_{key}", type="primary"):
        url_state.keep("model", model)
        st.switch_page(PAGES / "classify.py")
    if widgets.button("Its card on Models", key=f"train_card_{key}"):
        url_state.keep("model", model)
        url_state.keep("view", "Card")
        st.switch_page(PAGES / "models.py")


def _button(label: str, run: Run, action: Callable[[str], object], icon: str) -> None:
    widgets.button(
        f"{label} {run.name}",
        key=f"train_{label.lower()}_{run.id}",
        icon=icon,
        on_click=_act,
        args=(action, run.id),
    )


def _act(action: Callable[[str], object], run: str) -> None:
    try:
        action(run)
    except LandcoverError as error:
        st.session_state[FAILED] = str(error)
