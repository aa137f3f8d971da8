"""A second date: the map before it is kept, shown beside the new one, and compared with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import streamlit as st

from landcover.areas.hectares import CELL_HA
from landcover.areas.legend import entries, swatch
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report
from landcover.jobs import queue
from landcover.jobs.job import Job
from pages.parts.area import mapping
from pages.parts.area.mapping import Mapping
from pages.parts.shared import elements, job_bar, naming, sessions, theme, widgets

if TYPE_CHECKING:  # at run time these would load torch before the map is drawn
    from landcover.time.change import Change, Estimate
    from landcover.time.change_files import ChangeFiles

CHANGE: Final = "Change"
_FIRST: Final = "area_first"
_JOB: Final = "area_change_job"
_FOUND: Final = "area_change"
_SHOWN: Final = 12
ABOUT: Final = (
    "The balance adds up what both images together support, over the cells that are seen at both "
    "dates, with intervals of 95 %. Two maps that are mostly right differ in many cells where "
    "nothing changed, so differing cells are not counted."
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A comparison.

    Attributes:
        pair: the maps that were compared.
        changes: one for each CRS.
        files: what was written of each.
    """

    pair: tuple[Mapping, Mapping]
    changes: tuple[Change, ...]
    files: tuple[ChangeFiles, ...]


def first() -> Mapping | None:
    """Return the map that was kept as the first date."""
    found = st.session_state.get(_FIRST)
    return found if isinstance(found, Mapping) else None


def found_for(made: Mapping | None) -> Found | None:
    """Return the comparison of the first date with a map, if it was made."""
    found = st.session_state.get(_FOUND)
    return found if isinstance(found, Found) and found.pair == (first(), made) else None


def offer(made: Mapping) -> None:
    """Offer to keep a complete map as the first date."""
    if made.is_complete and first() is None and made.canvases[0].covers:
        widgets.button(
            "Compare with another date",
            key="area_keep",
            icon=":material/compare:",
            on_click=_keep,
        )


def _keep() -> None:
    st.session_state[_FIRST] = mapping.take()


def drop() -> None:
    """Remove the first date."""
    kept = first()
    st.session_state[_FIRST] = st.session_state[_FOUND] = None
    if kept is not None:
        mapping.remove(kept)


def show(made: Mapping | None) -> None:
    """Show the first date, and the change from it to a map."""
    kept = first()
    if kept is None:
        return
    elements.heading("Two dates")
    st.markdown(f"First: {theme.literal(_title(kept))}.")
    widgets.button("Remove the first date", key="area_first_drop", on_click=drop)
    if made is None or not made.is_complete:
        st.info(
            "Now map the same area from imagery of another date: choose it, keep the outline, and "
            "start.",
            icon=":material/looks_two:",
        )
        return
    st.markdown(f"Second: {theme.literal(_title(made))}.")
    if _running() is not None:
        job_bar.watch(_running, _collect, "area_change_cancel")
        return
    if message := st.session_state.get(f"{_FOUND}_failed"):
        st.error(theme.literal(message), icon=":material/error:")
    found = found_for(made)
    if found is None:
        widgets.button(
            "Find the change", key="area_change_start", type="primary",
            icon=":material/difference:", on_click=_start, args=(kept, made),
        )  # fmt: skip
        return
    for change in found.changes:
        _balance(change)
    _downloads(found)


def _title(made: Mapping) -> str:
    days = [naming.day_text(days[0]) for result in made.results if (days := result.facts.dates)]
    return f"{made.request.title}, {days[0]}" if days else made.request.title


def _start(kept: Mapping, made: Mapping) -> None:
    def work(report: Report, cancel: Event) -> Found:
        return _compared(kept, made, report, cancel)

    st.session_state[f"{_FOUND}_failed"] = ""
    try:
        st.session_state[_JOB] = queue.default().submit(
            queue.LONG, "change", work, owner=sessions.current()
        )
    except BadInput as error:  # too many jobs
        st.session_state[f"{_FOUND}_failed"] = str(error)


