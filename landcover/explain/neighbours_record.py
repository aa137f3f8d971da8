"""Whether patches that a net sees as alike share classes, as it is kept in a file.

These are the values of ``trust/neighbours.json`` beside a card. Nothing here needs a net;
:mod:`landcover.explain.neighbours_measure` does the measuring.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from landcover.core.schema import Interval, MeasuredOn, Schema
from landcover.trust import files

__all__ = ["FILE", "NeighbourRow", "NeighboursMeasurement", "Selection", "as_text", "load", "save"]

FILE: Final = "neighbours"

Selection = Literal["features", "statistics", "chance", "gain"]
"""How neighbours are chosen; the gain is features less statistics."""


class NeighbourRow(Schema):
    """The mean Jaccard index of ``k`` neighbours of ``n`` patches, by how they are chosen.

    With ``other_products`` neighbours of the same Sentinel-2 product do not count. All but the
    counts is None where no patch has so many neighbours.
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

    def value(self, way: Selection) -> float | None:
        """The mean of one way."""
        found: float | None = getattr(self, way)
        return found

    def interval(self, way: Selection) -> Interval | None:
        """The 95 % interval of one way."""
        found: Interval | None = getattr(self, f"{way}_interval")
        return found


class NeighboursMeasurement(MeasuredOn):
    """How far the labels of neighbours agree with those of the patches asked about.

    ``n`` patches in ``blocks`` of 12 km were asked about, ``learnt`` training patches are in the
    index. ``far`` is the share of the patches of which even the nearest is called unlike, since
    its percentile is 95 or more; 0.05 would be even.
    """

    version: Literal[1] = 1
    n: int
    blocks: int
    learnt: int
    rows: tuple[NeighbourRow, ...]
    far: float | None


def save(found: NeighboursMeasurement, folder: Path, card_hash: str) -> Path:
    """Keep a measurement in the model's folder.

    Returns:
        the file.
    """
    return files.write_json(folder, FILE, card_hash, found.as_dict())


def load(folder: Path, card_hash: str) -> NeighboursMeasurement | None:
    """The measurement in a model's folder; None where there is none.

    Raises:
        CorruptModel: the file is damaged, incomplete, or of another card.
    """
    return files.read_record(
        folder, FILE, card_hash, NeighboursMeasurement, "landcover trust neighbours"
    )


def as_text(found: NeighboursMeasurement) -> str:
    """The measurement as a person reads it in a terminal."""
    widths = (("features", 24), ("statistics", 24), ("chance", 10), ("gain", 24))
    lines = [f"{'Jaccard index of labels':34}" + "".join(f"{n:>{w}}" for n, w in widths)]
    for row in (row for row in found.rows if row.n):
        kind = "of other products" if row.other_products else "of any product"
        cells = [f"{f'{row.k} nearest {kind}':34}"]
        cells += [f"{_span(row, 'features'):>24}", f"{_span(row, 'statistics'):>24}"]
        cells += [f"{row.chance or 0:>10.3f}", f"{_span(row, 'gain'):>24}"]
        lines.append("".join(cells))
    lines.append(
        f"{found.n} patches in {found.blocks} blocks of 12 km, asked of {found.learnt} training "
        "patches; intervals of 95 % over blocks; gain is features less statistics."
    )
    if found.far is not None:
        lines.append(f"Called unlike all training patches: {found.far:.1%} (5 % would be even).")
    return "\n".join(lines)


def _span(row: NeighbourRow, way: Selection) -> str:
    value, span = row.value(way), row.interval(way)
    return "–" if value is None or span is None else f"{value:.3f} [{span[0]:.3f}, {span[1]:.3f}]"
