"""Attribution map of one class over the true colours, and the share of each band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core.bands import BANDS, RGB_BANDS
from landcover.core.classes import cover_of
from landcover.core.errors import LandcoverError
from landcover.core.raster import Raster
from pages.parts.explain import choose, computation, maps
from pages.parts.explain.computation import Request
from pages.parts.shared import charts, elements, loaded_models, naming, theme, widgets

if TYPE_CHECKING:  # at run time these would load torch before the map is drawn
    from landcover.explain.explanation import Explanation
    from landcover.trust.result import Result

BAND_TITLES: Final = {band.name: f"{band.name} {band.title}" for band in BANDS} | {
    colour: colour for colour in RGB_BANDS
}
BAND_COLOUR: Final = "#5b7fb5"
ENLARGE: Final = 5
DEFAULT_BASELINE: Final = "mean"
"""Same as :data:`landcover.explain.baselines.DEFAULT_BASELINE`, whose import loads torch."""


@st.fragment
def show(name: str, key: str, patch: Raster, found: Result) -> None:
    """Let the user choose class, method and opacity; show map, scale and band shares."""
    elements.heading("Which pixels led to this result?")
    if not loaded_models.card(name).explainable:
        st.info(
            f"{loaded_models.title(name)} has no gradients, so attribution maps cannot be computed "
            "for it. Choose another model to see which pixels are evidence for a land cover."
        )
        return
    label, method, opacity = _controls(name, found)
    request = Request(
        kind="map", model=name, key=key, label=label, method=method, baseline=DEFAULT_BASELINE
    )
    explanation = _explained(request, patch)
    if explanation is None:
        return
    _picture(explanation, patch, opacity)
    _words(explanation, patch)
    _bands(explanation)
    _download(patch, found, explanation, opacity)


def _controls(name: str, found: Result) -> tuple[str, str, float]:
    """Return class, method and opacity (0 to 1) as the user sets them."""
    from landcover.explain.explanation import METHODS  # noqa: PLC0415 - loads torch

    ranked = sorted(found.prediction.labels, key=lambda score: -score.probability)
    chances = {score.label: score.probability for score in ranked}
    label = charts.pick(
        "Land cover",
        list(chances),
        "classify_label",
        lambda label: f"{naming.class_name(label)} ({chances[label]:.0%})",
        field="labels",
    )
    first, second = st.columns(2)
    known, names = choose.measured(name), choose.offered(name)
    with first:
        method = charts.pick(
            "Method",
            names,
            "classify_method",
            lambda method: f"{METHODS[method].title} ({choose.rating(known, method)})",
            choose.best_index(known, names),
            field="methods",
        )
    with second:
        opacity = widgets.slider(
            "Opacity of the colours", 0, 100, 80, 5, format="%d %%", key="classify_opacity"
        )
    return label, method, opacity / 100


def _picture(explanation: Explanation, patch: Raster, opacity: float) -> None:
    from landcover.explain.explanation import overlay  # noqa: PLC0415 - loads torch

    with st.container(key="classify_attribution"):
        alt = f"Attribution map of {naming.class_name(explanation.label)} over the true colours"
        elements.picture(overlay(explanation, patch, opacity), alt, enlarge=ENLARGE)
    maps.scale(explanation)


def _words(explanation: Explanation, patch: Raster) -> None:
    from landcover.explain.sentences import sentence  # noqa: PLC0415 - loads torch

    st.markdown(theme.literal(sentence(explanation, patch)))
    maps.how_to_read([explanation])


def _bands(explanation: Explanation) -> None:
    shares = explanation.band_share
    if shares is None:
        st.caption("This method treats all bands together, so it gives no share of each band.")
        return
    st.markdown("**Share of each band** in the attribution, for and against together")
    elements.chart(
        band_chart(shares, theme.ink()), "Share of each band, as in the table", key="classify_bands"
    )
    with st.expander("The bands as a table"):
        rows = {BAND_TITLES[band]: f"{share:.1%}" for band, share in shares.items()}
        st.table(pd.Series(rows, name="Share"), border="horizontal")


def _download(patch: Raster, found: Result, explanation: Explanation, opacity: float) -> None:
    def picture() -> bytes:
        from landcover.explain import explanation as explain  # noqa: PLC0415 - loads torch
        from landcover.report import patch_figure  # noqa: PLC0415 - loads matplotlib
        from landcover.report.tags import tags_of, with_tags  # noqa: PLC0415 - loads torch

        if patch.is_rgb:
            drawn = theme.png(explain.overlay(explanation, patch, opacity), 2 * ENLARGE)
        else:
            drawn = patch_figure.as_png(
                patch, found.prediction, explanation, quality=found.quality, opacity=opacity
            )
        return with_tags(drawn, tags_of(found))

    label = cover_of(explanation.label).short
    st.download_button(
        "Image and attribution map as PNG",
        picture,
        f"{naming.file_stem(patch, explanation.model, label)}.png",
        "image/png",
        key="classify_png",
        icon=":material/download:",
        on_click="ignore",
    )


def band_chart(shares: dict[str, float], ink: theme.Ink) -> go.Figure:
    """Draw bars of the bands' shares (which add up to 1), in order of wavelength."""
    figure = go.Figure(
        go.Bar(
            x=list(shares.values()),
            y=[BAND_TITLES[band] for band in shares],
            orientation="h",
            text=[f"{share:.0%}" for share in shares.values()],
            textposition="outside",
            textfont={"color": ink.text},
            marker={"color": BAND_COLOUR},
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
            cliponaxis=False,
        )
    )
    axis: dict[str, Any] = {"fixedrange": True, "showgrid": False, "zeroline": False}
    figure.update_layout(
        height=26 * len(shares) + 10,
        margin={"l": 0, "r": 36, "t": 4, "b": 4},
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis={**axis, "showticklabels": False},
        yaxis={**axis, "autorange": "reversed", "tickfont": {"color": ink.text}},
    )
    return figure


def _explained(request: Request, pixels: Raster) -> Explanation | None:
    """Return the map if it is ready; else show why not, or where its job is in the queue."""
    try:
        job = computation.start_missing([request], computation.Subject(pixels))
    except LandcoverError as error:
        st.error(theme.literal(str(error)))
        return None
    found: Explanation | computation.Failed | None = computation.store().get(request)
    if isinstance(found, computation.Failed):
        st.error(theme.literal(found.sentence))
        return None
    if job is not None and found is None:
        with st.container(key="classify_attribution_job"):
            computation.watch(job)
    return found
