"""Windows of all kinds of sources: they are read, and nothing else of the file is."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.warp import transform as warp

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.core.window import Cut
from landcover.io import readers, sources
from tests.io.test_stack import from_origin, numbers, tif
from tests.support import large_stack
from tests.support.colour_pictures import encoded, geotiff, pixels

CUTS = (Cut(size=120), Cut(size=60), Cut(size=120, corner=(7, 11)), Cut(size=64, corner=(90, 3)))


@pytest.fixture(scope="module")
def tile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An entire tile in which only four blocks can be read."""
    return large_stack.write(tmp_path_factory.mktemp("tile") / "S2A_20220701T101031_tile.tif")


def assert_same(window: Raster, expected: Raster) -> None:
    np.testing.assert_array_equal(window.data, expected.data)
    np.testing.assert_array_equal(window.valid, expected.valid)
    assert (window.crs, window.transform) == (expected.crs, expected.transform)
    assert (window.bands, window.acquired) == (expected.bands, expected.acquired)
    assert window.provenance == expected.provenance


# A file of any size


@pytest.mark.parametrize("corner", [(5200, 5300), large_stack.CORNER])
def test_a_window_of_an_entire_tile_is_read_without_the_rest(
    tile: Path, corner: tuple[int, int]
) -> None:
    tracemalloc.start()
    window = readers.read_file(str(tile), Cut(size=120, corner=corner))
    assert window is not None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    row, col = (a - b for a, b in zip(corner, large_stack.CORNER, strict=True))
    stored = large_stack.pixels()[:, row : row + 120, col : col + 120]
    np.testing.assert_allclose(window.data, stored / 1e4, rtol=1e-6)
    assert window.valid.all()
    assert peak < 20_000_000


def test_the_centre_of_a_tile_and_a_place_in_it(tile: Path) -> None:
    middle = sources.read(tile, Cut(size=120))
    west, north = large_stack.WEST, large_stack.NORTH
    assert middle.transform == (10, 0, west + 54_300, 0, -10, north - 54_300)
    place = middle.extent.part(61, 61, 1, 1).centre
    again = sources.read(tile, Cut(size=120, place=place))
    assert_same(again, middle)
    with pytest.raises(BadInput, match="lies outside"):
        sources.read(tile, Cut(size=120, place=(0.0, 0.0)))
    with pytest.raises(BadInput, match="does not fit into 10980 × 10980"):
        sources.read(tile, Cut(size=120, corner=(10_900, 0)))


def test_an_entire_tile_is_refused_and_damaged_blocks_are_reported(tile: Path) -> None:
    with pytest.raises(BadInput, match=f"'{tile.name}' has 10,980 × 10,980 .* more than fits"):
        sources.read(tile)
    with pytest.raises(BadInput, match=f"'{tile.name}' is damaged or truncated"):
        sources.read(tile, Cut(size=120, corner=(0, 0)))


def test_a_window_of_an_upload_and_of_a_zip_has_the_same_pixels(tile: Path) -> None:
    expected = sources.read(tile, Cut(size=120))
    data = tile.read_bytes()
    assert_same(sources.read_upload([(tile.name, data)], Cut(size=120)), expected)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(tile.name, data)
    assert_same(sources.read_upload([("a.zip", packed.getvalue())], Cut(size=120)), expected)


def test_a_window_without_data_in_a_large_file_is_empty(tmp_path: Path) -> None:
    path = large_stack.write(tmp_path / "a.tif", damaged=False)
    window = sources.read(path, Cut(size=120, corner=(0, 0)))
    assert not window.valid.any()


def test_a_file_in_one_huge_block_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=12, height=9000, width=9000, dtype="uint16",
        crs="EPSG:32633", transform=from_origin(4e5, 5.3e6, 10, 10), blockysize=9000,
        compress="deflate", SPARSE_OK=True,
    ):  # fmt: skip
        pass
    with pytest.raises(BadInput, match="far more pixels"):
        sources.read(path, Cut(size=120))


