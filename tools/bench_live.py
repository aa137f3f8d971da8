"""Print how fast, and with how little traffic, live imagery is fetched: part of ``make bench``.

A web server on loopback holds real scenes as Earth Search lays them out and waits before each
answer. Ours, ``odc.stac.load`` and a plain loop of rasterio read the same twelve bands of the
same square from it in turns, each in a process of its own, and must bring the same numbers.
Requests and bytes are counted at the server.
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

from landcover.core.bands import BAND_NAMES
from landcover.stac.catalog import CATALOGUES, HIDDEN
from tests.live import stac_server
from tests.live.archive import RESOLUTION, Archive, build
from tests.live.granules import PLACES, Granule, Place
from tests.live.range_server import RangeServer
from tests.live.stac_front import StacFront

ROOT: Final = Path(__file__).parent.parent
SHARED: Final = ROOT.parent / "shared" / "data"
ARCHIVE: Final = ROOT / ".pytest_cache" / "d" / "live-archive"
"""Where the tests keep it: it is written once for both."""
OTHERS: Final = ROOT / ".venv-bench"
"""Environment of what ours is compared with; the Makefile stamps it when it is complete."""
STYLE: Final = "earth-search"
SCENE: Final = "S2A_33UUP_20170613_0_L2A"
WARM_UP: Final = "S2A_31TDG_20200128_0_L2A"
PLACE: Final = "patch"
NEXT_PLACE: Final = "three quarters"


@dataclass
class Readings:
    """What one way of reading took, a list entry a run."""

    seconds: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Seconds of the middle run."""
        return statistics.median(self.seconds)


