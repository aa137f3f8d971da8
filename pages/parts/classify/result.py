"""Result for the chosen patch: verdict, land covers, probabilities, views and provenance."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import streamlit as st

from landcover.core.bands import COMPOSITES, PATCH_M
from landcover.core.classes import BY_NAME
from landcover.core.errors import LandcoverError
from landcover.core.raster import Raster
from landcover.io.samples import Sample
from pages.parts.classify import attribution, decision_goal, probabilities
from pages.parts.shared import choice, downloads, elements, loaded_models, theme, verdict_banner

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.models.card import Card
    from landcover.trust.result import Result


def beside_map(chosen: choice.Chosen, patch: Raster) -> None:
    """Show title, verdict, land covers and three views of a patch."""
    sample = choice.sample_of(chosen)
    elements.heading(_title(chosen, sample, patch))
    st.caption(_where_and_when(chosen, patch))
    name = loaded_models.choose()
    found = _classified(name, chosen, patch, aim_of(name, ask=True)) if name else None
    if name and found:
        verdict_banner.show(found)
        st.html(verdict(found, loaded_models.title(name), sample.truth if sample else None))
        if sample is not None:
            st.caption(training_note(sample, loaded_models.card(name)))
    _views(patch)


def below_map(chosen: choice.Chosen, patch: Raster) -> None:
    """Show all probabilities, the attribution map, downloads and provenance of a patch."""
    name = loaded_models.current()
    found = _classified(name, chosen, patch, aim_of(name), quiet=True) if name else None
    if not name or not found:
        return
    sample = choice.sample_of(chosen)
    left, right = st.columns(2, gap="large")
    with left:
        _probabilities(name, found, sample.truth if sample else None)
        with st.expander("Source: file, date, bands, model"):
            rows = _provenance(patch, found, loaded_models.card(name))
            shown = {name: theme.literal(value) for name, value in rows.items()}
            st.table(shown, border="horizontal")
        _downloads(found)
    with right:
        attribution.show(name, chosen.key, patch, found)


def aim_of(name: str, *, ask: bool = False) -> str:
    """Return the aim of the thresholds that the user chose, or ``ask`` for it."""
    try:
        card = loaded_models.card(name)
        return decision_goal.choose(card) if ask else decision_goal.current(card)
    except LandcoverError:  # a damaged card: the prediction reports it
        return "f1"


def _probabilities(name: str, found: Result, truth: frozenset[str] | None) -> None:
    elements.heading("All 19 land covers")
    st.caption(
        "Bar: probability. Vertical line: threshold from which a land cover counts as found. "
        "Grouped by theme, the most probable first."
    )
    elements.chart(
        probabilities.chart(found, theme.ink()),
        "Probability and threshold of each land cover, as in the table",
        key="classify_chart",
    )
    decision_goal.explain(name, found)
    with st.expander("Show as a table"):
        st.table(probabilities.table(found, truth), border="horizontal")


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


def _title(chosen: choice.Chosen, sample: Sample | None, patch: Raster) -> str:
    if sample is not None:
        return f"{sample.title}, {sample.country}"
    if chosen.live is not None:
        return f"{patch.where}, {_when(patch)}"
    return theme.literal(patch.provenance.source)


def _where_and_when(chosen: choice.Chosen, patch: Raster) -> str:
    size = f"{PATCH_M} m × {PATCH_M} m, Sentinel-2"
    if chosen.live is not None:  # its title says the place and the day
        return f"{theme.literal(patch.provenance.source)} · {size}"
    return f"{patch.where} · {_when(patch)} · {size}"


def _when(patch: Raster) -> str:
    return f"{patch.acquired:%d %B %Y}".lstrip("0") if patch.acquired else "date unknown"


def verdict(found: Result, title: str, truth: frozenset[str] | None) -> str:
    """Return the predicted land covers and, apart from them, the reference label, as HTML."""
    who = html.escape(title)
    if found.quality.abstained:
        return f"<p><b>{who} predicts no land cover here</b>, for the reason above.</p>"
    named = found.prediction.predicted
    if not named:
        head = (
            f"<b>{who} finds none of the 19 land covers</b>: no probability reaches its threshold."
        )
    else:
        head = f"<b>{who} finds {len(named)} land cover{'s' * (len(named) > 1)}:</b>"
    items = [
        f"<li>{theme.swatch(BY_NAME[score.label].hex)} <b>{score.label}</b>, "
        f"{score.probability:.0%}</li>"
        for score in named
    ]
    tail = "" if truth is None else f"<p>{compared(found, truth)}</p>"
    return f'<p>{head}</p><ul class="landcover-verdict">{"".join(items)}</ul>{tail}'


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
    if sample.split is None:
        return "This patch is in no split of BigEarthNet v2, so the model was not trained on it."
    if sample.split in splits:
        return (
            f"The model may have been trained on this patch, which belongs to the {sample.split} "
            "split, so agreement with the label proves little."
        )
    return f"This patch belongs to the {sample.split} split, which the model was not trained on."


def _views(patch: Raster) -> None:
    with st.container(key="classify_views"):
        for column, view in zip(st.columns(len(COMPOSITES)), COMPOSITES, strict=True):
            with column:
                elements.picture(patch.image(view), f"The patch in {view.name.lower()}", enlarge=3)
                st.caption(f"**{view.name}** ({' '.join(view.bands)}): {view.reading}")
    stretches = "; ".join(f"{v.name} {v.low:g} to {v.high:g}" for v in COMPOSITES)
    st.caption(
        f"Contrast, the same for every image: reflectance from black to white is {stretches}; "
        "gamma 1.6."
    )


def _downloads(found: Result) -> None:
    from landcover.report.classification import report_of  # noqa: PLC0415 - loads torch

    downloads.of_report(report_of(found, found.raster.provenance.source), found.raster, "classify")


def _provenance(patch: Raster, found: Result, card: Card) -> dict[str, str]:
    source = patch.provenance
    crs, corner = "place unknown", "not stated"
    if patch.has_place:
        crs, (a, _, west, _, e, north) = patch.georeference
        corner = f"{west:.1f}, {north:.1f} (pixels of {a:g} × {-e:g} m)"
    return {
        "Source": source.source,
        "Scene": source.scene or "not stated",
        "Taken": f"{patch.acquired:%Y-%m-%d %H:%M} UTC" if patch.acquired else "not stated",
        "Level": source.level,
        "Processing baseline": source.baseline or "not stated",
        "Coordinate reference system": crs,
        "Upper left corner": corner,
        "Bands": f"{' '.join(patch.bands)}, order taken from: {source.band_order}",
        "Missing bands": ", ".join(source.missing_bands) or "none",
        "Resampling": source.resampling,
        "Scaling": source.scaling,
        "Notes": "; ".join(source.notes) or "none",
        "Pixels without data": f"{patch.nodata_fraction:.1%}",
        "Cloud and shadow here": _share(found.quality.cloud_fraction),
        "Model": f"{card.title}, card {found.prediction.card_hash}",
        "Trained on": _trained_on(card.training),
        "Thresholds": card.threshold_rule,
        "Calibration": _calibrated(card),
    }


def _calibrated(card: Card) -> str:
    """Return which calibration the probabilities have, or why none."""
    if card.calibration.method == "none":
        tried = card.calibration.evidence is not None
        return "none" + ": none lowered the log loss on held-out places" * tried
    kept = len(card.calibration.kept or ())
    return f"scale and shift of {kept} of {len(card.classes)} classes, kept where the error fell"


def _share(fraction: float | None) -> str:
    if fraction is None:
        return "not measured: the source has no scene classification"
    return f"{fraction:.1%}"


def _trained_on(training: dict[str, Any]) -> str:
    splits = " and ".join(str(name) for name in training.get("splits", ())) or "not stated"
    return f"{training.get('dataset', 'not stated')}, split {splits}"
