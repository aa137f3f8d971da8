"""The limits of a colour picture compared with twelve bands of reflectance, with metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput, CorruptModel, LandcoverError
from landcover.evaluate.report_files import read_report
from landcover.evaluate.report_text import with_span
from landcover.models import band_choice, registry
from landcover.models.band_subset import LEAST

__all__ = ["LIMITS", "limits_of"]

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


def limits_of(model_folder: Path) -> tuple[str, ...]:
    """List the limits of a picture, with metrics from saved reports.

    The comparison with twelve bands is that of the default model on the test split
    (:mod:`landcover.models.band_choice`), and is left out if it was not measured; the accuracy
    comes from the report on EuroSAT in the model folder.
    """
    return (*LIMITS, *_band_comparison(), _accuracy(model_folder))


def _band_comparison() -> tuple[str, ...]:
    """Compare the default model with twelve bands and with three, on the same patches."""
    try:
        table, card = band_choice.read(), registry.default().card(registry.DEFAULT_MODEL)
    except LandcoverError:
        return ()
    if table is None or table.test is None:
        return ()
    measured = {row.bands: row.micro_ap for row in table.test.rows if row.base_card == card.hash}
    if not {BAND_NAMES, LEAST} <= set(measured):
        return ()
    twelve, three = (
        with_span(one.value, one.interval) for one in (measured[BAND_NAMES], measured[LEAST])
    )
    text = (
        f"Measured on {table.test.n} patches with 19 land covers: {card.title} has a micro average "
        f"precision of {twelve} with twelve bands and of {three} with red, green and blue only."
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
