"""Reading the files of a map back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from landcover.areas.layout import NODATA, UNIT
from landcover.areas.product import Written, write_products
from landcover.areas.reading import open_map, open_product
from landcover.core import limits
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from tests.areas.small_maps import COVERS, SCENE, blocks_of, facts_of, layers_of_block, plan_of

WIDE = plan_of(width=4_800, height=240, block=1_200)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    out = tmp_path_factory.mktemp("map") / "valley.tif"
    return write_products(WIDE, blocks_of(WIDE), out, facts_of())


def test_a_map_is_opened_with_its_classes_grid_and_facts(written: Written) -> None:
    found = open_map(written.presence)
    assert list(found) == ["presence", "cover", "decision"]
    assert found["presence"].classes == CLASS_NAMES
    assert found["cover"].classes == found["decision"].classes == COVERS
    assert found["cover"].window == WIDE.cover
    assert found["presence"].window == WIDE.presence
    assert found["cover"].levels == ((30, 600), (15, 300))
    assert found["cover"].facts["SCENE_1"] == SCENE
    assert found["cover"].level_within(512) == 1
    assert found["cover"].level_within(10) == 1
    assert found["cover"].level_within(600) == 0


def test_probabilities_are_read_with_nan_without_data(written: Written) -> None:
    cover = open_map(written.presence)["cover"]
    stored = layers_of_block(WIDE, WIDE.block_at((0, 0))).cover
    rows, columns = stored.shape[1:]
    found = cover.read(part=(0, 0, rows, columns))
    assert found.dtype == np.float32
    known = stored[: len(COVERS)] != NODATA
    assert (np.isnan(found) == ~known).all()
    assert np.allclose(found[known], stored[: len(COVERS)][known] * UNIT)
    flags = cover.read(["mask", "Water"], part=(0, 0, rows, columns))
    assert np.nanmax(flags[0]) == 4
    assert np.nanmax(flags[1]) <= 1


def test_no_decision_is_nan(written: Written) -> None:
    decision = open_product(written.rasters["decision"])
    stored = layers_of_block(WIDE, WIDE.block_at((0, 1))).decision
    rows, columns = stored.shape
    found = decision.read(part=(0, 150, rows, columns))[0]
    assert (np.isnan(found) == (stored == 0)).all()
    assert (found[stored > 0] == stored[stored > 0]).all()


def test_smaller_versions_are_read_by_their_level(written: Written) -> None:
    cover = open_map(written.presence)["cover"]
    with rasterio.open(cover.path, overview_level=0) as file:
        expected = file.read(1)
    assert (cover.read_bytes(["Water"], level=1)[0] == expected).all()


def test_large_parts_are_read_in_strips(written: Written) -> None:
    cover = open_map(written.presence)["cover"]
    whole = cover.read()
    with limits.changed(samples=40_000):
        assert np.array_equal(cover.read(), whole, equal_nan=True)


def test_a_place_has_the_values_of_its_pixel(written: Written) -> None:
    cover = open_map(written.presence)["cover"]
    latitude, longitude = cover.window.part(7, 400, 1, 1).centre
    found = cover.at(latitude, longitude)
    assert found is not None
    assert list(found) == [*COVERS, "uncertainty", "mask", "validity"]
    assert found["Forest"] == pytest.approx(cover.read(["Forest"])[0, 7, 400])
    assert cover.at(0.0, 0.0) is None
    empty = cover.window.part(0, 0, 1, 1).centre
    assert cover.at(*empty) == dict.fromkeys(cover.bands)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"names": ["Lava"]}, "has no band 'Lava'"),
        ({"level": 2}, "choose a level from 0 to 1"),
        ({"part": (0, 590, 30, 30)}, "others are asked for"),
        ({"part": (0, 0, 0, 30)}, "others are asked for"),
    ],
)
def test_what_is_not_there_is_said(written: Written, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        open_map(written.presence)["cover"].read(**asked)


def test_files_of_two_maps_are_not_taken_for_one(written: Written, tmp_path: Path) -> None:
    for path in written.rasters.values():
        shutil.copy(path, tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    made = plan_of()
    later = write_products(made, blocks_of(made), other / "valley.tif", facts_of())
    shutil.copy(later.rasters["cover"], tmp_path)
    with pytest.raises(BadInput, match=r"'valley-cover.tif' does not belong to the map"):
        open_map(tmp_path / "valley.tif")


def changed(written: Written, place: Path, **facts: Any) -> Path:
    """A copy of the cover that says something else."""
    with rasterio.open(written.rasters["cover"]) as file:
        profile = {**file.profile, **facts.pop("profile", {})}
        names, tags, scales = file.descriptions, file.tags(), file.scales
        pixels = file.read()
    with rasterio.open(place, "w", **profile) as file:
        file.write(pixels.astype(profile["dtype"]))
        file.descriptions = facts.get("names", names)
        file.update_tags(**{**tags, **facts.get("tags", {})})
        file.scales = facts.get("scales", scales)
    return place


def test_the_copy_that_says_the_same_is_a_map(written: Written, tmp_path: Path) -> None:
    assert open_product(changed(written, tmp_path / "a.tif")).classes == COVERS


@pytest.mark.parametrize(
    "facts",
    [
        {"tags": {"LAYER": "presence"}},
        {"tags": {"LAYER": "elevation"}},
        {"names": ["Water"] * 2 + ["Forest", "Cropland", "uncertainty", "mask", "validity"]},
        {"names": ["Water", "", "Forest", "Cropland", "uncertainty", "mask", "validity"]},
        {"names": [*COVERS, "mask", "uncertainty", "validity"]},
        {"scales": [1.0] * 7},
        {"profile": {"nodata": 0}},
        {"profile": {"nodata": None}},
        {"profile": {"dtype": "uint16"}},
        {"profile": {"transform": rasterio.Affine(80, 1, 399_960, 0, -80, 5_300_040)}},
        {"profile": {"transform": rasterio.Affine(80, 0, 399_960, 0, -40, 5_300_040)}},
        {"profile": {"crs": None}},
    ],
)
def test_a_file_that_says_something_else_is_no_map(
    written: Written, tmp_path: Path, facts: dict[str, Any]
) -> None:
    with pytest.raises(BadInput, match=r"(not|no) (a )?map"):
        open_product(changed(written, tmp_path / "a.tif", **facts))


def test_a_damaged_or_missing_file_is_said(written: Written, tmp_path: Path) -> None:
    path = tmp_path / "cut.tif"
    path.write_bytes(written.presence.read_bytes()[:5_000])
    with pytest.raises(BadInput, match=r"cut\.tif"):
        open_product(path)
    with pytest.raises(BadInput, match="There is no file"):
        open_product(tmp_path / "none.tif")
    with pytest.raises(BadInput, match="There is no file"):
        open_map(tmp_path / "none.tif")
