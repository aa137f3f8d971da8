"""Live imagery of a place: search form, progress, and the passes to choose from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.core.raster import Raster
from landcover.io.names import FIRST_LIGHT
from landcover.stac.archives import OWN_VARIABLE, own_file
from landcover.stac.catalog import CATALOGUES, Candidate, SceneQuery
from pages.parts.classify import searches
from pages.parts.shared import choice, elements, job_bar, theme, widgets
from pages.parts.shared.links import OWN, Place

DAYS: Final = 180
YEAR: Final = 365
COLUMNS: Final = 3
_OPENED: Final = "classify_live_opened"
UPLOAD_TAB: Final = "Upload a file"
MONTHS: Final = tuple(f"{datetime(2024, month, 1, tzinfo=UTC):%B}" for month in range(1, 13))


@dataclass(frozen=True, kw_only=True)
class Form:
    """Values of the search form; they are kept from one place to the next.

    Attributes:
        name: name of an archive, or :data:`OWN`.
        start, end: first and last day.
        months: names of months; empty for all.
        cloud: maximum cloud over the patch, percent.
    """

    name: str
    start: date
    end: date
    months: tuple[str, ...] = ()
    cloud: int = 10

    @property
    def catalogue(self) -> str:
        """Name of the archive, or path of the server's own catalogue."""
        return own_file() if self.name == OWN else self.name

    def query(self, place: Place) -> SceneQuery:
        """Return the search query for a place.

        Raises:
            BadInput: Sentinel-2 takes no images there, or not on these days.
        """
        return SceneQuery(
            latitude=place[0],
            longitude=place[1],
            start=self.start,
            end=self.end,
            months=frozenset(MONTHS.index(month) + 1 for month in self.months),
            max_cloud=self.cloud / 100,
        )


def show_search(chosen: choice.Chosen, place: Place) -> None:
    """Show the search form for a place without an image on this computer, and its result."""
    if chosen.scene is not None:
        failed = show_linked(chosen.scene)
    else:
        elements.heading("No image of this place yet")
        st.caption(
            f"{theme.place_text(*place)} is in none of the samples and none of your files. An open "
            "archive can provide an image. It is fetched only after you press the button, and kept "
            "on this computer."
        )
        _progress()
        failed = _failure()
    search = searches.search_of(chosen)
    empty = search is not None and search.result.best is None
    if search is not None and empty and not failed:
        st.info(theme.literal(search.result.reason), icon=":material/event_busy:")
        _notes(search)
    if (failed or empty) and chosen.scene is None:
        _suggestions(place, failed=failed)
    show_form(place)
    if search is not None and not empty:
        _passes(chosen, search)


def show_linked(scene: choice.SceneLink) -> bool:
    """Fetch the image that the address of the page names; return whether that failed.

    The address is the request: the fetch starts by itself once, and again when the user asks.
    """
    catalogue = own_file() if scene.catalogue == OWN else scene.catalogue
    day = f"{scene.day:%d %B %Y}".lstrip("0")
    elements.heading(f"{theme.place_text(*scene.place)}, {day}")
    if not catalogue:
        st.info(
            "This address names an image in a catalogue file on somebody's computer. If it is "
            f"yours, start the app with {OWN_VARIABLE} set to that file."
        )
        return False
    if st.session_state.get(_OPENED) != scene:
        st.session_state[_OPENED] = scene
        searches.open_scene(scene, catalogue)
    _progress()
    failed = _failure()
    if searches.running() is None:
        st.caption("The image of this address is not on this computer.")
        widgets.button(
            "Fetch the image again" if failed else "Fetch the image",
            key="classify_live_linked",
            type="primary",
            on_click=searches.open_scene,
            args=(scene, catalogue),
        )
    return failed


