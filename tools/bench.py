"""Measure the speeds that docs/speed.md quotes and print their medians: ``make bench``.

Everything is measured on this machine during the run. Training and inference are also compared with
a plain loop (see :mod:`tools.bench_models`), maps of areas with sliding windows
(:mod:`tools.bench_areas`), and one worker of a cluster with two (:mod:`tools.bench_cluster`). Where
something is compared with other programs, torch's threads wait as they do by default, which favours
these; elsewhere they wait as in the app.
"""

from __future__ import annotations

import argparse
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from landcover.core.threads import configure_threads

RATIOS = ("train", "infer", "areas", "tile")
# A parent that starts one process for each kind of part configures nothing: both would inherit it.
if sys.argv[1:] and not set(RATIOS) & set(sys.argv):
    configure_threads()

import torch

from landcover.core.raster import Raster
from landcover.evaluate.report_text import threads
from landcover.io import sources
from landcover.io.samples import NAMES
from landcover.models import registry
from landcover.models.model import Model
from landcover.trust.result import predict
from tools import bench_areas, bench_cluster, bench_models
from tools.bench_models import show


def main() -> None:
    """Run the requested benchmarks, by default all."""
    parts: dict[str, Callable[[], None]] = {
        "classify": classify,
        "start": cold_start,
        "train": bench_models.train_speed,
        "infer": bench_models.infer_speed,
        "areas": bench_areas.area_speed,
        "tile": bench_areas.tile_speed,
        "cluster": bench_cluster.cluster_speed,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="default: all")
    chosen = parser.parse_args().parts or list(parts)
    ratios = [name for name in chosen if name in RATIOS]
    others = [name for name in chosen if name not in RATIOS]
    if ratios and others:
        # Threads are configured before torch is imported, so each kind runs in its own process.
        for some in (others, ratios):
            subprocess.run([sys.executable, __file__, *some], check=True)
        return
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__} on "
        f"{threads(torch.get_num_threads())}, waiting {'as by default' if ratios else 'asleep'}"
    )
    for name in chosen:
        parts[name]()


def classify() -> None:
    """Time the classification of one patch after a warm-up, without and with the verdict."""
    model = registry.default().load(device="cpu")
    patches = [sources.read(name) for name in NAMES]
    modes: dict[str, Callable[[Model, Raster], object]] = {
        "warm classification of one patch": lambda model, patch: model.predict(patch),
        "… with the verdict": predict,
    }
    for title, run_mode in modes.items():
        run_mode(model, patches[0])
        seconds = []
        for _ in range(10):
            for patch in patches:
                begin = time.perf_counter()
                run_mode(model, patch)
                seconds.append(time.perf_counter() - begin)
        show(title, [1000 * s for s in seconds], "ms", "target ≤ 100" if title[0] != "…" else "")


def cold_start(runs: int = 3) -> None:
    """Time from starting the command until the first map is drawn in a real browser."""
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
    show("cold start to the first drawn map", seconds, "s", "target ≤ 8")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _open(page: object, url: str) -> None:
    """Open a page as soon as its server responds."""
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


if __name__ == "__main__":
    main()
