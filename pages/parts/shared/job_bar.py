"""Progress of a background job with a button that cancels it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from landcover.jobs.job import Job
from pages.parts.shared import theme, widgets

POLL_S: Final = 0.3


@st.fragment(run_every=POLL_S)
def watch(running: Callable[[], Job | None], collect: Callable[[Job], None], key: str) -> None:
    """Show the progress of the running job; rerun the page when it has ended.

    Args:
        running: returns the job, or None.
        collect: takes the job's result or error once it has ended.
        key: key of the button.
    """
    job = running()
    if job is None:
        return
    if job.done:
        collect(job)
        st.rerun()
    st.progress(job.progress.fraction, text=theme.literal(job.text))
    widgets.button("Cancel", key=key, icon=":material/cancel:", on_click=job.cancel)
