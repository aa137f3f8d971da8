"""Estimate the disk space, memory, operations and time of a training run.

Each value comes with a description of how it was obtained. Nothing is taken from a table of
devices: operations are counted layer by layer, memory from what a forward pass keeps for the
backward pass, and time from running the training loop for some seconds on this device.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from landcover import nets
from landcover.core.bands import BAND_NAMES, PATCH_PIXELS
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.datasets import bigearthnet, downloads, open_any
from landcover.datasets.arrays import NativeStore
from landcover.datasets.band_subset import select_bands
from landcover.datasets.memory_mapped import GRIDS, PATCH_BYTES
from landcover.models.devices import pick_device
from landcover.train.configuration import TrainConfig
from landcover.train.loop import Run
from landcover.train.optimisation import autocast, loss_of, precision_of
from landcover.train.validation import predict_logits

__all__ = ["OFFICIAL", "PROBE_SECONDS", "Counts", "as_text", "cost", "counts"]

OFFICIAL: Final = {"train": 237_871, "validation": 122_342, "test": 119_825}
"""Patches without cloud, shadow or snow in the splits of BigEarthNet v2's own table."""
PROBE_SECONDS: Final = 15.0
_MEASURED: Final = (8, 16)
"""Patches of the two passes from which fixed memory and memory per patch are derived."""
_BAND_BYTES: Final = 4 * PATCH_PIXELS**2
_HELD: Final = 64
"""Different patches in the probe, which repeats them."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Number of patches of a run, by split, and the source of these numbers."""

    train: int
    validation: int
    everything: int
    source: str


def counts(dataset: str, root: Path | None) -> Counts:
    """Count the patches of a data set: in its folder, in its table, or officially.

    Raises:
        BadInput: the folder holds neither pixels nor the table.
        UnknownName: no data set has that name.
    """
    table = root / bigearthnet.METADATA_V2 if root is not None else None
    if root is None:
        found, source = OFFICIAL, "the official table of BigEarthNet v2"
    elif table and table.is_file() and not (root / bigearthnet.PIXELS_V2).exists():
        found, source = (
            patches_in_table(table),
            f"{table.name}, whose pixels are not downloaded yet",
        )
    else:
        data = open_any(dataset, root)
        found = {split: len(data.records(split)) for split in data.splits}
        source = f"what is in '{root.name}'"
    if not found.get("train"):
        raise BadInput("The folder has no training patch: give a data set with splits.")
    return Counts(
        train=found["train"],
        validation=found.get("validation", 0),
        everything=sum(found.values()),
        source=source,
    )


def cost(
    config: TrainConfig, patches: Counts, *, fits: int = 1, seconds: float | None = None
) -> dict[str, Any]:
    """Estimate the costs of a run as a JSON-ready dict.

    Its key ``how`` describes how each group of values was obtained.

    Args:
        config: the settings.
        patches: their number.
        fits: 2 if the net is trained again on train and validation together.
        seconds: approximate duration of the speed probe; default :data:`PROBE_SECONDS`.

    Raises:
        BadInput: the device is not available, or a batch is larger than the data set.
    """
    if patches.train < config.batch:
        raise BadInput(
            f"There are {patches.train} training patches, fewer than a batch of {config.batch}: "
            "choose a smaller batch."
        )
    shown = patches.train + (patches.train + patches.validation) * (fits - 1)
    steps = max(1, round(patches.train / config.batch))
    if fits > 1:
        steps += max(1, round((patches.train + patches.validation) / config.batch))
    checks = math.ceil(config.epochs / config.validate_every)
    measured = _measure(config)
    speed = _probe(config, PROBE_SECONDS if seconds is None else seconds)
    training = shown * config.epochs / speed["patches_per_second"]
    checking = patches.validation * checks / speed["validation_patches_per_second"]
    return {
        "net": config.net,
        "patches": {"train": patches.train, "validation": patches.validation},
        "epochs": config.epochs * fits,
        "batch": config.batch,
        "shards": config.shards,
        "steps": steps * config.epochs,
        "disk_bytes": _disk(patches.everything),
        "memory_bytes": measured["memory_bytes"],
        "parameters": measured["parameters"],
        "flops": {
            "training_per_patch": measured["flops"],
            "training": measured["flops"] * shown * config.epochs,
        },
        "time": {**speed, "training_seconds": training, "validation_seconds": checking},
        "how": {
            "patches": f"counted in {patches.source}",
            "disk": "archive: sizes that Zenodo publishes; folders: files × (pixels + header); "
            f"fast store: patches × {PATCH_BYTES:,} bytes",
            "memory": "weights, gradients, AdamW's two moments and the moving average: counted; "
            f"activations: what passes of {_MEASURED[0]} and {_MEASURED[1]} patches keep for the "
            f"backward pass in {speed['precision']}, extrapolated to a shard; a GPU's libraries "
            "need additional working space",
            "flops": "torch's counter over one forward and backward pass; a multiplication and "
            "an addition count as 2",
            "time": f"the training loop itself in steps of one shard, loading included, "
            f"for {speed['probe_seconds']:.0f} s on {speed['device']} by one process",
        },
    }


