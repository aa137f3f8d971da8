"""Measure time and traffic of fetching live imagery: part of ``make bench``.

A web server on loopback serves real scenes in the layout of Earth Search and waits before each
response. Our reader, ``odc.stac.load`` and a plain rasterio loop read the same twelve bands of the
same square from it in turns, each in its own process, and must return the same numbers.
The server counts requests and bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import rasterio

from landcover.core.bands import BAND_NAMES, SCL_HIDDEN
from landcover.stac.catalog import CATALOGUES
from tests.live import stac_server
from tests.live.archive import RESOLUTION, Archive, build
from tests.live.granules import PLACES, Granule, Place
from tests.live.range_server import RangeServer
from tests.live.stac_front import StacFront

ROOT: Final = Path(__file__).parent.parent
SHARED: Final = ROOT.parent / "shared" / "data"
ARCHIVE: Final = ROOT / ".pytest_cache" / "d" / "live-archive"
"""The tests use the same folder, so the archive is written only once."""
COMPARISON_VENV: Final = ROOT / ".venv-bench"
"""Environment of the readers to compare with; the Makefile adds ``.done`` when it is complete."""
STYLE: Final = "earth-search"
SCENE: Final = "S2A_33UUP_20170613_0_L2A"
WARM_UP: Final = "S2A_31TDG_20200128_0_L2A"
PLACE: Final = "patch"
NEXT_PLACE: Final = "three quarters"


@dataclass
class Readings:
    """What one reader needed: one list entry for each run."""

    seconds: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median seconds of a run."""
        return statistics.median(self.seconds)


