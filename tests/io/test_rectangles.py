"""Sources read by rectangles: every block equals the same part of the whole, to the bit."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from landcover.core import files, limits
from landcover.core.bands import COMPOSITES
from landcover.core.errors import BadInput
from landcover.core.projection import project
from landcover.core.raster import Raster
from landcover.core.window import Window
from landcover.io import decoded_cells, sources
from landcover.io.decoded_cells import DecodedCells
from landcover.io.pixel_source import open_stack
from landcover.io.rectangles import Rectangles, stamp_of
from landcover.io.regrid import Raw, regrid
from landcover.io.web_mercator import map_picture, placed_picture
from tests.support import large_stack
from tests.support.safe_tree import Safe, pixels, write_raster, write_safe
from tests.support.stack_files import from_origin, tif


def opened(source: Path) -> Rectangles:
    return Rectangles(str(source), stamp=stamp_of([source]))


def noise(count: int, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(4)
    found = rng.integers(200, 4000, (count, height, width), dtype=np.uint16)
    found[:, : height // 5, : width // 4] = 0  # no data
    return found


def stack(folder: Path, **profile: object) -> Path:
    path = folder / "S2A_20200123T105321_stack.tif"
    path.write_bytes(tif(noise(12, 230, 310), **profile))
    return path


def in_degrees(folder: Path) -> Path:
    return stack(folder, crs="EPSG:4326", transform=from_origin(13.5, 48.2, 0.00012, 0.00009))


def of_20_m(folder: Path) -> Path:
    return stack(folder, transform=from_origin(400_010, 5_300_000, 20, 20))


def undeclared_fill(folder: Path) -> Path:
    found = noise(12, 230, 310)
    found[:, 100:140, 200:] = 65_535
    path = folder / "fill.tif"
    path.write_bytes(tif(found))
    return path


def product(folder: Path) -> Path:
    made = write_safe(folder, Safe())
    (classes,) = made.rglob("*SCL_20m.jp2")
    scl = pixels()["SCL"].copy()
    scl[10:30, 20:50] = 9  # cloud
    with rasterio.open(classes) as file:
        place = file.transform.c, file.transform.f, 20
        crs = file.crs
    classes.unlink()
    write_raster(classes, scl, crs, place)
    return made


def band_folder(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    for band, side in (("B02", 10), ("B03", 10), ("B04", 10), ("B08", 10), ("B11", 20)):
        shape = 2400 // side, 3000 // side
        write_raster(
            folder / f"scene_{band}.tif",
            rng.integers(300, 3000, shape, dtype=np.uint16),
            "EPSG:32633",
            (400_000, 5_300_000, side),
        )
    return folder


def zipped_product(folder: Path) -> Path:
    made = product(folder)
    with zipfile.ZipFile(folder / "product.zip", "w") as packed:
        for file in sorted(made.rglob("*")):
            packed.write(file, file.relative_to(folder))
    shutil.rmtree(made)
    return folder / "product.zip"


KINDS: dict[str, Callable[[Path], Path]] = {
    "stack": stack,
    "degrees": in_degrees,
    "20 m": of_20_m,
    "fill": undeclared_fill,
    "SAFE": product,
    "bands": band_folder,
    "zip": zipped_product,
}


def equal(one: Raster, other: Raster) -> None:
    np.testing.assert_array_equal(one.data, other.data)
    np.testing.assert_array_equal(one.valid, other.valid)
    assert (one.scl is None) == (other.scl is None)
    if one.scl is not None:
        np.testing.assert_array_equal(one.scl, other.scl)


def part_of(raster: Raster, row: int, col: int, height: int, width: int) -> Raster:
    y, x = slice(row, row + height), slice(col, col + width)
    return replace(
        raster,
        data=raster.data[:, y, x],
        valid=raster.valid[y, x],
        scl=None if raster.scl is None else raster.scl[y, x],
        transform=raster.extent.part(row, col, height, width).transform,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_equal_the_whole(tmp_path: Path, kind: str) -> None:
    source = KINDS[kind](tmp_path)
    rectangles = opened(source)
    extent = rectangles.facts().extent
    margin = 30  # beyond the file
    large = extent.part(-margin, -margin, extent.height + 60, extent.width + 60)
    whole = rectangles.read(large)
    assert whole.valid.any()
    assert not whole.valid[:margin].any()
    assert not whole.data[:, ~whole.valid].any()
    for row in range(0, large.height, 97):
        for col in range(0, large.width, 101):
            size = min(97, large.height - row), min(101, large.width - col)
            block = rectangles.read(large.part(row, col, *size))
            equal(block, part_of(whole, row, col, *size))
            assert block.transform == large.part(row, col, *size).transform


@pytest.mark.parametrize("kind", KINDS)
def test_rectangles_equal_the_file_read_at_once(tmp_path: Path, kind: str) -> None:
    source = KINDS[kind](tmp_path)
    rectangles, whole = opened(source), sources.read(source)
    facts = rectangles.facts()
    assert facts.extent == whole.extent
    assert facts.acquired == whole.acquired
    found = rectangles.read(facts.extent)
    equal(found, whole)
    assert found.provenance == whole.provenance
    assert found.bands == whole.bands
    assert facts.classified == (whole.scl is not None)


@pytest.fixture(scope="module")
def degrees(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rectangles, Raster]:
    """A stack on another grid, and all of it with what lies around."""
    rectangles = opened(in_degrees(tmp_path_factory.mktemp("degrees")))
    return rectangles, rectangles.read(rectangles.facts().extent.part(-200, -200, 800, 800))


@settings(max_examples=25, deadline=None)
@given(
    row=st.integers(0, 700), col=st.integers(0, 700),
    height=st.integers(1, 100), width=st.integers(1, 100),
)  # fmt: skip
def test_any_rectangle(
    degrees: tuple[Rectangles, Raster], row: int, col: int, height: int, width: int
) -> None:
    rectangles, whole = degrees
    block = rectangles.read(whole.extent.part(row, col, height, width))
    equal(block, part_of(whole, row, col, height, width))


def test_a_window_in_the_next_zone_gets_the_nearest_pixels(tmp_path: Path) -> None:
    rectangles = opened(stack(tmp_path))
    extent = rectangles.facts().extent
    latitude, longitude = extent.centre
    window = Window.around(latitude, longitude, pixels=120, crs="EPSG:32632")
    found = rectangles.read(window)
    assert found.valid.all()
    ((x, y),) = [(window.west + 605, window.north - 605)]
    xs, ys = project("EPSG:32632", extent.crs, [x], [y])
    ((row, col),) = extent.pixels_of(xs, ys)
    own = rectangles.read(extent.part(int(row), int(col), 1, 1))
    np.testing.assert_array_equal(found.data[:, 60, 60], own.data[:, 0, 0])


def test_a_large_file_is_read_by_its_blocks_only(tmp_path: Path) -> None:
    path = large_stack.write(tmp_path / "tile.tif", damaged=False, scales=None)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.0001,) * 12, (0.0,) * 12
    rectangles = opened(path)
    row, col = large_stack.CORNER
    extent = rectangles.facts().extent
    assert (extent.height, extent.width) == (large_stack.SIDE, large_stack.SIDE)
    found = rectangles.read(extent.part(row - 10, col, 300, 300))
    expected = large_stack.pixels()[:, :290, :300] / 1e4
    np.testing.assert_allclose(found.data[:, 10:], expected, rtol=1e-6)
    assert not found.valid[:10].any()


def test_strips_of_a_rectangle_that_is_too_large_equal_it(tmp_path: Path) -> None:
    rectangles = opened(product(tmp_path))
    extent = rectangles.facts().extent
    whole = rectangles.read(extent)
    with limits.changed(samples=13 * 120 * 50):
        equal(rectangles.read(extent), whole)


def test_a_fine_grid_is_resampled_a_quarter_at_a_time(tmp_path: Path) -> None:
    rectangles = opened(stack(tmp_path, transform=from_origin(400_000, 5_300_000, 5, 5)))
    extent = rectangles.facts().extent
    whole = rectangles.read(extent)
    with limits.changed(samples=800_000):
        equal(opened(tmp_path / "S2A_20200123T105321_stack.tif").read(extent), whole)


def test_the_offset_is_decided_once_for_the_file(tmp_path: Path) -> None:
    """The dark half shows that +1000 was not removed; the bright half alone would not."""
    found = np.full((12, 240, 240), 4_000, np.uint16) + noise(12, 240, 240) // 10
    found[:, :, :120] = 1_100 + noise(12, 240, 240)[:, :, :120] // 20
    path = tmp_path / "a.tif"
    path.write_bytes(tif(found, tags={"PROCESSING_BASELINE": "05.00"}))
    rectangles = opened(path)
    extent = rectangles.facts().extent
    whole = rectangles.read(extent)
    assert "confirmed by the dark pixels" in whole.provenance.scaling
    for col in (0, 120):
        block = rectangles.read(extent.part(60, col, 120, 120))
        assert block.provenance.scaling == whole.provenance.scaling
        equal(block, part_of(whole, 60, col, 120, 120))


def test_a_file_that_changes_is_not_mapped_on(tmp_path: Path) -> None:
    path = stack(tmp_path)
    rectangles = opened(path)
    extent = rectangles.facts().extent
    os.utime(path, (1, 1))
    with pytest.raises(BadInput, match="has changed or is gone since the map was begun"):
        rectangles.read(extent)
    path.unlink()
    with pytest.raises(BadInput, match="has changed or is gone"):
        rectangles.read(extent)


def test_a_map_in_the_making_does_not_change_the_folder_that_it_is_made_from(
    tmp_path: Path,
) -> None:
    stack(tmp_path)
    before = stamp_of([tmp_path])
    with files.lock_file(tmp_path / "map.tif"), files.aside(tmp_path, "map.tif") as aside:
        (aside / "presence-0.raw").write_bytes(b"1")
        (tmp_path / "map.tif.parts").mkdir()
        (tmp_path / "map.tif.parts" / "0000-0000.safetensors").write_bytes(b"1")
        assert stamp_of([tmp_path]) == before
    (tmp_path / "B02.tif").write_bytes(b"1")
    assert stamp_of([tmp_path]) != before


def no_place(folder: Path) -> Path:
    path = folder / "no_place.tif"
    path.write_bytes(tif(crs=None, transform=None))
    return path


def picture(folder: Path) -> Path:
    path = folder / "photo.tif"
    path.write_bytes(tif(np.full((3, 120, 120), 90, np.uint8)))
    return path


def damaged(folder: Path) -> Path:
    path = folder / "damaged.tif"
    path.write_bytes(tif()[:3000])
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [(no_place, "has no position on Earth"), (picture, "."), (damaged, "is damaged")],
)
def test_what_cannot_be_mapped_is_refused(
    tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    rectangles = opened(make(tmp_path))
    with pytest.raises(BadInput, match=words):
        rectangles.read(rectangles.facts().extent)


def test_several_sources_are_not_one(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.tif").write_bytes(tif())
    with pytest.raises(BadInput, match="contains several scenes"):
        opened(tmp_path).facts()


@pytest.mark.parametrize("band", [0, 4])
def test_resampling_is_nearest_neighbour(band: int) -> None:
    """Against the places of all pixels, each computed exactly."""
    source = Window(
        crs="EPSG:4326", transform=(0.0001, 0.00001, 13.5, 0.00002, -0.00009, 48.2),
        width=200, height=180,
    )  # fmt: skip
    numbers = np.random.default_rng(2).integers(1, 60_000, (5, 180, 200), dtype=np.uint16)
    latitude, longitude = source.centre
    target = Window.around(latitude, longitude, pixels=100)
    found = regrid(Raw(numbers, np.ones((180, 200), np.bool_), source), target)
    centres = [(col + 0.5, row + 0.5) for row in range(100) for col in range(100)]
    xs, ys = project(target.crs, source.crs, *target.xy(centres))
    places = np.array(source.pixels_of(xs, ys))
    clear = np.abs(places - np.round(places)).min(axis=1) > 0.01
    rows, cols = np.floor(places).astype(int).T
    exact = numbers[band, rows, cols].reshape(100, 100)
    same = found.numbers[band] == exact
    assert same[clear.reshape(100, 100)].all()
    assert clear.mean() > 0.9


def test_boadella(shared_data: Path) -> None:
    path = shared_data / "scenes/boadella/Boadella_2020-06-21.tif"
    rectangles, whole = opened(path), sources.read(path)
    extent = rectangles.facts().extent
    equal(rectangles.read(extent), whole)
    equal(rectangles.read(extent.part(50, 60, 200, 130)), part_of(whole, 50, 60, 200, 130))


def test_overlapping_rectangles_are_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_stack(stack(tmp_path, tiled=True, blockxsize=64, blockysize=64), "stack.tif")
    decoded: list[tuple[int, int, int, int]] = []

    def part(here: tuple[int, int, int, int]) -> Raw:
        decoded.append(here)
        return source.part(here)

    monkeypatch.setattr(decoded_cells, "CELL_SIDE", 64)
    (tmp_path / "cells").mkdir()
    cells = DecodedCells(part, source.stack, source.block, tmp_path / "cells", "a")
    for _ in range(2):  # another process finds the same cells
        for row in range(0, 230, 50):
            for col in range(0, 310, 70):
                here = row, col, min(130, 230 - row), min(150, 310 - col)
                found, expected = cells(here), source.part(here)
                np.testing.assert_array_equal(found.numbers, expected.numbers)
                np.testing.assert_array_equal(found.valid, expected.valid)
                assert found.window == expected.window
        cells = DecodedCells(part, source.stack, source.block, tmp_path / "cells", "a")
    assert sum(rows * cols for _, _, rows, cols in decoded) == 230 * 310


def test_decoded_cells_are_bounded_and_may_vanish(tmp_path: Path) -> None:
    source = open_stack(stack(tmp_path, tiled=True, blockxsize=64, blockysize=64), "stack.tif")
    folder = tmp_path / "cells"
    folder.mkdir()
    cells = DecodedCells(source.part, source.stack, (64, 64), folder, "a")
    whole = source.part((0, 0, 230, 310))
    with limits.changed(area_scratch_bytes=5_000_000, samples=400_000):
        for _ in range(2):
            np.testing.assert_array_equal(cells((0, 0, 230, 310)).numbers, whole.numbers)
            assert 0 < sum(path.stat().st_size for path in folder.iterdir()) < 7_000_000
            for path in folder.iterdir():
                path.write_bytes(b"damaged")
    shutil.rmtree(folder)
    np.testing.assert_array_equal(cells((10, 20, 50, 60)).numbers, whole.numbers[:, 10:60, 20:80])


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_shows_all_of_a_source_in_its_place(kind: str, tmp_path: Path) -> None:
    source = KINDS[kind](tmp_path)
    raster = sources.read(source)
    # A picture also shows the clouds.
    shown = raster if raster.scl is None else replace(raster, valid=raster.scl > 0)
    whole = map_picture(shown, COMPOSITES[0])
    found = placed_picture(*opened(source).picture(60))
    assert max(found.rgba.shape[:2]) <= 60 * 1.5
    for edge in ("south", "west", "north", "east"):
        # A source that is not on a grid of 10 m is drawn on its own.
        assert getattr(found, edge) == pytest.approx(getattr(whole, edge), abs=1e-3)
    seen, expected = (one.rgba[one.rgba[..., 3] > 0] for one in (found, whole))
    np.testing.assert_allclose(seen.mean(axis=0), expected.mean(axis=0), atol=12)
    share, wanted = (np.mean(one.rgba[..., 3] > 0) for one in (found, whole))
    assert share == pytest.approx(wanted, abs=0.1)


def test_a_picture_of_a_large_source_needs_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = large_stack.write(tmp_path / "tile_2020-01-23.tif", damaged=False)
    monkeypatch.setenv(f"{limits.PREFIX}SAMPLES", "3000000")
    monkeypatch.setenv(f"{limits.PREFIX}DECODED_BYTES", "6000000")
    rgba, window = opened(source).picture(400)
    assert rgba.shape == (window.height, window.width, 4)
    assert 350 <= max(rgba.shape[:2]) <= 400
    assert 0 < np.mean(rgba[..., 3] > 0) < 0.01
