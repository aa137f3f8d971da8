"""What a model says of the chosen square: verdict, probabilities, doubts, views, provenance."""

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
from pages.parts.shared import choice, downloads, loaded_models, theme, verdict_banner

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.models.card import Card
    from landcover.models.model import LabelScore
    from landcover.trust.result import Result


def beside_map(chosen: choice.Chosen, patch: Raster) -> None:
    """Title, whether to believe the answer, the answer, and three views of one square."""
    sample = choice.sample_of(chosen)
    st.subheader(_title(chosen, sample, patch), anchor=False)
    st.caption(_where_and_when(chosen, patch))
    name = loaded_models.choose()
    found = _classified(name, chosen, patch, _aim(name)) if name else None
    if name and found:
        verdict_banner.show(found.verdict)
        st.html(verdict(found, loaded_models.title(name), sample.truth if sample else None))
        if sample is not None:
            st.caption(seen(sample, loaded_models.card(name)))
    _views(patch)


def below_map(chosen: choice.Chosen, patch: Raster) -> None:
    """All probabilities, the explanation, downloads and provenance of one square."""
    name = loaded_models.current()
    aim = st.session_state.get("classify_aim", "f1")
    found = _classified(name, chosen, patch, aim, quiet=True) if name else None
    if not name or not found:
        return
    sample = choice.sample_of(chosen)
    left, right = st.columns(2, gap="large")
    with left:
        _probabilities(name, found, sample.truth if sample else None)
        with st.expander("Where this comes from: file, date, bands, model"):
            rows = _provenance(patch, found, loaded_models.card(name))
            shown = {what: theme.literal(said) for what, said in rows.items()}
            st.table(shown, border="horizontal")
        _downloads(found)
    with right:
        attribution.show(name, chosen.key, patch, found)


def _aim(name: str) -> str:
    """What the decisions should serve, as the user chose it beside the map."""
    try:
        aim = decision_goal.choose(loaded_models.card(name))
    except LandcoverError:  # a damaged card: classifying says so
        aim = "f1"
    st.session_state["classify_aim"] = aim
    return aim


def _probabilities(name: str, found: Result, truth: frozenset[str] | None) -> None:
    st.subheader("All 19 land covers", anchor=False)
    marked = " ◆: in this place's label." if truth is not None else ""
    st.caption(
        "Bar: probability. Upright line: the threshold from which a cover counts as present. "
        f"Grouped by theme, the most probable first.{marked}"
    )
    st.plotly_chart(
        probabilities.chart(found, truth, theme.ink()),
        width="stretch",
        config={"displayModeBar": False},
        key="classify_chart",
    )
    decision_goal.explain(name, found)
    with st.expander("The same as a table"):
        st.table(probabilities.table(found, truth), border="horizontal")


def _classified(
    name: str, chosen: choice.Chosen, patch: Raster, aim: str, *, quiet: bool = False
) -> Result | None:
    """The model's answer, or None where it refuses; it says why, unless that was said already."""
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
        return f"{theme.place_text(*patch.centre)}, {_when(patch)}"
    return theme.literal(patch.provenance.source)


def _where_and_when(chosen: choice.Chosen, patch: Raster) -> str:
    size = f"{PATCH_M} m × {PATCH_M} m, Sentinel-2"
    if chosen.live is not None:  # its title says the place and the day
        return f"{theme.literal(patch.provenance.source)} · {size}"
    return f"{theme.place_text(*patch.centre)} · {_when(patch)} · {size}"


def _when(patch: Raster) -> str:
    return f"{patch.acquired:%d %B %Y}".lstrip("0") if patch.acquired else "date unknown"


