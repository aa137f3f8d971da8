"""What a run costs, measured on a few steps before it is started."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from landcover import datasets
from landcover.core.classes import EUROSAT_CLASSES
from landcover.datasets import Dataset, EuroSat
from landcover.datasets.eurosat_store import RgbStore
from landcover.datasets.memory_mapped import PATCH_BYTES, MappedDataset
from landcover.evaluate import run as evaluation
from landcover.jobs.runs import settings
from landcover.jobs.runs.order import RunOrder
from landcover.models import registry
from landcover.train import costs
from landcover.train.configuration import TrainConfig
from landcover.train.loop import Run
from landcover.train.recipes import bigearthnet, eurosat, mosaic_parts, trainable

__all__ = ["PROBE_SECONDS", "Cost", "cost_of"]

PROBE_SECONDS: Final = 3.0
"""How long the speed of training is measured."""
_KEPT: Final = 8
"""Sets of weights on disk: a checkpoint has five, the result and its copy one each."""
_PROGRAM: Final = 600_000_000
"""Bytes of memory for Python and torch."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The estimated costs of a run.

    Attributes:
        seconds: of computing; None if not measured.
        memory_bytes: at most, with the data; None if not measured.
        disk_bytes: in the program's folder; None if not measured.
        patches: that are trained on, or measured.
        how: how the time was obtained.
        start: what pre-training costs, a sentence; empty for models that have none.
    """

    seconds: float | None
    memory_bytes: int | None
    disk_bytes: int | None
    patches: int
    how: str
    start: str = ""

    @property
    def minutes(self) -> float | None:
        """The seconds in minutes."""
        return None if self.seconds is None else self.seconds / 60

    @property
    def sentence(self) -> str:
        """Such as ``About 12 minutes, 1.4 GB of memory and 0.1 GB of disk for 301 patches.``."""
        parts = [
            _duration(self.seconds),
            *([f"{self.memory_bytes / 1e9:,.1f} GB of memory"] if self.memory_bytes else []),
            *([f"{self.disk_bytes / 1e6:,.0f} MB of disk"] if self.disk_bytes else []),
        ]
        listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
        patches = "1 patch" if self.patches == 1 else f"{self.patches:,} patches"
        return f"{listed} for {patches}; {self.how}. {self.start}".rstrip()


def cost_of(order: RunOrder, *, seconds: float = PROBE_SECONDS) -> Cost:
    """Estimate what a run costs on this computer.

    Args:
        order: what is to be done.
        seconds: how long the speed of training is measured.

    Raises:
        LandcoverError: the order cannot be carried out.
    """
    dataset = datasets.open_any(order.dataset, order.root)
    if order.kind == "test":
        return _of_test(order, dataset)
    config = settings.configuration(order)
    settings.refuse_other_data(order)
    if isinstance(dataset, EuroSat):
        found = _of_pictures(order, dataset, seconds)
    elif config is None:
        found = _unmeasured(order, dataset)
    else:
        found = _of_patches(order, dataset, config, seconds)
    return replace(found, start=_start(order))


def _start(order: RunOrder) -> str:
    """What the pre-training of a model costs; empty if it has none."""
    model = trainable.find(order.model)
    if order.model == mosaic_parts.NAME:
        with settings.prepared(order) as made:
            parts = mosaic_parts.settings(made)
        steps = f"{parts.steps:,} steps" if parts.steps else f"{parts.pretraining.epochs:,} epochs"
        return f"Its pre-training alone has {steps}."
    if not model.optional:
        return ""
    if settings.starts_from_scratch(order):
        return "Without pre-training it usually needs more epochs."
    if order.model.startswith(bigearthnet.TIMM):
        return f"Pre-training costs a download: it starts from {model.start}."
    return f"Pre-training costs nothing here: the weights of {model.start} are installed."


def _of_patches(order: RunOrder, dataset: Dataset, config: TrainConfig, seconds: float) -> Cost:
    counts = costs.counts(order.dataset, order.root)
    both = order.fit == "train+validation"
    found = costs.cost(config, counts, fits=2 if both else 1, seconds=seconds)
    spent, memory = found["time"], found["memory_bytes"]
    held = 0 if isinstance(dataset, MappedDataset) else counts.train + counts.validation
    return Cost(
        seconds=spent["training_seconds"] + spent["validation_seconds"],
        memory_bytes=_PROGRAM + memory["total"] + (2 if both else 1) * held * PATCH_BYTES,
        disk_bytes=_disk(found["parameters"], both=both),
        patches=counts.train,
        how=f"measured for {spent['probe_seconds']:.0f} s on {spent['device']} at "
        f"{spent['patches_per_second']:,.0f} patches/s",
    )


def _of_pictures(order: RunOrder, dataset: EuroSat, seconds: float) -> Cost:
    count = len(dataset.records("train"))
    with settings.prepared(order) as made:
        phases = eurosat.plan(made).phases
    total, parameters = 0.0, 0
    for phase in phases:
        rate, parameters = _rate(phase, seconds / len(phases))
        total += phase.epochs * count / rate
        last = phase.epochs * count / rate
    both = order.fit == "train+validation"
    return Cost(
        seconds=total + (last if both else 0.0),
        memory_bytes=None,
        disk_bytes=_disk(parameters, both=both) * len(phases),
        patches=count,
        how=f"measured for {seconds:.0f} s without validation",
    )


def _rate(config: TrainConfig, seconds: float) -> tuple[float, int]:
    """Pictures per second of a phase of training on random pictures, and its parameters."""
    chance, count = np.random.default_rng(0), 2 * config.batch
    store = RgbStore(
        bytes=chance.integers(0, 255, (count, 64, 64, 3), dtype=np.uint8),
        targets=torch.eye(len(EUROSAT_CLASSES))[np.arange(count) % len(EUROSAT_CLASSES)],
        ids=tuple(map(str, range(count))),
    )
    run = Run(replace(config, epochs=10**6), store)
    done, begin, spent = -1, 0.0, 0.0
    while done < 1 or spent < seconds:
        for _ in run.steps():
            done += 1  # the first step is slow everywhere
            begin = begin or time.perf_counter()
            spent = time.perf_counter() - begin
            if done >= 1 and spent >= seconds:
                break
    return done * config.batch / spent, sum(p.numel() for p in run.state.net.parameters())


def _of_test(order: RunOrder, dataset: Dataset | EuroSat) -> Cost:
    models, task = registry.default(), evaluation.task_of(dataset)
    model = models.load(order.model, order.device)
    task.check(model.card)
    count = len(dataset.records(order.split))
    speed = task.speed(model)
    return Cost(
        seconds=count * speed.milliseconds_per_patch / 1000,
        memory_bytes=None,
        disk_bytes=None,
        patches=count,
        how=f"measured on {speed.runs} patches one by one, without the baselines",
    )


def _unmeasured(order: RunOrder, dataset: Dataset) -> Cost:
    return Cost(
        seconds=None,
        memory_bytes=None,
        disk_bytes=None,
        patches=len(dataset.records("train")),
        how=f"'{order.model}' is not trained by steps of one net, so its time is not measured",
    )


def _disk(parameters: int, *, both: bool) -> int:
    return _KEPT * 4 * parameters * (2 if both else 1)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "An unknown time"
    if seconds < 90:
        return f"About {max(1, round(seconds)):,} s"
    if seconds < 90 * 60:
        return f"About {seconds / 60:,.0f} minutes"
    return f"About {seconds / 3600:,.1f} hours"
