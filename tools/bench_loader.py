"""How fast patches come: from folders and from the fast store, alone and into training.

    python -m tools.bench_loader ROOT [--patches N] [--rounds N]

ROOT is BigEarthNet in its folders; a store is made of it in a temporary folder. Everything is
measured in turns, since other programs come and go, and the system's page cache holds all
files of a set this small: what differs is the work of finding, opening and decoding them.
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

import torch  # noqa: E402 - how threads wait is settled before torch is imported
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
IN_TURN = "training, fast store, one thing after another"
BESIDE = "training, fast store"


@dataclass(frozen=True)
class Folders:
    """Patches that are read from their folders each time: what training at scale would do."""

    records: Sequence[Record]
    targets: Tensor

    @property
    def ids(self) -> list[str]:
        """Their names."""
        return [record.patch_id for record in self.records]

    def __len__(self) -> int:
        return len(self.records)

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Float32 reflectance ``(len(indices), 12, 120, 120)``."""
        some = [self.records[index] for index in indices]
        return store_of(some, read_records(some)).pixels(range(len(some)))


def main() -> None:
    """Measure and print."""
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
    held = slow.targets.shape[0]
    shared = replace(CONFIG, shards=2)
    ways: dict[str, Callable[[], float]] = {
        "reading, folders": lambda: _read(slow),
        "reading, fast store": lambda: _read(quick),
        "batches made ready, folders": lambda: _load(slow, 1),
        "batches made ready, fast store": lambda: _load(quick, 1),
        "batches made ready, fast store, a thread a core": lambda: _load(quick, 2),
        "training, folders": lambda: _train(CONFIG, slow, prefetch=True),
        IN_TURN: lambda: _train(CONFIG, quick, prefetch=False),
        BESIDE: lambda: _train(CONFIG, quick, prefetch=True),
        "training, fast store, 2 shards": lambda: _train(shared, quick, prefetch=True),
    }
    walls: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begin, busy = time.perf_counter(), time.process_time()
            way()
            wall = time.perf_counter() - begin
            busy = time.process_time() - busy
            walls[name].append(held / wall)
            found[name].append(held / busy)
            print(f"  {name}: {held / wall:.0f} patches/s, {busy / wall:.2f} cores", flush=True)
    print(f"\n{held} patches, {rounds} rounds in turns, {os.cpu_count()} cores")
    print(f"{'':48}{'patches/s':>20}{'patches per core second':>30}")
    for name in ways:
        print(f"{name:48}{_spread(walls[name]):>20}{_spread(found[name]):>30}")
    # Other programs take the cores away, but not the work that is done on them.
    print("\nRatios of patches per core second, medians and ranges over rounds")
    for what, better, worse in (
        ("reading", "reading, fast store", "reading, folders"),
        ("batches", "batches made ready, fast store", "batches made ready, folders"),
        ("training", "training, fast store", "training, folders"),
    ):
        ratios = [a / b for a, b in zip(found[better], found[worse], strict=True)]
        print(f"{what}, fast store to folders: {_spread(ratios, 1)}")
    ratios = [a / b for a, b in zip(walls[BESIDE], walls[IN_TURN], strict=True)]
    print(f"training beside the loader to one after another, patches/s: {_spread(ratios, 2)}")


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
    return sum(run.steps() if prefetch else _in_turn(run))


def _in_turn(run: Run) -> Iterator[float]:
    run.state.net.train()
    for batch in run.loader.batches():
        yield run.step([batch])


if __name__ == "__main__":
    main()
