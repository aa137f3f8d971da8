"""Fits and predictions of :mod:`tools.gpu.mosaic_fit`: one CUDA graph a step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from landcover.nets import trigrid
from landcover.nets.reflectance import standardised
from landcover.nets.symmetry import symmetry
from landcover.nets.taught import TaughtNet
from landcover.nets.trigrid import TriGrid
from tools.gpu.mosaic_patches import Augment, Batch, Buffers, Data, Floats, Ints, batch, drawn
from tools.gpu.schedule import share_of_peak

DECAY: Final = 0.05
LONGEST_GRADIENT: Final = 2.0
EAGER: Final = 6
"""Steps before a graph is captured."""

Loss = Callable[[nn.Module, Batch], Tensor]


class Pupil(TaughtNet):
    """A TaughtNet whose statistics are not clipped, and whose head is not always needed."""

    def __init__(self) -> None:
        super().__init__(clip=None)

    def taught_only(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the teacher's answers: logits of covers, and features."""
        *_, logits, features = self._levels(self.bands(pixels))
        return logits, features


class StillTriGrid(TriGrid):
    """A TriGrid whose step is the same every time, as a CUDA graph must be.

    It uses the spectra of all pixels in training, not those of a random quarter.
    """

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits ``(n, class)``."""
        with patch.object(trigrid, "_random_quarter", lambda: None):
            return super().forward(pixels)

    def _normalise(self, reflectance: Tensor, bands: tuple[int, ...]) -> Tensor:
        mean, std = (
            torch.cat([values[band : band + 1] for band in bands])
            for values in (self.log_mean, self.log_std)
        )
        return standardised(reflectance, mean, std)


@dataclass(frozen=True, kw_only=True)
class Job:
    """How a net is fitted."""

    loss: Loss
    steps: int
    rate: float
    """The highest learning rate."""
    batch: int = 32
    trunk_rate: float = 1.0
    """Factor on the learning rate of the trunk."""
    augment: Augment = field(default_factory=Augment)
    seed: int = 0
    unlabelled: bool = False
    """Whether batches also have patches without labels, as many as their share of all."""


def fit(net: nn.Module, data: Data, rows: Ints, job: Job) -> str:
    """Fit a net in place, in evaluation mode afterwards; returns what it took."""
    device = data.pixels.device
    on_gpu = device.type == "cuda"
    net.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    kinds: dict[str, Any] = {"fused": True, "capturable": True} if on_gpu else {}
    optimiser = torch.optim.AdamW(groups(net, job, device), lr=job.rate, **kinds)
    own = Buffers(job.batch, device)
    draws = _draws(data, rows, job)
    last = torch.zeros((), device=device)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            patches = batch(data, own)
        half = on_gpu and isinstance(net, TaughtNet)
        with torch.autocast(device.type, torch.bfloat16, enabled=half, cache_enabled=False):
            loss = job.loss(net, patches)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), LONGEST_GRADIENT, foreach=on_gpu or None)
        optimiser.step()
        last.copy_(loss.detach())

    def prepare(number: int) -> None:
        own.fill(next(draws))
        share = share_of_peak(number, job.steps)
        for group in optimiser.param_groups:
            if on_gpu:
                group["lr"].fill_(job.rate * group["factor"] * share)
            else:
                group["lr"] = job.rate * group["factor"] * share

    begin = time.monotonic()
    stream = torch.cuda.Stream() if on_gpu else None  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        _run(job.steps, step, prepare, stream)
    net.eval()
    return f"{job.steps} steps, {time.monotonic() - begin:.1f} s, loss {float(last):.4f}"


def _run(steps: int, step: Callable[[], None], prepare: Callable[[int], None], stream: Any) -> None:  # noqa: ANN401 - torch does not type it
    """Run all steps, most of them as a replayed graph if there is a stream."""
    graph = None
    for number in range(steps):
        if number == EAGER and stream is not None:
            # The draws of the step that is captured are not used: capturing computes nothing.
            prepare(number)
            graph = _captured(step, stream)
        prepare(number)
        if graph is None:
            step()
        else:
            graph.replay()
        if stream is not None and number % 8 == 7:
            stream.synchronize()
    if stream is not None:
        stream.synchronize()


def _captured(step: Callable[[], None], stream: Any) -> torch.cuda.CUDAGraph:  # noqa: ANN401 - as above
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        step()
    return graph


def _draws(data: Data, rows: Ints, job: Job) -> Iterator[dict[str, Any]]:
    """Draw endless batches; labelled patches come in random order, each once a round."""
    chance = np.random.default_rng(job.seed * 1000 + 17)
    others = data.unlabelled
    without = 0
    if job.unlabelled:
        without = round(job.batch * (len(others) / (len(others) + len(rows))))
    order: list[Any] = []
    while True:
        while len(order) < job.batch - without:
            order += list(chance.permutation(rows))
        now, order = np.array(order[: job.batch - without]), order[job.batch - without :]
        if without:
            now = np.concatenate([now, chance.choice(others, without)])
        yield drawn(chance, now, job.augment, len(data.pixels))


def groups(net: nn.Module, job: Job, device: torch.device) -> list[dict[str, Any]]:
    """Parameters by learning rate and weight decay; a graph needs the rates on the device."""
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, values in net.named_parameters():
        factor = job.trunk_rate if name.startswith("trunk.") else 1.0
        found.setdefault((factor, DECAY if values.dim() > 1 else 0.0), []).append(values)

    def rate(factor: float) -> Tensor | float:
        return (
            torch.tensor(job.rate * factor, device=device)
            if device.type == "cuda"
            else job.rate * factor
        )

    return [
        {"params": values, "weight_decay": decay, "factor": factor, "lr": rate(factor)}
        for (factor, decay), values in found.items()
    ]


@torch.no_grad()
def predict(net: nn.Module, data: Data, rows: Ints, turns: Sequence[int]) -> Floats:
    """Logits ``(subset, patch, class)``, the mean over symmetries of the square."""
    found = []
    for pixels in data.pixels:
        parts = []
        for some in torch.split(torch.from_numpy(rows).to(pixels.device), 64):
            own = pixels[some].float()
            views = [net(symmetry(own, turn).contiguous()).float() for turn in turns]
            parts.append(torch.stack(views).mean(dim=0))
        found.append(torch.cat(parts))
    logits: Floats = torch.stack(found).cpu().numpy()
    return logits
