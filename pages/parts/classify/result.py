"""Result for the chosen patch or colour picture: answer, views, probabilities and provenance."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import plotly.graph_objects as go
import streamlit as st

from landcover.core.classes import CLASS_NAMES, cover_of
from landcover.core.errors import LandcoverError
from landcover.core.own_classes import OWN_SET
from landcover.core.raster import Raster
from landcover.io.samples import Sample
from pages.parts.classify import (
    attribution,
    before_after,
    correct,
    decision_goal,
    probabilities,
    source,
    views,
)
from pages.parts.shared import (
    choice,
    class_link,
    downloads,
    elements,
    loaded_models,
    naming,
    theme,
    verdict_banner,
)

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.models.card import Card
    from landcover.report.classification import ClassificationReport
    from landcover.trust.result import Result


def beside_map(chosen: choice.Chosen, pixels: Raster) -> None:
    """Show the answer for a patch or picture, then the pixels, then the controls."""
    sample = choice.sample_of(chosen)
    elements.heading(_title(chosen, pixels))
    st.caption(naming.where_and_when(pixels))
    answer = st.container()
    views.show(chosen, pixels)
    name = loaded_models.choose_for(pixels)
    found = _classified(name, chosen, pixels, aim_of(name, ask=True)) if name else None
    if name is None or found is None:
        return
    with answer:
        verdict_banner.show(found)
        st.html(verdict(found, loaded_models.title(name), _truth(sample, found)))
        if sample is not None:
            st.caption(training_note(sample, loaded_models.card(name)))
        before_after.show_way_back(name, found, _parent_s(name, chosen, pixels))
    if pixels.is_rgb:
        _limits(name)
    correct.show(chosen, pixels, found)


def below_map(chosen: choice.Chosen, pixels: Raster) -> None:
    """Show all probabilities, the attribution map, downloads and provenance."""
    name = loaded_models.used_for(pixels)
    found = _classified(name, chosen, pixels, aim_of(name), quiet=True) if name else None
    if not name or not found:
        return
    sample = choice.sample_of(chosen)
    left, right = st.columns(2, gap="large")
    with left:
        before_after.show(name, found, _parent_s(name, chosen, pixels))
        _probabilities(name, chosen.key, found, _truth(sample, found))
        with st.expander("Source: file, date, bands, model"):
            rows = source.rows(chosen, pixels, found, loaded_models.card(name))
            st.table({k: theme.literal(v) for k, v in rows.items()}, border="horizontal")
        downloads.of_report(_report(name, chosen, found), pixels, "classify")
    with right:
        attribution.show(name, chosen.key, pixels, found)


def _parent_s(name: str, chosen: choice.Chosen, pixels: Raster) -> Result | None:
    """Return the result of the model that this one was adapted from; None for other models."""
    parent = before_after.parent_of(name)
    if parent is None:
        return None
    return _classified(parent, chosen, pixels, aim_of(parent), quiet=True)


def aim_of(name: str, *, ask: bool = False) -> str:
    """Return the aim of the thresholds that the user chose, or ``ask`` for it."""
    try:
        card = loaded_models.card(name)
        return decision_goal.choose(card) if ask else decision_goal.current(card)
    except LandcoverError:  # a damaged card: the prediction reports it
        return "f1"


def _probabilities(name: str, key: str, found: Result, truth: frozenset[str] | None) -> None:
    elements.heading(f"All {len(found.prediction.labels)} land covers")
    st.caption(
        "Each picture has exactly one land cover, so the probabilities add up to 100 %, and the "
        "most probable one is found."
        if found.raster.is_rgb
        else "Bar: probability. Vertical line: threshold from which a land cover counts as found. "
        "Grouped by theme, the most probable first."
    )
    elements.chart(
        _chart((loaded_models.stamp(name), key, _thresholds(found)), theme.ink(), found),
        "Probability of each land cover, as in the table",
        key="classify_chart",
    )
    class_link.guide_line()
    decision_goal.explain(name, found)
    with st.expander("Show as a table"):
        class_link.table(probabilities.table(found, truth), "Land cover")


def _thresholds(found: Result) -> tuple[float, ...]:
    return tuple(score.threshold for score in found.prediction.labels)


@st.cache_resource(max_entries=64, show_spinner=False)
def _chart(what: object, ink: theme.Ink, _found: Result) -> go.Figure:  # noqa: ARG001 - cache key
    """Draw the chart once; each run of the page shows it again."""
    return probabilities.chart(_found, ink)


def _classified(
    name: str, chosen: choice.Chosen, patch: Raster, aim: str, *, quiet: bool = False
) -> Result | None:
    """Return the result, or None if the model rejects the pixels; show why unless ``quiet``."""
    try:
        return loaded_models.predict(name, chosen.key, patch, aim)
    except LandcoverError as error:
        if not quiet:
            verdict_banner.show_error(error)
        return None


def _title(chosen: choice.Chosen, pixels: Raster) -> str:
    if chosen.live is not None:
        return f"{pixels.where}, {naming.day_text(pixels.acquired)}"
    name = naming.place_name(chosen)
    return name if chosen.sample else theme.literal(name)


def _truth(sample: Sample | None, found: Result) -> frozenset[str] | None:
    """The reference label of a sample, if the model has its classes and not those of one's own."""
    every = {score.label for score in found.prediction.labels}
    return sample.truth if sample is not None and every <= set(CLASS_NAMES) else None


