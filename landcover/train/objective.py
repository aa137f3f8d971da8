"""The training objective: targets, loss and gradients of one step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from landcover.train.configuration import TrainConfig
from landcover.train.distributed import ProcessGroup
from landcover.train.loading import Batch
from landcover.train.optimisation import autocast, loss_of
from landcover.train.teaching import Pupil, distance

__all__ = ["Objective"]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The loss of a batch, with label smoothing and a teacher as configured.

    Attributes:
        config: the settings.
        prior: class frequencies ``(class,)``, towards which label smoothing moves targets.
        scaler: scales the loss up, because small gradients become 0 in float16.
        device: where the net is.
        precision: of automatic mixed precision.
    """

    config: TrainConfig
    prior: Tensor
    scaler: torch.amp.GradScaler
    device: torch.device
    precision: str

    def targets(self, labels: Tensor) -> Tensor:
        """Labels ``(n, class)``, smoothed, on the device; 0 or 1, or in between if mixed."""
        smooth = torch.lerp(labels, self.prior.expand_as(labels), self.config.label_smoothing)
        return smooth.to(self.device)

    def backward(self, net: nn.Module, batch: Batch) -> Tensor:
        """Accumulate the gradients of a batch; returns its share of the loss."""
        loss = self.loss(net, batch)
        if batch.share != 1.0:
            loss = loss * batch.share
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def loss(self, net: nn.Module, batch: Batch) -> Tensor:
        """The loss of the labels, and the distance from a teacher's answers, as weighted.

        If the batch has answers, the net is a :class:`~landcover.train.teaching.Pupil`.
        """
        config = self.config
        pixels = batch.pixels.to(self.device, non_blocking=True)
        if batch.answers is None:
            with autocast(self.device, self.precision):
                logits = net(pixels)
            return config.labels * loss_of(config.loss, logits.float(), self.targets(batch.targets))
        wanted = batch.answers.map(lambda each: each.to(self.device, non_blocking=True))
        with autocast(self.device, self.precision):
            logits, covers, features = cast("Pupil", net).taught(pixels)
        loss = config.teach * distance(covers, features, wanted)
        if not config.labels:  # so that weight decay does not shrink a head that learns nothing
            return loss
        of_labels = loss_of(config.loss, logits.float(), self.targets(batch.targets))
        return loss + config.labels * of_labels

    def backward_in_pieces(
        self, net: nn.Module, pieces: Iterable[Batch], group: ProcessGroup
    ) -> Tensor:
        """Compute the gradients of a batch in several pieces, some of them in other processes.

        Each piece starts from the same running statistics and changes them. The mean of all
        changes is applied, so that neither the order nor the number of processes matters.

        Returns:
            The loss of the whole batch.
        """
        buffers = list(net.buffers())
        begin = [buffer.clone() for buffer in buffers]
        changed = [torch.zeros_like(b) for b in buffers if b.is_floating_point()]
        total = torch.zeros((), device=self.device)
        for piece in pieces:
            for buffer, start in zip(buffers, begin, strict=True):
                buffer.copy_(start)
            # Dropout draws from torch's own generator; augmentation used the seed itself.
            torch.manual_seed((piece.seed or 0) + 1)
            total += self.backward(net, piece)
            for change, buffer, start in _floating(changed, buffers, begin):
                change.add_(buffer - start)
        gradients = [p.grad for p in net.parameters() if p.grad is not None]
        group.sum([*gradients, *changed, total])
        for change, buffer, start in _floating(changed, buffers, begin):
            buffer.copy_(start + change / self.config.shards)
        return total


def _floating(
    changed: Sequence[Tensor], buffers: Sequence[Tensor], begin: Sequence[Tensor]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Each floating-point buffer with its change and its initial value."""
    pairs = [(b, start) for b, start in zip(buffers, begin, strict=True) if b.is_floating_point()]
    return ((change, b, start) for change, (b, start) in zip(changed, pairs, strict=True))
