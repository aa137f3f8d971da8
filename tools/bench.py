"""Print the speed figures that the README quotes, with medians: ``make bench``.

Each figure is taken here and now, on this machine. Speeds of training are a ratio
against a plain loop measured in the same run, in turns, so that a machine whose speed
drifts does not favour either.
"""

from __future__ import annotations

import argparse
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from landcover.threads import wait_politely

wait_politely()

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from landcover import nets, recipes, registry, sources, training
from landcover.augment import symmetry
from landcover.datasets.store import NativeStore
from landcover.nomenclature import CLASS_NAMES
from landcover.report import classify_patch
from landcover.sources.samples import NAMES, samples

BATCH = 32


def main() -> None:
    """Run the benchmarks that were asked for, by default all."""
    parts: dict[str, Callable[[], None]] = {
        "classify": classify,
        "start": cold_start,
        "train": train_speed,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="default: all")
    chosen = parser.parse_args().parts or list(parts)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads"
    )
    for name in chosen:
        parts[name]()


def classify() -> None:
    """A warm classification of one patch, by the function that the page calls."""
    model = registry.load(device="cpu")
    patches = [sources.read(name) for name in NAMES]
    classify_patch(model, patches[0])
    seconds = []
    for _ in range(10):
        for patch in patches:
            begin = time.perf_counter()
            classify_patch(model, patch)
            seconds.append(time.perf_counter() - begin)
    _print("warm classification of one patch", [1000 * s for s in seconds], "ms", "goal ≤ 100")


def cold_start(runs: int = 3) -> None:
    """From the command to the first drawn map in a real browser."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only this part needs it

    from tests.browser.chromium import ARGUMENTS, executable  # noqa: PLC0415

    seconds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        for _ in range(runs):
            port = _free_port()
            begin = time.perf_counter()
            server = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "streamlit",
                    "run",
                    "app.py",
                    "--server.headless=true",
                    f"--server.port={port}",
                ],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                page = browser.new_page()
                _open(page, f"http://127.0.0.1:{port}")
                page.frame_locator("iframe").first.locator(".leaflet-tile-loaded").first.wait_for(
                    timeout=60_000
                )
                seconds.append(time.perf_counter() - begin)
                page.close()
            finally:
                server.terminate()
                server.wait()
        browser.close()
    _print("cold start to the first drawn map", seconds, "s", "goal ≤ 8")


def train_speed(turns: int = 3) -> None:
    """Training images a second: our loop against a plain eager float32 loop."""
    config = recipes.configuration(registry.DEFAULT_MODEL, recipes.Order(device="cpu"))
    store = _store(256)
    ours, plain = [], []
    for _ in range(turns):
        ours.append(_ours(config, store))
        plain.append(_plain(config, store))
    _print("training, our loop", ours, "images/s")
    _print("training, plain eager float32 loop", plain, "images/s")
    ratios = [a / b for a, b in zip(ours, plain, strict=True)]
    _print("ratio", ratios, "×", "goal ≥ 2")


def _ours(config: training.TrainConfig, store: NativeStore, steps: int = 5) -> float:
    run = training.Run(config, store)
    run.net.train()
    done, seen, begin = -1, 0, 0.0
    while done < steps:
        for pixels, targets in run.batches():
            run.step(pixels, targets)
            done += 1
            if done == 0:
                begin = time.perf_counter()  # the first step was the warm-up
            else:
                seen += len(pixels)
            if done == steps:
                break
    return seen / (time.perf_counter() - begin)


class _Naive(TorchDataset[tuple[Tensor, Tensor]]):
    """One patch at a time, read and augmented as it is asked for."""

    def __init__(self, store: NativeStore) -> None:
        self.store = store

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        pixels = symmetry(self.store.pixels([index])[0], int(torch.randint(0, 8, ())))
        gain = torch.exp(0.06 * torch.randn(1) + 0.03 * torch.randn(12, 1, 1))
        return (pixels * gain).contiguous(), self.store.targets[index]


def _plain(config: training.TrainConfig, store: NativeStore, steps: int = 16) -> float:
    """The same net and optimiser as a first version would train them."""
    torch.manual_seed(0)
    net: nn.Module = nets.build(config.net, **config.net_options)
    average: nn.Module = nets.build(config.net, **config.net_options)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    net.train()
    done, begin = 0, 0.0
    while done <= steps:
        for pixels, targets in DataLoader(_Naive(store), BATCH, shuffle=True, drop_last=True):
            loss = F.binary_cross_entropy_with_logits(net(pixels), targets)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            with torch.no_grad():
                pairs = zip(average.state_dict().values(), net.state_dict().values(), strict=True)
                for old, new in pairs:
                    if old.is_floating_point():
                        old.mul_(0.99).add_(new, alpha=0.01)
            begin = begin or time.perf_counter()
            done += 1
            if done > steps:
                break
    return steps * BATCH / (time.perf_counter() - begin)


def _store(count: int) -> NativeStore:
    """The six real samples, repeated: speed does not depend on what they show."""
    from landcover.sources.samples import native  # noqa: PLC0415

    natives = [native(NAMES[i % len(NAMES)]) for i in range(count)]
    import numpy as np  # noqa: PLC0415

    truth = {sample.name: sample.truth for sample in samples()}
    targets = torch.tensor(
        [
            [float(label in truth[NAMES[i % len(NAMES)]]) for label in CLASS_NAMES]
            for i in range(count)
        ]
    )
    return NativeStore(
        g10=np.stack([item.g10 for item in natives]),
        g20=np.stack([item.g20 for item in natives]),
        g60=np.stack([item.g60 for item in natives]),
        targets=targets,
        ids=tuple(f"{item.name}-{i}" for i, item in enumerate(natives)),
        countries=("",) * count,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _open(page: object, url: str) -> None:
    """Open a page as soon as its server answers."""
    from playwright.sync_api import Error, Page  # noqa: PLC0415

    assert isinstance(page, Page)
    for _ in range(600):
        try:
            page.goto(url, wait_until="commit")
        except Error:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("error: the app did not start within 30 seconds")


def _print(what: str, values: list[float], unit: str, goal: str = "") -> None:
    low, middle, high = min(values), statistics.median(values), max(values)
    tail = f"  ({goal})" if goal else ""
    print(
        f"{what}: median {middle:.3g} {unit}, {low:.3g} to {high:.3g}, n = {len(values)}{tail}",
        flush=True,
    )


if __name__ == "__main__":
    main()
