"""Evidence of each band and band group for a class, and the spectral indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core.bands import BANDS, RGB_BANDS
from landcover.core.classes import cover_of
from landcover.core.raster import Raster
from landcover.explain.indices import INDICES, colour_bar, coloured, indices, number
from pages.parts.explain import maps
from pages.parts.explain.choose import Panel
from pages.parts.shared import downloads, elements, loaded_models, naming, theme

if TYPE_CHECKING:  # at run time it would load torch before the page is drawn
    from landcover.explain.band_attribution import BandEvidence
    from landcover.trust.result import Result

FOR: Final = "#c8404f"
AGAINST: Final = "#4a86c5"
"""The ends of the maps' colour scale, in tones visible on light and dark backgrounds."""
ROW: Final = 21
ROOM: Final = 0.18
NARROW_ROOM: Final = 0.4
"""Space for the numbers next to the bars, in charts of half and a quarter of the page."""
INDEX_SIDE: Final = 168
INDEX_ROW: Final = 720
"""Widths of one index map and of all four, pixels: two fit side by side on a phone."""
TITLES: Final = {band.name: f"{band.name} {band.title}" for band in BANDS} | {
    colour: colour for colour in RGB_BANDS
}


def show(panels: Sequence[Panel], pixels: Raster, result: Result) -> None:
    """Show a chart per class on a common axis, a table, and the indices."""
    elements.heading("Which bands are evidence for or against it?")
    found = _evidence(panels)
    if not found:
        st.caption("The bands are being computed …")
    else:
        first = found[0][1]
        st.caption(
            "How much the score (in logits) falls if a band or a group of bands is replaced by "
            f"{theme.literal(first.baseline)}. Right and red: evidence for the land cover. Left "
            "and blue: evidence against it. The value of a group is not the sum of its bands."
        )
        _charts(found)
        with st.expander("The bands as a table"):
            st.table(table(found), border="horizontal")
            downloads.table("Bands", values(found), "bands", result)
    if not pixels.is_rgb:
        _indices(pixels, result)


def _evidence(panels: Sequence[Panel]) -> list[tuple[str, BandEvidence]]:
    """Return title and band evidence of each class and model, each once."""
    found = {panel.bands: own for panel in panels
             if (own := maps.evidence(panel)) is not None}  # fmt: skip
    several = len({own.model for own in found.values()}) > 1
    return [
        (f"{cover_of(own.label).short}, {loaded_models.title(own.model)}" if several
         else cover_of(own.label).short, own)
        for own in found.values()
    ]  # fmt: skip


def _charts(found: Sequence[tuple[str, BandEvidence]]) -> None:
    span = axis_of([own for _, own in found], ROOM if len(found) < 3 else NARROW_ROOM)
    columns = st.columns(len(found)) if len(found) > 1 else [st.container(width=620)]
    for place, (number_, (title, own)) in zip(columns, enumerate(found), strict=True):
        with place:
            st.markdown(f"**{theme.literal(title)}**")
            alt = f"Evidence of each band for {title}, as in the table"
            elements.chart(chart(own, span, theme.ink()), alt, key=f"explain_bands_{number_}")


def rows(own: BandEvidence) -> list[tuple[str, float]]:
    """Return each group with its bands below it, or the bands alone if there are no groups."""
    if not own.groups:
        return [(TITLES.get(band, band), value) for band, value in own.bands.items()]
    out = []
    for group, value in own.groups.items():
        out.append((f"<b>{group} together</b>", value))
        out += [(TITLES[band], own.bands[band]) for band in own.members[group]]
    return out


def axis_of(found: Sequence[BandEvidence], room: float) -> tuple[float, float]:
    """Return both ends of the common axis of several charts, in logits.

    Args:
        found: the band evidence of all charts.
        room: space for the numbers beyond the longest bars, as a share of the bars' span.
    """
    values = [0.0, *(value for own in found for _, value in rows(own))]
    low, high = min(values), max(values)
    beyond = room * max(high - low, 0.01)
    return low - beyond, high + beyond


def chart(own: BandEvidence, span: tuple[float, float], ink: theme.Ink) -> go.Figure:
    """Draw bars from zero: to the right for evidence for the class, to the left against it.

    Args:
        own: the band evidence.
        span: ends of the axis, see :func:`axis_of`.
        ink: colours of the text.
    """
    shown = rows(own)
    values = [value for _, value in shown]
    figure = go.Figure(
        go.Bar(
            x=values,
            y=[title for title, _ in shown],
            orientation="h",
            text=[signed(value) for value in values],
            textposition="outside",
            textfont={"color": ink.text},
            marker={
                "color": [FOR if value > 0 else AGAINST for value in values],
                "line": {"color": ink.line, "width": 1},
            },
            hovertemplate="%{y}: %{x:+.2f} logits<extra></extra>",
            cliponaxis=False,
        )
    )
    axis: dict[str, Any] = {"fixedrange": True, "showgrid": False, "zeroline": False}
    figure.update_layout(
        height=ROW * len(shown) + 16,
        margin={"l": 0, "r": 4, "t": 4, "b": 4},
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis={**axis, "zeroline": True, "zerolinecolor": ink.line, "showticklabels": False,
               "range": list(span)},
        yaxis={**axis, "autorange": "reversed", "tickfont": {"color": ink.text},
               "automargin": True},
    )  # fmt: skip
    return figure


