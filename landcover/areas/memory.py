"""How much memory the blocks of a map take: how large they may be, and how many at a time."""

from __future__ import annotations

import math
from typing import Final

from landcover.areas.plan import ALIGN, LARGEST_BLOCK, MOST_HALO, Plan
from landcover.core.threads import allowed_cores

__all__ = ["DEFAULT_MEMORY", "LEAST_MEMORY", "block_within", "workers_within"]

DEFAULT_MEMORY: Final = 2_000_000_000
"""Bytes that the blocks of a map may use unless the user says otherwise."""
LEAST_MEMORY: Final = 300_000_000
_BYTES_A_PIXEL: Final = 550
"""Memory of a worker for each pixel of 10 m of the block that it reads: twelve bands of float32,
and the maps of the net."""


def block_within(memory: int) -> int:
    """Side in pixels of the largest block of which each core can hold one, with its halo."""
    each = memory / allowed_cores() / _BYTES_A_PIXEL
    side = (int(math.sqrt(each)) - 2 * MOST_HALO) // ALIGN * ALIGN
    return min(max(side, 4 * ALIGN), LARGEST_BLOCK // 2)


def workers_within(memory: int, plan: Plan) -> int:
    """Blocks at a time: as many as there are cores, or as fit into memory; at least one."""
    side = plan.block + 2 * plan.halo
    return max(1, min(allowed_cores(), memory // (side * side * _BYTES_A_PIXEL)))
