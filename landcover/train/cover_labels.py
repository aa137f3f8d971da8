"""What the labels of patches say of their cells.

A patch's labels name the classes that occur in it: each cell is of one of them, and each of them
has some cells. How much of a patch each class takes is not known. A first guess comes from how
often squares of several sizes have a class (``tools/cover_shares.py``): a class that fills what it
occurs in, such as the sea, is hardly more frequent in larger squares, and one that is everywhere in
small pieces, such as villages, is much more frequent. These shares add up to more than the area
that there is, so they only weigh classes of one patch against each other, by their square root;
that gives built-up land 2.5 % of the land of Ireland and Portugal and 7 % of eastern Austria.
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from landcover.core.classes import CLASS_NAMES
from landcover.core.covers import COVER_NAMES, cover_of
from landcover.train import class_frequencies

__all__ = [
    "TABLE",
    "as_covers",
    "evened",
    "expected_shares",
    "label_shares",
    "levelled",
    "patch_weights",
]

TABLE: Final = Path(__file__).with_name("cover_shares.csv")
"""Shares by class; ``tools/cover_shares.py`` made it."""
_ROUNDS: Final = 30
_MOST_WEIGHT: Final = 4.0
_NOTHING: Final = 1e-9
_LEAST_SHARE: Final = 1e-3
_STEP: Final = 0.3
_MOST_SHIFT: Final = 1.0
_LEAST_WATER: Final = 0.01
_WATERS: Final = tuple(float(name.endswith(" waters")) for name in CLASS_NAMES)
"""1 for each class of water."""


@cache
def label_shares() -> Tensor:
    """Read the table: the share of a patch that each class takes where it occurs, ``(class,)``."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        share = {row["class"]: float(row["share"]) for row in csv.DictReader(file)}
    return torch.tensor([share[name] for name in CLASS_NAMES])


def expected_shares(labels: Tensor, water: Tensor | None = None) -> Tensor:
    """Guess the share of each class in patches from their labels.

    Args:
        labels: 0 or 1, ``(patch, class)``.
        water: share of each patch that is water, ``(patch,)``, if it is known. It is the area of
            the patch's waters; patches without them, or with nothing else, are not concerned.

    Returns:
        ``(patch, class)``; they add up to 1.
    """
    weighed = labels * label_shares().sqrt()
    found = weighed / weighed.sum(dim=1, keepdim=True).clamp(min=_NOTHING)
    if water is None:
        return found
    wet = torch.tensor(_WATERS)
    share = (found * wet).sum(dim=1)
    both = (share > 0) & (share < 1)
    known = torch.where(both, water.clamp(_LEAST_WATER, 1 - _LEAST_WATER), share)
    scale = torch.where(
        wet > 0,
        (known / share.clamp(min=_NOTHING))[:, None],
        ((1 - known) / (1 - share).clamp(min=_NOTHING))[:, None],
    )
    return found * scale


def patch_weights(labels: Tensor, left_out: Collection[str] = ()) -> Tensor:
    """Weigh patches so that their labels are about as frequent as in the mean of all countries.

    Args:
        labels: 0 or 1, ``(patch, class)``.
        left_out: countries whose labels must not be known.

    Returns:
        ``(patch,)``, between a quarter and four times the mean, which is 1.
    """
    known = [row for country, row in class_frequencies.load().items() if country not in left_out]
    wanted = torch.stack(known).mean(dim=0).float().clamp(min=1e-3)
    weights = torch.ones(len(labels))
    for _ in range(_ROUNDS):
        now = (weights[:, None] * labels).sum(dim=0) / weights.sum()
        step = (wanted / now.clamp(min=1e-3)).clamp(0.5, 2.0).log()
        weights = weights * ((labels * step).sum(dim=1) / labels.sum(dim=1).clamp(min=1)).exp()
        weights = (weights / weights.mean()).clamp(1 / _MOST_WEIGHT, _MOST_WEIGHT)
    return weights / weights.mean()


def evened(
    chances: Tensor, labels: Tensor, expected: Tensor, trust: float, rounds: int = 6
) -> Tensor:
    """Say of which class each cell is, given what a head says of it and the labels of its patch.

    Cells get no class that their patch lacks. The area of each class of a patch lies between what
    the head says and what is expected, so that no class vanishes and none spreads over all
    (the expectation step of learning from label proportions; cells are scaled in turn by class and
    by cell, as in Sinkhorn's algorithm).

    Args:
        chances: of each class, ``(patch, class, y, x)``; need not add up to 1.
        labels: 0 or 1, ``(patch, class)``.
        expected: from :func:`expected_shares`.
        trust: weight of the expected shares, 0 to 1.
        rounds: number of scalings.

    Returns:
        Probabilities in the same shape.
    """
    own = (chances.flatten(2) + _NOTHING) * labels[:, :, None]
    found = own / own.sum(dim=1, keepdim=True)
    wanted = (1 - trust) * found.mean(dim=2) + trust * expected
    for _ in range(rounds):
        found = found * (wanted / found.mean(dim=2).clamp(min=_NOTHING))[:, :, None]
        found = found / found.sum(dim=1, keepdim=True)
    return found.view_as(chances)


def as_covers(chances: Tensor) -> Tensor:
    """Add up ``(patch, class, …)`` to ``(patch, cover, …)``."""
    found = chances.new_zeros(len(chances), len(COVER_NAMES), *chances.shape[2:])
    return found.index_add_(1, torch.tensor(cover_of()), chances)


def levelled(chances: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Find factors on covers so that as many cells are mapped as each as are of it.

    The most probable cover of a cell is rarely one that is never certain, such as mixed farmland,
    so that a map has too little of it.

    Args:
        chances: of each cover, ``(patch, cover, y, x)``.
        truth: the same given the labels.
        weights: of the patches.

    Returns:
        The logarithm of each factor, at most 1 on either side, ``(cover,)``.
    """
    logs = chances.clamp(min=_NOTHING).log()
    wanted = (truth.mean(dim=(2, 3)) * weights[:, None]).sum(dim=0) / weights.sum()
    shift = torch.zeros(chances.shape[1])
    for _ in range(_ROUNDS):
        mapped = (logs + shift.view(1, -1, 1, 1)).argmax(dim=1).flatten(1)
        counts = torch.nn.functional.one_hot(mapped, len(shift)).float().mean(dim=1)
        now = (counts * weights[:, None]).sum(dim=0) / weights.sum()
        step = ((wanted + _LEAST_SHARE) / (now + _LEAST_SHARE)).log()
        shift = (shift + _STEP * step).clamp(-_MOST_SHIFT, _MOST_SHIFT)
    return shift
