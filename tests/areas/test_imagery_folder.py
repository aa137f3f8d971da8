"""A folder of scenes: each block is read from the pass that hides least of it."""

from __future__ import annotations

import pickle
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely

from landcover.areas.area_file import Area
from landcover.areas.imagery import Dates, FileSpec, imagery_of
from landcover.areas.imagery_folder import close_scenes, scenes_spec
from landcover.areas.plan_area import plans_of
from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.io import sources
from landcover.io.samples import native
from landcover.stac import index
from tests.support.safe_tree import Safe, pixels, write_raster, write_safe
from tests.support.stack_files import from_origin, numbers, tif

AUSTRIA = native("austria-fields")
WEST, NORTH = AUSTRIA.transform[2], AUSTRIA.transform[5]


def product(folder: Path, day: str, cloud: tuple[slice, slice] | None, **changes: object) -> Path:
    """A product with cloud in a part of its classification of 60 × 60 pixels."""
    made = write_safe(folder, Safe(start=f"{day}T10:10:31.026Z", **changes))  # type: ignore[arg-type]
    classes = pixels()["SCL"].copy()
    if cloud is not None:
        classes[cloud] = 9
    (path,) = made.rglob("*SCL_20m.jp2")
    with rasterio.open(path) as file:
        crs, place = file.crs.to_string(), (file.transform.c, file.transform.f, 20)
    path.unlink()
    write_raster(path, classes, crs, place)
    return made


