"""The command `landcover cover`: what was measured, and maps beside independent ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from landcover.cli.main import main
from landcover.core.covers import COVER_NAMES

MODELS = ("landcover-mosaic", "landcover-area")


@pytest.mark.parametrize("model", MODELS)
def test_the_shipped_models_say_how_good_their_maps_are(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cover", "measure", "--model", model, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)["measured"]
    assert tuple(record["figures"]) == COVER_NAMES
    for cover in ("Built-up", "Cropland", "Forest", "Water"):
        one = record["figures"][cover]
        assert abs(one["mapped"] / one["true"] - 1) < 0.1
    assert main(["cover", "measure", "--model", model]) == 0
    assert "Mixed farmland" in capsys.readouterr().out


def test_a_model_without_a_map_of_covers_says_how_to_get_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["cover", "measure", "--model", "landcover-cnn"]) == 2
    assert "landcover cover fit" in capsys.readouterr().err


def test_maps_are_compared_cell_by_cell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A place of dark water in the west and bright meadow in the east."""
    side = 120
    water = np.array([300, 250, 200, 120, 100, 80, 70, 60, 50, 40, 20, 10])
    meadow = np.array([300, 350, 700, 400, 1000, 3000, 3800, 4000, 4100, 4000, 2000, 1000])
    pixels = np.repeat(meadow[:, None, None], side, 1).repeat(side, 2).astype(np.uint16)
    pixels[:, :, : side // 2] = water[:, None, None]
    codes = np.full((1, side, side), 4, dtype=np.uint8)
    codes[:, :, : side // 2] = 1
    for name, data in (("S2L2A", pixels), ("LULC", codes)):
        (tmp_path / name).mkdir()
        profile = {"driver": "GTiff", "count": len(data), "dtype": data.dtype, "crs": "EPSG:32633"}
        with rasterio.open(
            tmp_path / name / "place.tif",
            "w",
            width=side,
            height=side,
            transform=from_origin(500_000, 5_000_000, 10, 10),
            **profile,
        ) as file:
            file.write(data)
    assert main(["cover", "measure", "--maps", str(tmp_path), "--json"]) == 0
    found = {one["land_cover"]: one for one in json.loads(capsys.readouterr().out)["maps"]}
    # Whole squares of 240 m alone: 15 × 15 cells, of which the middle column is half water.
    assert found["water"]["true"] in {7 * 15, 8 * 15}
    assert found["water"]["both"] >= 6 * 15
    assert found["trees"]["true"] == 0