def test_only_a_part_of_a_large_geographic_file_is_resampled(tmp_path: Path) -> None:
    # The numbers are rows and columns, so that a pixel from another position is detected.
    side, step = 5000, 0.0001
    path = tmp_path / "a.tif"
    top, left = 2500 - 256, 2500 - 256
    block = np.zeros((12, 512, 512), dtype=np.int16)
    block[:] = 1000
    block[0], block[1] = np.mgrid[top : top + 512, left : left + 512]
    with rasterio.open(
        path, "w", driver="GTiff", count=12, height=side, width=side, dtype="int16",
        crs="EPSG:4326", transform=from_origin(15.0, 48.25, step, step), tiled=True,
        compress="deflate", SPARSE_OK=True,
    ) as raster:  # fmt: skip
        raster.write(block, window=((top, top + 512), (left, left + 512)))
    place = (48.25 - 2500 * step, 15.0 + 2500 * step)
    window = sources.read(path, Cut(size=120, place=place))
    assert window.valid.all()
    assert window.crs == "EPSG:32633"
    assert window.pixel_of(*place) == pytest.approx((60, 60), abs=6)
    rows, cols = np.mgrid[0:120, 0:120] + 0.5
    xs, ys = window.extent.xy(list(zip(cols.ravel(), rows.ravel(), strict=True)))
    lons, lats = warp(window.crs, "EPSG:4326", xs, ys)
    found = np.round(window.data[:2] * 1e4).reshape(2, -1)
    assert np.abs(found[0] + 0.5 - (48.25 - np.array(lats)) / step).max() < 0.75
    assert np.abs(found[1] + 0.5 - (np.array(lons) - 15.0) / step).max() < 0.75


# A window equals the same window cut from the entire raster


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tiled": True, "blockxsize": 64, "blockysize": 64, "interleave": "band"},
        {"nodata": 503},
        {"crs": "EPSG:4326", "transform": from_origin(15.1, 48.2, 0.000134, 0.00009)},
        {"crs": "EPSG:32633", "transform": rasterio.Affine(9.8, 2, 4e5, 2, -9.8, 5.3e6)},
        {"scales": (0.0001, -0.1)},
        {"pixels": (numbers(side=200) / 1e4).astype(np.float32)},
    ],
)
def test_a_window_equals_a_cut_of_the_raster(options: dict[str, Any], cut: Cut) -> None:
    data = tif(**{"pixels": numbers(side=200), **options})
    whole = sources.read_upload([("2020-01-23.tif", data)])
    assert_same(sources.read_upload([("2020-01-23.tif", data)], cut), whole.cut(cut))


def test_all_windows_of_a_file_get_the_same_scaling() -> None:
    # Dark pixels in one corner show that the offset was removed; the rest is brighter.
    stored = numbers(side=300) + np.uint16(500)
    stored[:, :60, :60] = np.arange(30, 42)[:, None, None]
    tagged = {"PROCESSING_BASELINE": "05.09"}
    data = tif(stored, tags=tagged)
    for corner in ((0, 0), (180, 180)):
        window = sources.read_upload([("a.tif", data)], Cut(size=120, corner=corner))
        assert "it was removed" in window.provenance.scaling
        row, col = corner
        expected = stored[:, row : row + 120, col : col + 120] / 1e4
        np.testing.assert_allclose(window.data, expected, rtol=1e-6)


def test_the_scaling_of_a_larger_file_is_derived_from_all_parts() -> None:
    stored = np.empty((12, 1300, 1300), dtype=np.uint16)
    stored[:, :600, :] = np.arange(1100, 1112)[:, None, None]
    stored[:, 600:, :] = np.arange(40, 52)[:, None, None]
    data = tif(stored, tags={"PROCESSING_BASELINE": "05.09"})
    window = sources.read_upload([("a.tif", data)], Cut(size=120, corner=(0, 0)))
    assert "it was removed" in window.provenance.scaling
    assert window.data.max() == pytest.approx(0.1111)


def test_a_window_without_data_is_empty_but_a_file_without_data_is_refused() -> None:
    stored = numbers(side=300)
    stored[:, :150] = 0
    window = sources.read_upload([("a.tif", tif(stored))], Cut(size=120, corner=(0, 0)))
    assert not window.valid.any()
    with pytest.raises(BadInput, match=r"'a\.tif' has no data in any pixel"):
        sources.read_upload([("a.tif", tif(stored * 0))], Cut(size=120))


def test_a_file_smaller_than_the_window_is_padded() -> None:
    padded = sources.read_upload([("a.tif", tif(numbers(side=64)))], Cut(size=100))
    assert padded.width == 100
    assert padded.provenance.padded_fraction == pytest.approx(1 - 0.64**2, abs=1e-4)
    assert sources.read_upload([("a.tif", tif(numbers(side=64)))], Cut(size=60)).width == 60


# Paths are as safe as bytes


