"""Live imagery of a place: the wish, the job that fulfils it, and the passes to choose from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from threading import Event
from typing import Any, Final

import streamlit as st

from landcover import catalogues
from landcover.catalogues import CATALOGUES, Candidate, Finding, Wish
from landcover.errors import LandcoverError
from landcover.patch import Patch
from landcover.progress import Report
from landcover.sources.naming import FIRST_LIGHT
from pages.parts import choice, jobs, theme

OWN: Final = "own"
DAYS: Final = 180
COLUMNS: Final = 3
POLL_S: Final = 0.3
MONTHS: Final = tuple(f"{datetime(2024, month, 1, tzinfo=UTC):%B}" for month in range(1, 13))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked of a catalogue and what it found."""

    catalogue: str
    wish: Wish
    finding: Finding


@dataclass(frozen=True, kw_only=True)
class Brought:
    """What a job brought: what was found, and the pixels of one candidate."""

    asked: Asked
    candidate: Candidate | None
    patch: Patch | None


def offer(place: choice.Place) -> None:
    """The form for a place that no picture on this computer holds, and its job."""
    st.subheader("No picture of this place here yet", anchor=False)
    st.caption(
        f"{theme.place_text(*place)} lies in none of the samples and none of your pictures. "
        "An open archive can send one: nothing is asked of the network before you press the "
        "button, and what was fetched once stays on this computer."
    )
    job = _running()
    if job is not None and job.about[1:] != place:
        # The user has turned to another place; the old one is not wanted any more.
        stop()
    _job()
    _failure()
    asked = _asked()
    if asked is not None and asked.finding.best is None and _about(asked, place):
        st.info(theme.literal(asked.finding.reason), icon=":material/event_busy:")
    _form(place)


def strip() -> None:
    """The passes over the place whose picture is shown, to take another."""
    asked, chosen = _asked(), choice.current()
    if asked is None or chosen is None or chosen.live is None:
        return
    finding = asked.finding
    if all(candidate.key != chosen.live for candidate in finding.candidates):
        return
    with st.container(key="classify_live_strip"):
        st.subheader("Passes over this place", anchor=False)
        st.caption(theme.literal(finding.reason))
        for note in finding.notes:
            st.caption(theme.literal(note))
        _job()
        _failure()
        looked = [i for i, c in enumerate(finding.candidates) if c.look is not None]
        shown = looked or list(range(min(len(finding.candidates), 2 * COLUMNS)))
        for left in range(0, len(shown), COLUMNS):
            row = shown[left : left + COLUMNS]
            for index, column in zip(row, st.columns(COLUMNS), strict=False):
                with column:
                    _pass(asked, index, taken=finding.candidates[index].key == chosen.live)
        if len(looked) < len(finding.candidates):
            st.button(
                f"Look at more dates ({len(finding.candidates) - len(looked)} left)",
                key="classify_live_more",
                on_click=_start_more,
                disabled=_running() is not None,
            )


def _pass(asked: Asked, index: int, *, taken: bool) -> None:
    candidate = asked.finding.candidates[index]
    first, look = candidate.scenes[0], candidate.look
    day = _day(candidate.acquired.date())
    if look is not None and look.picture is not None:
        st.image(theme.png(look.picture), width="stretch")
    label = f"{day}, shown" if taken else f"Take {day}"
    st.button(
        label,
        key=f"classify_live_take_{index}",
        on_click=_start_fetch,
        args=(index,),
        disabled=taken or _running() is not None,
        width="stretch",
    )
    parts = ["**best**"] if index == asked.finding.best else []
    if look is not None:
        parts.append(f"cloud {look.cloud + look.shadow:.0%}, no data {look.nodata:.0%}")
    elif first.cloud is not None:
        parts.append(f"cloud of the whole scene {first.cloud:.0%}")
    parts.append(first.platform or "Sentinel-2")
    parts.append(f"baseline {first.baseline or 'not stated'}")
    st.caption(" · ".join(parts))


