"""Result for a colour picture, and the limits of colour pictures."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core.bands import EUROSAT_PIXELS as SIDE
from landcover.core.bands import PIXEL_M
from landcover.core.classes import BY_NAME
from landcover.core.errors import LandcoverError
from landcover.core.raster import ByteArray, Raster
from pages.parts.classify import attribution
from pages.parts.shared import choice, downloads, elements, loaded_models, theme, verdict_banner

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.models.model import LabelScore
    from landcover.report.classification import ClassificationReport
    from landcover.trust.result import Result

ROW: Final = 34
"""Height of a class in the chart, pixels."""
SHOWN: Final = 512
"""Approximate side to which small pictures are enlarged, pixels."""
FRAME: Final = (232, 89, 12)
"""Colour of the frame around the window: the accent of the page."""


def beside_map(chosen: choice.Chosen, picture: Raster) -> None:
    """Show title, verdict, prediction, the picture with its window, and the limits."""
    elements.heading(theme.literal(picture.provenance.source))
    size = f"{SIDE} × {SIDE} pixels, {SIDE * PIXEL_M} m where a pixel is {PIXEL_M} m"
    st.caption(f"A colour picture has no place, so it is not on the map · {size}")
    name = _model()
    found = _classified(name, chosen, picture) if name else None
    if name and found:
        verdict_banner.show(found)
        st.html(verdict(found, loaded_models.title(name)))
    with st.container(key="classify_colours"):
        image, enlarge = framed(picture, chosen.row, chosen.col)
        alt = "The picture, with a frame around the window that is classified"
        elements.picture(image, alt, enlarge=enlarge, width="content")
    if name and found:
        _limits(name)


def below_map(chosen: choice.Chosen, picture: Raster) -> None:
    """Show all probabilities, the attribution map, downloads and provenance."""
    name = _model(quiet=True)
    found = _classified(name, chosen, picture, quiet=True) if name else None
    if not name or not found:
        return
    seen = picture.window(chosen.row, chosen.col, SIDE)
    left, right = st.columns(2, gap="large")
    with left:
        elements.heading("All ten land covers")
        st.caption(
            "Each picture has exactly one land cover, so the probabilities add up to 100 % and the "
            "most probable one is predicted."
        )
        elements.chart(
            chart(found, theme.ink()),
            "Probability of each land cover",
            key="classify_colours_chart",
        )
        with st.expander("Show as a table"):
            st.table(table(found), border="horizontal")
        report = _report(name, chosen, picture, found)
        with st.expander("Source: file, window, model"):
            rows = provenance(report, loaded_models.card(name).training)
            st.table({k: theme.literal(v) for k, v in rows.items()}, border="horizontal")
        downloads.of_report(report, seen, "classify_colours")
    with right:
        attribution.show(name, chosen.key, seen, found)


def verdict(found: Result, title: str) -> str:
    """Return the predicted land cover, or that there is none, as HTML."""
    who = html.escape(title)
    if found.quality.abstained:
        return f"<p><b>{who} predicts no land cover here</b>, for the reason above.</p>"
    best = ranked(found)[0]
    land_cover = BY_NAME[best.label]
    unsure = "" if best.probability >= 0.5 else "; not sure: every probability is below 50 %"
    return (
        f"<p><b>{who} predicts:</b></p>"
        f'<ul class="landcover-verdict"><li>{theme.swatch(land_cover.hex)} '
        f"<b>{land_cover.short}</b>, "
        f"{best.probability:.0%}{unsure}</li></ul>"
    )


def ranked(found: Result) -> list[LabelScore]:
    """Return the classes, the most probable first."""
    return sorted(found.prediction.labels, key=lambda score: -score.probability)


def table(found: Result) -> pd.DataFrame:
    """Return one row per class, the most probable first."""
    return pd.DataFrame(
        {
            "Land cover": BY_NAME[score.label].short,
            "Probability": f"{score.probability:.1%}",
            "Decision": decision(score, found),
        }
        for score in ranked(found)
    )


def decision(score: LabelScore, found: Result) -> str:
    """Return the decision as a sign and a word, so that colour is never the only sign."""
    if found.quality.abstained:
        return "? no result"
    return "✓ predicted" if score.predicted else "–"


def chart(found: Result, ink: theme.Ink) -> go.Figure:
    """Draw bars in the classes' colours, with names above them so that they fit on a phone."""
    scores = ranked(found)
    ys = [-float(k) for k in range(len(scores))]
    figure = go.Figure()
    figure.add_bar(
        x=[1.0] * len(ys), y=ys, orientation="h", width=0.26, hoverinfo="skip",
        marker={"color": "rgba(128,128,128,.16)"},
    )  # fmt: skip
    figure.add_bar(
        x=[score.probability for score in scores],
        y=ys,
        orientation="h",
        width=0.26,
        marker={
            "color": [BY_NAME[score.label].hex for score in scores],
            "line": {"color": ink.line, "width": 1},
        },
        customdata=[(BY_NAME[s.label].short, decision(s, found)) for s in scores],
        hovertemplate="%{customdata[0]}<br>probability %{x:.1%}<br>%{customdata[1]}<extra></extra>",
    )
    for y, score in zip(ys, scores, strict=True):
        called = score.predicted and not found.quality.abstained
        style = {"color": ink.text if called else ink.quiet, "size": 13}
        value = f"{score.probability:.0%} {decision(score, found)}".rstrip(" –")
        for x, side, text in ((0.0, "left", BY_NAME[score.label].short), (1.0, "right", value)):
            figure.add_annotation(
                x=x, y=y + 0.42, text=f"<b>{text}</b>" if called else text, showarrow=False,
                xanchor=side, yanchor="middle", font=style,
            )  # fmt: skip
    axis: dict[str, Any] = {"visible": False, "fixedrange": True}
    figure.update_layout(
        barmode="overlay",
        height=ROW * len(scores) + 16,
        margin={"l": 2, "r": 2, "t": 4, "b": 4},
        showlegend=False,
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis={**axis, "range": [-0.008, 1.008]},
        yaxis={**axis, "range": [-len(scores) + 0.6, 0.8]},
    )
    return figure


