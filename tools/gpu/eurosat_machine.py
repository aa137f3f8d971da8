"""Fits and predictions of :mod:`tools.gpu.eurosat_fit`: CUDA graphs, several nets at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from landcover.nets.rgb_lite0 import RgbNet
from tools.gpu.eurosat_pictures import (
    CLASSES,
    Batches,
    Data,
    Recipe,
    enlarged,
    standardised,
    turned,
)
from tools.gpu.schedule import share_of_peak

KEEP: Final = 0.995
DECAY: Final = 0.05

State = dict[str, Tensor]


@dataclass
class Slot:
    """Inputs of the training step of one size, and its graph."""

    pixels: Tensor
    targets: Tensor
    graph: Any = None


class Machine:
    """One net in training, whose memory is used for one fit after another."""

    def __init__(
        self, device: torch.device, batch: int, *, graphs: bool, layout: torch.memory_format
    ) -> None:
        self.device, self.batch, self.layout = device, batch, layout
        self.on_gpu = device.type == "cuda"
        self.graphs = graphs and self.on_gpu
        self.net = RgbNet(classes=CLASSES).train()
        self.net.to(device, memory_format=layout)  # type: ignore[call-overload]
        self.names = [k for k, v in self.net.state_dict().items() if v.is_floating_point()]
        own = self.net.state_dict()
        self.values = [own[name] for name in self.names]
        self.average = [value.clone() for value in self.values]
        self.rate = torch.zeros((), device=device)
        self.blend = torch.zeros((), device=device)
        self.total = torch.zeros((), device=device)
        weights = list(self.net.parameters())
        groups = [
            {"params": [one for one in weights if one.dim() > 1], "weight_decay": DECAY},
            {"params": [one for one in weights if one.dim() <= 1], "weight_decay": 0.0},
        ]
        options: dict[str, Any] = {"capturable": True, "fused": True} if self.on_gpu else {}
        self.optimiser = torch.optim.AdamW(groups, lr=1e-3, **options)
        if self.on_gpu:
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate
        self.stream = torch.cuda.Stream() if self.on_gpu else None  # type: ignore[no-untyped-call]
        self.slots: dict[int, Slot] = {}

    def slot(self, size: int) -> Slot:
        """Return the step of a size; the first time, capture its graph."""
        if size in self.slots:
            return self.slots[size]
        pixels = torch.zeros(self.batch, 3, size, size, device=self.device)
        slot = Slot(
            pixels=pixels.contiguous(memory_format=self.layout),
            targets=torch.full((self.batch, CLASSES), 1.0 / CLASSES, device=self.device),
        )
        self.slots[size] = slot
        if self.graphs:
            slot.pixels.normal_()
            torch.cuda.synchronize()
            with torch.cuda.stream(self.stream):
                for _ in range(3):
                    self.optimiser.zero_grad(set_to_none=True)
                    self._work(slot)
            torch.cuda.synchronize()
            self.optimiser.zero_grad(set_to_none=True)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self.stream):
                self._work(slot)
            slot.graph = graph
            torch.cuda.synchronize()
        return slot

    def _work(self, slot: Slot) -> None:
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.on_gpu, cache_enabled=False
        ):
            logits = self.net(slot.pixels)
        loss = F.cross_entropy(logits.float(), slot.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.total.add_(loss.detach())
        with torch.no_grad():
            change = torch._foreach_sub(self.values, self.average)  # noqa: SLF001 - one kernel
            torch._foreach_mul_(change, self.blend)
            torch._foreach_add_(self.average, change)

    def step(self, size: int, pixels: Tensor, targets: Tensor, rate: float, keep: float) -> None:
        """Run one step in the current stream."""
        slot = self.slot(size)
        slot.pixels.copy_(pixels)
        slot.targets.copy_(targets)
        self.rate.fill_(rate)
        self.blend.fill_(1.0 - keep)
        if slot.graph is not None:
            slot.graph.replay()
            return
        if not self.on_gpu:
            for group in self.optimiser.param_groups:
                group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        self._work(slot)

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Start from these weights; the average, too."""
        for name, value, mean in zip(self.names, self.values, self.average, strict=True):
            value.copy_(state[name])
            mean.copy_(state[name])
        self.forget()

    @torch.no_grad()
    def forget(self) -> None:
        """Continue from the average with a new optimiser."""
        for value, mean in zip(self.values, self.average, strict=True):
            value.copy_(mean)
        for kept in self.optimiser.state.values():
            for one in kept.values():
                if isinstance(one, Tensor):
                    one.zero_()

    def state(self) -> State:
        """Copy the average."""
        return {name: value.clone() for name, value in zip(self.names, self.average, strict=True)}


