"""Index files have the georeference of the patch and the values of the indices."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from rasterio.io import MemoryFile

from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.explain.indices import INDICES, coloured, indices
from landcover.report import index_files, page
from tests.support import tiny


@pytest.fixture
def patch() -> Raster:
    valid = np.ones((120, 120), dtype=bool)
    valid[:10] = False
    return tiny.random_patch(valid=valid)


def test_a_geotiff_has_one_band_per_index_and_the_georeference_of_the_patch(patch: Raster) -> None:
    with MemoryFile(index_files.as_geotiff(patch)) as memory, memory.open() as raster:
        assert raster.crs.to_string() == patch.crs
        assert tuple(raster.transform)[:6] == patch.transform
        assert [text.split(":")[0] for text in raster.descriptions] == list(INDICES)
        for place, found in enumerate(indices(patch).values(), start=1):
            np.testing.assert_array_equal(raster.read(place), found.map)
        assert np.isnan(raster.read(1)[:10]).all()
        assert raster.tags(1)["SOURCE"] == "Rouse et al. 1974"


def test_a_table_has_the_values_of_each_index(patch: Raster) -> None:
    lines = list(csv.DictReader(io.StringIO(index_files.as_csv(patch).decode())))
    for line, (name, found) in zip(lines, indices(patch).items(), strict=True):
        assert line["index"] == name
        assert found.mean is not None
        assert float(line["mean"]) == pytest.approx(found.mean, abs=1e-6)
        assert float(line["share"]) == pytest.approx(found.share, abs=1e-6)
        assert found.share <= 110 / 120


def test_a_table_without_values_has_empty_cells_instead_of_nan(patch: Raster) -> None:
    dark = tiny.random_patch(data=np.zeros_like(patch.data))
    lines = list(csv.DictReader(io.StringIO(index_files.as_csv(dark).decode())))
    assert [line["mean"] for line in lines] == [""] * 4
    assert index_files.as_png(dark)[:4] == b"\x89PNG"


def test_the_figure_shows_each_map_in_its_position(patch: Raster) -> None:
    sheet = np.array(Image.open(io.BytesIO(index_files.as_png(patch))).convert("RGB"))
    top, side = index_files.HEAD + page.LINE, index_files.SIDE
    for place, found in enumerate(indices(patch).values()):
        left = page.GAP + (side + page.GAP) * place
        view = sheet[top : top + side : 2, left : left + side : 2]
        known = np.isfinite(found.map)
        np.testing.assert_array_equal(view[known], coloured(found.map)[..., :3][known])
        assert (view[:10] == page.RULE).all()


def test_a_patch_without_a_place_has_a_figure_and_a_table(patch: Raster) -> None:
    somewhere = replace(patch, crs=None, transform=None)
    assert somewhere.where == "place unknown"
    assert index_files.as_png(somewhere)[:4] == b"\x89PNG"
    assert index_files.as_csv(somewhere) == index_files.as_csv(patch)


def test_a_patch_without_the_bands_is_refused() -> None:
    patch = tiny.random_patch(data=np.ones((3, 120, 120)), bands=("B02", "B03", "B04"))
    for make in (index_files.as_png, index_files.as_csv, index_files.as_geotiff):
        with pytest.raises(BadInput, match="lacks the bands for spectral indices: give one with"):
            make(patch)