def as_text(record: dict[str, Any]) -> str:
    """Format the result of :func:`cost` as text."""
    patches, how = record["patches"], record["how"]
    gigabytes = {name: f"{size / 1e9:,.1f} GB" for name, size in record["disk_bytes"].items()}
    memory = {name: f"{size / 1e6:,.0f} MB" for name, size in record["memory_bytes"].items()}
    flops, spent = record["flops"], record["time"]
    hours = (spent["training_seconds"] + spent["validation_seconds"]) / 3600
    said = {
        "patches": f"{patches['train']:,} train, {patches['validation']:,} validation; "
        f"{record['steps']:,} steps in {record['epochs']} epochs, batches of {record['batch']} "
        f"in {record['shards']} shards",
        "disk": f"archive {gigabytes['archive']}, folders {gigabytes['folders']} "
        f"({gigabytes['folders_on_disk']} in blocks of 4 KiB), fast store "
        f"{gigabytes['fast_store']}",
        "memory": f"{memory['total']} a process: weights and optimiser "
        f"{memory['weights_and_optimiser']}, activations of a shard {memory['activations']}, "
        f"its pixels {memory['pixels']}",
        "flops": f"{flops['training_per_patch'] / 1e9:,.2f} GFLOP a patch, "
        f"{flops['training'] / 1e15:,.2f} PFLOP in total; {record['parameters']:,} parameters",
        "time": f"{hours:,.1f} h: {spent['patches_per_second']:,.0f} patches/s in training, "
        f"{spent['validation_patches_per_second']:,.0f} in validation",
    }
    return "\n".join(f"{name:9}{text}\n{'':9}({how[name]})" for name, text in said.items())


def patches_in_table(path: Path) -> dict[str, int]:
    """Count the patches of each split in a metadata table."""
    try:
        splits = pq.read_table(path, columns=["split"])["split"].to_pylist()
    except (pa.ArrowException, OSError, ValueError, KeyError):
        raise BadInput(
            f"{path.name} is damaged or is not a Parquet table: copy it again."
        ) from None
    return {split: splits.count(split) for split in OFFICIAL}


def _disk(patches: int) -> dict[str, int]:
    files = downloads.source("bigearthnet").files
    contents = next(file.contents for file in files if file.contents)
    return {
        "archive": sum(file.size for file in files),
        "folders": contents.bytes,
        "folders_on_disk": contents.disk_bytes,
        "fast_store": patches * PATCH_BYTES,
    }