class Client:
    """A process with one reader that reads on request; a context manager."""

    def __init__(self, reader: str, environment: Mapping[str, str], folder: Path) -> None:
        python = (
            str(COMPARISON_VENV / "bin" / "python") if reader.startswith("odc") else sys.executable
        )
        script = str(Path(__file__).parent / "bench_live_client.py")
        self._out = folder / f"{reader}.npy"
        self._process = subprocess.Popen(
            [python, script, reader],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            # odc's reader warns about a grid without a position that it makes itself.
            env={**environment, "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(ROOT)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def read(self, job: Mapping[str, Any]) -> tuple[float, npt.NDArray[np.uint16]]:
        """Return the seconds that a read took and its digital numbers ``(12, 120, 120)``.

        Raises:
            SystemExit: the reader failed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**job, "out": str(self._out)}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit("error: a reader failed; its traceback is above")
        return float(json.loads(answer)), np.load(self._out)


class Bench:
    """The servers, the scenes and the measurements so far; a context manager.

    Args:
        archive: the scenes.
        latency: seconds before every response.
        folder: where the clients write their results.
    """

    def __init__(self, archive: Archive, latency: float, folder: Path) -> None:
        self.archive = archive
        self.latency = latency
        self.readings: dict[str, Readings] = {}
        self._folder = folder
        self._stack = ExitStack()
        self._caches = 0

    def __enter__(self) -> Self:
        with self._stack:
            self.server = self._stack.enter_context(RangeServer(self.archive.root))
            items = self.archive.items(STYLE, self.server.url)
            self._items = {item["id"]: item for item in items}
            self.front = self._front(items)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _front(self, items: list[dict[str, Any]]) -> StacFront | None:
        if not stac_server.installed():
            return None
        stac = self._stack.enter_context(stac_server.StacServer({STYLE: items}))
        return self._stack.enter_context(StacFront(STYLE, self.server.url, stac.url(STYLE)))

    def new_cache(self) -> str:
        """Return the path of a new, empty cache folder."""
        self._caches += 1
        return str(self._folder / f"cache-{self._caches}")

    def client(self, reader: str) -> Client:
        """Start a process and let it read another scene first, so that its libraries are loaded."""
        variable = "LANDCOVER_CATALOG_EARTH_SEARCH"
        environment = {**os.environ, f"{variable}_HOSTS": self.server.host}
        if self.front is not None:
            environment[variable] = self.front.url
        client = Client(reader, environment, self._folder)
        self._wait(0.0)
        client.read(self.job(WARM_UP, PLACES["gap"], self.new_cache()))
        return client

    def job(self, scene: str, place: Place, cache_folder: str) -> dict[str, Any]:
        """Describe what a client must read, as JSON values."""
        return {
            "item": self._items[scene],
            "assets": list(CATALOGUES[STYLE].assets.values()),
            "latitude": place.lat,
            "longitude": place.lon,
            "left": place.window.left,
            "top": place.window.top,
            "crs": f"EPSG:{place.window.epsg}",
            "cache_folder": cache_folder,
        }

    def timed(self, client: Client, name: str, cache_folder: str, place: str = PLACE) -> None:
        """Time one read under latency, record it, and compare its numbers with the source."""
        servers = [self.server, *([self.front] if self.front else [])]
        self._wait(self.latency)
        before = [(len(server.requests), server.sent) for server in servers]
        seconds, numbers = client.read(self.job(SCENE, PLACES[place], cache_folder))
        measured = self.readings.setdefault(name, Readings())
        measured.seconds.append(seconds)
        measured.requests.append(
            sum(len(s.requests) - n for s, (n, _) in zip(servers, before, strict=True))
        )
        measured.bytes.append(sum(s.sent - n for s, (_, n) in zip(servers, before, strict=True)))
        self._verify(name, numbers, place)

    def _wait(self, latency: float) -> None:
        self.server.latency = latency
        if self.front is not None:
            self.front.latency = latency

    def _verify(self, name: str, numbers: npt.NDArray[np.uint16], place: str) -> None:
        expected = self.archive.expected(place)
        hidden = (
            np.isin(self.archive.classes(place), SCL_HIDDEN).repeat(2, axis=0).repeat(2, axis=1)
        )
        for index, band in enumerate(BAND_NAMES):
            times = RESOLUTION[band] // 10
            truth = expected[band].repeat(times, axis=0).repeat(times, axis=1)
            if name.startswith("ours"):  # our reader sets pixels without ground to 0
                truth = np.where(hidden, 0, truth)
            if not np.array_equal(numbers[index], truth):
                raise SystemExit(f"error: {name} returns other numbers in {band} than the source")


def main() -> None:
    """Measure, and print the results and which targets are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5, help="runs of each reader (default: 5)")
    parser.add_argument(
        "--latency",
        type=float,
        default=50.0,
        metavar="MS",
        help="latency of each response (default: 50)",
    )
    options = parser.parse_args()
    if not SHARED.is_dir():
        print("live imagery: skipped, because the real scenes in ../shared/data are missing")
        return
    archive = build(ARCHIVE, SHARED)
    with (
        tempfile.TemporaryDirectory(prefix="bench-live-") as folder,
        Bench(archive, options.latency / 1000, Path(folder)) as bench,
    ):
        for _ in range(options.runs):
            run_all(bench)
        print(
            f"live imagery: {options.latency:g} ms latency a request on loopback, medians of "
            f"{options.runs}; every reader returned exactly the source's numbers"
        )
        speeds(bench.readings)
        traffic(bench)


def run_all(bench: Bench) -> None:
    """Run every reader once, so that a machine whose speed drifts favours none."""
    cache_folder = bench.new_cache()
    with bench.client("ours") as client:
        bench.timed(client, "ours, cold", cache_folder)
        bench.timed(client, "ours, an adjacent square", cache_folder, NEXT_PLACE)
    with bench.client("ours") as client:  # another process: only the disk cache is shared
        bench.timed(client, "ours, warm", cache_folder)
    if bench.front is not None:
        with bench.client("click") as client:
            bench.timed(client, "ours, with search and preview", bench.new_cache())
    readers = ["rasterio", "rasterio-titiler"] + ["odc", "odc-pool"] * (
        COMPARISON_VENV / ".done"
    ).is_file()
    for reader in readers:
        with bench.client(reader) as client:
            bench.timed(client, NAMES[reader], bench.new_cache())


NAMES: Final = {
    "rasterio": "rasterio band after band, GDAL's defaults",
    "rasterio-titiler": "rasterio band after band, titiler's settings",
    "odc": "odc.stac.load, its defaults",
    "odc-pool": "odc.stac.load, a pool of 12 and its cloud settings",
}
TARGETS: Final = {"rasterio": 10, "rasterio-titiler": 10, "odc": 5, "odc-pool": 5}
WARM_TARGET: Final = 20


def speeds(readings: Mapping[str, Readings]) -> None:
    """Print the seconds of each reader and how many times as long as ours it took."""
    for name, measured in readings.items():
        low, high = min(measured.seconds), max(measured.seconds)
        print(
            f"  {name}: {1000 * measured.median:.0f} ms ({1000 * low:.0f} to {1000 * high:.0f}), "
            f"{statistics.median(measured.requests):.0f} requests, "
            f"{statistics.median(measured.bytes) / 1e6:.2f} MB"
        )
    if NAMES["odc"] not in readings:
        print("  odc.stac.load: skipped, because requirements-bench.txt is not installed")
    for reader, target in TARGETS.items():
        measured = readings.get(NAMES[reader], Readings())
        for state, aim in (("cold", target), ("warm", WARM_TARGET)) if measured.seconds else ():
            ratio = measured.median / readings[f"ours, {state}"].median
            _print_target(
                f"ours {state} against {NAMES[reader]}", f"{ratio:.1f} ×", f"≥ {aim}", ratio >= aim
            )


def traffic(bench: Bench) -> None:
    """Print requests and bytes for a patch, compared with the blocks that the square touches."""
    granule = bench.archive.granule(SCENE, STYLE)
    files = len(BAND_NAMES) + 1
    for name, place, known in (
        ("ours, cold", PLACE, "headers not cached"),
        ("ours, an adjacent square", NEXT_PLACE, "headers cached"),
    ):
        measured = bench.readings[name]
        each = max(measured.requests) / files
        blocks = sum(
            block_bytes(bench.archive, granule, asset, PLACES[place])
            for asset in (*BAND_NAMES, "SCL")
        )
        ratio = max(measured.bytes) / blocks
        _print_target(f"requests a file, {known}", f"{each:.2f}", "≤ 2", each <= 2)
        _print_target(
            f"bytes, {known}: {max(measured.bytes) / 1e6:.2f} MB"
            f" for {blocks / 1e6:.2f} MB of blocks",
            f"{ratio:.2f} ×",
            "≤ 2",
            ratio <= 2,
        )


def block_bytes(archive: Archive, granule: Granule, asset: str, place: Place) -> int:
    """Return the stored size, in bytes, of the blocks of a file that a square touches."""
    with rasterio.open(archive.path(granule, asset)) as raster:
        tall, wide = raster.block_shapes[0]
        pixel = RESOLUTION[asset]
        column = round((place.window.left - raster.transform.c) / pixel)
        row = round((raster.transform.f - place.window.top) / pixel)
        last = 1200 // pixel - 1
        return sum(
            int(raster.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=1) or 0)
            for y in range(row // tall, (row + last) // tall + 1)
            for x in range(column // wide, (column + last) // wide + 1)
        )


def _print_target(what: str, value: str, target: str, met: bool) -> None:  # noqa: FBT001
    print(f"  {what}: {value}  (target {target}{'' if met else ', not met'})", flush=True)


if __name__ == "__main__":
    main()
