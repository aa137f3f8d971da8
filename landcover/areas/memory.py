"""How much memory the blocks of a map take: how large they may be, and how many at a time."""

from __future__ import annotations

import math
from typing import Final

from landcover.areas.plan import ALIGN, LARGEST_BLOCK, MOST_HALO, Plan
from landcover.core.errors import BadInput
from landcover.core.threads import allowed_cores

__all__ = [
    "DEFAULT_MEMORY",
    "LEAST_MEMORY",
    "block_within",
    "bytes_of",
    "check_memory",
    "workers_within",
]

DEFAULT_MEMORY: Final = 3_000_000_000
"""Bytes that the blocks of a map may use unless the user says otherwise."""
LEAST_MEMORY: Final = 600_000_000
_MOST_GIGABYTES: Final = 10_000.0
_LEAST_BLOCK: Final = 4 * ALIGN
_HALOS: Final = 2 * MOST_HALO
_TILE_BYTES: Final = 185_000_000
"""Memory of a worker for the maps of the tile that it computes."""


def bytes_of(gigabytes: float) -> int:
    """The bytes of so many gigabytes.

    Raises:
        BadInput: it is no amount of memory.
    """
    if not 0 < gigabytes <= _MOST_GIGABYTES:  # neither is NaN
        raise BadInput(f"The memory is {gigabytes:g}: give gigabytes, such as 4.")
    return int(gigabytes * 1e9)


def check_memory(memory: int) -> None:
    """Check that a map can be made in so many bytes.

    Raises:
        BadInput: they are too few.
    """
    if memory < LEAST_MEMORY:
        raise BadInput(
            f"A map needs at least {LEAST_MEMORY / 1e9:g} GB of memory, not {memory / 1e9:g}: "
            "give a larger --memory."
        )


def block_within(memory: int, pixel_bytes: int) -> int:
    """Side in pixels of the blocks with which as many cores as are useful fit into memory.

    Args:
        memory: bytes for all blocks together.
        pixel_bytes: see :attr:`landcover.areas.engine.Engine.pixel_bytes`.
    """
    sides = {count: _side(memory / count, pixel_bytes) for count in range(1, allowed_cores() + 1)}
    # Fewer cores with larger blocks may be faster, since less of what they read is halo.
    best = max(sides, key=lambda count: count * (sides[count] / (sides[count] + _HALOS)) ** 2)
    return min(max(sides[best], _LEAST_BLOCK), LARGEST_BLOCK // 2)


def _side(memory: float, pixel_bytes: int) -> int:
    """Side of the largest block within so much memory; 0 if none fits."""
    pixels = max(0.0, memory - _TILE_BYTES) / pixel_bytes
    return max(0, (int(math.sqrt(pixels)) - _HALOS) // ALIGN * ALIGN)


def workers_within(memory: int, plan: Plan, pixel_bytes: int) -> int:
    """Blocks at a time: as many as there are cores, or as fit into memory; at least one."""
    side = plan.block + 2 * plan.halo
    each = side * side * pixel_bytes + _TILE_BYTES
    return max(1, min(allowed_cores(), memory // each))
