"""What pixels say by themselves: haze, and water by its index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from landcover.areas.imagery import RasterSpec
from landcover.areas.plan import plan
from landcover.core.bands import BAND_NAMES
from landcover.core.raster import Provenance, Raster
from landcover.core.window import Window
from landcover.time.pixels import PixelFacts, pixel_facts

WINDOW = Window(
    crs="EPSG:32631",
    transform=(10.0, 0.0, 480_000.0, 0.0, -10.0, 4_690_080.0),
    width=480,
    height=480,
)
LAND = dict(zip(BAND_NAMES, (2, 3, 5, 5, 9, 20, 25, 28, 30, 30, 18, 9), strict=True))
WATER = dict(zip(BAND_NAMES, (4, 5, 5, 3, 2, 1, 1, 1, 1, 1, 0, 0), strict=True))


def scene(bands: Sequence[str] = BAND_NAMES, haze: float = 0.0) -> Raster:
    """Land with a lake of 100 × 240 pixels in the upper left corner."""
    lake = np.zeros((480, 480), dtype=bool)
    lake[:100, :240] = True
    data = np.stack([np.where(lake, WATER[name], LAND[name]) / 100 for name in bands])
    veil = {"B01": haze, "B02": haze, "B03": 0.6 * haze, "B04": 0.4 * haze}
    data += np.array([veil.get(name, 0.0) for name in bands])[:, None, None]
    return Raster(
        data=data.astype(np.float32),
        valid=np.ones((480, 480), dtype=bool),
        bands=tuple(bands),
        provenance=Provenance(source="invented"),
        crs=WINDOW.crs,
        transform=WINDOW.transform,
    )


def facts(raster: Raster, seen: np.ndarray | None = None, **more: Any) -> PixelFacts:
    cells = np.ones((60, 60), dtype=bool) if seen is None else seen
    return pixel_facts(RasterSpec(raster).open(), plan(WINDOW, **more), cells)


def test_the_lake_has_its_hectares() -> None:
    found = facts(scene())
    assert found.water == pytest.approx(240)
    assert found.haze == 0


def test_blocks_give_the_same() -> None:
    assert facts(scene(), block=240) == facts(scene())


def test_hidden_cells_are_not_counted() -> None:
    seen = np.ones((60, 60), dtype=bool)
    seen[:, :15] = False  # the left half of the lake
    assert facts(scene(), seen).water == pytest.approx(120)


def test_haze_is_seen_over_land() -> None:
    assert facts(scene(haze=0.05)).haze == pytest.approx(1.0)


def test_an_offset_shows_in_the_darkest_ground() -> None:
    plain, hazy = facts(scene()), facts(scene(haze=0.05))
    assert plain.dark == pytest.approx(0.0)
    assert hazy.dark == pytest.approx(0.0)
    raster = scene()
    brighter = facts(replace(raster, data=raster.data + np.float32(0.1)))
    assert brighter.dark == pytest.approx(0.1)


def test_of_many_blocks_some_are_read_and_no_water_is_claimed() -> None:
    found = facts(scene(haze=0.05), block=96)
    assert found.water is None
    assert found.haze == pytest.approx(1.0)


def test_without_the_bands_nothing_is_said() -> None:
    assert facts(scene(("B02", "B03", "B04"))) == PixelFacts()
