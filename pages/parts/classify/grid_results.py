"""Results of the windows of a rectangle: legend, table, download, and squares on the map."""

from __future__ import annotations

import html
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import folium
import streamlit as st

from landcover.core.classes import cover_of
from landcover.core.window_grid import WindowGrid
from pages.parts.classify import squares
from pages.parts.shared import choice, class_link, links, theme, widgets

if TYPE_CHECKING:  # at run time these would load torch before the map is drawn
    from landcover.stac.candidates import Candidate
    from landcover.trust.window_results import WindowResult

GREY: Final = "#8c959f"
"""Colour of windows without a land cover."""
WITHHELD: Final = "can't tell"
NONE_FOUND: Final = "none of the 19 land covers"
UNREAD: Final = "not classified"
OPEN: Final = "classify_grid_open"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The results of a rectangle.

    Attributes:
        purpose: rectangle, model and aim.
        grid: the windows.
        results: one a window.
        upload: key of the upload with the pixels, or None.
        candidate: the pass that was fetched, or None.
        catalogue: name of its archive in the address of the page.
    """

    purpose: object
    grid: WindowGrid
    results: tuple[WindowResult, ...]
    upload: str | None = None
    candidate: Candidate | None = None
    catalogue: str = links.OWN


def keep(outcome: Outcome) -> None:
    """Keep the outcome of the latest rectangle."""
    st.session_state["classify_grid"] = outcome


def kept(purpose: object) -> Outcome | None:
    """Return the outcome for that rectangle, model and aim, or None."""
    outcome = st.session_state.get("classify_grid")
    return outcome if isinstance(outcome, Outcome) and outcome.purpose == purpose else None


def show(outcome: Outcome) -> None:
    """Show summary, legend, a list of windows to open, a table, and its download."""
    results = outcome.results
    kinds = Counter(_kind(one) for one in results)
    st.markdown(_summary(outcome))
    st.html(_legend(kinds))
    st.caption(
        "Colour: the most probable land cover that was found in the window, which may hold "
        "several. Dashed: check this. Grey: no land cover. Click a square to open it. Windows are "
        "counted here, not hectares."
    )
    labels = [_name(index, one) for index, one in enumerate(results)]
    widgets.selectbox(
        "Open a window",
        range(len(results)),
        index=None,
        format_func=labels.__getitem__,
        placeholder="Choose one of the windows",
        key=OPEN,
        on_change=_open_chosen,
    )
    with st.expander("Show as a table"):
        st.table(_table(results), border="horizontal")
    _download(results)


def _summary(outcome: Outcome) -> str:
    found = [one for one in outcome.results if one.result is not None]
    verdicts = Counter(one.result.verdict.label for one in found if one.result is not None)
    parts = [f"{count} × {theme.literal(label)}" for label, count in verdicts.most_common()]
    first = found[0].result if found else None
    day = first.raster.acquired if first is not None else None
    when = f" on {day:%d %B %Y}".replace(" 0", " ") if day else ""
    source = theme.literal(first.raster.provenance.source) if first is not None else ""
    return f"**{len(found)} of {len(outcome.results)} windows** of {source}{when}: " + (
        "; ".join(parts) or theme.literal(outcome.results[0].error or UNREAD)
    )


def _kind(one: WindowResult) -> str:
    """Return the land cover whose colour a window gets, or why it has none."""
    if one.top is not None:
        return one.top.label
    if one.result is None:
        return UNREAD
    return WITHHELD if one.result.quality.abstained else NONE_FOUND


def _colour(kind: str) -> str:
    return GREY if kind in (UNREAD, WITHHELD, NONE_FOUND) else cover_of(kind).hex


def _named(kind: str) -> str:
    """Return the name of a land cover as a link, or why a window has none."""
    if kind in (UNREAD, WITHHELD, NONE_FOUND):
        return html.escape(kind)
    return class_link.as_html(kind, kind)


def _legend(kinds: Counter[str]) -> str:
    rows = "".join(
        f"<li>{theme.swatch(_colour(kind))} {_named(kind)}: {count}</li>"
        for kind, count in kinds.most_common()
    )
    return f'<ul class="landcover-verdict" aria-label="Windows by land cover">{rows}</ul>'


def _name(index: int, one: WindowResult) -> str:
    return f"{index + 1} · {_short(one)}"


def _short(one: WindowResult) -> str:
    """Return the result of a window in a few words."""
    if one.result is None:
        return f"{UNREAD}: {one.error}"
    what = f"{one.top.label} {one.top.probability:.0%}" if one.top is not None else _kind(one)
    return f"{what} · {one.result.verdict.label}"


def _table(results: tuple[WindowResult, ...]) -> dict[str, list[str]]:
    return {
        "Window": [str(number) for number in range(1, len(results) + 1)],
        "Centre": [theme.place_text(*one.window.centre) for one in results],
        "Land covers": [_covers(one) for one in results],
        "Verdict": [
            one.result.verdict.label if one.result is not None else f"{UNREAD}: {one.error}"
            for one in results
        ],
    }


def _covers(one: WindowResult) -> str:
    if one.top is None or one.result is None:
        return "–"
    return "; ".join(
        f"{class_link.as_markdown(s.label, s.label)} {s.probability:.0%}"
        for s in one.result.prediction.predicted
    )


def _download(results: tuple[WindowResult, ...]) -> None:
    from landcover.report.classification import report_of  # noqa: PLC0415 - loads torch
    from landcover.report.classification_table import as_csv  # noqa: PLC0415 - loads torch

    reports = [
        report_of(one.result, one.result.raster.provenance.source)
        for one in results
        if one.result is not None
    ]
    st.download_button(
        "All windows as CSV",
        as_csv(reports),
        f"landcover-windows-{len(reports)}.csv",
        "text/csv",
        key="classify_grid_csv",
        icon=":material/download:",
        on_click="ignore",
        disabled=not reports,
    )


def latest() -> Outcome | None:
    """Return the outcome of the latest rectangle whose pixels are still here, or None."""
    outcome = st.session_state.get("classify_grid")
    if not isinstance(outcome, Outcome):
        return None
    return outcome if outcome.upload is None or outcome.upload in choice.uploads() else None


def shown() -> Outcome | None:
    """Return the outcome that the map shows: as long as the choice lies in it."""
    outcome = st.session_state.get("classify_grid")
    square = squares.square_of(choice.current())
    if not isinstance(outcome, Outcome) or square is None:
        return None
    return outcome if outcome.grid.whole.covers(*square.centre) else None


def add_to_map(group: folium.FeatureGroup) -> None:
    """Add the windows of the latest rectangle as coloured squares."""
    outcome = shown()
    for index, one in enumerate(outcome.results if outcome is not None else ()):
        reliable = one.result is not None and one.result.verdict.decision == "answer"
        folium.Polygon(
            one.window.outline,
            color="#ffffff",
            weight=1.5,
            dash_array=None if reliable else "4 4",
            fill=True,
            fill_color=_colour(_kind(one)),
            fill_opacity=0.55,
            class_name="lc-window",
            tooltip=html.escape(_name(index, one)),
        ).add_to(group)


def open_at(latitude: float, longitude: float) -> bool:
    """Open the window of the map at a place; return whether there is one."""
    outcome = shown()
    if outcome is None or choice.last_zoom() < squares.NEAR_ZOOM - 2:
        return False
    if not outcome.grid.whole.covers(latitude, longitude):
        return False
    row, col = outcome.grid.whole.pixel_of(latitude, longitude)
    down, right = int(row // outcome.grid.side), int(col // outcome.grid.side)
    return open_window(outcome, outcome.results[down * outcome.grid.columns + right])


def _open_chosen() -> None:
    outcome, index = shown(), widgets.value(OPEN)
    if outcome is not None and index is not None and index < len(outcome.results):
        open_window(outcome, outcome.results[index])


def open_window(outcome: Outcome, one: WindowResult) -> bool:
    """Choose a window of a rectangle; return whether it has pixels."""
    if one.result is None:
        return False
    if outcome.upload is not None:
        row, col = one.corner
        choice.choose(choice.Chosen(upload=outcome.upload, row=row, col=col))
        return True
    if outcome.candidate is not None:
        candidate = replace(outcome.candidate, target=one.window)
        scene = choice.SceneLink(
            catalogue=outcome.catalogue,
            scene=candidate.scenes[0].id,
            day=candidate.acquired.date(),
            place=links.rounded(one.window.centre),
        )
        choice.add_live(candidate.key, one.result.raster, scene)
    return True
