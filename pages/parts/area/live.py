"""Live imagery for a map: which archive and days, the search, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.areas.imagery import Dates, ImagerySpec, imagery_of
from landcover.areas.imagery_passes import PassesSpec
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report
from landcover.io.names import FIRST_LIGHT
from landcover.jobs import queue
from landcover.jobs.job import Job
from landcover.stac.archives import CATALOGUES, OWN_VARIABLE, own_file
from pages.parts.area import state
from pages.parts.classify import live
from pages.parts.shared import elements, job_bar, sessions, theme, widgets
from pages.parts.shared.links import OWN

if TYPE_CHECKING:
    from landcover.areas.area_file import Area

DAYS: Final = 90
EACH: Final = "For each block the pass that hides least"
ONE: Final = "One pass for all, the least cloudy"
BYTES_A_KM2: Final = 120_000
"""Twelve bands and the scene classification of a square kilometre, hardly compressed."""
BYTES_AT_LEAST: Final = 20_000_000
"""Archives are read in blocks of several kilometres."""
_JOB: Final = "area_live_job"
_FOUND: Final = "area_live_found"
_FAILED: Final = "area_live_failed"
_ASKED: Final = "area_live_asked"
"""State key of the months, days and choice of the latest search."""
_SHOWN: Final = 12


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is searched for.

    Attributes:
        name: of the archive, or :data:`~pages.parts.shared.links.OWN`.
        area: the area.
        start, end: first and last day.
        months: names of months; empty for all.
        one_pass: whether one pass is used for all of the area.
    """

    name: str
    area: Area
    start: date
    end: date
    months: tuple[str, ...]
    one_pass: bool

    def run(self, report: Report, cancel: Event) -> ImagerySpec:
        """Search the archive."""
        title = CATALOGUES[self.name].title if self.name in CATALOGUES else "your own catalogue"
        report(Progress(what=f"Searching {title}"))
        months = frozenset(live.MONTHS.index(month) + 1 for month in self.months)
        return imagery_of(
            self.name if self.name in CATALOGUES else own_file(),
            area=self.area,
            dates=Dates(start=self.start, end=self.end, months=months),
            one_pass=self.one_pass,
            report=report,
            cancel=cancel,
        )


def choose(area: Area) -> ImagerySpec | None:
    """Let the user search an archive for the imagery of an area.

    Returns:
        The imagery that was found for this area; None before that.
    """
    elements.heading("Passes")
    _form(area)
    if _running() is not None:
        job_bar.watch(_running, _collect, "area_live_cancel")
        return None
    if message := st.session_state.get(_FAILED):
        st.error(theme.literal(message), icon=":material/cloud_off:")
    search, spec = st.session_state.get(_FOUND, (None, None))
    if not isinstance(search, Search) or search.area != area:
        st.caption(
            "Nothing is fetched before the map is started; the search asks the archive for a list."
        )
        return None
    _show(spec)
    return spec  # type: ignore[no-any-return]  # our own state


def download_bytes(read_km2: float) -> int:
    """About how many bytes are fetched at most.

    Args:
        read_km2: square kilometres of the blocks with their halos.
    """
    return round(BYTES_AT_LEAST + BYTES_A_KM2 * read_km2)


def _form(area: Area) -> None:
    names = [*CATALOGUES, *([OWN] if own_file() else [])]
    state.seed("area_archive", names[0])
    name = widgets.selectbox(
        "Catalogue",
        names,
        format_func=live.catalogue_title,
        key="area_archive",
        help=f"To map your own scenes too, start the app with {OWN_VARIABLE} set to a file that "
        "`landcover index` made.",
    )
    state.note("area_archive", name)
    today = datetime.now(UTC).date()
    days = today - timedelta(days=DAYS), today
    # What was searched for last, also after a visit to another page.
    asked = state.chosen(_ASKED, ([], days, EACH))
    with st.form("area_live_form", border=True):
        months = widgets.multiselect("Only these months", live.MONTHS, asked[0])
        span = widgets.date_span(
            "First and last day", asked[1], min_value=FIRST_LIGHT.date(), max_value=today
        )
        which = widgets.segmented_control(
            "Clearest imagery", [EACH, ONE], default=asked[2], required=True
        )
        pressed = widgets.form_submit_button("Find imagery", disabled=_running() is not None)
    if not pressed or name is None:
        return
    first, last = (*span, today, today)[:2]
    state.note(_ASKED, (months, (first, last), which))
    _start(
        Search(
            name=name,
            area=area,
            start=first,
            end=last,
            months=tuple(months),
            one_pass=which == ONE,
        )
    )
    st.rerun()


def _start(search: Search) -> None:
    st.session_state[_FAILED] = ""
    st.session_state.pop(_FOUND, None)
    try:
        job = queue.default().submit(queue.FETCH, search, search.run, owner=sessions.current())
    except BadInput as error:  # too many jobs
        st.session_state[_FAILED] = str(error)
        return
    st.session_state[_JOB] = job


def _running() -> Job | None:
    job = st.session_state.get(_JOB)
    return job if isinstance(job, Job) else None


def _collect(job: Job) -> None:
    st.session_state[_JOB] = None
    if job.result is not None:
        st.session_state[_FOUND] = job.purpose, job.result
    elif not job.cancelled:
        st.session_state[_FAILED] = job.error or ""


def _show(spec: ImagerySpec) -> None:
    """Say which passes were found."""
    if not isinstance(spec, PassesSpec):
        return
    days = [f"{one.acquired:%d %B %Y}".lstrip("0") for one in spec.passes if one.acquired]
    more = f" and {len(days) - _SHOWN} more" if len(days) > _SHOWN else ""
    count = len(spec.passes)
    st.markdown(
        f"**{count} pass{'es' * (count != 1)}** of {theme.literal(spec.title)}: "
        + "; ".join(days[:_SHOWN])
        + more
        + "."
    )
    for note in spec.notes:
        st.caption(theme.literal(note))