def show_passes(chosen: choice.Chosen, patch: Raster) -> None:
    """Show the source of a fetched patch and the other passes over its place."""
    if chosen.live is None:
        return
    row = CATALOGUES.get(chosen.live.split(":", 1)[0])
    if row is not None:
        year = f" {patch.acquired:%Y}" if patch.acquired else ""
        st.caption(f"{row.attribution}{year}.")
    search = searches.search_of(chosen)
    if search is None:
        return
    _progress()
    _failure()
    _passes(chosen, search)
    with st.expander("Search other dates or another catalogue"):
        show_form(search.place)


def _passes(chosen: choice.Chosen, search: searches.Search) -> None:
    result, busy = search.result, searches.running() is not None
    elements.heading("Passes over this place")
    st.caption(theme.literal(result.reason))
    _notes(search)
    shown = search.shown
    with st.container(key="classify_live_strip"):
        for left in range(0, len(shown), COLUMNS):
            row = shown[left : left + COLUMNS]
            for index, column in zip(row, st.columns(COLUMNS), strict=False):
                with column:
                    _pass(search, index, chosen.live, busy=busy)
    left_over = len(result.candidates) - len(shown)
    if left_over:
        widgets.button(
            f"Check more dates ({left_over} left)",
            key="classify_live_more",
            on_click=searches.show_more,
            args=(search,),
            disabled=busy,
        )


def _pass(search: searches.Search, index: int, live: str | None, *, busy: bool) -> None:
    candidates = search.result.candidates
    candidate = candidates[index]
    preview, day = candidate.preview, pass_name(candidate, candidates)
    taken = candidate.key == live
    if preview is not None and preview.picture is not None:
        elements.picture(preview.picture, f"Preview of {day}")
    widgets.button(
        f"{day}, shown" if taken else f"Show {day}",
        key=f"classify_live_take_{index}",
        on_click=searches.fetch,
        args=(search, candidate),
        disabled=taken or busy,
        width="stretch",
    )
    best = "**best** · " if index == search.result.best else ""
    st.caption(best + theme.literal(_facts(candidate)))


def pass_name(candidate: Candidate, among: tuple[Candidate, ...]) -> str:
    """Return the day of a pass, with the time if that day has several passes."""
    when = candidate.acquired
    day = f"{when:%d %B %Y}".lstrip("0")
    same_day = sum(other.acquired.date() == when.date() for other in among)
    return f"{day}, {when:%H:%M}" if same_day > 1 else day


def _facts(candidate: Candidate) -> str:
    first, preview = candidate.scenes[0], candidate.preview
    parts = []
    if preview is not None:
        parts.append(
            f"cloud and shadow {preview.cloud + preview.shadow:.0%}, no data {preview.nodata:.0%}"
        )
    elif first.cloud is not None:
        parts.append(f"cloud in the whole scene {first.cloud:.0%}")
    parts += [first.platform or "Sentinel-2", f"baseline {first.baseline or 'not stated'}"]
    return " · ".join(parts)


def _notes(search: searches.Search) -> None:
    for note in search.result.notes:
        st.caption(theme.literal(note))


