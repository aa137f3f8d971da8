"""Maps are written as GeoTIFF files on the patch's grid, with source and date in their tags."""

from __future__ import annotations

from typing import Any

import numpy as np
from rasterio.io import MemoryFile

from landcover import __version__
from landcover.io import geotiff_writer
from landcover.io.samples import read_sample


def test_a_map_has_the_position_of_its_patch() -> None:
    patch = read_sample("finland-lake")
    values = np.full((patch.height, patch.width), 0.5, dtype=np.float32)
    values[0, 0] = np.nan

    def fill(file: Any) -> None:
        file.write(values, 1)
        file.update_tags(MEANING="half")

    with MemoryFile(geotiff_writer.write_maps(patch, 1, fill)) as memory, memory.open() as file:
        assert str(file.crs) == patch.crs
        assert tuple(file.transform)[:6] == tuple(patch.transform)
        assert np.array_equal(file.read(1), values, equal_nan=True)
        tags = file.tags()
    assert tags["MEANING"] == "half"
    assert tags["SOFTWARE"] == f"landcover {__version__}"
    assert patch.acquired is not None
    assert tags["ACQUIRED"] == patch.acquired.isoformat()
