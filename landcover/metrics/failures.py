"""Where a model fails: the loss of each patch, so that the worst can be looked at."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from landcover.core.raster import BoolArray
from landcover.metrics.scores import Counts, Doubles, Floats

__all__ = ["SMALLEST", "confusion", "cross_entropy", "patch_loss", "worst_first"]

SMALLEST: Final = 1e-6
"""Probabilities are kept this far from 0 and 1, so that no single one makes a loss infinite."""


def cross_entropy(truth: BoolArray, probability: Floats) -> Doubles:
    """Cross-entropy of each class of each patch in nats, ``(patch, class)``, 0 or more.

    −log p where the class is there, −log(1 − p) where it is not: 0.69 is a coin's toss.
    """
    safe = np.clip(probability.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return -np.log(np.where(truth, safe, 1 - safe))


def patch_loss(truth: BoolArray, probability: Floats, *, exclusive: bool = False) -> Doubles:
    """How surprised a model is by each patch's truth, in nats, ``(patch,)``.

    Args:
        truth: bool ``(patch, class)``.
        probability: in the same shape, 0 to 1.
        exclusive: whether a patch has one class of several; then it is −log of the
            probability of that class, else the mean of :func:`cross_entropy` over the classes.
    """
    each = cross_entropy(truth, probability)
    loss: Doubles = np.where(truth, each, 0.0).sum(axis=1) if exclusive else each.mean(axis=1)
    return loss


def worst_first(loss: Doubles) -> npt.NDArray[np.intp]:
    """Indices of the patches by falling loss; of equal ones the first comes first."""
    return np.argsort(-loss, kind="stable")


def confusion(truth: BoolArray, probability: Floats) -> Counts:
    """Where a patch has one class of several: counts ``(class, class)``.

    Row i, column j: the patches of class i in which class j was the most probable.
    """
    classes = truth.shape[1]
    pairs = truth.argmax(axis=1) * classes + probability.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).astype(np.int64)
