"""The structure of a net as a table for a terminal, and as JSON."""

from __future__ import annotations

from typing import Any, Final

from landcover.nets.anatomy import Anatomy, Layer
from landcover.nets.copies import Group, grouped

__all__ = ["anatomy_json", "anatomy_text", "field_text", "shape_text", "totals_text"]

_HEAD: Final = ("block", "kind", "output", "sees", "parameters", "multiply-adds")
_WIDEST: Final = 48
"""Most characters of what a block computes, so that a line fits a terminal."""


def anatomy_text(anatomy: Anatomy, *, layers: bool = False) -> str:
    """Format the blocks of a net as a table.

    Args:
        anatomy: of the net.
        layers: whether to list the layers of each block as well.
    """
    rows: list[tuple[str, ...]] = [_HEAD]
    for group in grouped(anatomy):
        rows.append(_row(anatomy, group.block, group))
        if layers:
            rows += [_row(anatomy, layer, None) for layer in group.block.layers]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_HEAD))]
    lines = [
        "  ".join(
            text.ljust(width) if k < 3 else text.rjust(width)
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    bands, height, width = anatomy.input_shape
    total = (
        f"{anatomy.parameters:,} parameters, {anatomy.multiply_adds:,} multiply-adds for "
        f"{bands} bands of {height} × {width} pixels of {anatomy.pixel_m} m"
    )
    return "\n".join((*lines, total))


def totals_text(anatomy: Anatomy) -> str:
    """Say in plain words how large a net is, what a patch costs, and how far it sees."""
    groups = grouped(anatomy)
    alike = f" ({len(groups)} different ones)" if len(groups) < len(anatomy.blocks) else ""
    blocks = f"{len(anatomy.blocks)} block{'s' * (len(anatomy.blocks) > 1)}{alike}"
    bands, rows, columns = anatomy.input_shape
    side = columns * anatomy.pixel_m
    text = (
        f"{_large(anatomy.parameters)} parameters in {blocks}. A patch of {bands} "
        f"band{'s' * (bands > 1)} and {rows} × {columns} pixels, which is {side:,} m wide, takes "
        f"{_large(anatomy.multiply_adds)} multiply-adds."
    )
    seen = [field for block in anatomy.blocks if (field := block.field)]
    if not seen:
        return text
    widest = max(seen) * anatomy.pixel_m
    beyond = ": more than the patch is wide" if max(seen) > max(rows, columns) else ""
    return (
        f"{text} A value of a map depends on at most {max(seen):,} pixels along a side, which are "
        f"{widest:,} m{beyond}."
    )


def _large(number: int) -> str:
    """A number with three digits and the name of its size."""
    for size, name in ((10**9, "billion"), (10**6, "million")):
        if number >= size:
            digits = 2 if number < 10 * size else 1 if number < 100 * size else 0
            return f"{number / size:.{digits}f} {name}"
    return f"{number:,}"


def _row(anatomy: Anatomy, layer: Layer, group: Group | None) -> tuple[str, ...]:
    copies = group.copies if group else 1
    kind = layer.kind if len(layer.kind) <= _WIDEST else f"{layer.kind[: _WIDEST - 2]} …"
    each = group or layer
    return (
        f"{'' if group else '  '}{layer.name}{f' (× {copies})' if copies > 1 else ''}",
        kind,
        shape_text(layer),
        field_text(anatomy, layer),
        f"{each.parameters:,}",
        f"{each.multiply_adds:,}",
    )


def shape_text(layer: Layer) -> str:
    """The shape of an output: channels, and rows × columns of a map."""
    channels, *sides = layer.shape or (0,)
    return " × ".join(map(str, sides)) + f", {channels}" if sides else str(channels)


def field_text(anatomy: Anatomy, layer: Layer) -> str:
    """How far a layer sees, such as "68 px, 680 m"."""
    metres = anatomy.metres(layer)
    if metres is None:
        return "the whole patch"
    return f"{layer.field:,} px, {metres:,} m" if metres else "no pixel"


def anatomy_json(anatomy: Anatomy) -> dict[str, Any]:
    """JSON-ready values of a net: every block with its layers, and the receptive field in metres.

    ``receptive_field`` is null where a value depends on the whole patch.
    """
    return {
        "input": dict(zip(("bands", "rows", "columns"), anatomy.input_shape, strict=True)),
        "pixel_m": anatomy.pixel_m,
        "parameters": anatomy.parameters,
        "multiply_adds": anatomy.multiply_adds,
        "multiply_adds_between_blocks": anatomy.between,
        "scores_from": list(anatomy.last),
        "blocks": [
            {
                **_values(anatomy, block),
                "inputs": list(block.inputs),
                "layers": [_values(anatomy, layer) for layer in block.layers],
            }
            for block in anatomy.blocks
        ],
    }


def _values(anatomy: Anatomy, layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": list(layer.shape),
        "runs": layer.runs,
        "parameters": layer.parameters,
        "stored": layer.stored,
        "multiply_adds": layer.multiply_adds,
        "receptive_field": layer.field,
        "receptive_field_m": anatomy.metres(layer),
    }
