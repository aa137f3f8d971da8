"""Attribution maps of the Explain page, with colour scale, reading and faithfulness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.core.classes import cover_of
from landcover.core.raster import Raster
from pages.parts.explain import choose, computation
from pages.parts.explain.choose import Panel
from pages.parts.explain.computation import Failed
from pages.parts.shared import elements, loaded_models, naming, theme, widgets

if TYPE_CHECKING:  # at run time these would load torch before the page is drawn
    from landcover.explain.band_attribution import BandEvidence
    from landcover.explain.explanation import Explanation
    from landcover.trust.result import Result

ENLARGE: Final = 4
OPACITY: Final = 80
NARROW: Final = 400
WIDE: Final = 1200
"""Widths of a colour bar below one map and below all maps, pixels, before stretching."""
TRUE_COLOURS: Final = "True colours"


@st.fragment
def show(panels: Sequence[Panel], pixels: Raster, answers: dict[str, Result]) -> None:
    """Show the true colours and the maps side by side, their opacity, and their downloads.

    Args:
        panels: the panels to show side by side.
        pixels: what is explained.
        answers: model name → its result.
    """
    above, below = st.container(key="explain_maps"), st.container()
    with below:
        opacity = widgets.slider(
            "Opacity of the colours", 0, 100, OPACITY, 5, format="%d %%",
            key="explain_opacity", persist_state="session", width=400,
        ) / 100  # fmt: skip
    shared = scale_of_all(panels)
    with above:
        first, *columns = st.columns(1 + len(panels))
        with first:
            st.markdown(f"**{TRUE_COLOURS}**")
            elements.picture(pixels.image(), TRUE_COLOURS, enlarge=ENLARGE)
        for panel, column in zip(panels, columns, strict=True):
            with column:
                _panel(panel, pixels, answers.get(panel.map.model), opacity, alone=not shared)
        ready = [found for panel in panels if (found := explanation(panel)) is not None]
        if shared is not None:
            scale(shared, WIDE)
            st.caption("All maps share this scale, so their colours can be compared.")
            show_faithfulness(shared.model, shared.method)
        elif len(ready) > 1:
            st.caption(
                "Each map has its own scale, so colours of different maps cannot be compared: "
                "compare where they are strongest."
            )
    how_to_read(ready)
    _downloads(panels, pixels, answers, opacity)


def scale_of_all(panels: Sequence[Panel]) -> Explanation | None:
    """Return an explanation with the scale of all maps; None if the scales differ."""
    ready = [found for panel in panels if (found := explanation(panel)) is not None]
    own = {(each.model, each.method, each.scale) for each in ready}
    return ready[0] if len(own) == 1 else None


def explanation(panel: Panel) -> Explanation | None:
    """Return a panel's map; None if it is not ready or not available."""
    piece = computation.store().get(panel.map)
    return None if isinstance(piece, Failed) else piece


def evidence(panel: Panel) -> BandEvidence | None:
    """Return the band evidence of a panel; None if it is not ready or not available."""
    piece = computation.store().get(panel.bands)
    return None if isinstance(piece, Failed) else piece


def _panel(
    panel: Panel,
    pixels: Raster,
    answer: Result | None,
    opacity: float,
    *,
    alone: bool,
) -> None:
    st.markdown(f"**{theme.literal(panel.title)}**{_chance(panel, answer)}")
    piece = computation.store().get(panel.map)
    if isinstance(piece, Failed):
        st.warning(theme.literal(piece.sentence))
        return
    if piece is None:
        elements.picture(pixels.image(), TRUE_COLOURS, enlarge=ENLARGE)
        st.caption("The map is being computed …")
        return
    from landcover.explain.explanation import overlay  # noqa: PLC0415 - loads torch
    from landcover.explain.sentences import sentence  # noqa: PLC0415 - as above

    alt = f"Attribution map over the true colours: {panel.title}"
    elements.picture(overlay(piece, pixels, opacity), alt, enlarge=ENLARGE)
    if alone:
        scale(piece)
    st.markdown(theme.literal(sentence(piece, pixels, evidence(panel))))
    _check(panel)
    if alone:
        show_faithfulness(panel.map.model, panel.map.method)


def _check(panel: Panel) -> None:
    """Show whether the map marks the places that matter on this patch, once that is measured."""
    piece = computation.store().get(panel.check)
    if piece is None:
        st.caption("Comparing the map with chance …")
    elif isinstance(piece, Failed):
        st.caption(theme.literal(piece.sentence))
    else:
        icon = ":material/check_circle:" if piece.beats_chance else ":material/error:"
        st.caption(f"{icon} {theme.literal(piece.sentence)}")


def _chance(panel: Panel, answer: Result | None) -> str:
    if answer is None:
        return ""
    score = next(s for s in answer.prediction.labels if s.label == panel.map.label)
    short = cover_of(score.label).short
    what = "" if short == panel.title else f" · {short}"
    return f"{what}, {score.probability:.0%}, {choose.word(predicted=score.predicted)}"


