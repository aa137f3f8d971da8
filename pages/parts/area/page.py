"""The parts of the Area page in order: choices, the job, the map, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.core.errors import LandcoverError
from pages.parts.area import (
    address,
    compare,
    fields,
    layers,
    live,
    mapping,
    outline,
    place,
    request,
    results,
    source,
    state,
)
from pages.parts.area import map as chart
from pages.parts.area.layers import View
from pages.parts.shared import basemap, job_bar, loaded_models, theme, url_state, widgets

if TYPE_CHECKING:
    from landcover.areas.area_file import Area
    from pages.parts.area.mapping import Mapping
    from pages.parts.area.request import Request

POLL_S: Final = 1.0
"""Seconds between two looks at the map while blocks arrive."""
MODEL: Final = address.MODEL
STEP: Final = address.STEP
DETAIL: Final = request.STEPS[2]
"""Pixels from window to window unless the user chooses another step."""


def show(*, background: bool) -> None:
    """Show the page below its introduction."""
    made = mapping.current()
    with st.container(key="area_main"):
        left, right = st.columns([6, 5], gap="medium")
    with right:
        # Closed once there is a map, so that its place is at the top.
        missing = st.container(key="area_missing_file")
        title = "Imagery and area" if made is None else "Imagery and area of another map"
        with st.expander(title, expanded=made is None, key=f"area_set_up_{made is None}"):
            chosen, area = _choose()
        with missing:
            address.show_missing()
        job_slot = st.container(key="area_job")
    with left:
        # The controls are drawn first, because the map shows what they say.
        map_slot = st.container(key="area_map_slot")
        with st.container(key="area_controls"):
            view = _view(made)
        with map_slot:
            poll = POLL_S if made is not None and made.is_running else None
            st.fragment(_map, run_every=poll)(made, view, chosen, area, background)
            if not background:
                st.caption(basemap.HOW_TO_GET)
        with st.container(key="area_results"):
            compare.show(made)
            if made is not None and made.done:
                results.show(made)
    # After the map, because planning loads torch.
    with job_slot:
        _job(chosen, area, made)
        if made is None or made.job is None:
            _offer_back()
        if made is not None and made.done:
            place.show(made.canvases, made.thresholds)


def _choose() -> tuple[state.Source, Area | None]:
    address.restore()
    chosen = source.choose()
    how = outline.choose(whole=chosen.kind != "live")
    area = outline.current(how)
    address.keep_area(chosen, area)
    return chosen, area


def _job(chosen: state.Source, area: Area | None, made: Mapping | None) -> None:
    """Show the progress or the end of the map, or what it would cost and a button to start it."""
    if made is not None and made.job is not None:
        mapping_bar(started=bool(made.canvases))
        return
    if made is not None:
        _ended(made)
    wanted = _request(chosen, area)
    if wanted is None or (made is not None and made.request.key == wanted.key):
        return
    said = () if area is None else area.notes  # the area shows its own
    for note in wanted.prepared.notes:
        if note not in said:
            st.warning(theme.literal(note), icon=":material/crop_free:")
    st.table(request.facts(wanted), border="horizontal", hide_index=True)
    widgets.button(
        "Map this area",
        key="area_start",
        type="primary",
        icon=":material/play_arrow:",
        on_click=mapping.start,
        args=(wanted,),
    )


def _request(chosen: state.Source, area: Area | None) -> Request | None:
    """Plan the map; None, with a sentence, if it cannot be made."""
    how = state.chosen(outline.HOW)
    if how != outline.WHOLE and area is None:
        st.caption("The size, the time and a button to start are shown once there is an area.")
        return None
    if area is not None and address.is_missing():
        return None  # it is the area of other imagery
    found = live.choose(area) if chosen.kind == "live" and area is not None else None
    if chosen.kind == "live" and found is None:
        return None
    model, step = _settings()
    if model is None:
        return None
    try:
        return request.wanted(chosen, area, model=model, step=step, found=found)
    except LandcoverError as error:
        st.error(theme.literal(str(error)), icon=":material/error:")
        return None


def _settings() -> tuple[str | None, int]:
    with st.expander("Model and detail"):
        names = request.models()
        if not names:
            st.error("No model for areas is installed. Install landcover again.")
            return None, request.STEPS[0]
        for field, options in (("mapper", names), ("step", request.STEPS)):
            url_state.offered(field, options, str)  # says so if the address names another one
        model = fields.select("Model", names, names[0], MODEL, loaded_models.title)
        if state.chosen(STEP) not in request.STEPS:
            st.session_state[STEP] = DETAIL
            state.note(STEP, DETAIL)
        state.seed(STEP, DETAIL)
        step = widgets.select_slider(
            "Metres from window to window",
            request.STEPS,
            format_func=lambda one: f"{one * 10} m",
            key=STEP,
            help="The presence has a pixel for each window of 1200 m. Land covers have cells of "
            "80 m in any case.",
        )
        state.note(STEP, step)
    address.keep_detail(model if model != names[0] else None, step if step != DETAIL else None)
    return model, step


@st.fragment(run_every=job_bar.POLL_S)
def mapping_bar(*, started: bool) -> None:
    """Show the progress of the map that is being made; rerun the page when it has ended.

    Args:
        started: whether the page shows its layers already.
    """
    made = mapping.current()
    if made is None or made.job is None:
        return
    job = made.job
    if job.done:
        mapping.collect(job)
        st.rerun()
    if made.canvases and not started:
        st.rerun()  # now there is something to show
    left = made.seconds_left
    ends = "" if left is None else f", {request.duration(left)} left"
    st.progress(job.progress.fraction, text=theme.literal(job.text + ends))
    widgets.button("Cancel", key="area_cancel", icon=":material/cancel:", on_click=mapping.stop)


def _ended(made: Mapping) -> None:
    """Say how a map has ended, and offer to go on or to make it again."""
    size, blocks = made.request.km2, made.request.prepared.blocks
    if made.is_complete:
        st.success(
            f"The map is complete: {size:,.1f} km² in {blocks} block{'s' * (blocks > 1)}.",
            icon=":material/check_circle:",
        )
        with st.container(horizontal=True):
            compare.offer(made)
            widgets.button("Remove this map", key="area_drop", on_click=mapping.drop)
        return
    if made.error:
        st.error(theme.literal(made.error), icon=":material/error:")
        if made.done:
            st.caption(f"{made.done} of {blocks} blocks are finished, and are kept.")
    else:
        st.info(
            f"Stopped: {made.done} of {blocks} blocks are finished. They are kept, and the map "
            "can go on.",
            icon=":material/pause_circle:",
        )
    with st.container(horizontal=True):
        widgets.button(
            "Try again" if made.error else "Go on",
            key="area_again",
            type="primary",
            icon=":material/play_arrow:",
            on_click=mapping.start,
            args=(made.request,),
        )
        widgets.button("Remove this map", key="area_drop", on_click=mapping.drop)


def _offer_back() -> None:
    """Offer the map that was removed last, or made room for another one."""
    gone = mapping.removed()
    if gone is None:
        return
    widgets.button(
        "Bring back the map before",
        key="area_back",
        icon=":material/undo:",
        on_click=mapping.bring_back,
    )
    st.caption(f"It is of {theme.literal(gone.request.title)}, {gone.request.km2:,.1f} km².")


def _view(made: Mapping | None) -> View | None:
    if made is None or not made.canvases:
        return None
    said = f"{made.request.title}, {made.request.km2:,.1f} km². Model: "
    st.caption(f"On the map: {theme.literal(said + request.model_text(made.request))}.")
    first, changed = compare.first(), compare.found_for(made)
    view = layers.controls(made.canvases[0], first, changed)
    return layers.show_legend(made.canvases[0], view, changed)


def _map(
    made: Mapping | None,
    view: View | None,
    chosen: state.Source,
    area: Area | None,
    background: bool,  # noqa: FBT001 - fragments keep arguments by position
) -> None:
    """Draw the map, and handle what the user did on it."""
    outlines = source.drawn(chosen) + outline.drawn(area)
    pictures, divider = [], None
    if made is None or not made.is_complete or made.request.source != chosen:
        pictures += source.picture(chosen)
    if made is not None and view is not None:
        pictures += layers.pictures(made, view, compare.first(), compare.found_for(made))
        outlines += layers.waiting(made) + place.outlines(place.facts(made.canvases))
        if view.beside is not None:
            divider = (view.layer, view.beside)
    reply = chart.draw(pictures, outlines, divider, background=background)
    if reply.drawn is not None:
        outline.take_drawing(reply.drawn)
        st.rerun()
    if reply.clicked is not None and made is not None and made.canvases:
        place.choose(reply.clicked)
        st.rerun()
    if reply.view is not None:
        loaded_models.warm_up()
