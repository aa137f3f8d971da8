"""The limits of a colour picture compared with twelve bands of reflectance, with metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from landcover.core.errors import BadInput, CorruptModel
from landcover.evaluate.report_files import read_report
from landcover.evaluate.report_text import with_span
from landcover.models import registry

__all__ = ["ALL_BANDS", "LIMITS", "THREE_BANDS", "limits_of"]

LIMITS: Final[tuple[str, ...]] = (
    (
        "One land cover per picture: for a field next to a forest it names only one of them; the "
        "models for twelve bands name each of 19 land covers that they find."
    ),
    (
        "No infrared: types of forest, crops and wetland that look similar in visible light cannot "
        "be told apart."
    ),
    (
        "No location, date or reflectance: clouds, the season and whether this is Europe are not "
        "checked. Pixels of another size than 10 m or stretched differently from EuroSAT's give "
        "wrong results."
    ),
)
"""The limits of a picture compared with twelve bands of reflectance."""
_UNMEASURED: Final = "Its accuracy on EuroSAT has not been measured, so trust it less."
ALL_BANDS, THREE_BANDS = "landcover-cnn", "landcover-cnn-rgb"
"""The same net trained twice on the same patches, with twelve bands and with three."""


def limits_of(model_folder: Path) -> tuple[str, ...]:
    """List the limits of a picture, with metrics from saved reports.

    The comparison with twelve bands uses the reports of :data:`ALL_BANDS` and
    :data:`THREE_BANDS` and is left out if either is missing; the accuracy comes from the report
    on EuroSAT in the model folder.
    """
    return (*LIMITS, *_band_comparison(), _accuracy(model_folder))


def _band_comparison() -> tuple[str, ...]:
    """Compare the same net with twelve bands and with three, on the same patches."""
    try:
        twelve, three = (
            read_report(registry.default().folder(name), "bigearthnet-v2", "test").metrics
            for name in (ALL_BANDS, THREE_BANDS)
        )
    except (BadInput, CorruptModel):
        return ()
    if twelve.n != three.n or None in (twelve.interval("micro_ap"), three.interval("micro_ap")):
        return ()
    values = [with_span(one.micro_ap, one.interval("micro_ap")) for one in (twelve, three)]
    text = (
        f"Measured on {twelve.n} patches with 19 land covers: the same net has a micro average "
        f"precision of {values[0]} with twelve bands and of {values[1]} with red, green and blue "
        "only."
    )
    return (text,)


def _accuracy(model_folder: Path) -> str:
    """State the accuracy of a picture model from its report on EuroSAT."""
    try:
        metrics = read_report(model_folder, "eurosat", "test").metrics
    except (BadInput, CorruptModel):
        return _UNMEASURED
    span = metrics.interval("accuracy")
    if metrics.accuracy is None or span is None:
        return _UNMEASURED
    return (
        f"Measured: correct on {metrics.accuracy:.1%} [{span[0]:.1%}, {span[1]:.1%}] of "
        f"{metrics.n:,} EuroSAT pictures from parts of Europe that were not used in training."
    )
