"""Live imagery of a place: the wish, the progress of the job, and the passes to choose from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.core.raster import Raster
from landcover.io.names import FIRST_LIGHT
from landcover.stac.catalog import CATALOGUES, Candidate, SceneQuery
from pages.parts.classify import searches
from pages.parts.shared import choice, theme

OWN: Final = "own"
DAYS: Final = 180
YEAR: Final = 365
COLUMNS: Final = 3
POLL_S: Final = 0.3
UPLOAD_TAB: Final = "Your own picture"
MONTHS: Final = tuple(f"{datetime(2024, month, 1, tzinfo=UTC):%B}" for month in range(1, 13))


@dataclass(frozen=True, kw_only=True)
class Form:
    """What the form holds; it stays filled in from one place to the next.

    Attributes:
        name: of an archive, or :data:`OWN`.
        path: of the user's own catalogue.
        start, end: first and last day.
        months: names of months; none: all.
        cloud: percent of the square.
    """

    name: str
    path: str = ""
    start: date
    end: date
    months: tuple[str, ...] = ()
    cloud: int = 10

    @property
    def catalogue(self) -> str:
        """The archive's name or the file's path."""
        return self.path.strip() if self.name == OWN else self.name

    def wish(self, place: choice.Place) -> SceneQuery:
        """The same as a wish for a place.

        Raises:
            BadInput: Sentinel-2 takes no pictures there, or not on these days.
        """
        return SceneQuery(
            latitude=place[0],
            longitude=place[1],
            start=self.start,
            end=self.end,
            months=frozenset(MONTHS.index(month) + 1 for month in self.months),
            max_cloud=self.cloud / 100,
        )


def offer(chosen: choice.Chosen, place: choice.Place) -> None:
    """The form for a place that no picture on this computer holds, and what came of it."""
    st.subheader("No picture of this place here yet", anchor=False)
    st.caption(
        f"{theme.place_text(*place)} lies in none of the samples and none of your pictures. "
        "An open archive can send one: nothing is asked of the network before you press the "
        "button, and what was fetched once stays on this computer."
    )
    _progress()
    failed = _failure()
    asked = searches.asked_about(chosen)
    empty = asked is not None and asked.finding.best is None
    if asked is not None and empty and not failed:
        st.info(theme.literal(asked.finding.reason), icon=":material/event_busy:")
        _notes(asked)
    if failed or empty:
        _ways_out(place)
    _form(place)
    if asked is not None and not empty:
        _passes(chosen, asked)


def beside(chosen: choice.Chosen, patch: Raster) -> None:
    """Below a fetched picture: whose it is, and the other passes over its place."""
    if chosen.live is None:
        return
    row = CATALOGUES.get(chosen.live.split(":", 1)[0])
    if row is not None:
        year = f" {patch.acquired:%Y}" if patch.acquired else ""
        st.caption(f"{row.attribution}{year}.")
    asked = searches.asked_about(chosen)
    if asked is None:
        return
    _progress()
    _failure()
    _passes(chosen, asked)
    with st.expander("Other dates or another catalogue"):
        _form(asked.place)


def _passes(chosen: choice.Chosen, asked: searches.Asked) -> None:
    finding, busy = asked.finding, searches.running() is not None
    st.subheader("Passes over this place", anchor=False)
    st.caption(theme.literal(finding.reason))
    _notes(asked)
    shown = asked.in_sight
    with st.container(key="classify_live_strip"):
        for left in range(0, len(shown), COLUMNS):
            row = shown[left : left + COLUMNS]
            for index, column in zip(row, st.columns(COLUMNS), strict=False):
                with column:
                    _pass(asked, index, chosen.live, busy=busy)
    left_over = len(finding.candidates) - len(shown)
    if left_over:
        st.button(
            f"Check more dates ({left_over} left)",
            key="classify_live_more",
            on_click=searches.more,
            args=(asked,),
            disabled=busy,
        )


def _pass(asked: searches.Asked, index: int, live: str | None, *, busy: bool) -> None:
    candidates = asked.finding.candidates
    candidate = candidates[index]
    look, day = candidate.preview, pass_name(candidate, candidates)
    taken = candidate.key == live
    if look is not None and look.picture is not None:
        st.image(theme.png(look.picture), width="stretch")
    st.button(
        f"{day}, shown" if taken else f"Take {day}",
        key=f"classify_live_take_{index}",
        on_click=searches.take,
        args=(asked, candidate),
        disabled=taken or busy,
        width="stretch",
    )
    best = "**best** · " if index == asked.finding.best else ""
    st.caption(best + theme.literal(_facts(candidate)))


def pass_name(candidate: Candidate, among: tuple[Candidate, ...]) -> str:
    """The day of a pass, with the time where that day has two."""
    when = candidate.acquired
    day = f"{when:%d %B %Y}".lstrip("0")
    twins = sum(other.acquired.date() == when.date() for other in among)
    return f"{day}, {when:%H:%M}" if twins > 1 else day


def _facts(candidate: Candidate) -> str:
    first, look = candidate.scenes[0], candidate.preview
    parts = []
    if look is not None:
        parts.append(f"cloud and shadow {look.cloud + look.shadow:.0%}, no data {look.nodata:.0%}")
    elif first.cloud is not None:
        parts.append(f"cloud of the whole scene {first.cloud:.0%}")
    parts += [first.platform or "Sentinel-2", f"baseline {first.baseline or 'not stated'}"]
    return " · ".join(parts)


def _notes(asked: searches.Asked) -> None:
    for note in asked.finding.notes:
        st.caption(theme.literal(note))


def _form(place: choice.Place) -> None:
    today = datetime.now(UTC).date()
    kept = _kept()
    names = [*CATALOGUES, OWN]
    with st.form("classify_live_form", border=True):
        name = st.selectbox(
            "Catalogue", names, index=names.index(kept.name), format_func=_catalogue_title
        )
        path = st.text_input(
            "File of your own catalogue",
            kept.path,
            placeholder="only for “Your own catalogue”: made by landcover index",
        )
        span = st.date_input(
            "First and last day",
            (kept.start, kept.end),
            min_value=FIRST_LIGHT.date(),
            max_value=today,
        )
        months = st.multiselect("Only these months", MONTHS, list(kept.months))
        cloud = st.slider("Most cloud over the square", 0, 100, kept.cloud, step=5, format="%d%%")
        pressed = st.form_submit_button(
            "Fetch the best picture", type="primary", disabled=searches.running() is not None
        )
    if not pressed:
        return
    # While only the first day of a span is chosen, it ends today.
    days = (*(span if isinstance(span, tuple) else (span,)), today)
    form = Form(name=name, path=path, start=days[0], end=days[1], months=tuple(months), cloud=cloud)
    _ask(form, place)
    st.rerun()


def _ask(form: Form, place: choice.Place) -> None:
    st.session_state["classify_live_kept"] = form
    try:
        wish = form.wish(place)
    except LandcoverError as error:
        searches.fail(str(error))
    else:
        searches.find(form.catalogue, wish)


def _kept() -> Form:
    kept = st.session_state.get("classify_live_kept")
    if isinstance(kept, Form):
        return kept
    today = datetime.now(UTC).date()
    return Form(name=next(iter(CATALOGUES)), start=today - timedelta(days=DAYS), end=today)


def _catalogue_title(name: str) -> str:
    if name == OWN:
        return "Your own catalogue"
    row = CATALOGUES[name]
    return f"{row.title} (needs keys)" if row.needs else row.title


def _ways_out(place: choice.Place) -> None:
    """Buttons for what to try next; the form keeps what it holds besides."""
    form, busy = _kept(), searches.running() is not None
    earlier = max(FIRST_LIGHT.date(), form.end - timedelta(days=YEAR))
    other = next(n for n, row in CATALOGUES.items() if not row.needs and n != form.name)
    with st.container(horizontal=True, key="classify_live_ways_out"):
        if earlier < form.start:
            st.button(
                "Look a whole year back",
                key="classify_live_year",
                on_click=_ask,
                args=(replace(form, start=earlier), place),
                disabled=busy,
            )
        st.button(
            f"Ask {CATALOGUES[other].title}",
            key="classify_live_other",
            on_click=_ask,
            args=(replace(form, name=other), place),
            disabled=busy,
        )
        st.button(
            "Upload a picture",
            key="classify_live_upload",
            on_click=choice.open_tab,
            args=(UPLOAD_TAB,),
        )


def _progress() -> None:
    if searches.running() is not None:
        _watch()


@st.fragment(run_every=POLL_S)
def _watch() -> None:
    """How far the job is, until it ends; then the page is drawn once more."""
    job = searches.running()
    if job is None:
        return
    if job.done:
        searches.collect(job)
        st.rerun()
    now = job.progress
    st.progress(now.fraction, text=theme.literal(job.text))
    st.button("Cancel", key="classify_live_cancel", icon=":material/cancel:", on_click=job.cancel)


def _failure() -> bool:
    """Show what went wrong; whether anything did."""
    message = searches.failure()
    if message:
        st.error(theme.literal(message), icon=":material/cloud_off:")
    return message is not None