def _compared(kept: Mapping, made: Mapping, report: Report, cancel: Event) -> Found:
    from landcover.time.between import change_between  # noqa: PLC0415 - loads torch
    from landcover.time.change_files import write_change  # noqa: PLC0415 - as above

    report(Progress(what="Comparing the two dates"))
    before = {one.plan.window.crs: one for one in kept.canvases}
    after = {one.plan.window.crs: one for one in made.canvases}
    if before.keys() != after.keys():
        raise BadInput(
            "The two maps are not of the same area: map the same outline from both images."
        )
    changes, written = [], []
    for crs in after:
        one, other = (_cover(each, crs) for each in (kept, made))
        change = change_between(str(one), str(other), report=report, cancel=cancel)
        changes.append(change)
        written.append(write_change(change, other.with_name(f"{other.stem}-change.tif")))
    return Found(pair=(kept, made), changes=tuple(changes), files=tuple(written))


def _cover(made: Mapping, crs: str) -> Path:
    for canvas, result in zip(made.canvases, made.results, strict=True):
        if canvas.plan.window.crs == crs and result.written.cover is not None:
            return result.written.cover
    raise BadInput("A map without land covers of cells cannot be compared: choose another model.")


def _running() -> Job | None:
    job = st.session_state.get(_JOB)
    return job if isinstance(job, Job) else None


def _collect(job: Job) -> None:
    st.session_state[_JOB] = None
    if isinstance(job.result, Found):
        st.session_state[_FOUND] = job.result
    elif not job.cancelled:
        st.session_state[f"{_FOUND}_failed"] = job.error or ""


def _balance(change: Change) -> None:
    for sentence in change.warnings:
        st.warning(theme.literal(sentence))
    st.markdown(
        f"**{change.changed.value:.1%}** of the ground changed "
        f"[{change.changed.low:.1%} to {change.changed.high:.1%}], from {change.before.day} to "
        f"{change.after.day}. {change.seen:,.0f} ha are seen at both dates, {change.hidden:,.0f} "
        "ha are not."
    )
    st.table(_rows(change), border="horizontal", hide_index=True)
    st.caption(ABOUT)


def _rows(change: Change) -> pd.DataFrame:
    def text(one: Estimate) -> str:
        # Adding 0 makes a zero of a negative one.
        value, low, high = (round(number, 1) + 0.0 for number in (one.value, one.low, one.high))
        return f"{value:,.1f} [{low:,.1f} to {high:,.1f}]"

    return pd.DataFrame(
        [
            [row.group, text(row.before), text(row.after), text(row.net), text(row.gain),
             text(row.loss)]
            for row in change.rows
        ],
        columns=["Cover", "Before, ha", "After, ha", "Net, ha", "Gain, ha", "Loss, ha"],
    )  # fmt: skip


def legend(found: Found) -> None:
    """Show what the colours of the change layer mean: what the ground became."""
    from landcover.time.change import CANT_TELL, FIRST_PAIR, UNCHANGED, pairs_of  # noqa: PLC0415

    covers = found.changes[0].covers
    counts = np.zeros(256, dtype=np.int64)
    for change in found.changes:
        counts += np.bincount(change.layer.ravel(), minlength=256)
    signs = {entry.name: theme.sign(swatch(entry)) for entry in entries(covers)}
    pairs: list[tuple[int, tuple[str, str]]] = [
        (int(counts[number]), pair)
        for number, pair in enumerate(pairs_of(covers), FIRST_PAIR)
        if counts[number]
    ]
    pairs.sort(reverse=True)
    rows = [
        f"<li>{signs[after]} {before} → {after}: {count * CELL_HA:,.1f} ha</li>"
        for count, (before, after) in pairs[:_SHOWN]
    ]
    for number, name in ((UNCHANGED, "no change shown"), (CANT_TELL, "can't tell")):
        colour = "#ebebeb" if number == UNCHANGED else "#787878"
        rows.append(f"<li>{theme.swatch(colour)} {name}: {counts[number] * CELL_HA:,.1f} ha</li>")
    st.html(f'<ul class="landcover-verdict">{"".join(rows)}</ul>')


def _downloads(found: Found) -> None:
    for number, (change, files) in enumerate(zip(found.changes, found.files, strict=True)):
        stem = f"{found.pair[1].stem}-since-{change.before.day}"
        options: dict[str, Any] = {"icon": ":material/download:", "on_click": "ignore"}
        with st.container(horizontal=True):
            for title, path, mime in (
                ("Change as GeoTIFF", files.change, "image/tiff"),
                ("Balance as CSV", files.table, "text/csv"),
            ):
                st.download_button(
                    title, path.read_bytes, f"{stem}-{path.name}", mime,
                    key=f"area_change_{number}_{mime}", **options,
                )  # fmt: skip
