"""Reading finished maps: what the file says, and what is no map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from landcover.core.errors import BadInput
from landcover.io.map_files import read_map_file


def write(path: Path, **more: Any) -> Path:
    given: dict[str, Any] = {
        "driver": "GTiff",
        "count": 2,
        "width": 30,
        "height": 20,
        "dtype": "uint8",
        "crs": "EPSG:32631",
        "transform": from_origin(480_000, 4_690_080, 80, 80),
    }
    settings = {**given, **more}
    with rasterio.open(path, "w", **settings) as file:
        shape = settings["height"], settings["width"]
        for band in range(1, settings["count"] + 1):
            file.write(np.full(shape, band, dtype=settings["dtype"]), band)
            file.set_band_description(band, f"Class {band}")
        file.update_tags(MODEL="landcover-mosaic")
    return path


def test_layers_have_names_tags_and_a_place(tmp_path: Path) -> None:
    found = read_map_file(write(tmp_path / "a-cover.tif"))
    assert found.values.shape == (2, 20, 30)
    assert (found.values[1] == 2).all()
    assert found.names == ("Class 1", "Class 2")
    assert found.tags["MODEL"] == "landcover-mosaic"
    assert found.window.crs == "EPSG:32631"
    assert found.window.transform == (80, 0, 480_000, 0, -80, 4_690_080)


@pytest.mark.parametrize(
    "more",
    [
        {"dtype": "uint16"},
        {"crs": None},
        {"crs": "EPSG:4326", "transform": from_origin(2, 42, 0.001, 0.001)},
    ],
)
def test_other_rasters_are_no_maps(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"(no map that this program made|not a projected CRS)"):
        read_map_file(write(tmp_path / "a.tif", **more))


def test_a_missing_or_damaged_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no file 'a"):
        read_map_file(tmp_path / "a.tif")
    path = write(tmp_path / "b.tif")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(BadInput, match=r"'b.tif'.* damaged"):
        read_map_file(path)
    (tmp_path / "c.tif").write_text("no raster")
    with pytest.raises(BadInput, match=r"'c.tif' is not a raster"):
        read_map_file(tmp_path / "c.tif")
