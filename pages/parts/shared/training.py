"""Who may train in the app; and runs that wait since the computer was switched off go on."""

from __future__ import annotations

import importlib
import os
import threading
from typing import Final

import streamlit as st

from landcover.core import home, logs
from landcover.core.errors import LandcoverError
from pages.parts.shared import taught

__all__ = ["REFUSED", "VARIABLE", "is_allowed", "wake_runs"]

VARIABLE: Final = "LANDCOVER_TRAINING"
"""Environment variable that is ``1`` if everybody who can open the app may train in it."""
REFUSED: Final = (
    "This server is shared, and training reads its folders and computes for hours, so it is "
    "switched off here. Run the app on your own computer with `make run`, or train with "
    f"`landcover train`; whoever runs this server can allow it with `{VARIABLE}=1`."
)


def is_allowed() -> bool:
    """Whether the app may train: one person uses it, or the environment says so."""
    return taught.is_personal() or os.environ.get(VARIABLE, "").strip() == "1"


@st.cache_resource(show_spinner=False)
def wake_runs() -> None:
    """Start what computes runs if some wait and nothing works on them; once in a server's life.

    It does not wait: the modules load torch, and the first page should not.
    """
    if is_allowed() and (home.location() / "runs").is_dir():
        threading.Thread(target=_wake, name="landcover-runs", daemon=True).start()


def _wake() -> None:
    try:
        importlib.import_module("landcover.jobs.runs.models").follow()
        importlib.import_module("landcover.jobs.runs.control").wake()
    except LandcoverError as error:  # the Train page says what is wrong
        logs.event("job failed", error=error)
