"""What a net is trained towards, and the gradients of one step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from landcover.train.configuration import TrainConfig
from landcover.train.distributed import Team
from landcover.train.loading import Batch
from landcover.train.optimisation import autocast, loss_of

__all__ = ["Objective"]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The loss of a batch, with smoothed targets and a teacher where the settings ask for them.

    Attributes:
        config: the settings.
        prior: the classes' frequencies ``(class,)``, towards which label smoothing moves.
        teacher: a net in evaluation mode on the device, or none.
        scaler: scales the loss up, since small gradients vanish in float16.
        device: where the net is.
        precision: of automatic mixed precision.
    """

    config: TrainConfig
    prior: Tensor
    teacher: nn.Module | None
    scaler: torch.amp.GradScaler
    device: torch.device
    precision: str

    def targets(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Labels ``(n, class)``, smoothed and moved towards the teacher's probabilities.

        Args:
            pixels: of the batch, on the device, which the teacher sees as the net does.
            labels: 0 or 1, or between them where augmentation mixed patches.
        """
        smooth = torch.lerp(labels, self.prior.expand_as(labels), self.config.label_smoothing)
        smooth = smooth.to(self.device)
        if self.teacher is None:
            return smooth
        with torch.no_grad(), autocast(self.device, self.precision):
            logits = self.teacher(pixels).float()
        exclusive = self.config.loss == "softmax"
        probabilities = logits.softmax(dim=1) if exclusive else logits.sigmoid()
        return torch.lerp(smooth, probabilities, self.config.trust)

    def backward(self, net: nn.Module, batch: Batch) -> Tensor:
        """Add the gradients of a batch to those that are there; returns its share of the loss."""
        pixels = batch.pixels.to(self.device, non_blocking=True)
        targets = self.targets(pixels, batch.targets)
        with autocast(self.device, self.precision):
            logits = net(pixels)
        loss = loss_of(self.config.loss, logits.float(), targets)
        if batch.share != 1.0:
            loss = loss * batch.share
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def backward_in_pieces(self, net: nn.Module, pieces: Iterable[Batch], team: Team) -> Tensor:
        """The gradients of a batch in several pieces, some of them in other processes.

        Each piece starts from the same running statistics and moves them; they take the
        mean of all moves, so that neither order nor processes matter.

        Returns:
            the loss of the whole batch.
        """
        buffers = list(net.buffers())
        begin = [buffer.clone() for buffer in buffers]
        moved = [torch.zeros_like(b) for b in buffers if b.is_floating_point()]
        total = torch.zeros((), device=self.device)
        for piece in pieces:
            for buffer, start in zip(buffers, begin, strict=True):
                buffer.copy_(start)
            # Dropout draws from torch's own generator; augmentation used the seed itself.
            torch.manual_seed((piece.seed or 0) + 1)
            total += self.backward(net, piece)
            for move, buffer, start in _floating(moved, buffers, begin):
                move.add_(buffer - start)
        gradients = [p.grad for p in net.parameters() if p.grad is not None]
        team.add([*gradients, *moved, total])
        for move, buffer, start in _floating(moved, buffers, begin):
            buffer.copy_(start + move / self.config.shards)
        return total


def _floating(
    moved: Sequence[Tensor], buffers: Sequence[Tensor], begin: Sequence[Tensor]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Each buffer of real numbers with its move and where it began."""
    pairs = [(b, start) for b, start in zip(buffers, begin, strict=True) if b.is_floating_point()]
    return ((move, b, start) for move, (b, start) in zip(moved, pairs, strict=True))
