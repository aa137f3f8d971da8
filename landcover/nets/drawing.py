"""Where the blocks of a net are drawn, and how large, in units that know no screen.

Blocks stand in *columns* along the way of the data: each is one column behind the last block that
it is computed from. Blocks that are computed side by side are in different *lanes*. A line that
passes other blocks, such as a skip connection, has a lane of its own.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from landcover.nets.anatomy import INPUT, Anatomy, Block
from landcover.nets.copies import Group, grouped

__all__ = ["Box", "Drawing", "Line", "drawing_of"]


@dataclass(frozen=True, kw_only=True)
class Box:
    """A block of the drawing, or the input.

    Attributes:
        group: the block and its copies; None for the input.
        name: the block's name, or :data:`~landcover.nets.anatomy.INPUT`.
        label: its end, for the drawing: what distinguishes it in its part.
        part: the member of an ensemble that it belongs to, such as ``members.0``, or "".
        shape: of its output: channels, and rows and columns of a map.
        column: place along the way of the data; the input is in column 0.
        lane: place across it, counted from the top.
        height: pixels along a side of its output, as a share of the largest in the net.
        width: logarithm of its channels, as a share of the largest in the net.
        share: of the net's multiply-adds, of all copies.
    """

    group: Group | None
    name: str
    label: str
    part: str
    shape: tuple[int, ...]
    column: int
    lane: int
    height: float
    width: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a block computes from: a line to it from another block or from the input.

    Attributes:
        source, target: names of boxes; the target is in a later column.
        lane: the lane in which the line runs through the columns between the two.
    """

    source: str
    target: str
    lane: int


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """The places of all blocks of a net.

    Attributes:
        boxes: the input, then the blocks in the order in which they are computed.
        lines: between them. A block that is computed again from its own output, or from that of a
            later block, has no line for that.
        columns: number of columns.
        lanes: height of the highest box of each lane, 0 if only lines run in it.
    """

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    columns: int
    lanes: tuple[float, ...]

    def box(self, name: str) -> Box:
        """Return the box of a block."""
        return next(box for box in self.boxes if box.name == name)


def drawing_of(anatomy: Anatomy) -> Drawing:
    """Find a place and a size for each block of a net; members that are alike are drawn once."""
    groups = grouped(anatomy)
    inputs = _forward(groups)
    columns = _columns(inputs)
    parts = _parts([group.block for group in groups])
    lanes, ways = _lanes(inputs, columns, parts)
    shapes = {INPUT: anatomy.input_shape, **{each.block.name: each.block.shape for each in groups}}
    largest = max(map(_side, shapes.values()))
    most = max(map(_channels, shapes.values()))
    shares = {
        each.block.name: each.multiply_adds / max(anatomy.multiply_adds, 1) for each in groups
    }
    group_of = {group.block.name: group for group in groups}
    boxes = tuple(
        Box(
            group=group_of.get(name),
            name=name,
            label=_label(name),
            part=parts.get(name, ""),
            shape=shape,
            column=columns[name],
            lane=lanes[name],
            height=_side(shape) / largest,
            width=_channels(shape) / most,
            share=shares.get(name, 0.0),
        )
        for name, shape in shapes.items()
    )
    heights = [0.0] * (1 + max((*lanes.values(), *ways.values())))
    for box in boxes:
        heights[box.lane] = max(heights[box.lane], box.height)
    return Drawing(
        boxes=boxes,
        lines=tuple(
            Line(source=source, target=target, lane=ways.get((source, target), lanes[source]))
            for target, sources in inputs.items()
            for source in sources
        ),
        columns=1 + max(columns.values()),
        lanes=tuple(heights),
    )


def _side(shape: tuple[int, ...]) -> float:
    """Pixels along a side of a square with as many places as an output has."""
    return math.sqrt(math.prod(shape[1:]))


def _channels(shape: tuple[int, ...]) -> float:
    return math.log2(1 + (shape[0] if shape else 0))


def _label(name: str) -> str:
    """The end of a name from its last word on: ``stages.2.1`` of ``trunk.stages.2.1``."""
    words = name.split(".")
    last = max((k for k, word in enumerate(words) if not word.isdigit()), default=0)
    return ".".join(words[last:])