LEFT, RIGHT, ALL = np.s_[:, :30], np.s_[:, 30:], np.s_[:, :]


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Three dates: the newest is overcast, and the others have a cloud on one side each."""
    product(tmp_path, "2020-06-01", LEFT)
    product(tmp_path, "2020-06-11", RIGHT)
    product(tmp_path, "2020-06-21", ALL)
    return tmp_path


def test_each_block_is_read_from_the_clearest_pass(scenes: Path) -> None:
    spec = imagery_of(scenes)
    imagery = pickle.loads(pickle.dumps(spec)).open()
    assert imagery.extent.crs == AUSTRIA.crs
    assert imagery.acquired is None
    (plan,) = plans_of(None, spec, step=24, block=48)
    left = plan.window.part(0, 0, 120, 48)
    whole = sources.read(scenes / Safe(start="2020-06-11T10:10:31.026Z").name)
    for col, day in ((0, "20200611"), (66, "20200601")):
        block = imagery.read(whole.extent.part(0, col, 120, 48))
        assert block.provenance.scene is not None
        assert block.acquired is not None
        assert f"{block.acquired:%Y%m%d}" == day
        assert block.valid.all()
    assert imagery.read(left).provenance == imagery.read(left).provenance
    np.testing.assert_array_equal(
        imagery.read(whole.extent.part(0, 0, 120, 48)).data, whole.data[:, :, :48]
    )


def test_of_equally_clear_passes_the_newest_or_nearest_is_used(tmp_path: Path) -> None:
    for day in ("2020-06-01", "2020-06-11", "2020-06-21"):
        product(tmp_path, day, None)
    for dates, expected in (
        (Dates(), "2020-06-21"),
        (Dates(near=date(2020, 6, 3)), "2020-06-01"),
        (Dates(end=date(2020, 6, 12)), "2020-06-11"),
        (Dates(start=date(2020, 6, 2), end=date(2020, 6, 12)), "2020-06-11"),
    ):
        imagery = imagery_of(tmp_path, dates=dates).open()
        block = imagery.read(imagery.extent.part(10, 10, 48, 48))
        assert block.acquired is not None
        assert str(block.acquired.date()) == expected
    with pytest.raises(BadInput, match=r"No scene in .* shows the area on these days: give other"):
        imagery_of(tmp_path, dates=Dates(months=frozenset({1})))
    elsewhere = Area(wkb=shapely.box(0, 0, 1, 1).wkb)
    with pytest.raises(BadInput, match=r"No scene in .* shows the area"):
        imagery_of(tmp_path, area=elsewhere)


def test_scenes_of_one_pass_are_joined(tmp_path: Path) -> None:
    product(tmp_path, "2020-06-01", None)
    product(tmp_path, "2020-06-01", None, tile="T33UVP", corner=(WEST + 600, NORTH))
    imagery = imagery_of(tmp_path).open()
    assert imagery.extent.width >= 180
    block = imagery.read(imagery.extent.part(0, 0, 144, 240))
    alone = sources.read(tmp_path / Safe(start="2020-06-01T10:10:31.026Z").name)
    at = (
        round((alone.extent.west - imagery.extent.west) / 10),
        round((imagery.extent.north - alone.extent.north) / 10),
    )
    columns = np.flatnonzero(block.valid.any(axis=0))
    assert (columns[0], columns[-1]) == (at[0], at[0] + 179)
    y, x = slice(at[1], at[1] + 120), slice(at[0], at[0] + 120)
    # Where they overlap, the first in order of their names is used; here both show the same.
    np.testing.assert_array_equal(block.data[:, y, x][:, :, :60], alone.data[:, :, :60])
    assert block.valid[y, x].all()


def test_two_zones_are_mapped_each_up_to_its_edge(tmp_path: Path) -> None:
    y = 5_300_040.0
    product(tmp_path, "2020-06-01", None, crs="EPSG:32632", corner=(723_000.0, y), tile="T32UQU")
    product(tmp_path, "2020-06-01", None, crs="EPSG:32633", corner=(276_600.0, y), tile="T33UUP")
    spec = imagery_of(tmp_path)
    imagery = spec.open()
    plans = plans_of(None, spec)
    assert [plan.window.crs for plan in plans] == [grid.crs for grid in imagery.grids]
    assert {plan.window.crs for plan in plans} <= {"EPSG:32632", "EPSG:32633"}
    total = 0
    for plan in plans:
        found = imagery.read(plan.window)
        assert found.crs == plan.window.crs
        total += int(found.valid.sum())
    assert total >= 2 * 120 * 120 * 0.95


def test_boadella_without_a_classification(shared_data: Path) -> None:
    """Stacks of nine dates; neither the cloudy nor the hazy one is chosen where one is clear."""
    folder = shared_data / "scenes/boadella"
    spec = imagery_of(folder, dates=Dates(start=date(2020, 1, 1), end=date(2020, 1, 31)))
    imagery = spec.open()
    found = imagery.read(imagery.extent.part(240, 0, 120, 120))
    assert found.acquired is not None
    assert found.acquired.date() == date(2020, 1, 28)
    one = imagery_of(folder, dates=Dates(start=date(2020, 6, 21), end=date(2020, 6, 21))).open()
    alone = sources.read(folder / "Boadella_2020-06-21.tif")
    at = alone.extent.part(24, 30, 96, 120)
    np.testing.assert_array_equal(one.read(at).data, alone.data[:, 24:120, 30:150])
    assert one.acquired == alone.acquired


def test_a_catalogue_of_a_folder(scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.parquet"
    index.build(scenes, out)
    by_catalogue, by_folder = imagery_of(out).open(), imagery_of(scenes).open()
    window = by_folder.extent.part(0, 0, 96, 48)
    one, other = by_catalogue.read(window), by_folder.read(window)
    np.testing.assert_array_equal(one.data, other.data)
    assert one.provenance.scene == other.provenance.scene
    latitude, longitude = by_folder.extent.centre
    area = Area(wkb=shapely.Point(longitude, latitude).buffer(0.003).wkb)
    assert plans_of(area, imagery_of(out, area=area))


def test_stacks_on_a_grid_of_their_own_are_not_resampled(tmp_path: Path) -> None:
    for day, more in (("20200101", 0), ("20200201", 40)):
        (tmp_path / f"{day}T101010_stack.tif").write_bytes(
            tif(numbers(side=150), transform=from_origin(400_003 + more * 10, 5_300_007, 10, 10))
        )
    imagery = imagery_of(tmp_path).open()
    assert imagery.extent.transform == (10, 0, 400_003, 0, -10, 5_300_007)
    assert imagery.extent.width == 190
    block = imagery.read(imagery.extent.part(0, 50, 100, 100))
    assert block.provenance.resampling == "none"
    assert block.valid.all()


def test_scenes_with_other_bands_and_too_many_are_refused(tmp_path: Path) -> None:
    for name, bands in (("a", ("B02", "B03", "B04")), ("b", ("B02", "B03", "B04", "B08"))):
        (tmp_path / f"{name}.tif").write_bytes(tif(numbers(len(bands)), bands=bands))
    with pytest.raises(BadInput, match="map them one by one"):
        imagery_of(tmp_path)
    with limits.changed(area_scenes=1), pytest.raises(BadInput, match="has 2 scenes, more than"):
        imagery_of(tmp_path)


def test_damaged_scenes_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tif(numbers(side=130)))
    (tmp_path / "b.tif").write_bytes(tif(numbers(side=130))[:300])
    (tmp_path / "c.tif").write_bytes(tif(numbers(side=130))[:200])
    imagery = imagery_of(tmp_path).open()
    assert imagery.extent.width >= 130
    assert "2 scenes left out, the first because: 'b.tif' is damaged" in str(imagery.provenance)
    (tmp_path / "a.tif").unlink()
    with pytest.raises(BadInput, match="2 scenes left out, the first because"):
        imagery_of(tmp_path)


def test_an_archive_needs_an_area() -> None:
    with pytest.raises(BadInput, match="needs an area"):
        imagery_of("earth-search")


def test_uploaded_scenes_are_joined_like_those_of_a_folder(tmp_path: Path) -> None:
    files = []
    for day, move in (("2020-06-01", 0), ("2020-06-11", 400)):
        path = tmp_path / f"scene_{day}.tif"
        path.write_bytes(tif(numbers(), transform=from_origin(400_000 + move, 5_300_000, 10, 10)))
        files.append(path)
    folder = imagery_of(tmp_path)
    uploads = [FileSpec.of_upload(((path.name, path),)) for path in files]
    joined = scenes_spec(uploads, "upload")
    assert joined.grids == folder.open().grids
    assert [each.name for each in joined.passes] == [
        "scene_2020-06-11.tif",
        "scene_2020-06-01.tif",
    ]
    for grid in joined.grids:
        one, other = (spec.open().read(grid) for spec in (joined, folder))
        np.testing.assert_array_equal(one.data, other.data)
    close_scenes(joined)
    files[0].unlink()
    with pytest.raises(BadInput, match="changed or is gone"):
        joined.open().read(joined.grids[0].part(0, 0, 20, 20))
