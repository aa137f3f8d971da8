"""Speed of area maps: docs/areas-speed.md. ``python tools/bench.py areas`` prints all of it.

The comparison is with sliding windows as the field's tools compute them: every window is cut out
and passed through the same net in plain eager torch, float32, in batches of 32, on the same
threads. Where the processor computes bfloat16, which maps then use, both precisions of ours are
compared with it. As its cost is the same for each window, it is measured on some, spread over the
area. It is compared twice: with the model as it answers for a patch, and with its bare net, whose
patches are not mirrored at their edges. All run in turns, so that a machine whose speed drifts
favours none, and each turn gives one ratio. The ratio is of seconds that the processor worked,
beside that of the clock: on a machine that others use as well, only the first is a property of the
program.
"""

from __future__ import annotations

import copy
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
import torch
from affine import Affine
from rasterio.windows import Window as RasterWindow
from torch import Tensor, nn

from landcover.areas.engine import Engine, answers_for_areas
from landcover.areas.plan import plan
from landcover.core.bands import BAND_NAMES, PATCH_PIXELS, QUANTIFICATION
from landcover.core.window import Window
from landcover.io import sources
from landcover.io.samples import NAMES
from landcover.models import registry
from landcover.models.devices import supports_bfloat16
from landcover.models.model import Model
from landcover.nets.cell_net import CellNet
from landcover.nets.mosaic import Mosaic

STEP: Final = 32
BATCH: Final = 32
TURNS: Final = 3
COMPARED: Final = {"landcover-area": (2400, 128), "landcover-mosaic": (960, 32)}
"""Model → side of the block, and number of windows that are cut out."""
TILE: Final = 10980
SIDES: Final = (1200, 2400, 4800, TILE)
"""Sides of areas for the cost by size."""
BLOCK: Final = 2400
TARGET: Final = "target ≥ 15"


def area_speed() -> None:
    """Print the ratios against sliding windows, and the cost by the size of an area."""
    models = [registry.default().load(name, "cpu") for name in COMPARED if name in _installed()]
    for model in models:
        _compare(model, *COMPARED[model.card.name])
    fastest = models[0]
    engine = Engine(fastest, cells=False)
    print(f"{fastest.card.title}: blocks of {BLOCK} pixels, a window every {STEP}")
    for side in SIDES:
        clock, worked = _area(engine, side)
        million = side * side / 1e6
        print(
            f"  {side:6}² pixels: {clock:6.1f} s, {1000 * clock / million:5.0f} ms for a million "
            f"pixels; the processor worked {1000 * worked / million:5.0f} ms",
            flush=True,
        )


