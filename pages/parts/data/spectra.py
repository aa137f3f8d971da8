"""What the patches of each class reflect in the twelve bands."""

from __future__ import annotations

from typing import Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core import spectra
from landcover.core.bands import BANDS
from landcover.core.classes import CLASS_NAMES
from landcover.core.spectra import ALL_PATCHES, ALONE, WITH, Spectrum
from pages.parts.data.classes import short
from pages.parts.shared import charts as show
from pages.parts.shared import class_link, widgets

MOST: Final = 5
"""Spectra with their spread that can be told apart in one chart."""
FIRST: Final = ("Arable land", "Coniferous forest", "Marine waters")
GROUPS: Final = {WITH: "Patches with the class", ALONE: "Patches with this class alone"}


@show.section
def render() -> None:
    """Show mean and spread of the classes that the user chooses."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        names = widgets.multiselect(
            "Classes",
            CLASS_NAMES,
            default=FIRST,
            max_selections=MOST,
            format_func=short,
            key="data_spectra_classes",
            persist_state="session",
        )
    with right:
        group = show.switch("Of", list(GROUPS.values()), "data_spectra_group")
    wanted = next(key for key, title in GROUPS.items() if title == group)
    every = spectra.of_class(ALL_PATCHES)
    found = [one for name in names if (one := spectra.of_class(name, wanted)) is not None]
    missing = [short(name) for name in names if name not in {one.name for one in found}]
    if every is not None:
        st.caption(
            f"Measured on the {every.patches} labelled patches of the training and validation "
            "splits that the makers of the program had, not on all patches. Lines are means of "
            "all pixels; the shade is from the 10th to the 90th percentile. A patch holds "
            f"{every.classes:.1f} classes on average, so the patches with a class show its "
            "neighbours, too."
        )
    if names:
        st.caption(f"What they are: {class_link.several(names)}.")
    if missing:
        st.caption(f"No such patch was there for: {', '.join(missing)}.")
    shown = [*found, *([every] if every is not None else [])]
    if shown:
        show.chart(_figure(shown), table(shown), f"spectra-{wanted}", f"Reflectance, {group}")


def table(found: list[Spectrum]) -> pd.DataFrame:
    """Return one row for each class and band."""
    return pd.DataFrame(
        {
            "Class": _title(one),
            "Patches": one.patches,
            "Band": band.name,
            "Mean": one.mean[k],
            "10th percentile": one.p10[k],
            "90th percentile": one.p90[k],
        }
        for one in found
        for k, band in enumerate(BANDS)
    )


def _title(one: Spectrum) -> str:
    return "All patches" if one.name == ALL_PATCHES else short(one.name)


def _figure(found: list[Spectrum]) -> go.Figure:
    figure, bands = go.Figure(), [band.name for band in BANDS]
    for number, one in enumerate(found):
        alone = one.name == ALL_PATCHES
        style = show.style(number)
        colour = show.QUIET if alone else style.colour
        if not alone:
            figure.add_scatter(
                x=[*bands, *reversed(bands)],
                y=[*one.p90, *reversed(one.p10)],
                fill="toself",
                fillcolor=_faint(colour),
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
            )
        figure.add_scatter(
            x=bands,
            y=one.mean,
            mode="lines+markers",
            line={"color": colour, "dash": "dot" if alone else style.dash, "width": 2},
            marker={"symbol": style.symbol, "size": 7},
            name=f"{_title(one)} ({one.patches})",
            hovertemplate="%{x}: %{y:.3f}<extra>%{fullData.name}</extra>",
        )
    show.set_layout(figure, 460)
    figure.update_layout(legend={"y": -0.15, "yanchor": "top"})
    figure.update_yaxes(title="Reflectance", rangemode="tozero")
    figure.update_xaxes(title="Band, from blue to shortwave infrared")
    return figure


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},.15)"
