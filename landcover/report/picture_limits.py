"""What a colour picture gives up against twelve bands of reflectance, with measured numbers."""

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
        "One cover a picture: of a field beside a wood it names one, where the models for twelve "
        "bands name each of 19 covers that is there."
    ),
    "No infrared: kinds of forest, crops and wet ground that look alike to the eye stay alike.",
    (
        "No place, date or reflectance: nothing checks clouds, the season or whether this is "
        "Europe, and pixels that are not 10 m or are stretched otherwise than EuroSAT's mislead it."
    ),
)
"""What a picture gives up against twelve bands of reflectance."""
_UNMEASURED: Final = "Its accuracy on EuroSAT has not been measured yet, so trust it the less."
ALL_BANDS, THREE_BANDS = "landcover-cnn", "landcover-cnn-rgb"
"""The same net twice, fitted to the same patches: what the second lacks is the worth of bands."""


def limits_of(model_folder: Path) -> tuple[str, ...]:
    """What a picture gives up, with metrics of saved reports.

    What the other bands are worth comes from the reports of :data:`ALL_BANDS` and
    :data:`THREE_BANDS` and is left out where either has none; the accuracy comes from the
    folder's own report on EuroSAT.
    """
    return (*LIMITS, *_worth_of_bands(), _accuracy(model_folder))


def _worth_of_bands() -> tuple[str, ...]:
    """The same net with and without what a picture lacks, on the same patches."""
    try:
        whole, part = (
            read_report(registry.default().folder(name), "bigearthnet-v2", "test").metrics
            for name in (ALL_BANDS, THREE_BANDS)
        )
    except (BadInput, CorruptModel):
        return ()
    if whole.n != part.n or None in (whole.interval("micro_ap"), part.interval("micro_ap")):
        return ()
    values = [with_span(one.micro_ap, one.interval("micro_ap")) for one in (whole, part)]
    said = (
        f"Measured on {whole.n} patches with 19 covers: one and the same net has a micro "
        f"average precision of {values[0]} with twelve bands and of {values[1]} with red, green "
        "and blue alone."
    )
    return (said,)


def _accuracy(model_folder: Path) -> str:
    """How often a model of pictures is right, as its report on EuroSAT states."""
    try:
        metrics = read_report(model_folder, "eurosat", "test").metrics
    except (BadInput, CorruptModel):
        return _UNMEASURED
    span = metrics.interval("accuracy")
    if metrics.accuracy is None or span is None:
        return _UNMEASURED
    return (
        f"Measured: right on {metrics.accuracy:.1%} [{span[0]:.1%}, {span[1]:.1%}] of "
        f"{metrics.n:,} EuroSAT pictures from parts of Europe that it has not learnt from."
    )
