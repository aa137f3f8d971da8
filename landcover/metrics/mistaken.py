"""Which classes a model says although they are absent, and beside which present class.

A confusion matrix needs exactly one class for each patch. Where a patch has several, a class B is
mistaken for a class A if B is called more often than usual in patches that have A and not B.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scipy.stats import fisher_exact

from landcover.core.raster import BoolArray

__all__ = ["CHANCE", "LEAST", "Mistake", "mistakes"]

LEAST: Final = 3
"""Patches with a mistake from which it is counted as one that recurs."""
CHANCE: Final = 0.05
"""A mistake that would be as frequent by chance with this probability is left out."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A class that is called, although absent, beside another that is present.

    Attributes:
        present: index of the class that is present.
        said: index of the class that is absent and called.
        hits: number of patches in which that happens.
        patches: number of patches that have the first class and not the second.
        hits_elsewhere: number of patches with neither class in which the second is called.
        patches_elsewhere: number of patches with neither class.
        chance: probability of so many hits if the first class made no difference (Fisher's exact
            test, one-sided, as if patches were independent).
    """

    present: int
    said: int
    hits: int
    patches: int
    hits_elsewhere: int
    patches_elsewhere: int
    chance: float


def mistakes(truth: BoolArray, called: BoolArray) -> tuple[Mistake, ...]:
    """Find the mistakes that recur, the least likely to be chance first.

    A mistake recurs in three patches at least, and would be as frequent by chance with a
    probability below 5 %. Many pairs of classes are compared, so a few of those found can be
    chance all the same.

    Args:
        truth: bool ``(patch, class)``, which classes are present.
        called: bool of the same shape, which classes the model says.
    """
    found = []
    classes = range(truth.shape[1])
    for present, said in ((a, b) for a in classes for b in classes if a != b):
        wrong, absent = called[:, said] & ~truth[:, said], ~truth[:, said]
        here = truth[:, present]
        table = [int((cells & side).sum()) for side in (here, ~here) for cells in (wrong, absent)]
        hits, patches, hits_elsewhere, patches_elsewhere = table
        if hits < LEAST:
            continue
        counts = [
            [hits, patches - hits],
            [hits_elsewhere, patches_elsewhere - hits_elsewhere],
        ]
        chance = float(fisher_exact(counts, alternative="greater").pvalue)
        if chance < CHANCE:
            found.append(
                Mistake(
                    present=present,
                    said=said,
                    hits=hits,
                    patches=patches,
                    hits_elsewhere=hits_elsewhere,
                    patches_elsewhere=patches_elsewhere,
                    chance=chance,
                )
            )
    return tuple(sorted(found, key=lambda one: one.chance))
