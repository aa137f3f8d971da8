"""From what to what the cover of an area changed, from two maps that both err.

Two maps differ wherever one of them is wrong, so counting the cells that differ overstates change
many times. What the answers of both dates say together is *P(k, l | both images)*, which is
proportional to *p_A(k) / π(k) · p_B(l) / π(l) · T(k, l)*: *p* are the calibrated probabilities of a
cell, π the share of each cover, and *T(k, l)* the share of the area that was *k* and is *l*. *T* is
found from the two maps themselves by expectation maximisation (Bruzzone and Serpico 1997). It is
large on its diagonal wherever most of an area stays as it is, and so a cell needs evidence against
that before it counts as changed.

It is taken that the images of a cell say independently of each other what it is. Cells that are
ambiguous at both dates then count as unchanged; what both maps get wrong because the seasons differ
does not, which no statistics of the two maps can tell from change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from landcover.core.raster import BoolArray, FloatArray

__all__ = [
    "DRAWS",
    "Cells",
    "Doubles",
    "Evidence",
    "evidence_of",
    "independent_false_change",
    "interval_of",
    "raked",
    "resampled",
    "transitions",
]

Doubles = npt.NDArray[np.float64]
DRAWS: Final = 400
"""Resamples of an interval."""
_ROUNDS: Final = 200
_CONVERGED: Final = 1e-6
_STAY: Final = 0.9
"""Share of the area that stays as it is, at the start of the search."""
_LEAST_SHARE: Final = 1e-4
"""Least share of a cover, so that covers that are nowhere do not divide by 0."""
_SAMPLE: Final = 200_000
"""Cells from which the transitions are found; more do not change them."""
_AT_ONCE: Final = 262_144
_BLOCK: Final = 10
"""Side of the blocks that are resampled, in cells: 800 m, since neighbouring cells err together."""
_MOST_BLOCKS: Final = 2_000
_RAKES: Final = 100


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The cells that are seen at both dates, and what the maps say of them.

    Attributes:
        before, after: probabilities of each cover, float32 ``(cover, cell)``; columns add up to 1.
        block: number of the block of the ground that each cell is in, ``(cell,)``.
    """

    before: FloatArray
    after: FloatArray
    block: npt.NDArray[np.intp]

    @classmethod
    def of(cls, before: FloatArray, after: FloatArray, seen: BoolArray) -> Cells:
        """The cells of two maps ``(cover, row, column)`` that are seen at both dates."""
        rows, columns = seen.shape
        side = max(_BLOCK, int(np.ceil(np.sqrt(rows * columns / _MOST_BLOCKS))))
        across = -(-columns // side)
        row, column = np.nonzero(seen)
        return cls(
            before=_normalised(before[:, seen]),
            after=_normalised(after[:, seen]),
            block=np.unique((row // side) * across + column // side, return_inverse=True)[1],
        )

    @property
    def count(self) -> int:
        """Number of cells."""
        return int(self.before.shape[1])

    @property
    def shares(self) -> Doubles:
        """Share of each cover by the mean of both dates, at least 0.0001."""
        mean = (self.before.mean(axis=1, dtype=np.float64) + self.after.mean(axis=1)) / 2
        found: Doubles = np.maximum(mean, _LEAST_SHARE)
        return found


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What both dates say together of each cell.

    Attributes:
        changed: probability that the cover differs, float32 ``(cell,)``.
        before, after: the most probable pair of two different covers, numbers from 0, ``(cell,)``.
        by_block: expected number of cells of each transition, float64 ``(block, cover, cover)``.
    """

    changed: FloatArray
    before: npt.NDArray[np.uint8]
    after: npt.NDArray[np.uint8]
    by_block: Doubles


def transitions(cells: Cells) -> Doubles:
    """Find the share of the area of each transition, ``(cover, cover)``, from before to after.

    Two maps that agree everywhere show no change. There is at least one cell.
    """
    some = slice(None)
    if cells.count > _SAMPLE:
        some = np.random.default_rng(0).choice(cells.count, _SAMPLE, replace=False)  # type: ignore[assignment]
    shares = cells.shares[:, None]
    first, second = cells.before[:, some] / shares, cells.after[:, some] / shares
    own = shares[:, 0] / shares.sum()
    found: Doubles = _STAY * np.diag(own) + (1 - _STAY) * np.outer(own, own)
    for _ in range(_ROUNDS):
        likelihood = np.maximum((first * (found @ second)).sum(axis=0), 1e-300)
        better = found * ((first / likelihood) @ second.T) / first.shape[1]
        better /= better.sum()
        moved = float(np.abs(better - found).max())
        found = better
        if moved < _CONVERGED:
            break
    return found


def evidence_of(cells: Cells, found: Doubles) -> Evidence:
    """Say of each cell whether its cover changed, given the transitions of the area."""
    covers, count = cells.before.shape
    shares = cells.shares[:, None]
    changed = np.empty(count, dtype=np.float32)
    pairs = np.empty((2, count), dtype=np.uint8)
    by_block = np.zeros((int(cells.block.max()) + 1 if count else 0, covers, covers))
    for start in range(0, count, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        first, second = cells.before[:, part] / shares, cells.after[:, part] / shares
        likelihood = np.maximum((first * (found @ second)).sum(axis=0), 1e-300)
        same = (np.diag(found)[:, None] * first * second).sum(axis=0) / likelihood
        changed[part] = np.clip(1 - same, 0, 1)
        best = np.full(first.shape[1], -1.0)
        for k, m in np.ndindex(covers, covers):
            chance = found[k, m] * first[k] * second[m] / likelihood
            by_block[:, k, m] += np.bincount(cells.block[part], chance, minlength=len(by_block))
            better = chance > best if k != m else np.zeros(len(best), dtype=bool)
            best[better] = chance[better]
            pairs[0, part][better], pairs[1, part][better] = k, m
    return Evidence(changed=changed, before=pairs[0], after=pairs[1], by_block=by_block)


def resampled(by_block: Doubles, draws: int = DRAWS, seed: int = 0) -> Doubles:
    """Draw blocks with replacement, and add up what they hold: ``(draw, …)``, as shares of 1.

    Args:
        by_block: numbers of cells ``(block, …)``.
        draws: number of resamples.
        seed: of the random numbers.
    """
    random = np.random.default_rng(seed)
    blocks = len(by_block)
    weights = random.multinomial(blocks, np.full(blocks, 1 / blocks), size=draws)
    sums = weights.astype(np.float64) @ by_block.reshape(blocks, -1)
    sums /= np.maximum(sums.sum(axis=1, keepdims=True), 1e-12)
    found: Doubles = sums.reshape(draws, *by_block.shape[1:])
    return found


def raked(found: Doubles, before: Doubles, after: Doubles) -> Doubles:
    """Scale transitions so that they agree with the areas of both dates.

    Iterative proportional fitting (Deming and Stephan 1940) changes rows and columns by factors
    alone.

    Args:
        found: shares ``(…, cover, cover)``.
        before: share of each cover before ``(…, cover)``; they add up to 1.
        after: the same after.
    """
    made = np.maximum(found, 1e-12)
    for _ in range(_RAKES):
        made = made * (before / made.sum(axis=-1))[..., :, None]
        made = made * (after / made.sum(axis=-2))[..., None, :]
    return made


def interval_of(values: Doubles) -> tuple[float, float]:
    """The middle 95 % of draws."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def independent_false_change(
    errors: Doubles, shares: Doubles, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """How much of an unchanged area would differ between two maps whose errors are independent.

    It is the most that errors alone can do: in truth the same places are often wrong twice.

    Args:
        errors: measured cells ``(mapped cover, true cover)``.
        shares: true share of each cover in the area; they add up to 1.
        draws: number of resamples of the measured cells.
        seed: of the random numbers.

    Returns:
        The share, 0 to 1, with its 95 % interval.
    """
    random = np.random.default_rng(seed)
    counts = np.maximum(errors.T, 0.5)
    drawn = np.stack([random.dirichlet(each, size=draws) for each in counts], axis=1)
    usual = counts / counts.sum(axis=1, keepdims=True)
    value = float(shares @ (1 - (usual**2).sum(axis=1)))
    low, high = interval_of((1 - (drawn**2).sum(axis=2)) @ shares)
    return value, min(low, value), max(high, value)


def _normalised(chances: FloatArray) -> FloatArray:
    found: FloatArray = chances / np.maximum(chances.sum(axis=0), 1e-6)
    return found.astype(np.float32)
