"""Where else a training is recorded: TensorBoard and MLflow, if they are installed."""

from __future__ import annotations

import shlex
from typing import Final

import streamlit as st

from landcover.core import limits
from landcover.core.errors import LandcoverError
from landcover.jobs.runs.order import CURVES_FOLDER
from landcover.jobs.runs.record import Run
from landcover.train import trackers
from pages.parts.shared import taught, theme, widgets

BOARD: Final = "tensorboard"
FLOW: Final = "mlflow"
BOARD_KEY: Final = "train_tensorboard"
FLOW_KEY: Final = "train_mlflow"


def choose() -> dict[str, str] | None:
    """Let the user choose trackers; None, with the reason on the page, if one cannot be used.

    Returns:
        name of each tracker → where it writes; empty for the run's own folder.
    """
    places: dict[str, str] = {}
    with st.expander("Record it in TensorBoard or MLflow"):
        if _is_installed(BOARD) and widgets.checkbox(
            "Files for TensorBoard",
            key=BOARD_KEY,
            help=f"In the folder '{CURVES_FOLDER}' of the run. The run then says how to show them.",
            persist_state="session",
        ):
            places[BOARD] = ""
        # Visitors of a server may neither make it call addresses nor write its files.
        if taught.is_personal() and _is_installed(FLOW):
            address = widgets.text_input(
                "Address of an MLflow server, or a file",
                key=FLOW_KEY,
                max_chars=limits.current().path_letters,
                placeholder="https://mlflow.example.org",
                help="A file is written as sqlite:////data/curves.db. User and password are taken "
                "from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
                persist_state="session",
            ).strip()
            if address:
                places[FLOW] = address
    try:
        trackers.checked({name: place for name, place in places.items() if place})
    except LandcoverError as error:
        st.error(theme.literal(str(error)))
        return None
    return places


def _is_installed(name: str) -> bool:
    """Return whether a tracker can be used; say how to install it if not."""
    kind = trackers.TRACKERS[name]
    if kind.missing:
        st.caption(
            f"{kind.title} is not installed: to use it, run `pip install "
            f"'landcover[{kind.package}]'` and start the app again."
        )
    return not kind.missing


def show_places(run: Run) -> None:
    """Say where a run is recorded."""
    for name, place in run.order.places(run.folder).items():
        if name == BOARD:
            st.caption("Recorded for TensorBoard. To see it:")
            st.code(f"tensorboard --logdir {shlex.quote(place)}", language=None, wrap_lines=True)
        else:
            kind = trackers.TRACKERS.get(name)
            title = kind.title if kind else name
            st.caption(theme.literal(f"Recorded in {title}: {place}"))
