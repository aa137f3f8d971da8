"""Measure models with subsets of the bands (:mod:`landcover.models.band_choice`).

A model that needs no other bands than those of a subset is measured as it is; any other
estimates what is missing (:mod:`landcover.models.band_subset`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from landcover.core.bands import BAND_NAMES
from landcover.core.progress import Report
from landcover.core.raster import FloatArray
from landcover.datasets.labelled import Dataset, split_name
from landcover.evaluate.patches import PatchTask
from landcover.evaluate.report_metrics import Draws, Material, number, span, thresholds_of
from landcover.metrics.bootstrap import Resampled
from landcover.metrics.scores import Doubles, counted_classes, overall
from landcover.models import band_mixture
from landcover.models.band_choice import Measured, SubsetMeasurement, SubsetRow
from landcover.models.band_subset import base_card, derive, derived_name, lacks
from landcover.models.model import Model

__all__ = ["MEAN_FILLED", "SUBSETS", "adapted", "as_text", "measure"]

_NO_60M: Final = tuple(name for name in BAND_NAMES if name not in ("B01", "B09"))
SUBSETS: Final[dict[str, tuple[str, ...]]] = {
    "twelve": BAND_NAMES,
    "ten, without 60 m": _NO_60M,
    "six, as HLS": ("B02", "B03", "B04", "B8A", "B11", "B12"),
    "six, as Landsat": ("B02", "B03", "B04", "B08", "B11", "B12"),
    "four of 10 m": ("B02", "B03", "B04", "B08"),
    "three": ("B02", "B03", "B04"),
}
"""Name → bands: the subsets that people's files have."""
MEAN_FILLED: Final = "mean-filled"
"""Name of the baseline in tables: the default model, missing bands at their mean."""


def adapted(model: Model, bands: Sequence[str]) -> Model:
    """Return the model itself if it needs no other bands, else the one derived for them."""
    return derive(model, bands) if lacks(model.card, bands) else model


def measure(
    dataset: Dataset,
    split: str,
    candidates: Mapping[str, Sequence[Model]],
    reference: Model,
    *,
    baseline: bool = False,
    draws: Draws | None = None,
    progress: Report | None = None,
) -> SubsetMeasurement:
    """Measure models with subsets of the bands.

    Args:
        dataset: labelled patches of twelve bands.
        split: its split, or ``all``.
        candidates: name of a subset (:data:`SUBSETS`) → the models to measure with it.
        reference: the default model, with all twelve bands.
        baseline: also measure it with the mean of the training data in place of missing bands.
        draws: bootstrap settings.
        progress: progress callback.

    Raises:
        BadInput: the split is unknown or empty, or a patch cannot be read.
        ModelMismatch: a model was not made for these patches or classes.
    """
    task, split, draws = PatchTask(dataset), split_name(split), draws or Draws()
    pairs = [
        (subset, adapted(model, SUBSETS[subset]))
        for subset, models in candidates.items()
        for model in models
    ]
    if baseline:
        pairs += [
            (subset, _mean_filled(reference, SUBSETS[subset]))
            for subset in candidates
            if lacks(reference.card, SUBSETS[subset])
        ]
    models = list({model.card.hash: model for _, model in [("", reference), *pairs]}.values())
    answers = task.probabilities(models, split, progress)
    material = task.material(split)
    found = {
        model.card.hash: _side(material, model, answer, draws)
        for model, answer in zip(models, answers, strict=True)
    }
    whole = found[reference.card.hash]
    rows = tuple(_row(subset, model, found[model.card.hash], whole) for subset, model in pairs)
    return SubsetMeasurement(
        dataset=dataset.name,
        split=split,
        n=len(material.ids),
        support={
            material.classes[k]: int(material.truth[:, k].sum())
            for k in counted_classes(material.truth)
        },
        rows=rows,
        date=datetime.now(UTC).date().isoformat(),
        command=f"landcover bands measure ROOT --dataset {dataset.name} --split {split}",
    )


def _mean_filled(model: Model, bands: Sequence[str]) -> Model:
    """The baseline: the missing bands have one value everywhere."""
    filled = derive(model, bands, band_mixture.load().independent())
    filled.card = filled.card.with_fields(name=derived_name(MEAN_FILLED, bands))
    return filled


_Side = tuple[dict[str, float], Resampled]


def _side(material: Material, model: Model, answer: FloatArray, draws: Draws) -> _Side:
    thresholds = thresholds_of(model.card, material.classes)
    return overall(material.truth, answer, thresholds), draws.of(material, answer, thresholds)


def _row(subset: str, model: Model, own: _Side, whole: _Side) -> SubsetRow:
    (point, drawn), (best, best_drawn) = own, whole

    def metric(name: str) -> Measured:
        return _measured(point[name], drawn.overall[name])

    def loss(name: str) -> Measured:
        return _measured(best[name] - point[name], best_drawn.overall[name] - drawn.overall[name])

    return SubsetRow(
        subset=subset,
        bands=SUBSETS[subset],
        model=model.card.name,
        card_hash=model.card.hash,
        # The baseline is never chosen, and its loss is never stated for another model.
        base_card="" if model.card.name.startswith(MEAN_FILLED) else base_card(model.card),
        macro_ap=metric("macro_ap"),
        micro_ap=metric("micro_ap"),
        ece=metric("ece"),
        macro_loss=loss("macro_ap"),
        micro_loss=loss("micro_ap"),
    )


def _measured(value: float, drawn: Doubles) -> Measured:
    rounded = number(value) or 0.0
    return Measured(value=rounded, interval=span(drawn) or (rounded, rounded))


def as_text(found: SubsetMeasurement) -> str:
    """Format a measurement as a Markdown table, subset by subset."""
    patches = f"{found.n} patches, {found.dataset}, split {found.split}"
    lines = [
        f"{patches}; macro metrics average {len(found.support)} classes",
        "",
        "| bands | model | macro AP | micro AP | ECE | macro AP given up | micro AP given up |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found.rows:
        how = ", estimated" if row.base not in (row.model, MEAN_FILLED) else ""
        base = f"`{row.base}`{how}"
        values = (row.macro_ap, row.micro_ap, row.ece, row.macro_loss, row.micro_loss)
        cells = " | ".join(
            f"{_fixed(one.value)} [{_fixed(one.interval[0])}, {_fixed(one.interval[1])}]"
            for one in values
        )
        lines.append(f"| {row.subset} | {base} | {cells} |")
    return "\n".join(lines)


def _fixed(value: float) -> str:
    """Three digits, with a minus sign unless all are zero."""
    text = f"{value:.3f}".replace("-", "−")
    return text.removeprefix("−") if not round(value, 3) else text
