"""One table for all checks of ``make hostile``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Row", "table_text"]


@dataclass(frozen=True)
class Row:
    """One line of the table: what was tried, how often, and what came of it.

    Attributes:
        what: what was tried, such as "bombs" or "kills of a training run".
        count: how many cases.
        failed: how many of them did not come out as promised.
        figure: the measured values, with their units, such as "slowest 1.2 s, peak 310 MB".
    """

    what: str
    count: int
    failed: int
    figure: str


def table_text(rows: Sequence[Row]) -> str:
    """Lay the rows out in columns, with the sums of the cases below."""
    total = Row("all", sum(row.count for row in rows), sum(row.failed for row in rows), "")
    lines = [("", "cases", "failed", "measured")]
    lines += [(row.what, f"{row.count:,}", f"{row.failed:,}", row.figure) for row in (*rows, total)]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join(
        f"{what:<{widths[0]}}  {count:>{widths[1]}}  {failed:>{widths[2]}}  {figure}".rstrip()
        for what, count, failed, figure in lines
    )