def signed(value: float) -> str:
    """Format with two decimals, a sign, and a proper minus."""
    text = f"{value:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "−")


def table(found: Sequence[tuple[str, BandEvidence]]) -> pd.DataFrame:
    """Return one row per band or group, one column per class."""
    columns = {}
    for title, own in found:
        plain = {name.removeprefix("<b>").removesuffix("</b>"): value for name, value in rows(own)}
        columns[f"{title} (logits)"] = {name: signed(value) for name, value in plain.items()}
    first = next(iter(columns.values()))
    order = list(dict.fromkeys([*first, *(name for own in columns.values() for name in own)]))
    out = pd.DataFrame({title: [own.get(name, "–") for name in order]
                        for title, own in columns.items()}, index=order)  # fmt: skip
    out.index.name = "Band"
    return out


def values(found: Sequence[tuple[str, BandEvidence]]) -> pd.DataFrame:
    """Return the same as numbers for a file, one row per class and band or group."""
    return pd.DataFrame(
        {
            "label": own.label,
            "model": own.model,
            "kind": kind,
            "name": name,
            "logits": value,
            "baseline": own.baseline,
        }
        for _, own in found
        for kind, part in (("band", own.bands), ("group", own.groups))
        for name, value in part.items()
    )


def _indices(patch: Raster, result: Result) -> None:
    """Show a small map per index on a common scale, a table, and download buttons."""
    st.markdown("**Spectral indices**, from −1 to 1: properties of the pixels, without the model")
    found = indices(patch)
    if not found:
        st.caption("This patch lacks the bands that the indices need.")
        return
    with st.container(key="explain_indices", width=INDEX_ROW):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            for name, summary in found.items():
                with st.container(width=INDEX_SIDE):
                    st.markdown(f"**{name}**, {INDICES[name].title}")
                    elements.picture(coloured(summary.map), f"Map of {name}", enlarge=3)
        elements.picture(colour_bar(INDEX_ROW), "Colour scale of the indices, from −1 to 1")
        st.html(
            '<div class="landcover-legend">'
            "<span><b>Brown</b> −1</span><span>0</span><span>1 <b>teal</b></span></div>"
        )
    st.caption(
        "All indices share this scale, which differs from that of the maps above. An index does "
        "not depend on the model and is no evidence for or against a land cover. Pixels without "
        "a colour have no data or are too dark in both bands."
    )
    st.table(index_table(patch), border="horizontal")
    _index_files(patch, result)


def _index_files(patch: Raster, result: Result) -> None:
    def png() -> bytes:
        from landcover.report import index_files  # noqa: PLC0415 - loads matplotlib
        from landcover.report.tags import tags_of, with_tags  # noqa: PLC0415 - loads torch

        return with_tags(index_files.as_png(patch), tags_of(result))

    def tif() -> bytes:
        from landcover.report import index_files  # noqa: PLC0415 - loads GDAL
        from landcover.report.tags import tags_of  # noqa: PLC0415 - loads torch

        return index_files.as_geotiff(patch, tags_of(result))

    def csv() -> bytes:
        from landcover.report import index_files  # noqa: PLC0415 - as above
        from landcover.report.tags import tags_of  # noqa: PLC0415 - loads torch

        return index_files.as_csv(patch, tags_of(result))

    kinds = (
        ("PNG", png, "png", "image/png"),
        ("GeoTIFF", tif, "tif", "image/tiff"),
        ("CSV", csv, "csv", "text/csv"),
    )
    with st.container(horizontal=True):
        for title, content, suffix, mime in kinds:
            st.download_button(
                f"Indices as {title}",
                content,
                f"{naming.file_stem(patch, 'indices')}.{suffix}",
                mime,
                key=f"explain_indices_{suffix}",
                icon=":material/download:",
                on_click="ignore",
            )


def index_table(patch: Raster) -> pd.DataFrame:
    """Return one row per index: its bands, its mean and spread, and what they mean."""
    out = []
    for name, found in indices(patch).items():
        known = found.mean is not None and found.low is not None and found.high is not None
        index = INDICES[name]
        out.append(
            {
                "Index": f"{name}: {index.title}",
                "Bands": f"({index.first} − {index.second}) / ({index.first} + {index.second})",
                "Mean": number(found.mean) if found.mean is not None else "–",
                "80 % of pixels lie between": f"{number(found.low)} and {number(found.high)}"
                if known and found.low is not None and found.high is not None
                else "–",
                "Meaning": index.reading(found.mean)
                if found.mean is not None
                else "no pixel is bright enough in both bands",
            }
        )
    return pd.DataFrame(out).set_index("Index") if out else pd.DataFrame()