def framed(picture: Raster, row: int, col: int) -> tuple[ByteArray, int]:
    """Return the picture with a frame around the window, and how often to repeat its pixels.

    Large pictures are shown with fewer pixels; the classification uses all pixels of the window.
    """
    image = picture.image()
    if max(picture.height, picture.width) <= SIDE:
        return image, SHOWN // SIDE
    step = max(1, max(picture.height, picture.width) // (2 * SHOWN))
    width = max(1, round(max(picture.height, picture.width) / 200))
    rows, cols = np.ogrid[: picture.height, : picture.width]
    # The frame is outside the window, so that all classified pixels are visible.
    top, left = row - width, col - width
    bottom, right = row + SIDE + width, col + SIDE + width
    outer = (rows >= top) & (rows < bottom) & (cols >= left) & (cols < right)
    inner = (rows >= row) & (rows < row + SIDE) & (cols >= col) & (cols < col + SIDE)
    image[outer & ~inner] = (*FRAME, 255)
    return image[::step, ::step], max(1, SHOWN // max(picture.height, picture.width))


def provenance(report: ClassificationReport, training: dict[str, Any]) -> dict[str, str]:
    """Return the source of the picture and of the prediction, as rows of a table."""
    source = report.provenance
    rows, cols = source.picture_pixels or source.pixels
    side, window = source.pixel_m, source.window
    return {
        "Source": source.source,
        "Size": f"{rows} × {cols} pixels",
        "Window": f"from row {window.row}, column {window.col}" if window else "the entire picture",
        "Pixel": f"{side:.3g} m, as the file states" if side else "not stated; 10 m is assumed",
        "Scaling": source.scaling,
        "Notes": "; ".join(source.notes) or "none",
        "Transparent pixels": f"{report.quality.nodata_fraction:.1%}",
        "Model": f"{source.model}, card {source.card_hash}, {source.model_choice}",
        "Trained on": f"{training.get('dataset', 'not stated')}, split "
        + (" and ".join(map(str, training.get("splits", ()))) or "not stated"),
    }


def _model(*, quiet: bool = False) -> str | None:
    """Return the model for colour pictures; None, with a message, if none is installed."""
    with st.spinner("Loading the model …"):
        from landcover.models import registry  # noqa: PLC0415 - loads torch

    names = registry.default().for_pictures()
    if names:
        return registry.PICTURE_MODEL if registry.PICTURE_MODEL in names else names[0]
    if not quiet:
        st.error("No model for colour pictures is installed. Install landcover again.")
    return None


def _classified(
    name: str, chosen: choice.Chosen, picture: Raster, *, quiet: bool = False
) -> Result | None:
    """Return the result, or None if the model rejects the pixels; show why unless ``quiet``."""
    try:
        return loaded_models.predict(name, chosen.key, picture.window(chosen.row, chosen.col, SIDE))
    except LandcoverError as error:
        if not quiet:
            verdict_banner.show_error(error)
        return None


def _limits(name: str) -> None:
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.report import picture_limits  # noqa: PLC0415 - loads torch

    lines = picture_limits.limits_of(registry.default().folder(name))
    st.markdown(
        "**Limits of a colour picture** compared with a Sentinel-2 patch, which has twelve "
        "bands:\n\n" + "\n".join(f"- {theme.literal(line)}" for line in lines)
    )


def _report(
    name: str, chosen: choice.Chosen, picture: Raster, found: Result
) -> ClassificationReport:
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.report import classification, picture_limits  # noqa: PLC0415 - loads torch

    seen = classification.view(picture, (chosen.row, chosen.col))
    limits = picture_limits.limits_of(registry.default().folder(name))
    return classification.report_of(found, picture.provenance.source, seen=seen, limits=limits)
