"""Batches made ready while others are being learnt from.

Chance is settled before anything runs at the same time: either one thread makes all pieces
in their order, from one generator, or each piece brings a seed of its own. So what is
learnt depends neither on the number of threads nor on which of them was faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Generator, Tensor

from landcover.datasets.arrays import PatchSet
from landcover.train.augment import Augmentation

AUGMENTED_AT_ONCE: Final = 32
"""Patches augmented together: 22 MB, which the allocator reuses. Larger blocks are
returned to the system and cost a page fault every 4 kB when they are next asked for."""


@dataclass(frozen=True)
class Piece:
    """A part of a step's batch that goes through the net at once.

    Attributes:
        rows: of its patches in the training set.
        share: of the step's patches; those of all pieces of a step sum to 1.
        seed: of its own chance; None where it takes what comes in the order of pieces.
    """

    rows: Tensor
    share: float = 1.0
    seed: int | None = None


@dataclass(frozen=True)
class Batch:
    """A piece made ready: float32 pixels ``(n, band, y, x)`` and targets ``(n, class)``."""

    pixels: Tensor
    targets: Tensor
    share: float = 1.0
    seed: int | None = None


def plan(count: int, steps: int, shards: int, generator: Generator) -> list[list[Piece]]:
    """The pieces of each step of an epoch that shows every patch once.

    Steps have the same number of patches but for one, and so have the pieces of a step.
    """
    order = torch.randperm(count, generator=generator)
    if shards == 1:
        return [[Piece(rows)] for rows in order.tensor_split(steps)]
    seeds = torch.randint(2**62, (steps, shards), generator=generator).tolist()
    return [
        [
            Piece(part, len(part) / len(rows), seed)
            for part, seed in zip(rows.tensor_split(shards), row, strict=True)
        ]
        for rows, row in zip(order.tensor_split(steps), seeds, strict=True)
    ]


def prepare(
    piece: Piece, patches: PatchSet, augmentation: Augmentation, generator: Generator
) -> Batch:
    """Read and change the patches of a piece; ``generator`` is for pieces without a seed."""
    chance = generator if piece.seed is None else Generator().manual_seed(piece.seed)
    parts = [
        augmentation(patches.pixels(rows.tolist()), patches.targets[rows], chance)
        for rows in torch.split(piece.rows, AUGMENTED_AT_ONCE)
    ]
    pixels = torch.cat([pixels for pixels, _ in parts])
    return Batch(pixels, torch.cat([y for _, y in parts]), piece.share, piece.seed)
