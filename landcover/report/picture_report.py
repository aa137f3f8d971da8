"""What is said of a picture: as a record for programs, as text and a table for people.

A record is the object that ``landcover classify --json`` prints of a picture. It has what
the record of a patch has (:mod:`landcover.report.patch_report`), with nothing where a picture has
no place or date, and beside it ``limits``: what a picture gives up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from landcover import __version__
from landcover.core.bands import EUROSAT_PIXELS
from landcover.core.classes import BY_NAME
from landcover.core.errors import BadInput, CorruptModel
from landcover.core.raster import Raster
from landcover.evaluate.report_files import read_report
from landcover.evaluate.report_text import with_span
from landcover.models import registry
from landcover.models.card import EVEN
from landcover.models.model import Prediction
from landcover.report.patch_report import answer_record, labels_as_csv, no_formula
from landcover.trust.verdict import Verdict

__all__ = [
    "ALL_BANDS",
    "CHOSEN",
    "CSV_COLUMNS",
    "LIMITS",
    "THREE_BANDS",
    "UNSURE",
    "View",
    "as_csv",
    "as_record",
    "as_text",
    "limits_of",
    "ranked",
    "verdict",
    "view",
]

CSV_COLUMNS: Final = (
    "source",
    "row",
    "col",
    "model",
    "card_hash",
    "theme",
    "label",
    "probability",
    "predicted",
)
CHOSEN: Final = "chosen because this is a picture of red, green and blue"
UNSURE: Final = "not sure, for no cover has half of the probability"
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


@dataclass(frozen=True, kw_only=True)
class View:
    """A window of a picture, and where it lies.

    Attributes:
        picture: the window, of the size that models look at.
        row, col: its upper left pixel in the whole.
        whole: rows and columns of the whole.
    """

    picture: Raster
    row: int
    col: int
    whole: tuple[int, int]


def view(whole: Raster, at: tuple[int, int] | None = None) -> View:
    """The window whose upper left pixel is ``at`` (row, column), else the middle one.

    Raises:
        BadInput: it does not lie wholly inside the picture.
    """
    row, col = whole.centre_corner(EUROSAT_PIXELS) if at is None else at
    window = whole.window(row, col, EUROSAT_PIXELS)
    return View(picture=window, row=row, col=col, whole=(whole.height, whole.width))


def as_record(
    seen: View,
    prediction: Prediction,
    judged: Verdict,
    source: str,
    *,
    limits: tuple[str, ...] = LIMITS,
    choice: str = CHOSEN,
) -> dict[str, Any]:
    """What a model says of a picture, as JSON-ready values without NaN.

    Args:
        seen: what was classified.
        prediction: of that window.
        judged: the verdict on that answer.
        source: what the user named.
        limits: what the picture gives up (:func:`limits_of`).
        choice: why this model was asked.

    Raises:
        CorruptModel: the model answered with something that is no number.
    """
    return {
        **answer_record(prediction, judged.quality, source),
        "verdict": judged.as_dict(),
        "limits": list(limits),
        "provenance": {
            **seen.picture.provenance.as_dict(),
            "acquired": None,
            "crs": None,
            "bounds": None,
            "centre": None,
            "pixels": [seen.picture.height, seen.picture.width],
            "pixel_m": seen.picture.pixel_m,
            "window": {"row": seen.row, "col": seen.col},
            "picture_pixels": list(seen.whole),
            "bands": list(seen.picture.bands),
            "model": prediction.model,
            "model_choice": choice,
            "card_hash": prediction.card_hash,
            "landcover": __version__,
        },
    }


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


def as_text(record: Mapping[str, Any]) -> str:
    """A record as a person reads it in a terminal, the most probable class first."""
    origin = record["provenance"]
    rows, cols = origin["picture_pixels"]
    height, width = origin["pixels"]
    window = f"row {origin['window']['row']}, column {origin['window']['col']}"
    whole = f"{height} × {width} pixels"
    if (rows, cols) != (height, width):
        whole += f" from {window} of {rows} × {cols}; --window ROW,COL shows another part"
    lines = [
        f"{record['source']}: {verdict(record)}",
        f"  {whole}",
        f"  model {record['model']}, {origin['model_choice']}, card {origin['card_hash']}",
        *(f"  warning: {text}" for text in record["quality"]["warnings"]),
        *(f"  note: {text}" for text in origin["notes"]),
        "",
        *(_label_line(row) for row in ranked(record)),
        "",
        *(f"  {text}" for text in record["limits"]),
    ]
    return "\n".join(lines) + "\n"


def ranked(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The classes of a record, the most probable first."""
    return sorted(record["labels"], key=lambda row: -row["probability"])


def verdict(record: Mapping[str, Any]) -> str:
    """The one class that is called, or why there is none."""
    if record["abstained"]:
        return "no answer, because the pixels cannot be trusted"
    best = ranked(record)[0]
    doubt = "" if best["probability"] >= EVEN else f"; {UNSURE}"
    return f"{BY_NAME[best['label']].short} {best['probability']:.0%}{doubt}"


def _label_line(row: Mapping[str, Any]) -> str:
    mark = "yes" if row["predicted"] else "-"
    return f"    {mark:<4}{100 * row['probability']:>5.1f} %   {row['label']}"


def as_csv(record: Mapping[str, Any]) -> str:
    """A record as a CSV table, one class a row, with a heading."""
    origin = record["provenance"]
    shared = {
        "source": no_formula(record["source"]),
        **origin["window"],
        "model": record["model"],
        "card_hash": origin["card_hash"],
    }
    return labels_as_csv(record, CSV_COLUMNS, shared)
