"""The Explain page: why the model gives its result, what would change it, how far to trust it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.core.raster import Raster
from pages.parts.classify import live, result, searches
from pages.parts.explain import bands, choose, computation, maps, neighbours, place, what_if
from pages.parts.explain.computation import Request
from pages.parts.shared import choice, elements, entry, loaded_models, naming, theme, verdict_banner

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.trust.result import Result


def main() -> None:
    """Show place and verdict, then maps, bands, similar training patches and what-if."""
    elements.title("Why this result?")
    st.markdown(
        "See which pixels and bands are evidence for or against a land cover, whether these maps "
        "can be trusted, which training patches look similar, and what would change the result."
    )
    waiting = choice.current()
    if waiting is not None and waiting.is_waiting:
        _fetch(waiting)
        return
    answer, controls = st.columns([7, 5], gap="large")
    with controls:
        chosen, subject = place.choose()
        name = loaded_models.choose_for(subject.pixels)
    if name is None:
        return
    aim = result.aim_of(name)
    found = loaded_models.predict(name, chosen.key, subject.pixels, aim)
    with answer:
        _verdict(name, chosen, found)
    with controls:
        st.caption(naming.where_and_when(subject.pixels))
    if not loaded_models.card(name).explainable:
        st.info(
            f"{loaded_models.title(name)} has no gradients, so attribution maps cannot be computed "
            "for it. Choose another model to see which pixels are evidence for a land cover."
        )
        return
    _deep(name, chosen, subject, found, aim)


def _fetch(chosen: choice.Chosen) -> None:
    """Get the pixels that the address of the page asks for."""
    searches.running()  # stops a download for a place that the user has left
    if chosen.scene is not None:
        live.show_linked(chosen.scene)
    else:
        st.info(
            f"This address shows the file “{theme.literal(chosen.missing or '')}”, which an "
            "address cannot contain. Upload it on the Classify page, and come back to this page.",
            icon=":material/upload_file:",
        )
    st.page_link(
        Path(__file__).with_name("classify.py"),
        label="Go to Classify",
        icon=":material/arrow_back:",
    )


def _deep(
    name: str,
    chosen: choice.Chosen,
    subject: computation.Subject,
    found: Result,
    aim: str,
) -> None:
    pixels, key = subject.pixels, chosen.key
    elements.heading("Which pixels are evidence for or against it?")
    panels = choose.panels(name, key, pixels, found)
    requests = [panel.map for panel in panels]
    requests += list(dict.fromkeys(panel.bands for panel in panels))
    requests += [panel.check for panel in panels]
    similar = Request(kind="neighbours", model=name, key=key)
    stability = Request(kind="stability", model=name, key=key, aim=aim)
    if not pixels.is_rgb:
        requests += [similar, stability]
    answers = {panel.map.model: _answer_of(panel.map.model, chosen, pixels, aim)
               for panel in panels}  # fmt: skip
    job = computation.start_missing(requests, subject)
    with st.container(key="explain_job"):
        if job is not None:
            computation.watch(job)
    maps.show(panels, pixels, {k: v for k, v in answers.items() if v is not None})
    bands.show(panels, pixels, found)
    if pixels.is_rgb:
        st.info(
            "Similar training patches and what-if are available for Sentinel-2 patches only: a "
            "colour picture has no infrared bands."
        )
        return
    neighbours.show(similar, found)
    what_if.show(name, key, subject, found, aim)
    what_if.show_stability(stability, found)


def _answer_of(name: str, chosen: choice.Chosen, pixels: Raster, aim: str) -> Result | None:
    """Predict with that model; None if it rejects the pixels (the maps then say why)."""
    try:
        return loaded_models.predict(name, chosen.key, pixels, aim)
    except LandcoverError:
        return None


def _verdict(name: str, chosen: choice.Chosen, found: Result) -> None:
    verdict_banner.show(found)
    sample = choice.sample_of(chosen)
    st.html(result.verdict(found, loaded_models.title(name), sample.truth if sample else None))


entry.require_app(__file__)
try:
    main()
except LandcoverError as error:
    verdict_banner.show_error(error)