def test_positions_and_fill_values_in_sidecars_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tif(crs=None, transform=rasterio.Affine.identity()))
    (tmp_path / "a.tfw").write_text("10\n0\n0\n-10\n400005\n5299995\n")
    (tmp_path / "a.prj").write_text(rasterio.CRS.from_epsg(32633).to_wkt())
    (tmp_path / "a.tif.aux.xml").write_text(
        "<PAMDataset><SRS>EPSG:32633</SRS>"
        "<GeoTransform>4e5, 10, 0, 5.3e6, 0, -10</GeoTransform>"
        '<PAMRasterBand band="1"><NoDataValue>500</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    window = sources.read(path, Cut(size=120))
    assert window.crs is None
    assert window.valid.all()
    assert window.provenance.band_order.endswith("(of 12)")


@pytest.mark.parametrize(
    "name", ["GTIFF_DIR:1:b.tif", "zip+file:a.tif", "a b?c.tif", "NETCDF:a.tif", "tif", "é.tif"]
)
def test_gdal_does_not_interpret_names_of_files(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(tif())
    assert sources.read(name, Cut(size=120)).bands == BAND_NAMES


@pytest.mark.parametrize("name", ["/vsicurl/http://127.0.0.1/a.tif", "GTIFF_DIR:1:a.tif", "a\0b"])
def test_a_text_that_is_not_a_file_is_not_opened(name: str) -> None:
    with pytest.raises(BadInput, match="There is no file"):
        sources.read(name, Cut(size=120))


# One function for all kinds


def test_pictures_are_recognised(tmp_path: Path) -> None:
    drawn = pixels(80, 90)
    png = sources.read_upload([("p.png", encoded(drawn))])
    assert png.is_rgb
    path = geotiff(tmp_path / "p.tif", drawn, pixel=2.5)
    for cut in (Cut(size=64), Cut(size=64, corner=(3, 5))):
        window = sources.read(path, cut)
        np.testing.assert_array_equal(window.data, png.cut(cut).data)
        assert window.pixel_m == 2.5
        assert window.provenance.source == "p.tif"
        np.testing.assert_array_equal(
            sources.read_upload([("p.png", encoded(drawn))], cut).data, window.data
        )
    for source in (path, tmp_path / "p.png"):
        if source.suffix == ".png":
            source.write_bytes(encoded(drawn))
        with pytest.raises(BadInput, match=f"'{source.name}' is a picture without a position"):
            sources.read(source, Cut(size=64, place=(48.0, 13.0)))


def test_the_level_of_a_source_is_known_before_it_is_read(tmp_path: Path) -> None:
    picture, stack = tmp_path / "p.png", tmp_path / "s.tif"
    picture.write_bytes(encoded(pixels()))
    stack.write_bytes(tif(numbers()))
    assert sources.level_of(picture) == "RGB"
    others = (stack, tmp_path, "finland-lake", "62.8,30.6", tmp_path / "missing.png", "no\0file")
    assert {sources.level_of(source) for source in others} == {"L2A"}


def test_a_window_of_a_large_picture_is_read_without_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "p.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=13_000, width=13_000, count=3, dtype="uint8",
        photometric="RGB", tiled=True, SPARSE_OK=True,
    ) as raster:  # fmt: skip
        raster.write(pixels().transpose(2, 0, 1), window=((640, 704), (256, 320)))
    window = sources.read(path, Cut(size=64, corner=(640, 256)))
    np.testing.assert_array_equal(window.image()[..., :3], pixels())
    with pytest.raises(BadInput, match="more pixels than fit"):
        sources.read(path)


def test_samples_and_places_are_cut_too() -> None:
    whole = sources.read("finland-lake")
    assert_same(sources.read("finland-lake", Cut(size=60)), whole.centre_window(60))
    place = "{:.6f},{:.6f}".format(*whole.centre)
    assert_same(sources.read(place, Cut(size=60)), whole.centre_window(60))


def test_messages_name_the_file_with_the_error(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("folder/inner.tif", tif(numbers(side=20)))
    path = tmp_path / "outer.zip"
    path.write_bytes(packed.getvalue())
    with pytest.raises(BadInput, match=r"^'inner\.tif' covers 20 × 20 pixels"):
        sources.read(path)
    path.write_bytes(packed.getvalue()[:-30])
    with pytest.raises(BadInput, match=r"^'outer\.zip' is damaged or not a zip"):
        sources.read(path)
