"""Format the figures of a cover head for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from landcover.models.cover import CoverRecord
from landcover.train.cover_maps import Agreement

__all__ = ["as_text", "maps_text"]

_HEADS = (
    "cover",
    "patches",
    "pure",
    "right in pure",
    "IoU",
    "mapped",
    "true",
    "by labels",
    "bias",
    "AP",
)


def as_text(record: CoverRecord, *, markdown: bool = False) -> str:
    """Format what was measured in left-out countries."""
    rows = [
        (
            name,
            str(one.patches),
            str(one.pure),
            "" if one.pure_right is None else f"{one.pure_right:.1%}",
            f"{one.iou:.2f}",
            f"{one.mapped:.1%}",
            f"{one.true:.1%}",
            f"{one.expected:.1%}",
            f"{one.bias:+.0%}",
            "" if one.average_precision is None else f"{one.average_precision:.2f}",
        )
        for name, one in record.figures.items()
    ]
    intro = (
        f"{record.patches} patches of {record.dataset}, each mapped by a head that was fitted "
        f"without its country ({len(record.folds)} folds):"
    )
    parts = [intro, _table(_HEADS, rows, markdown=markdown)]
    if record.outside is not None:
        parts.append(
            f"{record.outside:.1%} of the cells are mapped as a cover that their patch lacks."
        )
    if record.water_iou is not None and record.water_bias is not None:
        parts.append(
            f"Water against its spectrum, without open sea: IoU {record.water_iou:.2f}, area "
            f"{record.water_bias:+.1%}."
        )
    return "\n\n".join(parts)


def maps_text(found: Sequence[Agreement], *, markdown: bool = False) -> str:
    """Format the comparison with land-cover maps; classes that no map has are left out."""
    rows = [
        (
            one.place,
            one.land_cover,
            " + ".join(one.covers),
            str(one.true),
            str(one.mapped),
            f"{one.iou:.2f}",
            f"{one.mapped / one.true - 1:+.0%}" if one.true else "",
        )
        for one in found
        if one.true or one.mapped
    ]
    heads = ("place", "land cover", "compared with", "their cells", "our cells", "IoU", "bias")
    return _table(heads, rows, markdown=markdown)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, markdown: bool) -> str:
    if markdown:
        lines = [heads, ["---"] * len(heads), *rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
    widths = [max(len(row[k]) for row in (heads, *rows)) for k in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (heads, *rows)
    )