def verdict(found: Result, title: str, truth: frozenset[str] | None) -> str:
    """The covers that the model finds, or why it names none, as HTML; with the label beside."""
    who = html.escape(title)
    if found.quality.abstained:
        return f"<p><b>{who} gives no label here</b>, for the reason above.</p>"
    named = found.prediction.predicted
    if not named:
        head = f"<b>{who} finds none of the 19 covers</b>: no probability reaches its threshold."
    else:
        head = f"<b>{who} finds {len(named)} land cover{'s' * (len(named) > 1)}:</b>"
    items = [
        f"<li>{theme.swatch(BY_NAME[score.label].hex)} <b>{score.label}</b>, "
        f"{score.probability:.0%}{_sure(score)}{_agrees(score.label, truth)}</li>"
        for score in named
    ]
    missed = sorted((truth or frozenset()) - {score.label for score in named})
    tail = f"<p>In this place's label, but not found: {'; '.join(missed)}.</p>" if missed else ""
    return f'<p>{head}</p><ul class="landcover-verdict">{"".join(items)}</ul>{tail}'


def _sure(score: LabelScore) -> str:
    said = decision_goal.SAID[score.certainty]
    return f" {said}" if said else ""


def _agrees(label: str, truth: frozenset[str] | None) -> str:
    if truth is None:
        return ""
    return " (✓ in the label)" if label in truth else " (✗ not in the label)"


def seen(sample: Sample, card: Card) -> str:
    """Whether the model may have learnt from the sample itself."""
    splits = card.training.get("splits", ())
    if sample.split is None:
        return "BigEarthNet v2 leaves this patch out of all its splits: the model never saw it."
    if sample.split in splits:
        return (
            f"This patch belongs to the {sample.split} split, from which the model's training "
            "patches were taken, so agreement proves little."
        )
    return f"The model did not learn from the {sample.split} split, to which this patch belongs."


def _views(patch: Raster) -> None:
    with st.container(key="classify_views"):
        for column, view in zip(st.columns(len(COMPOSITES)), COMPOSITES, strict=True):
            with column:
                st.image(theme.png(patch.image(view), 3), width="stretch")
                st.caption(f"**{view.name}** ({' '.join(view.bands)}): {view.reading}")
    stretches = "; ".join(f"{v.name} {v.low:g} to {v.high:g}" for v in COMPOSITES)
    st.caption(
        f"Stretch, the same for every picture: reflectance from black to full is {stretches}; "
        "gamma 1.6."
    )


def _downloads(found: Result) -> None:
    from landcover.report.classification import report_of  # noqa: PLC0415 - it loads torch

    downloads.of_report(report_of(found, found.raster.provenance.source), "classify")


def _provenance(patch: Raster, found: Result, card: Card) -> dict[str, str]:
    said = patch.provenance
    crs, (a, _, west, _, e, north) = patch.georeference
    return {
        "Source": said.source,
        "Scene": said.scene or "not stated",
        "Taken": f"{patch.acquired:%Y-%m-%d %H:%M} UTC" if patch.acquired else "not stated",
        "Level": said.level,
        "Processing baseline": said.baseline or "not stated",
        "Coordinate reference system": crs,
        "Upper left corner": f"{west:.1f}, {north:.1f} (pixels of {a:g} × {-e:g} m)",
        "Bands": f"{' '.join(patch.bands)}, order taken from: {said.band_order}",
        "Missing bands": ", ".join(said.missing_bands) or "none",
        "Resampling": said.resampling,
        "Scaling": said.scaling,
        "Notes": "; ".join(said.notes) or "none",
        "Pixels without data": f"{patch.nodata_fraction:.1%}",
        "Cloud and shadow here": _share(found.quality.cloud_fraction),
        "Model": f"{card.title}, card {found.prediction.card_hash}",
        "Learnt from": _learnt(card.training),
        "Thresholds": card.threshold_rule,
        "Calibration": _calibrated(card),
    }


def _calibrated(card: Card) -> str:
    """Which calibration the probabilities went through, and why none."""
    if card.calibration.method == "none":
        tried = card.calibration.evidence is not None
        return "none" + ": none lowered the log loss on places held out" * tried
    kept = len(card.calibration.kept or ())
    return f"scale and shift of {kept} of {len(card.classes)} covers, kept where errors fell"


def _share(fraction: float | None) -> str:
    if fraction is None:
        return "not measured: the source has no scene classification"
    return f"{fraction:.1%}"


def _learnt(training: dict[str, Any]) -> str:
    splits = " and ".join(str(name) for name in training.get("splits", ())) or "not stated"
    return f"{training.get('dataset', 'not stated')}, split {splits}"
