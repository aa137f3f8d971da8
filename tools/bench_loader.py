"""Measure how fast patches are read from folders and from the fast store, alone and in training.

    python -m tools.bench_loader ROOT [--patches N] [--rounds N]

ROOT is BigEarthNet in its folders; it is converted to a store in a temporary folder. The cases
are measured in turns, because other programs may run at the same time. The system's page cache
holds all files of a small set, so the difference is the work of finding, opening and decoding them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from landcover.core.threads import configure_threads

configure_threads(training=True)

import torch  # noqa: E402 - threads are configured before torch is imported
from torch import Tensor  # noqa: E402

from landcover.core.prefetch import map_ahead  # noqa: E402
from landcover.datasets import Dataset, Record, open_dataset  # noqa: E402
from landcover.datasets.arrays import NativeStore  # noqa: E402
from landcover.datasets.convert import convert  # noqa: E402
from landcover.datasets.labelled import read_records, store_of, targets_of  # noqa: E402
from landcover.train.configuration import TrainConfig  # noqa: E402
from landcover.train.loading import AHEAD, plan, prepare  # noqa: E402
from landcover.train.loop import Run  # noqa: E402

CONFIG = TrainConfig(net_options={"members": 2, "width": 24, "stem": 12, "spectral": 32}, batch=32)
SEQUENTIAL = "training, fast store, one thing after another"
PREFETCHING = "training, fast store"


@dataclass(frozen=True)
class Folders:
    """Patches that are read from their folders each time, as in training at scale."""

    records: Sequence[Record]
    targets: Tensor

    @property
    def ids(self) -> list[str]:
        """Names of the patches."""
        return [record.patch_id for record in self.records]

    def __len__(self) -> int:
        return len(self.records)

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Float32 reflectance ``(len(indices), 12, 120, 120)``."""
        some = [self.records[index] for index in indices]
        return store_of(some, read_records(some)).pixels(range(len(some)))


def main() -> None:
    """Measure all cases and print them."""
    parser = argparse.ArgumentParser(description=__doc__, prog="bench_loader")
    parser.add_argument("root", type=Path)
    parser.add_argument("--patches", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    folders = open_dataset("bigearthnet", options.root)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        done = convert(folders, Path(folder) / "fast")
        spent = time.perf_counter() - begin
        print(f"converted and verified: {done.patches} patches, {done.patches / spent:.0f}/s")
        store = open_dataset("bigearthnet", done.root)
        _compare(folders, store, options.patches, options.rounds)


def _compare(folders: Dataset, store: Dataset, count: int, rounds: int) -> None:
    records = folders.records("train")[:count]
    slow = Folders(records, targets_of(records))
    quick = store.load("train").subset(range(len(records)))
    total = slow.targets.shape[0]
    shared = replace(CONFIG, shards=2)
    cases: dict[str, Callable[[], float]] = {
        "reading, folders": lambda: _read(slow),
        "reading, fast store": lambda: _read(quick),
        "preparing batches, folders": lambda: _load(slow, 1),
        "preparing batches, fast store": lambda: _load(quick, 1),
        "preparing batches, fast store, a thread a core": lambda: _load(quick, 2),
        "training, folders": lambda: _train(CONFIG, slow, prefetch=True),
        SEQUENTIAL: lambda: _train(CONFIG, quick, prefetch=False),
        PREFETCHING: lambda: _train(CONFIG, quick, prefetch=True),
        "training, fast store, 2 shards": lambda: _train(shared, quick, prefetch=True),
    }
    walls: dict[str, list[float]] = {name: [] for name in cases}
    rates: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, run_case in cases.items():
            begin, busy = time.perf_counter(), time.process_time()
            run_case()
            wall = time.perf_counter() - begin
            busy = time.process_time() - busy
            walls[name].append(total / wall)
            rates[name].append(total / busy)
            print(f"  {name}: {total / wall:.0f} patches/s, {busy / wall:.2f} cores", flush=True)
    print(f"\n{total} patches, {rounds} rounds in turns, {os.cpu_count()} cores")
    print(f"{'':48}{'patches/s':>20}{'patches per core second':>30}")
    for name in cases:
        print(f"{name:48}{_spread(walls[name]):>20}{_spread(rates[name]):>30}")
    # Other programs take core time away, but do not change the work done per core second.
    print("\nRatios of patches per core second, medians and ranges over rounds")
    for what, better, worse in (
        ("reading", "reading, fast store", "reading, folders"),
        ("batches", "preparing batches, fast store", "preparing batches, folders"),
        ("training", "training, fast store", "training, folders"),
    ):
        ratios = [a / b for a, b in zip(rates[better], rates[worse], strict=True)]
        print(f"{what}, fast store to folders: {_spread(ratios, 1)}")
    ratios = [a / b for a, b in zip(walls[PREFETCHING], walls[SEQUENTIAL], strict=True)]
    print(f"training with prefetching to one step after another, patches/s: {_spread(ratios, 2)}")


def _spread(values: Sequence[float], digits: int = 0) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _read(patches: Folders | NativeStore) -> float:
    order = torch.randperm(len(patches)).tolist()
    total = 0.0
    for start in range(0, len(order), CONFIG.batch):
        total += float(patches.pixels(order[start : start + CONFIG.batch])[0, 0, 0, 0])
    return total


def _load(patches: Folders | NativeStore, shards: int) -> float:
    chance = torch.Generator().manual_seed(0)
    steps = plan(len(patches), max(1, len(patches) // CONFIG.batch), shards, chance)
    pieces = [piece for step in steps for piece in step]
    with ThreadPoolExecutor(shards) as pool:
        ready = map_ahead(
            pool, lambda p: prepare(p, patches, CONFIG.augmentation, chance), pieces, AHEAD * shards
        )
        return sum(float(batch.pixels[0, 0, 0, 0]) for batch in ready)


def _train(config: TrainConfig, patches: Folders | NativeStore, *, prefetch: bool) -> float:
    run = Run(config, patches)
    return sum(run.steps() if prefetch else _sequential_steps(run))


def _sequential_steps(run: Run) -> Iterator[float]:
    run.state.net.train()
    for batch in run.loader.batches():
        yield run.step([batch])


if __name__ == "__main__":
    main()
