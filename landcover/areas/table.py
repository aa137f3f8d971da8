"""The table of a map: hectares of each cover with their interval, or windows with each class."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from landcover import __version__
from landcover.areas.facts import MapFacts
from landcover.core.text import no_formula, plain

__all__ = ["AreaRow", "as_csv"]

_HEADER: Final = (
    "cover",
    "mapped_ha",
    "adjusted_ha",
    "low_ha",
    "high_ha",
    "windows_present",
    "note",
    "source",
    "acquired",
    "model",
    "software",
)


@dataclass(frozen=True, kw_only=True)
class AreaRow:
    """One row of the table.

    Attributes:
        label: a class, or a group of classes.
        mapped_ha: hectares of the cells of this cover; None if there is no cover for it.
        adjusted_ha: corrected for the measured errors of the map; None if not supported by data.
        low_ha, high_ha: its interval.
        windows: windows of 1200 m in which the class is predicted; None for a group.
        note: what the reader has to know, such as why there are no hectares.
    """

    label: str
    mapped_ha: float | None = None
    adjusted_ha: float | None = None
    low_ha: float | None = None
    high_ha: float | None = None
    windows: int | None = None
    note: str = ""


def as_csv(rows: Iterable[AreaRow], facts: MapFacts) -> bytes:
    """Write the table as CSV (RFC 4180 with line feeds, UTF-8); what is not known is empty."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(_HEADER)
    dates = facts.dates
    acquired = (
        "" if dates is None else "/".join(dict.fromkeys(day.date().isoformat() for day in dates))
    )
    made = (
        no_formula(plain(facts.source)),
        acquired,
        f"{plain(facts.card.name)}, card {facts.card.hash}",
        f"landcover {__version__}",
    )
    for row in rows:
        areas = (row.mapped_ha, row.adjusted_ha, row.low_ha, row.high_ha)
        lines.writerow(
            (
                no_formula(row.label),
                *("" if value is None else f"{value:.2f}" for value in areas),
                "" if row.windows is None else row.windows,
                no_formula(row.note),
                *made,
            )
        )
    return out.getvalue().encode()
