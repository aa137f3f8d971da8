"""Validate a net during training: logits, loss and average precision."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from landcover.core.prefetch import map_ahead
from landcover.datasets.arrays import PatchSet
from landcover.metrics.scores import average_precision, counted_classes
from landcover.train import distributed
from landcover.train.configuration import Loss
from landcover.train.distributed import ProcessGroup
from landcover.train.optimisation import autocast, loss_of

__all__ = ["BATCH", "Validation", "average_precisions", "predict_logits", "validate"]

BATCH: Final = 64
"""Patches in one forward pass."""
_AHEAD: Final = 2
"""Batches that are read in advance."""


class Validation(NamedTuple):
    """Metrics on the validation set; NaN where not measured."""

    loss: float = math.nan
    macro_ap: float = math.nan
    micro_ap: float = math.nan
    accuracy: float = math.nan
    """Share of patches whose class has the highest score; NaN for multi-label losses."""


def validate(
    net: nn.Module,
    patches: PatchSet,
    loss: Loss,
    *,
    device: torch.device,
    precision: str,
    group: ProcessGroup = distributed.SINGLE,
) -> Validation:
    """Metrics of a net on labelled patches."""
    logits = predict_logits(net, patches, device=device, precision=precision, group=group)
    value = float(loss_of(loss, logits, patches.targets))
    # Pooled over classes, logits of a softmax are not comparable, but probabilities are.
    scores = logits if loss == "multilabel" else logits.softmax(dim=1)
    macro, micro = average_precisions(patches.targets.numpy(), scores.numpy())
    accuracy = math.nan
    if loss == "softmax":
        hits = scores.argmax(dim=1) == patches.targets.argmax(dim=1)
        accuracy = float(hits.float().mean())
    return Validation(value, macro, micro, accuracy)


def predict_logits(
    net: nn.Module,
    patches: PatchSet,
    *,
    device: torch.device | None = None,
    precision: str = "float32",
    batch: int = BATCH,
    group: ProcessGroup = distributed.SINGLE,
) -> Tensor:
    """Logits, float32 ``(patch, class)`` on the CPU, of a net in evaluation mode.

    The processes of a group share the work; each gets all logits.
    """
    where = device or torch.device("cpu")
    net.eval()
    starts = range(0, len(patches), batch)[group.rank :: group.size]
    blocks = [range(start, min(start + batch, len(patches))) for start in starts]
    with (
        torch.inference_mode(),
        autocast(where, precision),
        ThreadPoolExecutor(1) as reader,
    ):
        read = map_ahead(reader, patches.pixels, blocks, _AHEAD)
        logits = [net(pixels.to(where)).float().cpu() for pixels in read]
    if group.size == 1:
        return torch.cat(logits)
    everything = torch.zeros(patches.targets.shape, device=where)
    for rows, part in zip(blocks, logits, strict=True):
        everything[rows.start : rows.stop] = part.to(where)
    group.sum([everything])
    return everything.cpu()


def average_precisions(
    targets: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]
) -> tuple[float, float]:
    """Macro average precision over classes with at least five positives, and micro.

    NaN if there is no such class, or no positive.
    """
    truth = targets.astype(bool)
    each = [average_precision(truth[:, k], scores[:, k]) for k in counted_classes(truth)]
    macro = float(np.mean(each)) if each else math.nan
    micro = average_precision(truth, scores)
    return macro, micro