class Client:
    """A process that reads in one way when told to; a context manager."""

    def __init__(self, way: str, environment: Mapping[str, str], folder: Path) -> None:
        python = str(OTHERS / "bin" / "python") if way.startswith("odc") else sys.executable
        script = str(Path(__file__).parent / "bench_live_client.py")
        self._out = folder / f"{way}.npy"
        self._process = subprocess.Popen(
            [python, script, way],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            # odc's reader warns of a grid of its own that has no position.
            env={**environment, "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(ROOT)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def read(self, job: Mapping[str, Any]) -> tuple[float, npt.NDArray[np.uint16]]:
        """Seconds, and digital numbers ``(12, 120, 120)``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**job, "out": str(self._out)}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit("error: a way of reading failed; its traceback is above")
        return float(json.loads(answer)), np.load(self._out)


class Bench:
    """The servers, the scene, and what was read of it so far.

    Args:
        archive: the scenes.
        latency: seconds before every answer.
        folder: for what the clients write.
    """

    def __init__(self, archive: Archive, latency: float, folder: Path) -> None:
        self.archive = archive
        self.latency = latency
        self.readings: dict[str, Readings] = {}
        self._folder = folder
        self._stack = ExitStack()
        self._homes = 0

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

    def new_home(self) -> str:
        """A folder in which nothing was kept yet."""
        self._homes += 1
        return str(self._folder / f"home-{self._homes}")

    def client(self, way: str) -> Client:
        """A process that has read another scene already, so that its libraries are loaded."""
        variable = "LANDCOVER_CATALOG_EARTH_SEARCH"
        environment = {**os.environ, f"{variable}_HOSTS": self.server.host}
        if self.front is not None:
            environment[variable] = self.front.url
        client = Client(way, environment, self._folder)
        self._wait(0.0)
        client.read(self.job(WARM_UP, PLACES["gap"], self.new_home()))
        return client

    def job(self, scene: str, place: Place, home: str) -> dict[str, Any]:
        """What a client is told to read."""
        return {
            "item": self._items[scene],
            "assets": list(CATALOGUES[STYLE].assets.values()),
            "latitude": place.lat,
            "longitude": place.lon,
            "left": place.window.left,
            "top": place.window.top,
            "crs": f"EPSG:{place.window.epsg}",
            "home": home,
        }

    def timed(self, client: Client, name: str, home: str, place: str = PLACE) -> None:
        """One read under latency; its figures are added, its numbers held against the source."""
        servers = [self.server, *([self.front] if self.front else [])]
        self._wait(self.latency)
        before = [(len(server.requests), server.sent) for server in servers]
        seconds, numbers = client.read(self.job(SCENE, PLACES[place], home))
        found = self.readings.setdefault(name, Readings())
        found.seconds.append(seconds)
        found.requests.append(
            sum(len(s.requests) - n for s, (n, _) in zip(servers, before, strict=True))
        )
        found.bytes.append(sum(s.sent - n for s, (_, n) in zip(servers, before, strict=True)))
        self._verify(name, numbers, place)

    def _wait(self, latency: float) -> None:
        self.server.latency = latency
        if self.front is not None:
            self.front.latency = latency

    def _verify(self, name: str, numbers: npt.NDArray[np.uint16], place: str) -> None:
        expected = self.archive.expected(place)
        hidden = np.isin(self.archive.classes(place), HIDDEN).repeat(2, axis=0).repeat(2, axis=1)
        for index, band in enumerate(BAND_NAMES):
            times = RESOLUTION[band] // 10
            truth = expected[band].repeat(times, axis=0).repeat(times, axis=1)
            if name.startswith("ours"):  # what shows no ground is 0 in ours
                truth = np.where(hidden, 0, truth)
            if not np.array_equal(numbers[index], truth):
                raise SystemExit(f"error: {name} brings other numbers in {band} than the source")


def main() -> None:
    """Measure, print, and say which goals are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5, help="of each way (default: 5)")
    parser.add_argument(
        "--latency", type=float, default=50.0, metavar="MS", help="of each answer (default: 50)"
    )
    options = parser.parse_args()
    if not SHARED.is_dir():
        print("live imagery: skipped, for the real scenes in ../shared/data are not here")
        return
    archive = build(ARCHIVE, SHARED)
    with (
        tempfile.TemporaryDirectory(prefix="bench-live-") as folder,
        Bench(archive, options.latency / 1000, Path(folder)) as bench,
    ):
        for _ in range(options.runs):
            turn(bench)
        print(
            f"live imagery: {options.latency:g} ms latency a request on loopback, medians of "
            f"{options.runs}; every way brought the source's own numbers"
        )
        speeds(bench.readings)
        traffic(bench)


def turn(bench: Bench) -> None:
    """Every way once, so that a machine whose speed drifts favours none."""
    home = bench.new_home()
    with bench.client("ours") as client:
        bench.timed(client, "ours, cold", home)
        bench.timed(client, "ours, beside it", home, NEXT_PLACE)
    with bench.client("ours") as client:  # another process: only the disk remembers
        bench.timed(client, "ours, warm", home)
    if bench.front is not None:
        with bench.client("click") as client:
            bench.timed(client, "ours, from click to patch", bench.new_home())
    ways = ["rasterio", "rasterio-titiler"] + ["odc", "odc-pool"] * (OTHERS / ".done").is_file()
    for way in ways:
        with bench.client(way) as client:
            bench.timed(client, NAMES[way], bench.new_home())


NAMES: Final = {
    "rasterio": "rasterio band after band, GDAL's defaults",
    "rasterio-titiler": "rasterio band after band, titiler's settings",
    "odc": "odc.stac.load, its defaults",
    "odc-pool": "odc.stac.load, a pool of 12 and its settings for the cloud",
}
GOALS: Final = {"rasterio": 10, "rasterio-titiler": 10, "odc": 5, "odc-pool": 5}
WARM_GOAL: Final = 20


def speeds(readings: Mapping[str, Readings]) -> None:
    """Each way's seconds, and how many times as long as ours it took."""
    for name, found in readings.items():
        low, high = min(found.seconds), max(found.seconds)
        print(
            f"  {name}: {1000 * found.median:.0f} ms ({1000 * low:.0f} to {1000 * high:.0f}), "
            f"{statistics.median(found.requests):.0f} requests, "
            f"{statistics.median(found.bytes) / 1e6:.2f} MB"
        )
    if NAMES["odc"] not in readings:
        print("  odc.stac.load: skipped, for requirements-bench.txt is not installed")
    for way, goal in GOALS.items():
        found = readings.get(NAMES[way], Readings())
        for state, aim in (("cold", goal), ("warm", WARM_GOAL)) if found.seconds else ():
            ratio = found.median / readings[f"ours, {state}"].median
            _goal(f"ours {state} against {NAMES[way]}", f"{ratio:.1f} ×", f"≥ {aim}", ratio >= aim)


def traffic(bench: Bench) -> None:
    """Requests and bytes a patch, against the blocks that the square touches."""
    granule = bench.archive.granule(SCENE, STYLE)
    files = len(BAND_NAMES) + 1
    for name, place, known in (
        ("ours, cold", PLACE, "headers not known"),
        ("ours, beside it", NEXT_PLACE, "headers known"),
    ):
        found = bench.readings[name]
        each = max(found.requests) / files
        blocks = sum(
            block_bytes(bench.archive, granule, asset, PLACES[place])
            for asset in (*BAND_NAMES, "SCL")
        )
        ratio = max(found.bytes) / blocks
        _goal(f"requests a file, {known}", f"{each:.2f}", "≤ 2", each <= 2)
        _goal(
            f"bytes, {known}: {max(found.bytes) / 1e6:.2f} MB for {blocks / 1e6:.2f} MB of blocks",
            f"{ratio:.2f} ×",
            "≤ 2",
            ratio <= 2,
        )


def block_bytes(archive: Archive, granule: Granule, asset: str, place: Place) -> int:
    """Stored size of the blocks of a file that a square touches."""
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


def _goal(what: str, value: str, goal: str, met: bool) -> None:  # noqa: FBT001
    print(f"  {what}: {value}  (goal {goal}{'' if met else ', not met'})", flush=True)


if __name__ == "__main__":
    main()
