"""Rename a run, remove it, and bring it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.jobs.runs import control
from landcover.jobs.runs.record import ACTIVE, Run
from pages.parts.shared import theme, training, url_state, widgets

_REMOVED: Final = "experiments_removed"
"""State key of id and name of the run that was removed last."""
_FAILED: Final = "experiments_failed"


def outcome() -> None:
    """Say what could not be done; and what was removed, with a button that brings it back."""
    if failed := st.session_state.pop(_FAILED, None):
        st.error(theme.literal(failed))
    removed = st.session_state.get(_REMOVED)
    if removed is None or not training.is_allowed():
        return
    run, name = removed
    st.info(
        f"{theme.literal(name)} was removed; its model, if it made one, is still there. Later, "
        f"`landcover runs restore {run}` brings it back, too."
    )
    widgets.button(
        "Bring it back",
        key="experiments_bring_back",
        icon=":material/undo:",
        on_click=_restore,
        args=(run,),
    )


def render(run: Run) -> None:
    """Show what renames and removes a run."""
    if run.state in ACTIVE:
        st.caption("Once the run has ended it can be removed; the page Train stops it.")
    with st.expander("Rename or remove"):
        if not run.damaged:
            _naming(run)
        widgets.button(
            f"Remove {run.name}",
            key=f"experiments_remove_{run.id}",
            icon=":material/delete:",
            disabled=run.state in ACTIVE,
            on_click=_remove,
            args=(run.id, run.name),
        )


def _naming(run: Run) -> None:
    key = f"experiments_name_{run.id}_{run.name}"
    widgets.text_input("Name of the run", run.name, key=key)
    if run.order.kind == "train":
        st.caption(
            "The model that it made keeps its name."
            if run.state == "finished"
            else "The model that it makes gets the new name, too."
        )
    widgets.button(
        "Rename",
        key=f"experiments_rename_{run.id}",
        icon=":material/edit:",
        on_click=_rename,
        args=(run.id, key),
    )


def _rename(run: str, key: str) -> None:
    _attempt(lambda: control.rename(run, str(widgets.value(key) or "").strip()))


def _remove(run: str, name: str) -> None:
    if _attempt(lambda: control.remove(run)):
        st.session_state[_REMOVED] = (run, name)


def _restore(run: str) -> None:
    if _attempt(lambda: control.restore(run)):
        st.session_state[_REMOVED] = None
        url_state.keep("run", run)


def _attempt(change: Callable[[], object]) -> bool:
    """Change a run if this app may; return whether it was changed, and keep why it was not."""
    if not training.is_allowed():
        return False
    try:
        change()
    except LandcoverError as error:
        st.session_state[_FAILED] = str(error)
        return False
    return True