def first_state(data: Data, rows: Tensor, recipe: Recipe, trunk: State, seed: int) -> State:
    """ImageNet's trunk, a new head, and the mean and deviation of the pictures."""
    some = data.pixels[rows[:: max(1, len(rows) // 2000)]].float() / 255.0
    if recipe.standardise:
        some = standardised(some)
    maker = Generator().manual_seed(seed)
    bound = 1 / math.sqrt(1280)
    device = data.pixels.device

    def uniform(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=maker) * 2 * bound - bound).to(device)

    return {
        **{f"trunk.{name}": value.float().to(device) for name, value in trunk.items()},
        "classifier.weight": uniform(CLASSES, 1280),
        "classifier.bias": uniform(CLASSES),
        "mean": some.mean(dim=(0, 2, 3)),
        "std": some.std(dim=(0, 2, 3)),
    }


@dataclass(frozen=True)
class Job:
    """One fit."""

    recipe: Recipe
    rows: Tensor
    seed: int
    teacher: Tensor | None = None


def steps_of(recipe: Recipe, rows: int, batch: int) -> list[tuple[int, int, float]]:
    """Size, number of steps and learning rate of each phase."""
    return [(size, max(2, int(n * rows / batch)), rate) for size, n, rate in recipe.phases]


def fit(machine: Machine, job: Job, data: Data, trunk: State) -> Iterator[None]:
    """Fit one net; yields after each step, so that several machines take turns."""
    with torch.cuda.stream(machine.stream):
        machine.load(first_state(data, job.rows, job.recipe, trunk, job.seed))
        batches = Batches(
            data, job.rows, job.recipe, machine.batch, seed=job.seed, teacher=job.teacher
        )
    for size, steps, peak in steps_of(job.recipe, len(job.rows), machine.batch):
        with torch.cuda.stream(machine.stream):
            machine.forget()
        for step in range(steps):
            rate = share_of_peak(step, steps)
            keep = min(KEEP, (1 + step) / (10 + step))
            with torch.cuda.stream(machine.stream):
                machine.step(size, *batches.next(size), rate * peak, keep)
            yield


def fit_all(
    jobs: Sequence[Job], machines: Sequence[Machine], data: Data, trunk: State
) -> list[State]:
    """Fit all, as many at a time as there are machines."""
    states: list[State] = [{}] * len(jobs)
    if data.pixels.is_cuda:
        torch.cuda.synchronize()  # The jobs' tensors were made in another stream.
    waiting = list(enumerate(jobs))
    running: list[tuple[int, Machine, Iterator[None]]] = []
    free = list(machines)
    while waiting or running:
        while waiting and free:
            number, job = waiting.pop(0)
            machine = free.pop()
            running.append((number, machine, fit(machine, job, data, trunk)))
        for one in list(running):
            number, machine, work = one
            if next(work, StopIteration) is StopIteration:
                with torch.cuda.stream(machine.stream):
                    states[number] = machine.state()
                running.remove(one)
                free.append(machine)
    if data.pixels.is_cuda:
        torch.cuda.synchronize()
    return states


class Judge:
    """Predicts with finished weights."""

    def __init__(self, device: torch.device, layout: torch.memory_format) -> None:
        self.net = RgbNet(classes=CLASSES).eval()
        self.net.to(device, memory_format=layout)  # type: ignore[call-overload]
        self.layout = layout

    @torch.inference_mode()
    def views(self, state: State, data: Data, rows: Tensor, size: int, recipe: Recipe) -> Tensor:
        """Logits ``(symmetry, picture, class)`` in float32."""
        self.net.load_state_dict(state, strict=False)
        device = data.pixels.device
        found = []
        for part in torch.split(rows, 1024):
            pixels = data.pixels[part].float().div_(255.0)
            if recipe.standardise:
                pixels = standardised(pixels)
            each = []
            for turn in range(8):
                which = torch.full((len(part),), turn, device=device)
                images = enlarged(turned(pixels, which), size)
                images = images.contiguous(memory_format=self.layout)
                with torch.autocast(device.type, torch.float16, enabled=device.type == "cuda"):
                    each.append(self.net(images).float())
            found.append(torch.stack(each))
        return torch.cat(found, dim=1)
