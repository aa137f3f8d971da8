"""Maps with made-up values, for tests of what is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

import landcover
from landcover.areas.facts import MapFacts, Scene
from landcover.areas.layout import COVER_EXTRA, NODATA, PRESENCE_EXTRA
from landcover.areas.plan import CELL, Block, Plan, plan
from landcover.core.window import Window, grid
from landcover.models.card import read_card

COVERS = ("Water", "Forest", "Cropland", "Built-up")
CARD = read_card(Path(landcover.__file__).parent / "zoo" / "landcover-cnn")
SCENE = "S2B_MSIL2A_20200607T101559_N0500_R065_T33UUP_20230401T000000"


@dataclass(frozen=True)
class Layers:
    """What is mapped of a block."""

    presence: npt.NDArray[np.uint8]
    cover: npt.NDArray[np.uint8]
    decision: npt.NDArray[np.uint8]
    scene: str = SCENE
    acquired: datetime | None = None
    baseline: str | None = None


def plan_of(
    width: int = 240,
    height: int = 240,
    *,
    step: int = 24,
    block: int = 120,
    crs: str = "EPSG:32633",
) -> Plan:
    window = Window(crs=crs, transform=grid(399_960, 5_300_040), width=width, height=height)
    return plan(window, step=step, block=block)


def facts_of(covers: Sequence[str] = COVERS) -> MapFacts:
    return MapFacts(
        source="valley.SAFE",
        card=CARD,
        covers=tuple(covers),
        cover_hash="0123456789ab" if covers else None,
        scenes=(
            Scene(
                name=SCENE,
                acquired=datetime(2020, 6, 7, 10, 15, 59, tzinfo=UTC),
                baseline="05.00",
            ),
        ),
        items={SCENE: "https://example.org/items/scene"},
        estimated_bands=("B01",),
        created=datetime(2026, 11, 30, tzinfo=UTC),
    )


def layers_of_block(
    made: Plan, block: Block, covers: Sequence[str] = COVERS, seed: int = 0
) -> Layers:
    """Random layers of a block, the same for the same seed and block."""
    rng = np.random.default_rng((seed, *block.index))
    windows = block.height // made.step, block.width // made.step
    cells = block.height // CELL, block.width // CELL
    presence = rng.integers(0, 251, (len(CARD.classes) + len(PRESENCE_EXTRA), *windows))
    cover = rng.integers(0, 251, (len(covers) + len(COVER_EXTRA), *cells))
    presence[len(CARD.classes)] = rng.integers(0, len(CARD.classes) + 1, windows)
    presence[-2] = rng.integers(0, 5, windows)
    cover[-2] = rng.integers(0, 5, cells)
    cover[:, :2, :2] = NODATA
    decision = rng.integers(0, len(covers) + 1, cells)
    return Layers(*(each.astype(np.uint8) for each in (presence, cover, decision)))


def blocks_of(
    made: Plan, covers: Sequence[str] = COVERS, seed: int = 0, *, backwards: bool = False
) -> Iterator[tuple[Block, Layers]]:
    for index in made.indices[:: -1 if backwards else 1]:
        block = made.block_at(index)
        yield block, layers_of_block(made, block, covers, seed)
