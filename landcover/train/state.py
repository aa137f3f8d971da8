"""The state of a training run, which its checkpoint holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim.swa_utils import AveragedModel

from landcover.train.configuration import TrainConfig
from landcover.train.history import Epoch
from landcover.train.optimisation import resume_average

__all__ = ["TrainState", "Weights"]

Weights = dict[str, Tensor]
"""A net's ``state_dict``."""


@dataclass(kw_only=True)
class TrainState:
    """The net and everything else that the next step depends on.

    Attributes:
        config: the settings.
        device: where the net is.
        net: the net that is trained.
        average: the moving average of its weights, which is validated and returned.
        optimiser, scaler: of the net.
        generator: draws the order of patches and augmentation. Initial weights and dropout
            draw from torch's own generator, whose state is saved, too.
        epoch: epochs done.
        steps: steps done.
        history: one entry an epoch.
        best_epoch: the epoch whose weights are kept, from 1; 0 before the first.
        best_weights: weights of that epoch, on the CPU.
        stale: validations since the best one.
    """

    config: TrainConfig
    device: torch.device
    net: nn.Module
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    generator: Generator
    epoch: int = 0
    steps: int = 0
    history: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: Weights = field(default_factory=dict)
    stale: int = 0

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or validation stopped improving."""
        stopped = 0 < self.config.patience <= self.stale
        return stopped or self.epoch >= self.config.epochs

    def record(self, entry: Epoch, *, validated: bool) -> None:
        """Add an epoch to the history, and keep its weights if they are the best so far."""
        select = self.config.select
        best = self.history[self.best_epoch - 1].value(select) if self.best_epoch else -math.inf
        self.history.append(entry)
        if entry.value(select) > best:
            self.best_epoch, self.stale = entry.epoch, 0
            self.best_weights = _copy(self.average.module)
        elif validated:
            self.stale += 1

    def state_dict(self) -> dict[str, Any]:
        """The state as values that ``torch.load(weights_only=True)`` can read."""
        return {
            "net": self.net.state_dict(),
            "average": self.average.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
            "epoch": self.epoch,
            "steps": self.steps,
            "history": [asdict(entry) for entry in self.history],
            "best_epoch": self.best_epoch,
            "best_state": self.best_weights,
            "stale": self.stale,
        }

    def load_state_dict(self, kept: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned, including torch's random state.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: it belongs to another net or is damaged.
        """
        self.net.load_state_dict(kept["net"])
        self.average.module.load_state_dict(kept["average"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.scaler.load_state_dict(kept.get("scaler") or self.scaler.state_dict())
        self.generator.set_state(kept["generator"])
        torch.set_rng_state(kept["torch"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state_all(kept["cuda"])
        self.epoch, self.steps = kept["epoch"], kept["steps"]
        resume_average(self.average, self.steps)
        self.history = [Epoch(**row) for row in kept["history"]]
        self.best_epoch, self.stale = kept["best_epoch"], kept["stale"]
        self.best_weights = kept["best_state"]


def _copy(net: nn.Module) -> Weights:
    """A copy of a net's weights on the CPU."""
    return {
        name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, value in net.state_dict().items()
    }
