"""Loss, optimiser, learning rate and numeric precision of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from landcover.models.devices import supports_bfloat16
from landcover.train.configuration import Loss, TrainConfig

__all__ = [
    "autocast",
    "average_of",
    "learning_rate",
    "load_matching",
    "loss_of",
    "optimiser_of",
    "precision_of",
    "resume_average",
]


def loss_of(name: Loss, logits: Tensor, targets: Tensor) -> Tensor:
    """The mean loss of logits ``(n, class)`` under targets between 0 and 1."""
    if name == "softmax":
        return F.cross_entropy(logits, targets)
    return F.binary_cross_entropy_with_logits(logits, targets)


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The learning rate of a step, counted from 0, of ``steps`` in all.

    It rises linearly in the warm-up and then falls along a half cosine to 0.
    """
    warm = max(1, round(config.warm_up * steps))
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def optimiser_of(net: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW with weight decay on weights, but not on biases and normalisation layers.

    The key ``factor`` of a parameter group is the factor on its learning rate.
    """
    trunk_rate = 1.0 if config.start == "random" else config.trunk_rate
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, values in net.named_parameters():
        if values.requires_grad:
            factor = trunk_rate if name.startswith("trunk.") else 1.0
            decay = config.weight_decay if values.dim() > 1 else 0.0
            groups.setdefault((factor, decay), []).append(values)
    parts = [
        {"params": values, "weight_decay": decay, "factor": factor}
        for (factor, decay), values in groups.items()
    ]
    return torch.optim.AdamW(parts, lr=config.learning_rate, fused=True)


def average_of(net: nn.Module, decay: float) -> AveragedModel:
    """Start an exponential moving average of a net's weights and running statistics.

    On a few hundred patches single steps are noisy, and their average generalises better.

    Args:
        net: initial value of the average, on its device; it is copied.
        decay: share of the old value that a step keeps. The first steps keep less, 2/11 after
            the first one; otherwise the initial weights would dominate the average.

    Returns:
        The average, in evaluation mode.
    """

    def update(kept: Sequence[Tensor], new: Sequence[Tensor], count: Tensor | int) -> None:
        if not kept[0].is_floating_point():  # a normalisation layer's number of batches
            for old, value in zip(kept, new, strict=True):
                old.copy_(value)
            return
        steps = int(count)
        rate = min(decay, (1 + steps) / (10 + steps))
        get_ema_multi_avg_fn(rate)(kept, new, count)  # type: ignore[no-untyped-call]

    average = AveragedModel(net, multi_avg_fn=update, use_buffers=True)
    resume_average(average, 0)
    return average.eval().requires_grad_(requires_grad=False)


def resume_average(average: AveragedModel, steps: int) -> None:
    """Set the number of steps in an average."""
    # At a count of 0 torch copies the net instead of averaging.
    average.n_averaged.fill_(steps + 1)


def precision_of(config: TrainConfig, device: torch.device) -> str:
    """The numeric precision of a run on a device."""
    if config.precision != "auto":
        return config.precision
    if supports_bfloat16(device):
        return "bfloat16"
    return "float16" if device.type == "cuda" else "float32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Context in which torch uses that precision for the operations that gain from it."""
    kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)
    return torch.autocast(device.type, kind or torch.bfloat16, enabled=kind is not None)


def load_matching(net: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Copy the weights whose names and shapes match into a net; returns the copied names."""
    own = net.state_dict()
    same = {k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}
    net.load_state_dict({**own, **same})
    return list(same)