def tile_speed() -> None:
    """Print the time and the memory of the map of an entire tile, with reading and writing.

    The tile is a GeoTIFF of twelve bands, uncompressed in blocks of 512 pixels, of the samples.
    """
    with tempfile.TemporaryDirectory() as folder:
        tile, out = Path(folder) / "tile.tif", Path(folder) / "map.tif"
        _write_tile(tile, TILE)
        command = [sys.executable, "-m", "landcover", "map", str(tile), str(out)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        subprocess.run([*command, "--step", str(STEP)], check=True, stdout=subprocess.DEVNULL)
        clock = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(
            f"tile of {TILE}² pixels, a window every {STEP}: {clock:.1f} s (target ≤ 60), the "
            f"processor worked {worked:.1f} s; largest process {after.ru_maxrss / 2**20:.2f} GiB "
            f"(target ≤ 4)"
        )


def _write_tile(path: Path, side: int) -> None:
    """Write a tile of the samples' landscape."""
    profile = {
        "driver": "GTiff",
        "width": side,
        "height": side,
        "count": len(BAND_NAMES),
        "dtype": "uint16",
        "crs": "EPSG:32633",
        "transform": Affine(10.0, 0.0, 300000.0, 0.0, -10.0, 5300040.0),
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "interleave": "band",
        "BIGTIFF": "YES",
    }
    with rasterio.open(path, "w", **profile) as file:
        file.descriptions = BAND_NAMES
        for top in range(0, side, 512):
            rows = min(512, side - top)
            numbers = landscape(rows, side, top).mul_(QUANTIFICATION).round_().clamp_(1, 65535)
            file.write(numbers.numpy().astype(np.uint16), window=RasterWindow(0, top, side, rows))


def landscape(height: int, width: int, top: int = 0, left: int = 0) -> Tensor:
    """A part of an endless landscape of the samples, each mirrored at its borders.

    Args:
        height: of the part, pixels.
        width: of the part.
        top: row where it begins.
        left: column where it begins.

    Returns:
        Reflectance, float32 ``(12, height, width)``.
    """
    patches = np.stack([np.asarray(sources.read(name).data, dtype=np.float32) for name in NAMES])
    rows, columns = (np.arange(begin, begin + n) for begin, n in ((top, height), (left, width)))
    which = (rows[:, None] // PATCH_PIXELS + 3 * (columns // PATCH_PIXELS)) % len(patches)
    mirrored = [
        np.where(n // PATCH_PIXELS % 2 == 0, n % PATCH_PIXELS, PATCH_PIXELS - 1 - n % PATCH_PIXELS)
        for n in (rows, columns)
    ]
    found = patches[which, :, mirrored[0][:, None], mirrored[1]]
    return torch.from_numpy(np.ascontiguousarray(found.transpose(2, 0, 1)))


def _installed() -> tuple[str, ...]:
    every = registry.default()
    return tuple(name for name in every.names() if answers_for_areas(every.load(name, "cpu")))


def _compare(model: Model, side: int, count: int) -> None:
    pixels = landscape(side, side)
    engines = [Engine(model, precision="float32", cells=False)]
    if supports_bfloat16(model.device):
        engines.append(Engine(model, cells=False))
    parts = pixels.unfold(1, PATCH_PIXELS, STEP).unfold(2, PATCH_PIXELS, STEP)
    columns = parts.shape[2]
    every = parts.shape[1] * columns
    some = torch.linspace(0, every - 1, count).round().long()
    cut = torch.stack([parts[:, k // columns, k % columns] for k in some.tolist()])
    bare = copy.deepcopy(model.net)
    assert isinstance(bare, CellNet | Mosaic)
    for part, _ in bare.turned():
        part.in_area()

    def sliding(net: nn.Module) -> Tensor:
        with torch.no_grad():
            return torch.cat([net(part) for part in torch.split(cut, BATCH)])

    def dense(engine: Engine) -> Tensor:
        return engine.answer(pixels, step=STEP).logits

    alone = torch.sigmoid(sliding(model.net))
    print(f"areas {model.card.name}: {every} windows of {side}² pixels")
    for engine in engines:
        own = torch.sigmoid(dense(engine).flatten(1).T[some])
        print(f"  {engine.precision}: mean |Δp| {float((own - alone).abs().mean()):.4f}")
    kinds: dict[str, nn.Module] = {"the model": model.net, "its bare net": bare}
    ratios: dict[tuple[str, str], list[tuple[float, float]]] = {
        (engine.precision, kind): [] for engine in engines for kind in kinds
    }
    for _ in range(TURNS):
        fast = {engine.precision: _timed(partial(dense, engine)) for engine in engines}
        for kind, net in kinds.items():
            slow = _timed(partial(sliding, net))
            for precision, ours in fast.items():
                ratios[precision, kind].append((slow[0] / ours[0], slow[1] / ours[1]))
    for (name, kind), found in ratios.items():
        clock, work = ([one[k] * every / count for one in found] for k in (0, 1))
        print(
            f"  {name}: {statistics.median(work):.1f} times as fast as sliding windows of "
            f"{kind} ({min(work):.1f} to {max(work):.1f}; by the clock "
            f"{statistics.median(clock):.1f}; {TARGET})",
            flush=True,
        )


def _area(engine: Engine, side: int) -> tuple[float, float]:
    """Seconds by the clock and of work for an area, block by block as a map is made."""
    whole = Window(
        crs="EPSG:32633",
        transform=(10.0, 0.0, 300000.0, 0.0, -10.0, 5300040.0),
        width=side,
        height=side,
    )
    area = plan(whole, step=STEP, block=BLOCK)
    clock = worked = 0.0
    for index in area.indices:
        block = area.block_at(index)
        high, wide = block.height + 2 * area.halo, block.width + 2 * area.halo
        pixels = landscape(high, wide, block.top + 240, block.left + 240)
        shape = block.height // STEP, block.width // STEP
        first = area.halo + area.first
        own = _timed(partial(engine.answer, pixels, step=STEP, first=first, shape=shape))
        clock, worked = clock + own[0], worked + own[1]
    return clock, worked


def _timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and seconds that the processor worked."""
    begin, work = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - begin, time.process_time() - work