def show_form(
    place: Place,
    title: str = "Fetch the best image",
    start: Callable[[Form, Place], None] | None = None,
) -> None:
    """Show the search form.

    Args:
        place: latitude and longitude.
        title: of the button.
        start: called with the form and the place once the button is pressed; by default the
            best image of the place is fetched.
    """
    today = datetime.now(UTC).date()
    kept = _kept()
    names = [*CATALOGUES, *([OWN] if own_file() else [])]
    # Outside the form, so that the fields follow the catalogue at once.
    name = widgets.selectbox(
        "Catalogue",
        names,
        index=names.index(kept.name),
        format_func=catalogue_title,
        help=f"To search your own images too, start the app with {OWN_VARIABLE} set to a file that "
        "`landcover index` made.",
    )
    assert name is not None  # the first one is there without a choice
    days = (kept.start, kept.end) if name == kept.name else _usual_days(name)
    with st.form("classify_live_form", border=True):
        months = widgets.multiselect("Only these months", MONTHS, list(kept.months))
        cloud = widgets.slider(
            "Maximum cloud over the patch", 0, 100, kept.cloud, step=5, format="%d%%"
        )
        # In one row, so that the calendar, which opens below or above, does not cover the button.
        left, right = st.columns([3, 2], vertical_alignment="bottom")
        with left:
            span = widgets.date_span(
                "First and last day", days, min_value=FIRST_LIGHT.date(), max_value=today
            )
        with right:
            pressed = widgets.form_submit_button(
                title, type="primary", disabled=searches.running() is not None, width="stretch"
            )
    if not pressed:
        return
    # If only the first day is chosen, the last day is today.
    first, last = (*span, today, today)[:2]
    form = Form(name=name, start=first, end=last, months=tuple(months), cloud=cloud)
    st.session_state["classify_live_kept"] = form
    (start or _search)(form, place)
    st.rerun()


def _ask(form: Form, place: Place) -> None:
    st.session_state["classify_live_kept"] = form
    _search(form, place)


def _search(form: Form, place: Place) -> None:
    try:
        query = form.query(place)
    except LandcoverError as error:
        searches.fail(str(error))
    else:
        searches.start(form.catalogue, query)


def _kept() -> Form:
    kept = st.session_state.get("classify_live_kept")
    if isinstance(kept, Form) and (kept.name != OWN or own_file()):
        return kept
    name = next(iter(CATALOGUES))
    start, end = _usual_days(name)
    return Form(name=name, start=start, end=end)


def _usual_days(name: str) -> tuple[date, date]:
    """Return first and last day of a search: one's own catalogue is searched completely."""
    today = datetime.now(UTC).date()
    return FIRST_LIGHT.date() if name == OWN else today - timedelta(days=DAYS), today


def catalogue_title(name: str) -> str:
    """Return the title of an archive, or of one's own catalogue."""
    if name == OWN:
        return "Your own catalogue"
    row = CATALOGUES[name]
    return f"{row.title} (needs keys)" if row.needs else row.title


def _suggestions(place: Place, *, failed: bool) -> None:
    """Show buttons for what to try next; the other values of the form are kept.

    A search that failed can be repeated; more dates help only where it found nothing.
    """
    form, busy = _kept(), searches.running() is not None
    earlier = max(FIRST_LIGHT.date(), form.end - timedelta(days=YEAR))
    other = next(n for n, row in CATALOGUES.items() if not row.needs and n != form.name)
    with st.container(horizontal=True, key="classify_live_ways_out"):
        if failed:
            widgets.button(
                "Try again",
                key="classify_live_again",
                on_click=_ask,
                args=(form, place),
                disabled=busy,
            )
        elif earlier < form.start:
            widgets.button(
                "Search a whole year",
                key="classify_live_year",
                on_click=_ask,
                args=(replace(form, start=earlier), place),
                disabled=busy,
            )
        widgets.button(
            f"Search {CATALOGUES[other].title}",
            key="classify_live_other",
            on_click=_ask,
            args=(_with_catalogue(form, other), place),
            disabled=busy,
        )
        widgets.button(
            "Upload a file",
            key="classify_live_upload",
            on_click=choice.open_tab,
            args=(UPLOAD_TAB,),
        )


def _with_catalogue(form: Form, name: str) -> Form:
    """Return the form with another catalogue; dates of the user's own one are not kept."""
    start, end = _usual_days(name) if form.name == OWN else (form.start, form.end)
    return replace(form, name=name, start=start, end=end)


def _progress() -> None:
    if searches.running() is not None:
        job_bar.watch(searches.running, searches.collect, "classify_live_cancel")


def _failure() -> bool:
    """Show the error message of the search, if any; return whether there is one."""
    message = searches.failure()
    if message:
        st.error(theme.literal(message), icon=":material/cloud_off:")
    return message is not None
