"""GDAL and its libraries write nothing to the terminal by themselves."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import rasterio

from landcover.core.gdal_errors import GDAL_ERRORS
from tests.conftest import ROOT

OWN = "+proj=lcc +lat_1=40 +lat_2=50 +lat_0=45 +lon_0=10 +ellps=GRS80 +units=m"
METRE = struct.pack("<4H", 3076, 0, 1, 9001)
"""The unit of a projection in a GeoTIFF's directory of keys."""
CODE = """
import sys
if sys.argv[2] == "ours":
    import landcover.core.gdal_errors
import rasterio
with rasterio.open(sys.argv[1]) as file:
    file.crs
"""


def said(path: Path, whose: str) -> str:
    variables = {key: text for key, text in os.environ.items() if key != "PROJ_DEBUG"}
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(path), whose],
        env=variables | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stderr


def test_libgeotiff_says_nothing_about_an_unknown_unit(tmp_path: Path) -> None:
    path = tmp_path / "unit.tif"
    where = {"crs": OWN, "transform": rasterio.Affine(10, 0, 4e5, 0, -10, 1e5)}
    with rasterio.open(
        path, "w", driver="GTiff", width=4, height=4, count=1, dtype="uint16", **where
    ) as file:
        file.write(np.ones((1, 4, 4), np.uint16))
    content = path.read_bytes()
    assert content.count(METRE) == 1
    path.write_bytes(content.replace(METRE, struct.pack("<4H", 3076, 0, 1, 20_000)))
    assert "proj" in said(path, "rasterio's")
    assert said(path, "ours") == ""


def test_the_errors_of_gdal_are_exceptions() -> None:
    assert all(issubclass(kind, Exception) for kind in GDAL_ERRORS)
    assert not issubclass(KeyError, GDAL_ERRORS)
