"""Read and augment batches while the net is trained on earlier ones.

Random numbers do not depend on the number or speed of threads: either one thread prepares all
pieces in order, from one generator, or each piece has its own seed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Final

import torch
from torch import Generator, Tensor

from landcover.core.prefetch import map_ahead
from landcover.datasets.arrays import PatchSet
from landcover.train.answer_cache import AnswerCache
from landcover.train.augment import Augmentation
from landcover.train.configuration import TrainConfig
from landcover.train.distributed import ProcessGroup
from landcover.train.teaching import GRID, Answers

__all__ = ["AHEAD", "AUGMENTED_AT_ONCE", "Batch", "Loader", "Piece", "plan", "prepare"]

AUGMENTED_AT_ONCE: Final = 32
"""Patches augmented together: 22 MB, which the allocator reuses. Larger blocks are
returned to the system and cost a page fault every 4 kB when they are allocated again."""
AHEAD: Final = 2
"""Batches that each thread prepares in advance."""
_MOST_THREADS: Final = 8


@dataclass(frozen=True)
class Piece:
    """A part of a step's batch that passes through the net at once.

    Attributes:
        rows: indices of its patches in the training set.
        share: its share of the step's patches; the shares of a step sum to 1.
        seed: of its random numbers; None if they come from a generator in the order of pieces.
    """

    rows: Tensor
    share: float = 1.0
    seed: int | None = None


@dataclass(frozen=True)
class Batch:
    """A prepared piece: float32 pixels ``(n, band, y, x)`` and targets ``(n, class)``.

    ``answers`` are those of a teacher for the patches as they were measured, with every band and
    in their own light, arranged as the pixels are. None without a teacher.
    """

    pixels: Tensor
    targets: Tensor
    share: float = 1.0
    seed: int | None = None
    answers: Answers | None = None


def plan(count: int, steps: int, shards: int, generator: Generator) -> list[list[Piece]]:
    """Plan the pieces of each step of an epoch that uses every patch once.

    The sizes of steps differ by at most one patch, and so do those of the pieces of a step.
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
    piece: Piece,
    patches: PatchSet,
    augmentation: Augmentation,
    generator: Generator,
    known: AnswerCache | None = None,
) -> Batch:
    """Read and augment the patches of a piece.

    Args:
        piece: its patches.
        patches: the training set.
        augmentation: of the patches.
        generator: of random numbers, for pieces without a seed.
        known: a teacher's answers.
    """
    chance = generator if piece.seed is None else Generator().manual_seed(piece.seed)
    pixels, targets, answers = [], [], []
    for rows in torch.split(piece.rows, AUGMENTED_AT_ONCE):
        measured = patches.pixels(rows.tolist())
        arrangement = augmentation.drawn(len(rows), measured.shape[-1], chance)
        pixels.append(augmentation.measured(arrangement.of(measured), chance))
        targets.append(arrangement.labels(patches.targets[rows]))
        if known is not None:
            answers.append(known.of(measured).map(partial(arrangement.of, pixel=GRID)))
    return Batch(
        torch.cat(pixels),
        torch.cat(targets),
        piece.share,
        piece.seed,
        Answers(*map(torch.cat, zip(*answers, strict=True))) if answers else None,
    )


class Loader:
    """Prepares the batches of each epoch, in pieces, in threads.

    Attributes:
        steps_per_epoch: batches that an epoch is cut into.
    """

    def __init__(
        self,
        patches: PatchSet,
        config: TrainConfig,
        generator: Generator,
        group: ProcessGroup,
        device: torch.device,
        *,
        known: AnswerCache | None = None,
    ) -> None:
        self.patches, self.config, self.generator = patches, config, generator
        self.group, self.device, self.known = group, device, known
        self.steps_per_epoch = max(1, round(len(patches) / config.batch))

    def epoch(self) -> Iterator[Iterator[Batch]]:
        """For each step of an epoch, the pieces that this process computes."""
        steps = [self.group.share_of(step) for step in self._plan()]
        threads = self._threads()
        with ThreadPoolExecutor(threads) as pool:
            pieces = [piece for step in steps for piece in step]
            ready = map_ahead(pool, self._prepare, pieces, AHEAD * threads)
            for step in steps:
                yield islice(ready, len(step))

    def batches(self) -> Iterator[Batch]:
        """All pieces of one epoch in turn, of all processes, without threads."""
        return map(self._prepare, [piece for step in self._plan() for piece in step])

    def _plan(self) -> list[list[Piece]]:
        return plan(len(self.patches), self.steps_per_epoch, self.config.shards, self.generator)

    def _threads(self) -> int:
        """Number of threads; one if random numbers must be drawn in the order of pieces."""
        if self.config.shards == 1:
            return 1
        return max(1, min(_MOST_THREADS, (os.cpu_count() or 1) // self.group.size))

    def _prepare(self, piece: Piece) -> Batch:
        batch = prepare(piece, self.patches, self.config.augmentation, self.generator, self.known)
        if self.device.type == "cuda":
            # A GPU copies from pinned memory while it computes.
            answers = None if batch.answers is None else batch.answers.map(Tensor.pin_memory)
            batch = replace(batch, pixels=batch.pixels.pin_memory(), answers=answers)
        return batch
