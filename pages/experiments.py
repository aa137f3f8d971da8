"""The Experiments page: all trainings and tests, one of them in detail, and two side by side."""

from __future__ import annotations

from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.jobs.runs import experiments
from pages.parts.experiments import change, compare, details, listing
from pages.parts.shared import charts as show
from pages.parts.shared import elements, entry, theme, training

DETAILS: Final = "One in detail"
PAIR: Final = "Two compared"
INTRODUCTION: Final = (
    "Every training and test of yours, with its settings, curves and log; and the trainings that "
    "the installed models come from, as far as they carry their settings and epochs."
)


def main() -> None:
    """List all experiments; show one of them, or two side by side."""
    elements.title("Experiments")
    allowed = training.is_allowed()
    if not allowed:
        st.info(training.REFUSED, icon=":material/lock:")
    st.markdown(INTRODUCTION)
    change.outcome()
    found = experiments.all_experiments() if allowed else experiments.past()
    listing.render(found, own=allowed)
    if not found:
        return
    view = show.switch("Show", (DETAILS, PAIR), "experiments_view", field="view")
    if view == DETAILS:
        details.render(found)
    else:
        compare.render(found)


entry.require_app(__file__)
try:
    main()
except LandcoverError as error:
    st.error(theme.literal(str(error)))