def _form(place: choice.Place) -> None:
    today = datetime.now(UTC).date()
    kept = st.session_state.setdefault("classify_live_kept", {})
    names = [*CATALOGUES, OWN]
    with st.form("classify_live_form", border=True):
        name = st.selectbox(
            "Catalogue",
            names,
            index=names.index(kept.get("name", names[0])),
            format_func=_title,
        )
        path = st.text_input(
            "File of your own catalogue",
            kept.get("path", ""),
            placeholder="only for “Your own catalogue”: made by landcover index",
        )
        span = st.date_input(
            "First and last day",
            kept.get("span", (today - timedelta(days=DAYS), today)),
            min_value=FIRST_LIGHT.date(),
            max_value=today,
        )
        months = st.multiselect("Only these months", MONTHS, kept.get("months", []))
        cloud = st.slider(
            "Most cloud over the square", 0, 100, kept.get("cloud", 10), step=5, format="%d%%"
        )
        pressed = st.form_submit_button(
            "Fetch the best picture", type="primary", disabled=_running() is not None
        )
    if not pressed:
        return
    days = span if isinstance(span, tuple) else (span,)
    st.session_state["classify_live_kept"] = {
        "name": name,
        "path": path,
        "span": days,
        "months": months,
        "cloud": cloud,
    }
    try:
        wish = Wish(
            latitude=place[0],
            longitude=place[1],
            start=days[0],
            end=days[-1] if len(days) > 1 else today,
            months=frozenset(MONTHS.index(month) + 1 for month in months),
            max_cloud=cloud / 100,
        )
    except LandcoverError as error:
        _fail(str(error))
    else:
        _start_find(path.strip() if name == OWN else name, wish)
    st.rerun()


def _title(name: str) -> str:
    if name == OWN:
        return "Your own catalogue"
    row = CATALOGUES[name]
    return f"{row.title} (needs keys)" if row.needs else row.title


@st.fragment(run_every=POLL_S)
def _watch() -> None:
    """How far the job is, until it ends; then the page is drawn once more."""
    job = _running()
    if job is None:
        return
    if job.done:
        _take(job)
        st.rerun()
    st.progress(job.progress.fraction, text=theme.literal(job.progress.said))
    st.button("Cancel", key="classify_live_cancel", icon=":material/cancel:", on_click=job.cancel)


def _job() -> None:
    if _running() is not None:
        _watch()


def _failure() -> None:
    message = st.session_state.get("classify_live_error")
    if message:
        st.error(theme.literal(message), icon=":material/cloud_off:")


def _start_find(name: str, wish: Wish) -> None:
    def work(report: Report, cancel: Event) -> Brought:
        finding = catalogues.find(name, wish, report=report, cancel=cancel)
        asked = Asked(catalogue=name, wish=wish, finding=finding)
        if finding.best is None:
            return Brought(asked=asked, candidate=None, patch=None)
        candidate = finding.candidates[finding.best]
        patch = catalogues.fetch(candidate, report=report, cancel=cancel)
        return Brought(asked=asked, candidate=candidate, patch=patch)

    _start(("find", wish.latitude, wish.longitude), work)


def _start_fetch(index: int) -> None:
    asked = _asked()
    if asked is None:
        return
    candidate = asked.finding.candidates[index]

    def work(report: Report, cancel: Event) -> Brought:
        patch = catalogues.fetch(candidate, report=report, cancel=cancel)
        return Brought(asked=asked, candidate=candidate, patch=patch)

    _start(("fetch", candidate.key), work)


def _start_more() -> None:
    asked = _asked()
    if asked is None:
        return

    def work(report: Report, cancel: Event) -> Brought:
        more = catalogues.look_more(asked.finding, asked.wish, report=report, cancel=cancel)
        return Brought(asked=dataclasses.replace(asked, finding=more), candidate=None, patch=None)

    _start(("more",), work)


def _start(about: Any, work: jobs.Work) -> None:  # noqa: ANN401 - whatever tells jobs apart
    stop()
    _fail(None)
    st.session_state["classify_live_job"] = jobs.start(about, work)


def stop() -> None:
    """Stop whatever is being fetched: the user has turned to something else."""
    job = _running()
    if job is not None:
        job.cancel()
        st.session_state["classify_live_job"] = None


def _running() -> jobs.Job | None:
    job = st.session_state.get("classify_live_job")
    return job if isinstance(job, jobs.Job) else None


def _take(job: jobs.Job) -> None:
    """Make what a job brought the page's state."""
    st.session_state["classify_live_job"] = None
    if job.error is not None:
        _fail(job.error)
    brought = job.result
    if isinstance(brought, Brought):
        st.session_state["classify_live_asked"] = brought.asked
        if brought.candidate is not None and brought.patch is not None:
            choice.add_live(brought.candidate.key, brought.patch)


def _asked() -> Asked | None:
    asked = st.session_state.get("classify_live_asked")
    return asked if isinstance(asked, Asked) else None


def _about(asked: Asked, place: choice.Place) -> bool:
    return (asked.wish.latitude, asked.wish.longitude) == place


def _fail(message: str | None) -> None:
    st.session_state["classify_live_error"] = message


def _day(day: date) -> str:
    return f"{day:%d %B %Y}".lstrip("0")
