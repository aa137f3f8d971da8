"""The STAC item of a map."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from landcover.areas.facts import Scene
from landcover.areas.layout import NODATA
from landcover.areas.plan import Plan, plan
from landcover.areas.product import write_products
from landcover.core.window import Window, grid
from tests.areas.small_maps import CARD, COVERS, SCENE, Layers, blocks_of, facts_of, plan_of
from tests.areas.stac_schemas import complaints

Item = dict[str, Any]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Item, Path]:
    folder = tmp_path_factory.mktemp("map")
    made = plan_of()
    found = write_products(made, blocks_of(made), folder / "My valley.tif", facts_of())
    return json.loads(found.item.read_text()), folder


def item_of(made: Plan, folder: Path, **changes: Any) -> Item:
    facts = replace(facts_of(changes.pop("covers", COVERS)), **changes)
    blocks = blocks_of(made, facts.covers)
    unnamed = ((block, Layers(f.presence, f.cover, f.decision, "")) for block, f in blocks)
    item = write_products(made, unnamed, folder / "a.tif", facts).item
    found: Item = json.loads(item.read_text())
    return found


def test_it_validates_against_the_schemas(written: tuple[Item, Path]) -> None:
    item, _ = written
    assert complaints(item) == []
    assert item["stac_version"] == "1.1.0"


@pytest.mark.parametrize(
    "path",
    [
        ("properties", "mlm:input"),
        ("properties", "datetime"),
        ("assets", "model", "mlm:artifact_type"),
        ("properties", "mlm:output", 0, "classification:classes", 0, "description"),
        ("assets", "decision", "classification:classes", 0, "name"),
        ("geometry", "coordinates"),
    ],
)
def test_the_validation_sees_what_is_missing(
    written: tuple[Item, Path], path: tuple[str | int, ...]
) -> None:
    broken = json.loads(json.dumps(written[0]))
    inner = broken
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    assert complaints(broken)


def test_assets_are_files_beside_it_with_their_sums(written: tuple[Item, Path]) -> None:
    item, folder = written
    files = {key: asset for key, asset in item["assets"].items() if "file:size" in asset}
    names = {asset["href"].removeprefix("./") for asset in files.values()}
    on_disk = {path.name for path in folder.iterdir()}
    assert on_disk - names == {"My valley.json", "My valley-decision.tif.aux.xml"}
    for asset in files.values():
        content = (folder / asset["href"]).read_bytes()
        assert asset["file:size"] == len(content)
        assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
    assert files["cover"]["proj:shape"] == [30, 30]
    assert files["presence"]["proj:shape"] == [10, 10]
    assert files["cover"]["proj:transform"][0] == 80.0
    assert files["presence"]["proj:transform"][0] == 240.0


def test_bands_state_scale_unit_and_classes(written: tuple[Item, Path]) -> None:
    assets = written[0]["assets"]
    bands = {band["name"]: band for band in assets["presence"]["bands"]}
    assert bands["Inland waters"]["raster:scale"] == 0.004
    assert bands["Inland waters"]["unit"] == "1"
    assert bands["Inland waters"]["nodata"] == NODATA
    assert [one["description"] for one in bands["mask"]["classification:classes"]][:2] == [
        "clear",
        "cloud or haze",
    ]
    assert len(bands["decision"]["classification:classes"]) == 20
    cells = assets["decision"]["classification:classes"]
    assert sum(one["count"] for one in cells) == 30 * 30
    assert abs(sum(one.get("percentage", 0) for one in cells) - 100) < 1e-3
    assert cells[0]["nodata"]
    assert (cells[4]["title"], cells[4]["color_hint"]) == ("Built-up", "FF0000")


def test_the_model_is_described(written: tuple[Item, Path]) -> None:
    facts = written[0]["properties"]
    assert facts["mlm:name"] == "landcover-cnn"
    assert facts["mlm:total_parameters"] == CARD.parameters
    assert facts["mlm:input"][0]["bands"] == list(CARD.bands)
    scaling = facts["mlm:input"][0]["value_scaling"]
    assert [round(one["mean"] - mean, 6) for one, mean in zip(scaling, CARD.mean, strict=True)] == [
        0
    ] * len(CARD.bands)
    assert [output["name"] for output in facts["mlm:output"]] == ["presence", "cover"]
    assert facts["landcover:card"] == CARD.hash
    assert facts["landcover:estimated_bands"] == ["B01"]
    assert "B01 estimated" in facts["processing:lineage"]
    assert "baseline 05.00" in facts["processing:lineage"]


def test_scenes_are_linked(written: tuple[Item, Path]) -> None:
    (link,) = written[0]["links"]
    assert link == {
        "rel": "derived_from",
        "href": "https://example.org/items/scene",
        "title": SCENE,
    }


def test_scenes_of_one_pass_are_linked_each_once(tmp_path: Path) -> None:
    scenes = (Scene(name="a + b"), Scene(name="b + c"))
    items = {name: f"https://example.org/{name}" for name in "abd"}
    item = item_of(plan_of(), tmp_path, scenes=scenes, items=items)
    assert complaints(item) == []
    assert [link["href"] for link in item["links"]] == [items["a"], items["b"]]


def test_two_dates_are_a_span_and_none_is_the_mission(tmp_path: Path) -> None:
    first, last = (datetime(2020, month, 1, tzinfo=UTC) for month in (5, 7))
    scenes = (Scene(name="b", acquired=last), Scene(name="a", acquired=first))
    item = item_of(plan_of(), tmp_path, scenes=scenes)
    times = item["properties"]
    assert complaints(item) == []
    assert times["start_datetime"] == times["datetime"] == "2020-05-01T00:00:00Z"
    assert times["end_datetime"] == "2020-07-01T00:00:00Z"
    item = item_of(plan_of(), tmp_path, scenes=())
    assert complaints(item) == []
    assert item["properties"]["datetime"] is None
    assert item["properties"]["end_datetime"] == "2026-11-30T00:00:00Z"


def test_a_map_without_cover_validates(tmp_path: Path) -> None:
    item = item_of(plan_of(), tmp_path, covers=())
    assert complaints(item) == []
    assert set(item["assets"]) == {"presence", "presence-style", "hectares", "model"}


def test_the_outline_is_that_of_the_pixels_with_data(tmp_path: Path) -> None:
    made = plan_of(480, 480, block=240)

    def half() -> Any:
        for block, found in blocks_of(made):
            if block.column == 0:
                yield block, found

    item = write_products(made, half(), tmp_path / "half.tif", facts_of()).item
    shape = shapely.geometry.shape(json.loads(item.read_text())["geometry"])
    corners = made.window.outline
    west = min(longitude for _, longitude in corners)
    middle = made.window.centre[1]
    assert shape.bounds[0] == pytest.approx(west, abs=2e-3)
    assert shape.bounds[2] == pytest.approx(middle, abs=2e-3)
    assert shape.exterior.is_ccw


def test_a_map_without_any_data_has_the_outline_of_its_grid(tmp_path: Path) -> None:
    made = plan_of()
    item = write_products(made, (), tmp_path / "none.tif", facts_of()).item
    found = json.loads(item.read_text())
    assert complaints(found) == []
    assert shapely.geometry.shape(found["geometry"]).area > 0


def test_a_ragged_outline_has_few_points(tmp_path: Path) -> None:
    made = plan_of(4_800, 4_800, block=1_200)
    rng = np.random.default_rng(0)

    def ragged() -> Any:
        for block, found in blocks_of(made):
            hole = rng.random(found.cover.shape[1:]) < 0.6
            found.cover[:, hole] = NODATA
            yield block, found

    item = write_products(made, ragged(), tmp_path / "ragged.tif", facts_of()).item
    shape = shapely.geometry.shape(json.loads(item.read_text())["geometry"])
    assert shapely.get_num_coordinates(shape) < 500


def test_the_antimeridian_cuts_the_outline_in_two(tmp_path: Path) -> None:
    window = Window.around(-17.0, 179.999, pixels=240)
    made = plan(replace(window, transform=grid(window.west, window.north)), block=120)
    item = item_of(made, tmp_path)
    assert complaints(item) == []
    assert item["geometry"]["type"] == "MultiPolygon"
    west, _, east, _ = item["bbox"]
    assert west > 179
    assert east < -179


def test_a_crs_without_a_code_is_given_as_wkt(tmp_path: Path) -> None:
    crs = (
        'PROJCS["local",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
        'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],'
        'PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],'
        'PARAMETER["central_meridian",13.3],PARAMETER["scale_factor",1],'
        'PARAMETER["false_easting",450000],PARAMETER["false_northing",0],UNIT["metre",1]]'
    )
    item = item_of(plan_of(crs=crs), tmp_path)
    assert complaints(item) == []
    assert item["properties"]["proj:code"] is None
    assert "Transverse" in item["properties"]["proj:wkt2"]
