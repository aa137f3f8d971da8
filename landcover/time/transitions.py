"""From what to what the cover of an area changed, from two maps that both err.

Two maps differ wherever one of them is wrong, so counting the cells that differ overstates change
many times. What the answers of both dates say together is *P(k, l | both images)*, which is
proportional to *p_A(k) / π(k) · p_B(l) / π(l) · T(k, l)*: *p* are the calibrated probabilities of a
cell, π the share of each cover, and *T(k, l)* the share of the area that was *k* and is *l*. *T* is
found from the two maps themselves by expectation maximisation (Bruzzone and Serpico 1997). It is
large on its diagonal wherever most of an area stays as it is, and so a cell needs evidence against
that before it counts as changed.

Light, haze and plants of the day shift the answers of all cells of a date at once, and without a
bound the search takes that for change: of an area where nothing changed, it then moves half from
one kind of farmland to another. So *T* has a prior that most land stays as it is, which weighs half
as much as the cells do. What it says is the change that both images clearly support.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from landcover.core.raster import BoolArray, FloatArray
from landcover.metrics.area_estimate import Clustered

__all__ = [
    "DRAWS",
    "Cells",
    "Doubles",
    "Evidence",
    "evidence_of",
    "independent_false_change",
    "interval_of",
    "resampled",
    "transitions",
    "truths",
]

Doubles = npt.NDArray[np.float64]
DRAWS: Final = 400
"""Resamples of an interval."""
_ROUNDS: Final = 200
_CONVERGED: Final = 1e-6
_STAY: Final = 0.95
"""Share of the area that stays as it is, before the maps are seen."""
_WEIGHT: Final = 0.5
"""Weight of that against the cells, chosen on the pairs of Boadella (docs/time.md): with 0, half of
the dry land of two clear dates is said to have changed; with 1, a third of what the reservoir lost
is missed."""
_LEAST_SHARE: Final = 1e-4
"""Least share of a cover, so that covers that are nowhere do not divide by 0."""
_SAMPLE: Final = 200_000
"""Cells from which the transitions are found; more do not change them."""
_AT_ONCE: Final = 262_144
_BLOCK: Final = 10
"""Side of the blocks that are resampled, in cells: 800 m, since neighbouring cells err together."""
_MOST_BLOCKS: Final = 2_000
_TINY: Final = 1e-300
"""Instead of 0 in a divisor, where what is divided is 0 as well."""


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
    """Find how usual each transition is in the area, ``(cover, cover)``, from before to after.

    Two maps that agree everywhere show no change. There is at least one cell.
    """
    some = slice(None)
    if cells.count > _SAMPLE:
        some = np.random.default_rng(0).choice(cells.count, _SAMPLE, replace=False)  # type: ignore[assignment]
    shares = cells.shares[:, None]
    first, second = cells.before[:, some] / shares, cells.after[:, some] / shares
    own = shares[:, 0] / shares.sum()
    prior = _STAY * np.diag(own) + (1 - _STAY) * np.outer(own, own)
    found: Doubles = prior
    for _ in range(_ROUNDS):
        likelihood = np.maximum((first * (found @ second)).sum(axis=0), _TINY)
        better = found * ((first / likelihood) @ second.T) / first.shape[1]
        better = (better / better.sum() + _WEIGHT * prior) / (1 + _WEIGHT)
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
        likelihood = np.maximum((first * (found @ second)).sum(axis=0), _TINY)
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


def interval_of(values: Doubles) -> tuple[float, float]:
    """The middle 95 % of draws."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def truths(reference: Clustered, draws: int = DRAWS, seed: int = 0) -> Doubles:
    """Draw what mapped cells are in truth: shares ``(draw, mapped, true)``.

    The first draw is the measured one. Covers without reference cells are taken as mapped.

    Args:
        reference: the measured errors of the map.
        draws: number of draws.
        seed: of the random numbers.
    """
    random = np.random.default_rng(seed)
    measured = reference.shares + np.diag(1.0 - reference.shares.sum(axis=1).round())
    drawn = np.repeat(measured[None], draws + 1, axis=0)
    for true, covariance in enumerate(reference.covariance_of(regions=1.0)):
        # A covariance of a few places has eigenvalues that rounding makes negative.
        values, vectors = np.linalg.eigh(covariance)
        steps = random.standard_normal((draws, len(values))) * np.sqrt(np.maximum(values, 0))
        drawn[1:, :, true] += steps @ vectors.T
    drawn = np.maximum(drawn, 0.0)
    found: Doubles = drawn / np.maximum(drawn.sum(axis=2, keepdims=True), _TINY)
    return found


def independent_false_change(true: Doubles, mapped: Doubles) -> Doubles:
    """How much of an unchanged area would differ between two maps whose errors are independent.

    It is the most that errors alone can do: in truth the same places are often wrong twice.

    Args:
        true: share of each true cover in each mapped one ``(draw, mapped, true)``.
        mapped: share of each mapped cover in the area; they add up to 1.

    Returns:
        The share, 0 to 1, ``(draw,)``.
    """
    both = mapped[None, :, None] * true
    share = both.sum(axis=1)
    answers = both / np.maximum(share, _TINY)[:, None, :]
    found: Doubles = (share * (1 - np.square(answers).sum(axis=1))).sum(axis=1)
    return found


def _normalised(chances: FloatArray) -> FloatArray:
    found: FloatArray = chances / np.maximum(chances.sum(axis=0), 1e-6)
    return found.astype(np.float32)
