"""One experiment in detail: metrics, model, curves, settings and log, each to download."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.jobs.runs import experiments, record
from landcover.jobs.runs.comparison import shown
from landcover.jobs.runs.experiments import Experiment
from landcover.jobs.runs.record import Run
from landcover.jobs.runs.text import state_text
from landcover.models import registry
from pages.parts.experiments import change, listing
from pages.parts.models import archive, curves
from pages.parts.shared import charts as show
from pages.parts.shared import elements, theme
from pages.parts.shared.architecture import show_architecture
from pages.parts.train import live, testing

_LOG_LETTERS = 200_000
_LOG_SHOWN = 20_000


def render(found: Sequence[Experiment]) -> None:
    """Let the user choose an experiment, and show all that is known of it.

    Raises:
        LandcoverError: its model or settings cannot be read.
    """
    known = {each.key: each for each in found}
    key = show.pick(
        "Experiment",
        list(known),
        "experiments_one",
        lambda option: listing.titled(known[option]),
        field="run",
    )
    one = known[key]
    elements.heading(theme.literal(one.name))
    st.caption(theme.literal(_about(one)))
    if one.run is not None and one.run.error:
        st.error(theme.literal(one.run.error))
    st.markdown(
        "\n".join(f"- **{name}:** {theme.literal(text)}" for name, text in facts(one).items())
    )
    if one.result:
        _model(one)
    if one.history:
        elements.subheading("Curves")
        curves.show_curves(curves.table_of(one.history), show.file_stem(one.name))
    if one.run is not None and one.kind == "test" and one.state == "finished":
        _report(one.run)
    _settings(one)
    if one.result:
        _architecture(one.result)
    if one.run is not None:
        _log(one.run)
        change.render(one.run)


def facts(one: Experiment) -> dict[str, str]:
    """Return how far an experiment came and what it reached, in words."""
    known = {
        "State": state_text(one.run) if one.run else "finished, before or elsewhere",
        "Epochs": f"{len(one.history):,}" if one.history else "",
        "Average precision": _best(one),
        "Time": "" if math.isnan(one.seconds) else live.duration(one.seconds),
        "Model": one.result,
        "Recorded by": _recorded(one.run),
    }
    return {name: text for name, text in known.items() if text}


def _recorded(run: Run | None) -> str:
    """Return the trackers of a run, each with the place that it writes to."""
    if run is None:
        return ""
    return "; ".join(f"{name} ({place})" for name, place in run.order.places(run.folder).items())


def _about(one: Experiment) -> str:
    if one.run is not None:
        return live.about(one.run)
    on = listing.data_of(one) or "data that it does not name"
    return f"Trained {one.model} on {on}, {listing.when(one)}"


def _best(one: Experiment) -> str:
    """Return the average precisions with what they were measured on; "" if there are none."""
    pairs = (("macro", one.macro_ap), ("micro", one.micro_ap))
    parts = [f"{name} {value:.3f}" for name, value in pairs if math.isfinite(value)]
    if not parts:
        return ""
    on = f"the split {one.run.order.split}" if one.run and one.kind == "test" else "validation"
    return f"{', '.join(parts)}, on {on}"


def _model(one: Experiment) -> None:
    """Show what can be done with the model that was made."""
    with st.container(horizontal=True):
        live.next_steps(one.result, one.key)
        st.download_button(
            "Weights, card and reports (zip)",
            partial(archive.content, one.result),
            archive.file_name(one.result),
            "application/zip",
            key="experiments_archive",
            on_click="ignore",
            icon=":material/download:",
            help="`landcover models import` adds it to the models of another computer.",
        )
        card = registry.default().card(one.result)
        st.download_button(
            "Card (JSON)",
            json.dumps(card.as_dict(), indent=1, ensure_ascii=False).encode(),
            f"{one.result}-card.json",
            "application/json",
            key="experiments_card",
            on_click="ignore",
            icon=":material/download:",
        )


def _report(run: Run) -> None:
    """Show the report of a test; say so if it cannot be read."""
    try:
        testing.show_report(run)
    except LandcoverError as error:
        st.error(theme.literal(str(error)))


def _settings(one: Experiment) -> None:
    table = table_of(experiments.settings_of(one))
    if table.empty:
        return
    with st.expander(f"Settings ({len(table)})"):
        show.numbers(table, "settings", f"Settings of {one.name}")
        show.download(table, show.file_stem("settings", one.name))


def table_of(settings: Mapping[str, Any]) -> pd.DataFrame:
    """Return settings as a table of texts."""
    return pd.DataFrame(
        {"Setting": list(settings), "Value": [shown(value) for value in settings.values()]}
    )


def _architecture(model: str) -> None:
    """Show the net of the model that was made; it is built only once this is opened."""
    key = f"experiments_architecture_{model}"
    with st.expander("Architecture", key=key, on_change="rerun") as part:
        if part.open:
            show_architecture(model)


def _log(run: Run) -> None:
    try:
        log = record.log_of(run.id, _LOG_LETTERS)
    except LandcoverError as error:
        st.error(theme.literal(str(error)))
        return
    if not log.strip():
        return
    with st.expander("Log"):
        st.code(log[-_LOG_SHOWN:].strip(), language=None, height=300)
        st.download_button(
            "Download the log",
            log.encode(),
            f"{show.file_stem(run.name)}-log.txt",
            "text/plain",
            key="experiments_log",
            on_click="ignore",
            icon=":material/download:",
            type="tertiary",
        )
