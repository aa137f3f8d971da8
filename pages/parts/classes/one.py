"""Everything about one class: meaning, pictures, spectrum, what was measured, pitfalls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core import class_guide, spectra
from landcover.core.bands import BANDS
from landcover.core.class_guide import Guide
from landcover.core.classes import CORINE_NAMES
from landcover.datasets import class_pictures
from landcover.datasets.class_pictures import Example
from pages.parts.classes.overview import open_button
from pages.parts.shared import charts, class_link, elements, naming, theme

if TYPE_CHECKING:  # at run time it would load torch before the text is shown
    from landcover.evaluate.class_evidence import ClassEvidence

GAP = 4
"""White pixels between true and false colours."""


def show(guide: Guide) -> None:
    """Show the guide of a class."""
    elements.heading(guide.title)
    st.html(f"{theme.swatch(guide.cover.hex)} {guide.cover.theme}")
    st.markdown(f"**{guide.short}** {guide.meaning}")
    _pictures(guide)
    left, right = st.columns(2, gap="large")
    with left:
        _pitfalls(guide)
        _corine(guide)
        _relatives(guide)
    with right:
        _spectrum(guide)
    _measured(guide)


def _pictures(guide: Guide) -> None:
    elements.subheading("How it looks")
    st.markdown(guide.look)
    found = class_pictures.examples(guide.name)
    if not found:
        return
    for place, one in zip(st.columns(4), found, strict=False):
        with place:
            elements.picture(_pair(one), _alt(one), enlarge=2)
            beside = class_link.several(one.others)
            st.caption(
                f"{one.country}, {_day(one)}. " + (f"Also there: {beside}." if beside else "Alone.")
            )
    few = "" if len(found) == 4 else " There are no more in the data that we have."
    st.caption(
        "Left true colours, right false colours (near infrared, red and green shown as red, green "
        "and blue, so that plants are red). Each picture is 1200 m wide, and has the class "
        f"somewhere.{few} BigEarthNet, CDLA-Permissive-1.0; contains modified Copernicus Sentinel "
        "data 2017/18."
    )


def _pair(one: Example) -> np.ndarray:
    gap = np.full((one.true_colour.shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([one.true_colour, gap, one.false_colour], axis=1)


def _day(one: Example) -> str:
    return naming.day_text(pd.Timestamp(one.day).to_pydatetime()) if one.day else "date unknown"


def _alt(one: Example) -> str:
    return f"{one.name} in {one.country} on {_day(one)}: true colours, then false colours"


def _pitfalls(guide: Guide) -> None:
    elements.subheading("What misleads")
    st.markdown("\n".join(f"- {one}" for one in guide.pitfalls))
    if guide.words:
        st.markdown("\n".join(f"- **{word}**: {what}" for word, what in guide.words.items()))


def _corine(guide: Guide) -> None:
    if not guide.corine:
        return
    elements.subheading("Made of these CORINE classes")
    rows = [[code, CORINE_NAMES[code], what] for code, what in guide.corine.items()]
    st.table(
        pd.DataFrame(rows, columns=["Code", "Name in CORINE", "What it is"]).set_index("Code"),
        border="horizontal",
    )


def _relatives(guide: Guide) -> None:
    found = class_guide.relatives(guide.name)
    if not found:
        return
    other = "EuroSAT" if guide.corine else "the 19 classes"
    elements.subheading(f"Like it among {other}")
    for name in found:
        one = class_guide.of_class(name)
        open_button(one, f"classes_like_{one.name}")


def _spectrum(guide: Guide) -> None:
    found = spectra.all_of(guide.name)
    if not found:
        return
    from landcover.report import class_text  # noqa: PLC0415 - loads torch

    elements.subheading("What it reflects")
    st.caption(
        f"{class_text.spectrum_note(found)} Coloured: the range of 80 % of their pixels. Dotted: "
        "all patches of all classes."
    )
    names = [band.name for band in BANDS]
    whole, everything, figure = found[0], spectra.load()[0], go.Figure()
    figure.add_scatter(
        x=[*names, *names[::-1]],
        y=[*whole.p90, *whole.p10[::-1]],
        fill="toself",
        fillcolor="rgba(63,127,214,.2)",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    lines = {"patches with it": whole}
    if whole.classes > 1:
        lines |= dict.fromkeys(["patches with it alone"] * (len(found) > 1), found[-1])
    for number, (title, line) in enumerate(lines.items()):
        figure.add_scatter(
            x=names,
            y=line.mean,
            mode="lines+markers",
            name=title,
            line={"color": charts.COLOURS[number]},
            marker={"symbol": charts.SYMBOLS[number]},
        )
    figure.add_scatter(
        x=names,
        y=everything.mean,
        mode="lines",
        name="all patches",
        line={"color": charts.QUIET, "dash": "dot"},
    )
    charts.set_layout(figure, 340)
    figure.update_yaxes(title="Reflectance", rangemode="tozero")
    figure.update_xaxes(title="Band, from blue to shortwave infrared")
    rows = pd.DataFrame(
        {
            "Band": names,
            "What it is": [f"{band.title}, {band.wavelength_nm:.0f} nm" for band in BANDS],
            "10 % below": whole.p10,
            "90 % below": whole.p90,
            **{f"Mean of {title}": line.mean for title, line in lines.items()},
            "Mean of all patches": everything.mean,
        }
    )
    alt = f"Reflectance of {guide.title} in the twelve bands"
    stem = charts.file_stem("spectrum", guide.cover.short)
    charts.chart(figure, rows, stem, alt)


def _measured(guide: Guide) -> None:
    from landcover.report import class_text  # noqa: PLC0415 - loads torch

    found = _evidence(guide.class_set).get(guide.name)
    elements.subheading(f"How good is {found.model} at it?" if found else "How good is the model?")
    sentences = class_text.measured(found)
    st.markdown(f"{' '.join(sentences[:-1])} **{sentences[-1]}**")
    if found is None:
        return
    elements.subheading("What it is confused with")
    listed = (*found.says_also, *found.really)
    if not listed:
        st.markdown(class_text.NO_MISTAKE)
        return
    st.markdown(
        "A square has several classes, so this counts squares where one class is present and "
        "another is not, but the model says the other all the same."
    )
    rows = [
        {
            "Present": class_link.as_markdown(found.classes[one.present]),
            "Said, but absent": class_link.as_markdown(found.classes[one.said]),
            "In so many patches": f"{one.hits} of {one.patches}",
            "Where neither is present": f"{one.hits_elsewhere} of {one.patches_elsewhere}",
        }
        for one in listed
    ]
    st.table(pd.DataFrame(rows), border="horizontal", hide_index=True)
    st.caption(class_text.NOTE)


@st.cache_resource(max_entries=2, ttl=600, show_spinner="Reading the evaluation …")
def _evidence(class_set: str) -> Mapping[str, ClassEvidence]:
    from landcover.evaluate import class_evidence  # noqa: PLC0415 - loads torch

    return class_evidence.of_usual_model(class_set)