def scale(found: Explanation, width: int = NARROW) -> None:
    """Show the colour bar with its labels.

    Args:
        found: explanation whose scale is shown.
        width: width of the bar's image, pixels; the page stretches it.
    """
    from landcover.explain.explanation import legend  # noqa: PLC0415 - loads torch

    key = legend(found, width)
    elements.picture(key.bar, "Colour scale of the attribution map, from blue to red")
    st.html(
        '<div class="landcover-legend">'
        f"<span><b>Blue</b> {key.against}</span><span>{key.neutral}</span>"
        f"<span>{key.in_favour} <b>red</b></span></div>"
    )


def show_faithfulness(model: str, method: str) -> None:
    """Show whether the method is faithful to this model, as measured, with an icon."""
    known = choose.measured(model)
    if known is None:
        st.caption(f":material/help: {theme.literal(choose.reason_not_measured(model))}")
    elif method not in known.methods:
        st.caption(":material/help: This method has not been measured for this model.")
    else:
        verdict = known.verdict(method)
        icon = ":material/leaderboard:" if verdict.faithful else ":material/gpp_bad:"
        st.caption(f"{icon} {theme.literal(verdict.sentence)}")


def how_to_read(found: Sequence[Explanation]) -> None:
    """Show in one expander what the colours, the methods and their values mean."""
    if not found:
        return
    with st.expander("How to read this"):
        st.markdown(
            "Red pixels are evidence for the land cover, blue ones against it, and pale ones for "
            "neither. The stronger the colour, the more the pixel changes the score."
        )
        for one in {(one.method, one.model): one for one in found}.values():
            st.markdown(theme.literal(_notes(one)))
            show_faithfulness(one.model, one.method)


def _notes(found: Explanation) -> str:
    """Return what a method does and what its values mean."""
    from landcover.explain.explanation import METHODS, legend  # noqa: PLC0415 - loads torch

    method = METHODS[found.method]
    compared = f" Compared with {found.baseline}." if method.uses_baseline else ""
    added = ""
    if found.convergence_delta is not None:
        added = (
            " The attributions add up to the change of the score within "
            f"{found.convergence_delta:.1%}."
        )
    what = f"{method.title}, {loaded_models.title(found.model)}: {method.summary}{compared}"
    return f"{what} {legend(found).note}{added} It took {found.passes} forward passes."


def _downloads(
    panels: Sequence[Panel], pixels: Raster, answers: dict[str, Result], opacity: float
) -> None:
    """Show download buttons for the maps that are ready, a set per model."""
    for name in dict.fromkeys(panel.map.model for panel in panels):
        ready = [panel for panel in panels if panel.map.model == name and explanation(panel)]
        if ready and name in answers:
            _files(answers[name], ready, pixels, opacity, several=len(ready) < len(panels))


def _files(
    result: Result,
    panels: Sequence[Panel],
    pixels: Raster,
    opacity: float,
    *,
    several: bool,
) -> None:
    name = panels[0].map.model
    found = [each for panel in panels if (each := explanation(panel)) is not None]
    bands = {panel.map.label: own for panel in panels if (own := evidence(panel)) is not None}

    def png() -> bytes:
        from landcover.explain import sentences  # noqa: PLC0415 - loads torch
        from landcover.report import explanation_figure  # noqa: PLC0415 - loads matplotlib
        from landcover.report.tags import tags_of, with_tags  # noqa: PLC0415 - loads torch

        readings = [sentences.sentence(each, pixels, bands.get(each.label)) for each in found]
        drawn = explanation_figure.as_png(
            pixels, found, readings, opacity=opacity, above=[result.headline]
        )
        return with_tags(drawn, tags_of(result))

    def tif() -> bytes:
        from landcover.report import explanation_files  # noqa: PLC0415 - loads torch
        from landcover.report.tags import tags_of  # noqa: PLC0415 - as above

        return explanation_files.as_geotiff(pixels, found, tags_of(result))

    def record() -> bytes:
        from landcover.report.explanation_files import as_json  # noqa: PLC0415 - loads torch
        from landcover.report.explanation_record import document  # noqa: PLC0415
        from landcover.report.tags import tags_of  # noqa: PLC0415 - as above

        record = document(pixels, found, list(bands.values())).as_dict()
        return as_json({**record, "result": tags_of(result)})

    kinds = [("PNG", png, "png", "image/png"), ("JSON", record, "json", "application/json")]
    if not pixels.is_rgb:
        kinds.insert(1, ("GeoTIFF", tif, "tif", "image/tiff"))
    of = f" of {loaded_models.title(name)}" if several else ""
    with st.container(horizontal=True):
        for title, content, suffix, mime in kinds:
            st.download_button(
                f"Maps{of} as {title}",
                content,
                f"{naming.file_stem(pixels, name, 'maps')}.{suffix}",
                mime,
                key=f"explain_{suffix}_{name}",
                icon=":material/download:",
                on_click="ignore",
            )
