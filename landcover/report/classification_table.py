"""Reports of classifications as one CSV table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, Final

from landcover.core.text import no_formula
from landcover.report.classification import ClassificationReport

__all__ = ["COLUMNS", "as_csv"]

COLUMNS: Final = (
    "source",
    "acquired",
    "latitude",
    "longitude",
    "row",
    "col",
    "model",
    "card_hash",
    "theme",
    "label",
    "probability",
    "threshold",
    "predicted",
    "certainty",
    "aim",
    "verdict",
    "reason",
    "outcome",
    "headline",
)
"""Columns of the table: a patch has no row and column, a picture no place or date."""


def as_csv(reports: Sequence[ClassificationReport], *, header: bool = True) -> str:
    """Format reports as one CSV table with one row per source and class.

    Each row repeats what identifies its source, with the verdict, so that a filtered or sorted
    table stays complete.

    Args:
        reports: of patches and pictures.
        header: whether the table begins with the names of its columns.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n", extrasaction="ignore")
    if header:
        writer.writeheader()
    for report in reports:
        shared = _shared(report)
        writer.writerows({**row.as_dict(), **shared} for row in report.labels)
    return out.getvalue()


def _shared(report: ClassificationReport) -> dict[str, Any]:
    origin = report.provenance
    shared: dict[str, Any] = {
        "source": no_formula(report.source),
        "model": report.model,
        "card_hash": origin.card_hash,
        "aim": report.aim,
        "verdict": report.verdict.label,
        "reason": no_formula(report.verdict.reason),
        "headline": no_formula(report.headline),
        "acquired": origin.acquired or "",
    }
    if origin.centre is not None:
        shared["latitude"] = f"{origin.centre.latitude:.6f}"
        shared["longitude"] = f"{origin.centre.longitude:.6f}"
    return shared if origin.window is None else {**shared, **origin.window.as_dict()}
