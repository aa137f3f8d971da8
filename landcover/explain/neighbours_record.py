"""The saved measurement of whether similar patches have the same labels.

These are the values of ``trust/neighbours.json`` in a model folder. This module does not need a
net; :mod:`landcover.explain.neighbours_measure` makes the measurement.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from landcover.core.schema import Interval, MeasuredOn, Schema
from landcover.trust import files

__all__ = ["FILE", "NeighbourRow", "NeighboursMeasurement", "Selection", "as_text", "load", "save"]

FILE: Final = "neighbours"

Selection = Literal["features", "statistics", "chance", "gain"]
"""How neighbours are chosen; ``gain`` is the difference of features and statistics."""


class NeighbourRow(Schema):
    """The mean Jaccard index of ``k`` neighbours of ``n`` patches, by how they are chosen.

    With ``other_products``, neighbours from the same Sentinel-2 product are excluded. If no patch
    has ``k`` neighbours, all fields except the counts are None.
    """

    k: int
    other_products: bool
    n: int
    features: float | None = None
    features_interval: Interval | None = None
    statistics: float | None = None
    statistics_interval: Interval | None = None
    chance: float | None = None
    chance_interval: Interval | None = None
    gain: float | None = None
    gain_interval: Interval | None = None

    def value(self, selection: Selection) -> float | None:
        """Return the mean for one way to choose neighbours."""
        found: float | None = getattr(self, selection)
        return found

    def interval(self, selection: Selection) -> Interval | None:
        """Return the 95 % interval for one way to choose neighbours."""
        found: Interval | None = getattr(self, f"{selection}_interval")
        return found


class NeighboursMeasurement(MeasuredOn):
    """How well the labels of the neighbours agree with those of the query patches.

    There are ``n`` query patches in ``blocks`` of 12 km and ``learnt`` training patches in the
    index. ``far`` is the share of the query patches without a similar training patch, because the
    percentile of the nearest is 95 or more; 0.05 is expected.
    """

    version: Literal[1] = 1
    n: int
    blocks: int
    learnt: int
    rows: tuple[NeighbourRow, ...]
    far: float | None


def save(found: NeighboursMeasurement, folder: Path, card_hash: str) -> Path:
    """Write a measurement into a model folder and return the path of the file."""
    return files.write_json(folder, FILE, card_hash, found.as_dict())


def load(folder: Path, card_hash: str) -> NeighboursMeasurement | None:
    """Read the measurement in a model folder; None if there is none.

    Raises:
        CorruptModel: the file is damaged, incomplete, or of another card.
    """
    return files.read_record(
        folder, FILE, card_hash, NeighboursMeasurement, "landcover trust neighbours"
    )


def as_text(found: NeighboursMeasurement) -> str:
    """Format the measurement for a terminal."""
    widths = (("features", 24), ("statistics", 24), ("chance", 10), ("gain", 24))
    lines = [f"{'Jaccard index of labels':34}" + "".join(f"{n:>{w}}" for n, w in widths)]
    for row in (row for row in found.rows if row.n):
        kind = "of other products" if row.other_products else "of any product"
        cells = [f"{f'{row.k} nearest {kind}':34}"]
        cells += [f"{_span(row, 'features'):>24}", f"{_span(row, 'statistics'):>24}"]
        cells += [f"{row.chance or 0:>10.3f}", f"{_span(row, 'gain'):>24}"]
        lines.append("".join(cells))
    lines.append(
        f"{found.n} patches in {found.blocks} blocks of 12 km, compared with {found.learnt} "
        "training patches; 95 % intervals over blocks; gain is features minus statistics."
    )
    if found.far is not None:
        lines.append(f"Without a similar training patch: {found.far:.1%} (5 % expected).")
    return "\n".join(lines)


def _span(row: NeighbourRow, selection: Selection) -> str:
    value, span = row.value(selection), row.interval(selection)
    return "–" if value is None or span is None else f"{value:.3f} [{span[0]:.3f}, {span[1]:.3f}]"
