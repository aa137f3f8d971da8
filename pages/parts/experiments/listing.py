"""The table of all experiments, and a line on those that wait or run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd
import streamlit as st

from landcover.jobs.runs import record
from landcover.jobs.runs.experiments import Experiment
from landcover.jobs.runs.record import ACTIVE, Run
from landcover.jobs.runs.text import state_text
from pages.parts.models import data
from pages.parts.shared import charts as show
from pages.parts.shared import theme, widgets

TRAIN: Final = Path(__file__).parents[2] / "train.py"
KINDS: Final = {"train": "Training", "test": "Test", "past": "Past training"}
_POLL_S: Final = 3.0
_KNOWN: Final = "experiments_known"
_COLUMNS: Final = {
    "Name": st.column_config.TextColumn("Name", width="medium"),
    "Epochs": st.column_config.NumberColumn("Epochs", format="%d"),
    **{
        name: st.column_config.NumberColumn(
            name,
            format="%.3f",
            help="Average precision: of a training the best on validation, of a test on its split. "
            "Macro counts classes with at least five patches.",
        )
        for name in ("Macro AP", "Micro AP")
    },
    "Minutes": st.column_config.NumberColumn(
        "Minutes", format="%.1f", help="Of a training: its epochs, without what comes after them."
    ),
}


def render(found: Sequence[Experiment], *, own: bool) -> None:
    """Show the table, and say what is going on.

    Args:
        found: all experiments.
        own: whether the runs of this computer are among them, if there are any.
    """
    runs = [each.run for each in found if each.run is not None]
    if own and not runs:
        st.info("There are no runs of yours yet. Train or test a model on the page Train.")
        _to_train("Go to Train")
    if any(run.state in ACTIVE for run in runs):
        st.session_state[_KNOWN] = _states(runs)
        _watch()
    if not found:
        return
    st.dataframe(
        table_of(found),
        hide_index=True,
        column_config=_COLUMNS,
        key="experiments_table",
        placeholder="–",
        alt="All experiments: name, kind, model, data, state, epochs, AP, time, date",
    )
    st.caption("Press the head of a column to sort by it.")
    show.download(table_of(found), "experiments")


def table_of(found: Sequence[Experiment]) -> pd.DataFrame:
    """Return one row an experiment."""
    return pd.DataFrame(
        {
            "Name": [each.name for each in found],
            "Kind": [KINDS[each.kind] for each in found],
            "Model": [each.model for each in found],
            "Data": [data_of(each) for each in found],
            "State": [state_text(each.run) if each.run else each.state for each in found],
            "Epochs": pd.array([len(each.history) or None for each in found], dtype="Int64"),
            "Macro AP": [each.macro_ap for each in found],
            "Micro AP": [each.micro_ap for each in found],
            "Minutes": [each.seconds / 60 for each in found],
            "Date": [when(each) for each in found],
        }
    )


def when(one: Experiment) -> str:
    """Return when it was queued, in the time of this computer; of a model only its day."""
    if one.date is None:
        return "–"
    return f"{one.date:%Y-%m-%d}" if one.run is None else f"{one.date.astimezone():%Y-%m-%d %H:%M}"


def data_of(one: Experiment) -> str:
    """Return the name of the data, of a run with that of their folder."""
    if one.run is None or one.run.damaged:
        return data.title_of(one.data)
    order = one.run.order
    on = f", {order.split}" if order.kind == "test" else ""
    return f"{data.title_of(one.data)}, {order.root.name}{on}"


def titled(one: Experiment) -> str:
    """Return a name that tells experiments of the same name apart."""
    return f"{one.name}, {KINDS[one.kind].lower()} of {when(one)}"


def _states(runs: Sequence[Run]) -> tuple[tuple[str, str, int], ...]:
    return tuple((run.id, run.state, len(run.history)) for run in runs)


@st.fragment(run_every=_POLL_S)
def _watch() -> None:
    """Say which runs go on; the page is drawn again when one of them has got on by an epoch."""
    runs = record.all_runs()
    if _states(runs) != st.session_state.get(_KNOWN):
        st.rerun()
    going = [run for run in runs if run.state in ACTIVE]
    named = ", ".join(f"{run.name} ({state_text(run)})" for run in reversed(going[-5:]))
    more = f" and {len(going) - 5} more" if len(going) > 5 else ""
    st.caption(theme.literal(f"Waiting or running: {named}{more}."))
    _to_train("Follow on Train")


def _to_train(label: str) -> None:
    if widgets.button(label, key="experiments_to_train", icon=":material/arrow_forward:"):
        st.switch_page(TRAIN)
