"""The loss of each patch, to find the patches on which a model fails."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from landcover.core.raster import BoolArray
from landcover.metrics.scores import Counts, Doubles, Floats

__all__ = ["SMALLEST", "confusion", "cross_entropy", "patch_loss", "worst_first"]

SMALLEST: Final = 1e-6
"""Probabilities are clipped to this distance from 0 and 1, so that every loss is finite."""


def cross_entropy(truth: BoolArray, probability: Floats) -> Doubles:
    """Compute the cross-entropy of each class of each patch in nats, ``(patch, class)``.

    It is −log p if the class is present and −log(1 − p) if it is absent, 0 or more; a
    probability of 0.5 gives 0.69.
    """
    safe = np.clip(probability.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return -np.log(np.where(truth, safe, 1 - safe))


def patch_loss(truth: BoolArray, probability: Floats, *, exclusive: bool = False) -> Doubles:
    """Compute the loss of each patch in nats, ``(patch,)``, 0 or more.

    Args:
        truth: bool ``(patch, class)``.
        probability: in the same shape, 0 to 1.
        exclusive: whether a patch has exactly one of the classes. The loss is then −log of the
            probability of that class, otherwise the mean of :func:`cross_entropy` over the
            classes.
    """
    each = cross_entropy(truth, probability)
    loss: Doubles = np.where(truth, each, 0.0).sum(axis=1) if exclusive else each.mean(axis=1)
    return loss


def worst_first(loss: Doubles) -> npt.NDArray[np.intp]:
    """Sort the indices of the patches by falling loss; equal losses keep their order."""
    return np.argsort(-loss, kind="stable")


def confusion(truth: BoolArray, probability: Floats) -> Counts:
    """Compute the confusion matrix of exclusive classes, int ``(class, class)``.

    Row i, column j is the number of patches of class i whose most probable class is j.
    """
    classes = truth.shape[1]
    pairs = truth.argmax(axis=1) * classes + probability.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).astype(np.int64)
