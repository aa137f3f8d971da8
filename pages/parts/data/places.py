"""Where the patches are, on a map of land drawn by the page itself, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.datasets.overview import Counts
from landcover.datasets.overview.figures import centres
from landcover.metrics.scores import Doubles
from pages.parts.data import land
from pages.parts.data.classes import short
from pages.parts.models.classes import SHARES
from pages.parts.shared import charts as show
from pages.parts.shared import class_link, theme

ALL: Final = "All patches"
CELL_LATITUDE, CELL_LONGITUDE = 0.15, 0.3
"""Degrees along the sides of a cell of the map: somewhat more than a block of 12 km, so that blocks
leave no gaps."""
MARGIN: Final = 1.0


@show.section
def render(part: Counts) -> None:
    """Show the number of patches, or the share with a class, on a map and by tile."""
    options = [ALL, *part.classes]
    chosen = show.pick("Show", options, "data_places_class", short)
    blocks = {name: n for name, n in part.totals("place").items() if name}
    if not blocks:
        st.info("The names of these patches have no place, so there is no map.")
        return
    one = None if chosen == ALL else part.classes.index(chosen)
    found = part.by_class("place") if one is not None else {}
    with_class = [int(found[name][one]) if one is not None else 0 for name in blocks]
    cells = _cells(centres(list(blocks)), list(blocks.values()), with_class)
    st.caption(
        f"{len(blocks):,} blocks of 12 km, each at the place that the names of its patches give. "
        + (
            "The colour is the number of patches of a cell, of all dates and tiles; tiles overlap."
            if one is None
            else "The colour is the share of the patches of a cell that have "
            f"{class_link.as_markdown(chosen)}."
        )
    )
    what = "Patches" if one is None else f"Share with {short(chosen)}"
    show.chart(_figure(cells, what, share=one is not None), _tiles(part, one), "places", what)


def _tiles(part: Counts, one: int | None) -> pd.DataFrame:
    """One row for each Sentinel-2 tile."""
    totals = {name: n for name, n in part.totals("tile").items() if name}
    where = centres(list(totals))
    table = pd.DataFrame(
        {
            "Tile": list(totals),
            "Latitude": where[:, 0],
            "Longitude": where[:, 1],
            "Patches": list(totals.values()),
        }
    )
    if one is not None:
        found = part.by_class("tile")
        table[short(part.classes[one])] = [int(found[name][one]) for name in totals]
    return table


def _cells(where: Doubles, patches: Sequence[int], with_class: Sequence[int]) -> pd.DataFrame:
    """Sum blocks by cells of the map."""
    return (
        pd.DataFrame(
            {
                "row": np.floor(where[:, 0] / CELL_LATITUDE).astype(int),
                "col": np.floor(where[:, 1] / CELL_LONGITUDE).astype(int),
                "patches": patches,
                "with": with_class,
            }
        )
        .groupby(["row", "col"], as_index=False)
        .sum()
    )


def _figure(cells: pd.DataFrame, what: str, *, share: bool) -> go.Figure:
    rows = np.arange(cells["row"].min(), cells["row"].max() + 1)
    cols = np.arange(cells["col"].min(), cells["col"].max() + 1)
    values, patches = np.full((2, len(rows), len(cols)), np.nan)
    at = (cells["row"] - rows[0]).to_numpy(), (cells["col"] - cols[0]).to_numpy()
    patches[at] = cells["patches"]
    values[at] = cells["with"] / cells["patches"] if share else cells["patches"]
    latitude, longitude = (rows + 0.5) * CELL_LATITUDE, (cols + 0.5) * CELL_LONGITUDE
    south, north = latitude[0] - MARGIN, latitude[-1] + MARGIN
    west, east = longitude[0] - MARGIN, longitude[-1] + MARGIN
    figure = go.Figure()
    x, y = _land(float(south), float(west), float(north), float(east))
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": theme.ink().line, "width": 0.6},
        fill="toself",
        fillcolor="rgba(134,142,150,.22)",
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_heatmap(
        x=longitude,
        y=latitude,
        z=values,
        zmin=0,
        zmax=1 if share else float(np.nanpercentile(values, 95)),
        colorscale=(SHARES if share else _DENSE),
        colorbar={
            "orientation": "h",
            "y": -0.08,
            "yanchor": "top",
            "thickness": 10,
            "title": None,
            "tickfont": {"color": theme.ink().text},
        },
        customdata=patches,
        hovertemplate="%{y:.1f}° N, %{x:.1f}° E: "
        + ("%{z:.0%} of %{customdata:,} patches" if share else "%{z:,} patches")
        + "<extra></extra>",
    )
    show.set_layout(figure, 620)
    figure.update_xaxes(
        range=[west, east], constrain="domain", title=None, showgrid=False, ticksuffix="°"
    )
    # A degree of longitude is shorter than one of latitude, as in the middle of the map.
    ratio = 1 / float(np.cos(np.radians((south + north) / 2)))
    figure.update_yaxes(
        range=[south, north],
        constrain="domain",
        scaleanchor="x",
        scaleratio=ratio,
        showgrid=False,
        ticksuffix="°",
    )
    figure.update_layout(title={"text": what, "font": {"size": 14, "color": theme.ink().text}})
    return figure


_DENSE: Final = ((0, "rgba(217,115,26,.35)"), (1, "rgba(217,115,26,1)"))
"""A cell with few patches is still seen, on light and on dark land."""


@lru_cache(maxsize=8)
def _land(
    south: float, west: float, north: float, east: float
) -> tuple[list[float | None], list[float | None]]:
    return land.outlines(south, west, north, east)
