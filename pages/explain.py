"""Why a net says what it says of a place, what would change it, and whether to believe it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.core.raster import Raster
from pages.parts.classify import pictures, result
from pages.parts.explain import bands, choose, computation, maps, neighbours, place, what_if
from pages.parts.explain.computation import Wish
from pages.parts.shared import choice, entry, loaded_models, theme, verdict_banner

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.trust.result import Result


def main() -> None:
    """Place and verdict, then maps, bands, training patches like it, and what if."""
    st.title("Why does it say so?", anchor=False)
    st.markdown(
        "Which pixels and bands speak for a land cover and which against it, how far these maps "
        "are to be believed, what the network has learnt from that looks alike, and what would "
        "change its mind."
    )
    left, right = st.columns([5, 6], gap="medium")
    with left:
        chosen, subject = place.choose()
        name = place.model_for(subject.pixels)
    aim = str(st.session_state.get("classify_aim", "f1"))
    if name is None:
        return
    found = loaded_models.predict(name, chosen.key, subject.pixels, aim)
    with left:
        st.caption(place.where(subject.pixels))
        with st.container(key="explain_picture"):
            st.image(theme.png(maps.seen(subject.pixels), 4), width=360)
    with right:
        _verdict(name, chosen, subject.pixels, found)
    if not loaded_models.card(name).explainable:
        st.info(
            f"{loaded_models.title(name)} has no gradients, so its answer cannot be traced back to "
            "pixels: choose another model to see which pixels speak for a cover."
        )
        return
    _deep(name, chosen, subject, found, aim)


def _deep(
    name: str,
    chosen: choice.Chosen,
    subject: computation.Subject,
    found: Result,
    aim: str,
) -> None:
    pixels, key = subject.pixels, chosen.key
    st.subheader("Which pixels speak for it, and which against?", anchor=False)
    panels = choose.panels(name, key, pixels, found)
    about = [panel.map for panel in panels]
    about += list(dict.fromkeys(panel.bands for panel in panels))
    alike = Wish(kind="neighbours", model=name, key=key)
    steady = Wish(kind="stability", model=name, key=key, aim=aim)
    if not pixels.is_rgb:
        about += [alike, steady]
    answers = {panel.map.model: _answer_of(panel.map.model, chosen, pixels, aim)
               for panel in panels}  # fmt: skip
    job = computation.ensure(about, subject)
    with st.container(key="explain_job"):
        if job is not None:
            computation.watch(job)
    maps.show(panels, pixels, {k: v for k, v in answers.items() if v is not None})
    with st.expander("What the methods do, and what the values mean"):
        maps.words(panels)
    bands.show(panels, pixels)
    if pixels.is_rgb:
        st.info(
            "Training patches that look alike, and what would change the answer, are to be had for "
            "Sentinel-2 patches only: a colour picture has neither bands nor a place."
        )
        return
    neighbours.show(alike)
    what_if.show(name, key, subject, found, aim)
    what_if.steady(steady, found)


def _answer_of(name: str, chosen: choice.Chosen, pixels: Raster, aim: str) -> Result | None:
    """The same, None where the model refuses: the maps say why."""
    try:
        return loaded_models.predict(name, chosen.key, pixels, aim)
    except LandcoverError:
        return None


def _verdict(name: str, chosen: choice.Chosen, pixels: Raster, found: Result) -> None:
    verdict_banner.show(found.verdict)
    if pixels.is_rgb:
        st.html(pictures.verdict(found, loaded_models.title(name)))
        return
    sample = choice.sample_of(chosen)
    st.html(result.verdict(found, loaded_models.title(name), sample.truth if sample else None))


entry.through_app(__file__)
try:
    main()
except LandcoverError as error:
    verdict_banner.show_error(error)