def _measure(config: TrainConfig) -> dict[str, Any]:
    """Parameters, memory and operations of a net in training."""
    device = torch.device("cpu")
    precision = precision_of(config, pick_device(config.device))
    torch.manual_seed(0)
    net = nets.build(config.net, **config.net_options).train()
    few, many = (_pass(net, config, count, device, precision) for count in _MEASURED)
    each = (many[0] - few[0]) / (_MEASURED[1] - _MEASURED[0])
    shard = math.ceil(config.batch / config.shards)
    activations = round(few[0] + each * (shard - _MEASURED[0]))
    values = [*net.parameters(), *net.buffers()]
    weights = sum(v.numel() * v.element_size() for v in values)
    trained = sum(p.numel() * p.element_size() for p in net.parameters() if p.requires_grad)
    # Weights and their moving average; gradients and two moments of AdamW.
    fixed = 2 * weights + 3 * trained
    pixels = shard * len(_bands(config)) * _BAND_BYTES
    return {
        "parameters": sum(p.numel() for p in net.parameters()),
        "flops": many[1] / _MEASURED[1],
        "memory_bytes": {
            "weights_and_optimiser": fixed,
            "activations": activations,
            "pixels": pixels,
            "total": fixed + activations + pixels,
        },
    }


def _pass(
    net: nn.Module, config: TrainConfig, count: int, device: torch.device, precision: str
) -> tuple[int, int]:
    """Bytes kept between the forward and the backward pass, and operations of both."""
    kept: dict[int, int] = {}
    own = {p.untyped_storage().data_ptr() for p in net.parameters()}
    bands = len(_bands(config))
    pixels = torch.rand(count, bands, PATCH_PIXELS, PATCH_PIXELS, device=device)
    own.add(pixels.untyped_storage().data_ptr())

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        with autocast(device, precision):
            logits = net(pixels)
        loss_of(config.loss, logits.float(), torch.zeros_like(logits.float())).backward()  # type: ignore[no-untyped-call]
    net.zero_grad()
    return sum(kept.values()), int(counter.get_total_flops())


def _probe(config: TrainConfig, seconds: float) -> dict[str, Any]:
    """Patches per second of the training loop on random patches."""
    torch.manual_seed(0)
    shard = max(2, config.batch // config.shards)
    settings = replace(config, epochs=10**6, batch=shard, shards=1)
    bands = _bands(config)
    run = Run(settings, select_bands(_random_patches(max(shard * 4, _HELD)), bands))
    begin, done, spent = 0.0, -1, 0.0
    while spent < seconds or done < 1:
        for _ in run.steps():
            # The first step is slow everywhere: it chooses kernels and allocates memory.
            done += 1
            begin = begin or time.perf_counter()
            spent = time.perf_counter() - begin
            if spent >= seconds and done >= 1:
                break
    patches = select_bands(_random_patches(_HELD), bands)
    start = time.perf_counter()
    predict_logits(run.state.average, patches, device=run.device, precision=run.precision)
    checked = len(patches) / (time.perf_counter() - start)
    return {
        "device": str(run.device),
        "precision": run.precision,
        "probe_seconds": spent,
        "patches_per_second": done * shard / spent,
        "validation_patches_per_second": checked,
    }


def _bands(config: TrainConfig) -> tuple[str, ...]:
    """The bands that the net takes."""
    return tuple(config.net_options.get("bands", BAND_NAMES))


def _random_patches(count: int) -> NativeStore:
    """Patches of random numbers; a few are repeated, since speed does not depend on them."""
    chance = np.random.default_rng(0)
    grids = {
        name: chance.integers(1, 4000, (_HELD, *shape)).astype(np.uint16)
        for name, shape in GRIDS.items()
    }
    return NativeStore(
        g10=grids["g10"],
        g20=grids["g20"],
        g60=grids["g60"],
        targets=torch.from_numpy(
            chance.random((count, len(CLASS_NAMES))).astype(np.float32)
        ).round(),
        ids=tuple(map(str, range(count))),
        countries=("",) * count,
        rows=np.arange(count, dtype=np.intp) % _HELD,
    )