def verdict(found: Result, title: str, truth: frozenset[str] | None) -> str:
    """Return the predicted land covers and, apart from them, the reference label, as HTML."""
    who = html.escape(title)
    if found.quality.abstained:
        return f"<p><b>{who} predicts no land cover here</b>, for the reason above.</p>"
    named = found.prediction.predicted
    if not named:
        head = f"{who} finds none of the land covers</b>: no probability reaches its threshold."
    elif found.raster.is_rgb:
        head = f"{who} predicts:</b>"
    else:
        head = f"{who} finds {len(named)} land cover{'s' * (len(named) > 1)}:</b>"
    items = [
        f"<li>{theme.swatch(cover_of(score.label).hex)} <b>"
        f"{class_link.as_html(score.label, naming.class_name(score.label))}</b>, "
        f"{score.probability:.0%}</li>"
        for score in named
    ]
    tail = "" if truth is None else f"<p>{compared(found, truth)}</p>"
    return f'<p><b>{head}</p><ul class="landcover-verdict">{"".join(items)}</ul>{tail}'


def compared(found: Result, truth: frozenset[str]) -> str:
    """Compare the predicted land covers with the reference label, in one or two sentences."""
    named = {score.label for score in found.prediction.predicted}
    if named == truth:
        return "The reference label of this place names the same."
    parts = [
        f"{what}: {'; '.join(sorted(labels))}."
        for what, labels in (
            ("In the reference label of this place, but not found", truth - named),
            ("Found, but not in the reference label", named - truth),
        )
        if labels
    ]
    return " ".join(parts)


def training_note(sample: Sample, card: Card) -> str:
    """Return whether the model may have been trained on the sample."""
    splits = card.training.get("splits", ())
    if card.class_set == OWN_SET:
        return "This model was trained on data of one's own, which may contain this place."
    if sample.split is None:
        return "This patch is in no split of BigEarthNet v2, so the model was not trained on it."
    if sample.split in splits:
        return (
            f"The model may have been trained on this patch, which belongs to the {sample.split} "
            "split, so agreement with the label proves little."
        )
    return f"This patch belongs to the {sample.split} split, which the model was not trained on."


def _limits(name: str) -> None:
    with st.expander("Limits of a colour picture"):
        st.markdown(
            "Compared with a Sentinel-2 patch, which has twelve bands:\n\n"
            + "\n".join(f"- {theme.literal(line)}" for line in _limits_of(name))
        )


def _limits_of(name: str) -> tuple[str, ...]:
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.report import picture_limits  # noqa: PLC0415 - loads torch

    return tuple(picture_limits.limits_of(registry.default().folder(name)))


def _report(name: str, chosen: choice.Chosen, found: Result) -> ClassificationReport:
    from landcover.report import classification  # noqa: PLC0415 - loads torch

    name_of_source = found.raster.provenance.source
    picture = choice.picture_of(chosen)
    if picture is None:
        return classification.report_of(found, name_of_source)
    seen = classification.view(picture, (chosen.row, chosen.col))
    return classification.report_of(found, name_of_source, seen=seen, limits=_limits_of(name))
