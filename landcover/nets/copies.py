"""The parts of a net that are alike, told once: the members of an ensemble.

Members are alike if they have the same blocks in the same order, which compute from each other
and from the rest of the net in the same way. Blocks that follow each other are no members.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from landcover.nets.anatomy import Anatomy, Block

__all__ = ["Group", "grouped"]

_Members = dict[int, list[Block]]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A block and its copies in other members.

    Attributes:
        block: that of the first member; its inputs name blocks of other groups.
        copies: number of members that have it.
        parameters, stored, multiply_adds: of all copies.
    """

    block: Block
    copies: int
    parameters: int
    stored: int
    multiply_adds: int


def grouped(anatomy: Anatomy) -> tuple[Group, ...]:
    """Return the blocks of a net, those of members that are alike in one group."""
    stands_for = {block.name: block.name for block in anatomy.blocks}
    for prefix, members in _members(anatomy.blocks).items():
        first_of: dict[tuple[object, ...], list[Block]] = {}
        for number, blocks in members.items():
            own = f"{prefix}.{number}."
            like = tuple(_signature(block, own) for block in blocks)
            first = first_of.setdefault(like, blocks)
            for block, one in zip(blocks, first, strict=True):
                stands_for[block.name] = one.name
    alike: dict[str, list[Block]] = defaultdict(list)
    for block in anatomy.blocks:
        alike[stands_for[block.name]].append(block)
    return tuple(_group(blocks, stands_for) for blocks in alike.values())


def _members(blocks: tuple[Block, ...]) -> dict[str, _Members]:
    """Find lists of parts with several blocks each; of lists in lists only the outer ones."""
    found: dict[str, _Members] = defaultdict(lambda: defaultdict(list))
    for block in blocks:
        parts = block.name.split(".")
        place = next((k for k, part in enumerate(parts) if k and part.isdigit()), None)
        if place is not None and place + 1 < len(parts):
            found[".".join(parts[:place])][int(parts[place])].append(block)
    return {prefix: dict(members) for prefix, members in found.items()}


def _signature(block: Block, own: str) -> tuple[object, ...]:
    inputs = tuple(name.removeprefix(own) for name in block.inputs)
    name = block.name.removeprefix(own)
    return name, block.kind, block.shape, block.runs, block.parameters, block.field, inputs


def _group(blocks: list[Block], stands_for: dict[str, str]) -> Group:
    first = blocks[0]
    inputs = dict.fromkeys(stands_for.get(name, name) for name in first.inputs)
    return Group(
        block=replace(first, inputs=tuple(inputs)),
        copies=len(blocks),
        parameters=sum(block.parameters for block in blocks),
        stored=sum(block.stored for block in blocks),
        multiply_adds=sum(block.multiply_adds for block in blocks),
    )
