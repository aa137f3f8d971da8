"""Learning from a teacher that answers for every pixel (Hinton et al. 2015).

A net that learns so predicts the teacher's covers and features on its own 20 m grid, beside the
classes of the patch. The teacher answers for the measured bands, also where the net is given
fewer: it learns to make do with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["FEATURE_WEIGHT", "GRID", "Answers", "Pupil", "answers", "distance"]

GRID: Final = 2
"""Side of the pixels of answers, in 10 m pixels."""

FEATURE_WEIGHT: Final = 4.0
"""Weight of the distance between features, against that between covers."""
_LEAST: Final = 1e-6


@runtime_checkable
class Pupil(Protocol):
    """A net that also predicts a teacher's answers."""

    def taught(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of classes, logits of covers and features; the last two on a 20 m grid."""
        ...


class Answers(NamedTuple):
    """A teacher's answers on a 20 m grid, in float32 or rounded to half precision."""

    covers: Tensor
    """Probabilities ``(n, cover, y/2, x/2)``."""
    features: Tensor
    """``(n, feature, y/2, x/2)``, of length 1 at each pixel."""

    def map(self, change: Callable[[Tensor], Tensor]) -> Answers:
        """Both, changed alike."""
        return Answers(change(self.covers), change(self.features))


def answers(teacher: nn.Module, pixels: Tensor) -> Answers:
    """Ask a teacher, without gradients; its answers at 10 m are averaged to 20 m.

    Args:
        teacher: returns logits of covers and features on the grid of the pixels.
        pixels: reflectance ``(n, 12, y, x)``, on the teacher's device.
    """
    with torch.no_grad():
        logits, features = teacher(pixels)
        covers = F.avg_pool2d(logits.softmax(dim=1), GRID)
        return Answers(covers, F.normalize(F.avg_pool2d(features, GRID), dim=1))


def distance(logits: Tensor, features: Tensor, wanted: Answers) -> Tensor:
    """How far a net's predictions are from a teacher's answers; 0 if they are equal.

    It is the Kullback-Leibler divergence of the covers, plus :data:`FEATURE_WEIGHT` times 1 minus
    the cosine of the features, averaged over pixels.
    """
    own, theirs = (F.normalize(each.float(), dim=1) for each in (features, wanted.features))
    cosine = (own * theirs).sum(dim=1).mean()
    covers = wanted.covers.float()
    against = covers.clamp(min=_LEAST).log() - logits.float().log_softmax(dim=1)
    divergence = (covers * against).sum(dim=1).mean()
    return FEATURE_WEIGHT * (1.0 - cosine) + divergence
