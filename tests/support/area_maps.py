"""Maps of areas without a model: blocks with known layers."""

from __future__ import annotations

import numpy as np

from landcover.areas import sky
from landcover.areas.block import BlockMap, Tally
from landcover.areas.canvas import Canvas
from landcover.areas.layout import NODATA, UNIT
from landcover.areas.plan import CELL, Block, Plan, plan
from landcover.core.classes import CLASS_NAMES
from landcover.core.raster import Raster
from landcover.core.window import Window, grid
from tests.support.tiny import random_patch

CLASSES = CLASS_NAMES
COVERS = ("Forest", "Water")


def window(width: int, height: int) -> Window:
    return Window(crs="EPSG:32633", transform=grid(600_000, 5_300_160), width=width, height=height)


def block_map(made: Plan, block: Block, *, cloudy: bool = False) -> BlockMap:
    """The left half of the area is forest, 60 % sure, and its right half water, 90 % sure."""
    rows, columns = block.height // made.step, block.width // made.step
    presence = np.zeros((len(CLASSES) + 4, rows, columns), np.uint8)
    presence[: len(CLASSES)] = (np.arange(len(CLASSES)) * 10)[:, None, None]
    rows, columns = block.height // CELL, block.width // CELL
    left = (block.left // CELL + np.arange(columns)) < made.cover.width // 2
    sure = np.where(left, 0.6, 0.9)
    cover = np.zeros((len(COVERS) + 3, rows, columns), np.uint8)
    cover[0] = np.rint(np.where(left, 0.6, 0.1) / UNIT)
    cover[1] = np.rint(np.where(left, 0.4, 0.9) / UNIT)
    cover[2] = np.rint((1 - sure) / UNIT)
    cover[4] = 250
    presence[-1] = 250
    decision = np.broadcast_to(np.where(left, 1, 2), (rows, columns)).astype(np.uint8)
    if cloudy:
        presence[: len(CLASSES) + 2] = NODATA
        cover[:3] = NODATA
        presence[-2] = cover[3] = sky.CLOUD
        decision = np.zeros_like(decision)
    counts = np.bincount(decision.ravel(), minlength=3)[1:].astype(np.int64)
    return BlockMap(
        presence=presence,
        cover=cover,
        decision=decision,
        tally=Tally(
            covers=counts,
            expected=counts.astype(np.float64),
            silent=int((decision == 0).sum()),
            present=np.zeros(len(CLASSES), np.int64),
            windows=presence[0].size,
        ),
        scene="S2A_TEST",
    )


def raster_of(block: Block) -> Raster:
    patch = random_patch(size=24)
    pixels = np.tile(patch.data, (1, block.height // 24, block.width // 24))
    return random_patch(data=pixels, valid=np.ones(pixels.shape[1:], dtype=bool))


def canvas(*, cloudy: bool = False) -> Canvas:
    """A map of two blocks, all of which are there."""
    made = plan(window(480, 240), step=24, block=240)
    found = Canvas(made, CLASSES, COVERS)
    for index in made.indices:
        block = made.block_at(index)
        found.put(block, block_map(made, block, cloudy=cloudy), raster_of(block))
    return found