def _forward(groups: tuple[Group, ...]) -> dict[str, tuple[str, ...]]:
    """Return the earlier blocks that each block is computed from."""
    found: dict[str, tuple[str, ...]] = {INPUT: ()}
    for group in groups:
        found[group.block.name] = tuple(name for name in group.block.inputs if name in found)
    return found


def _columns(inputs: dict[str, tuple[str, ...]]) -> dict[str, int]:
    found = {INPUT: 0}
    for name, sources in inputs.items():
        if name != INPUT:
            found[name] = 1 + max((found[source] for source in sources), default=0)
    return found


def _parts(blocks: list[Block]) -> dict[str, str]:
    """Return the part of each block that belongs to one of several nets side by side.

    A list of parts whose blocks compute from those of another one in the list is a sequence, such
    as the stages of a trunk, and not an ensemble.
    """
    member = {block.name: _member(block.name) for block in blocks}
    sequences = {
        own.rpartition(".")[0]
        for block in blocks
        if (own := member[block.name])
        for name in block.inputs
        if (other := member.get(name, ""))
        and other != own
        and other.rpartition(".")[0] == own.rpartition(".")[0]
    }
    return {
        name: "" if own.rpartition(".")[0] in sequences else own for name, own in member.items()
    }


def _member(name: str) -> str:
    """The beginning of a name up to its first number, such as ``members.0``; "" without one."""
    words = name.split(".")
    for k, word in enumerate(words[:-1]):
        if k and word.isdigit():
            return ".".join(words[: k + 1])
    return ""


@dataclass
class _Run:
    """A row of boxes that follow each other, or a line that passes others."""

    part: str
    first: int
    last: int
    boxes: list[str] = field(default_factory=list)


def _lanes(
    inputs: dict[str, tuple[str, ...]], columns: dict[str, int], parts: dict[str, str]
) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Return the lane of each box, and those of the lines that pass other boxes."""
    runs = _runs(inputs, columns, parts)
    run_of = {name: run for run in runs for name in run.boxes}
    passing: dict[tuple[str, str], _Run] = {}
    for source, targets in _far(inputs, columns).items():
        run, last = run_of[source], max(columns[name] for name in targets) - 1
        if run.boxes[-1] == source:
            run.last = max(run.last, last)  # nothing follows it in its lane
        else:
            run = _Run(run.part, columns[source] + 1, last)
            runs.append(run)
        passing |= {(source, target): run for target in targets}
    lane_of = _packed(runs)
    return (
        {name: lane_of[id(run)] for name, run in run_of.items()},
        {ends: lane_of[id(run)] for ends, run in passing.items()},
    )


def _runs(
    inputs: dict[str, tuple[str, ...]], columns: dict[str, int], parts: dict[str, str]
) -> list[_Run]:
    """Divide the boxes into rows: a box goes on with the first row that leads straight to it."""
    runs: list[_Run] = []
    for name, sources in inputs.items():
        straight = [source for source in sources if columns[source] == columns[name] - 1]
        run = next((run for run in runs if run.boxes[-1] in straight), None)
        if run is None:
            run = _Run(parts.get(name, ""), columns[name], columns[name])
            runs.append(run)
        elif run.boxes == [INPUT]:
            run.part = parts.get(name, "")
        run.boxes.append(name)
        run.last = columns[name]
    return runs


def _far(inputs: dict[str, tuple[str, ...]], columns: dict[str, int]) -> dict[str, list[str]]:
    """Return the blocks that are computed from one that is not in the column before them."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, sources in inputs.items():
        for source in sources:
            if columns[name] > columns[source] + 1:
                found[source].append(name)
    return found


def _packed(runs: list[_Run]) -> dict[int, int]:
    """Give each row a lane in which it has no neighbour; those of a part stay together.

    The lines are above the boxes of their part, so that they do not cross what is written below.
    """
    found: dict[int, int] = {}
    above = 0
    for part in dict.fromkeys(run.part for run in runs):
        for kind in (False, True):
            ends: list[int] = []
            for run in runs:
                if run.part != part or bool(run.boxes) != kind:
                    continue
                lane = next((k for k, end in enumerate(ends) if end < run.first), len(ends))
                ends[lane : lane + 1] = [run.last]
                found[id(run)] = above + lane
            above += len(ends)
    return found
