from __future__ import annotations

import json
import os
import re
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pystac
import pytest
import rasterio
import rustac
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from landcover.core.bands import BAND_NAMES, L1C_BAND_NAMES
from landcover.core.errors import BadInput, Cancelled, FetchError
from landcover.core.progress import Progress
from landcover.core.window import Cut
from landcover.io import sources
from landcover.io.layouts.band_set import band_file
from landcover.io.samples import native, sample_at
from landcover.io.stack import read_stack
from landcover.stac import catalog
from landcover.stac.archives import CATALOGUES
from landcover.stac.candidates import SceneQuery
from landcover.stac.index import IndexResult, build, index_text
from landcover.stac.layouts.footprint import bbox_of, footprint_of_points
from landcover.stac.local_catalog import LocalCatalogue
from tests.support import large_stack
from tests.support.bigearthnet_tree import v2_id, write_patch
from tests.support.examples import examples
from tests.support.real_numbers import digital_numbers, level_1c
from tests.support.safe_tree import RESOLUTION, Safe, pixels, write_raster, write_safe
from tests.support.stack_files import tif

ALWAYS = (datetime(2015, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
WORLD = (-180.0, -90.0, 180.0, 90.0)
AUSTRIA = native("austria-fields")
CORNER = (AUSTRIA.transform[2], AUSTRIA.transform[5])


def items_of(out: Path) -> dict[str, dict[str, Any]]:
    found = LocalCatalogue.open(out).search(WORLD, *ALWAYS, limit=10_000)
    return {item["id"]: item for item in found}


def only(folder: Path) -> dict[str, Any]:
    """The only item of a folder's catalogue, which is written next to that folder."""
    out = folder.parent / "only.parquet"
    assert build(folder, out).count == 1
    (item,) = items_of(out).values()
    return item


def why(folder: Path) -> str:
    """The sentence about a folder in which nothing can be used."""
    with pytest.raises(
        BadInput, match=r"^No scene was found.*1 skipped, the first because"
    ) as error:
        build(folder, folder.parent / "none.parquet")
    return str(error.value).split("the first because: ")[1]


def write_set(folder: Path, pattern: str, bands: tuple[str, ...] = BAND_NAMES) -> Path:
    for band in bands:
        metres = RESOLUTION[band]
        name = pattern.format(band=band, metres=metres)
        write_raster(folder / name, pixels()[band], AUSTRIA.crs, (*CORNER, metres))
    return folder


def write_stack(path: Path, count: int = 12, **tags: str) -> Path:
    numbers = AUSTRIA.stack()
    numbers = numbers[np.resize(np.arange(12), count)]
    return write_raster(path, numbers, AUSTRIA.crs, (*CORNER, 10), **tags)


# --- Real data


@pytest.mark.slow
@pytest.mark.data
def test_all_real_patches_are_indexed(shared_data: Path, tmp_path: Path) -> None:
    root = (shared_data / "bigearthnet" / "BigEarthNet-S2").resolve()
    folders = {path.name: path for path in root.glob("*/*")}
    result = build(root, tmp_path / "ben.parquet")
    assert result.layouts == {"patch": len(folders)}
    assert (result.skips, result.l1c) == (0, 0)
    items = items_of(result.out)
    assert set(items) == set(folders)
    for name in sorted(folders)[::60]:
        item, patch = items[name], sources.read(folders[name])
        lat, lon = patch.centre
        footprint = shapely.geometry.shape(item["geometry"])
        assert footprint.contains(shapely.Point(lon, lat))
        assert shapely.Polygon([(x, y) for y, x in patch.outline]).equals_exact(footprint, 1e-6)
        assert item["bbox"] == pytest.approx(footprint.bounds)
        facts = item["properties"]
        assert datetime.fromisoformat(facts["datetime"]) == patch.acquired
        assert facts["landcover:offset"] == 0
        assert "s2:processing_baseline" not in facts  # N9999 is a placeholder
        assert facts["proj:code"] == patch.crs
        assert list(item["assets"]) == list(BAND_NAMES)
        assert all(
            asset["href"] == str(folders[name] / f"{name}_{band}.tif")
            for band, asset in item["assets"].items()
        )


@pytest.mark.data
def test_real_stacks_need_a_date_in_their_name_or_option(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "scenes"
    result = build(root, tmp_path / "scenes.parquet")
    assert result.layouts == {"stack": 10}
    assert result.l1c == 1
    assert sum("--date" in skipped.why for skipped in result.skipped) == 6
    assert sum("1 band of type uint8" in skipped.why for skipped in result.skipped) == 3
    item = items_of(result.out)["Boadella_2020-01-23"]
    assert item["properties"]["datetime"] == "2020-01-23T00:00:00Z"
    patch = read_stack(root / "boadella" / "Boadella_2020-01-23.tif", "x.tif")
    lat, lon = patch.centre
    assert shapely.geometry.shape(item["geometry"]).contains(shapely.Point(lon, lat))
    with rasterio.open(item["assets"]["stack"]["href"]) as raster:
        assert raster.count == 12
        assert item["assets"]["stack"]["proj:shape"] == list(raster.shape)

    given = build(root, tmp_path / "all.parquet", date=datetime(2021, 5, 6))  # noqa: DTZ001
    assert given.layouts == {"stack": 16}
    items = items_of(given.out)
    levels = {name: item["properties"]["landcover:level"] for name, item in items.items()}
    assert sorted(levels.values()) == ["L1C"] * 4 + ["L2A"] * 12
    assert levels["20201002T221611_20201002T221610_T60HWB"] == "L1C"
    # Files with the same name in two folders are two scenes.
    pair = [items["637U_59R_1_3"], items["637U_59R_1_3 (2)"]]
    assert {item["properties"]["landcover:level"] for item in pair} == {"L1C", "L2A"}
    assert {item["properties"]["datetime"] for item in pair} == {"2021-05-06T00:00:00Z"}
    assert items["Boadella_2020-01-23"]["properties"]["datetime"] == "2020-01-23T00:00:00Z"


# --- SAFE products


def test_a_safe_product_is_read_from_its_metadata(tmp_path: Path) -> None:
    folder = write_safe(tmp_path / "in", Safe())
    item = only(tmp_path / "in")
    assert item["id"] == folder.name.removesuffix(".SAFE")
    facts = item["properties"]
    assert facts == facts | {
        "datetime": "2017-06-13T10:10:31Z",
        "platform": "sentinel-2a",
        "eo:cloud_cover": 12.345678,
        "s2:processing_baseline": "05.00",
        "proj:code": AUSTRIA.crs,
        "landcover:level": "L2A",
        "landcover:layout": "bands",
        "landcover:offset": -1000,
        "landcover:offset_from": "BOA_ADD_OFFSET",
    }
    assert set(item["assets"]) == {*BAND_NAMES, "SCL", "visual"}
    for band in BAND_NAMES:
        asset = item["assets"][band]
        with rasterio.open(asset["href"]) as raster:
            np.testing.assert_array_equal(raster.read(1), pixels()[band])
            assert asset["proj:transform"] == list(raster.transform)[:6]
            assert asset["proj:shape"] == list(raster.shape)
        assert asset["type"] == "image/jp2"
    sample = sample_at(*read_centre(item))
    assert sample is not None
    assert sample.name == "austria-fields"


def read_centre(item: dict[str, Any]) -> tuple[float, float]:
    west, south, east, north = item["bbox"]
    return (south + north) / 2, (west + east) / 2


def test_level_1c_is_marked(tmp_path: Path) -> None:
    write_safe(tmp_path / "in", Safe(level="1C"))
    result = build(tmp_path / "in", tmp_path / "out.parquet")
    assert result.l1c == 1
    assert "Level-1C" in index_text(result)
    (item,) = items_of(result.out).values()
    assert set(item["assets"]) == {*L1C_BAND_NAMES, "visual"}
    assert item["properties"]["landcover:level"] == "L1C"
    assert item["properties"]["landcover:offset_from"] == "RADIO_ADD_OFFSET"
    assert item["properties"]["landcover:offset"] == -1000


@pytest.mark.parametrize(
    ("safe", "offset", "words"),
    [
        (Safe(baseline="02.09", offsets=()), 0, "older than the offset"),
        (Safe(baseline="04.00", offsets=()), -1000, "processing baseline 04.00"),
        (Safe(baseline="05.10", offsets=["0"] * 13), 0, "BOA_ADD_OFFSET"),
        (Safe(baseline="02.09"), -1000, "BOA_ADD_OFFSET"),
        (Safe(baseline="99.99"), -1000, "BOA_ADD_OFFSET"),
        (Safe(baseline="99.99", offsets=()), None, "nothing states"),
        (Safe(offsets=["-1000", "0"]), None, "differs between bands"),
        (Safe(offsets=["-500"] * 13), None, "has an unknown value"),
        (Safe(offsets=["1e999"] * 13), None, "has an unknown value"),
        (Safe(level="1C", baseline="03.01", offsets=()), 0, "older than the offset"),
    ],
)
def test_the_offset_comes_from_the_metadata(
    tmp_path: Path, safe: Safe, offset: int | None, words: str
) -> None:
    write_safe(tmp_path / "in", safe)
    facts = only(tmp_path / "in")["properties"]
    assert facts["landcover:offset"] == offset
    assert words in facts["landcover:offset_from"]


def test_the_footprint_is_that_of_the_data(tmp_path: Path) -> None:
    ring = "48.5 14.0 48.5 14.5 48.0 14.5 48.5 14.0 "
    write_safe(tmp_path / "in", Safe(footprint=ring))
    item = only(tmp_path / "in")
    assert item["bbox"] == [14.0, 48.0, 14.5, 48.5]
    assert shapely.geometry.shape(item["geometry"]).area == pytest.approx(0.125)


@pytest.mark.parametrize(
    "ring", ["", "48.5", "nan nan nan nan nan nan", "1 2 x", "91 0 91 1 92 1 91 0", "0 0 1 1 0 0"]
)
def test_an_invalid_footprint_is_replaced_by_the_tile(tmp_path: Path, ring: str) -> None:
    write_safe(tmp_path / "in", Safe(footprint=ring))
    assert sample_at(*read_centre(only(tmp_path / "in"))) is not None


@pytest.mark.parametrize(
    "footprint",
    [
        "",
        "-16.24 179.2 -16.26 -179.8 -17.25 -179.8 -17.23 179.2 -16.24 179.2",
        "-16.24 179.2 -16.26 180.2 -17.25 180.2 -17.23 179.2 -16.24 179.2",
    ],
    ids=["from the tile", "jumping", "beyond 180"],
)
def test_a_tile_across_the_antimeridian_is_cut_there(tmp_path: Path, footprint: str) -> None:
    safe = Safe(
        tile="T01KAB",
        crs="EPSG:32701",
        corner=(99960, 8200000),
        side_m=109800,
        footprint=footprint,
    )
    write_safe(tmp_path / "in", safe)
    item = only(tmp_path / "in")
    assert item["geometry"]["type"] == "MultiPolygon"
    west, _, east, _ = item["bbox"]
    assert 179 < west < 180
    assert -180 < east < -179
    parts = shapely.geometry.shape(item["geometry"]).geoms
    assert sorted((part.bounds[0] == -180, part.bounds[2] == 180) for part in parts) == [
        (False, True),
        (True, False),
    ]
    catalogue = LocalCatalogue.open(tmp_path / "only.parquet")
    for box in [
        (179.5, -17, 179.6, -16.9),
        (-179.95, -17, -179.9, -16.9),
        (179.9, -17, -179.9, -16),
    ]:
        assert len(catalogue.search(box, *ALWAYS)) == 1
    for box in [(0, -17, 1, -16), (178, -17, 178.5, -16), (-179, -17, -178, -16)]:
        assert catalogue.search(box, *ALWAYS) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"PRODUCT_START_TIME": "PRODUCT_BEGIN"}, "has no PRODUCT_START_TIME"),
        ({"10000</BOA_QUANT": "1000</BOA_QUANT"}, "states 1000 numbers"),
        ({"10000</BOA_QUANT": "</BOA_QUANT"}, ""),
        ({"<ULX>": "<XXX>", "</ULX>": "</XXX>"}, "lacks the tile's position"),
        ({"<NROWS>120": "<NROWS>1e999"}, "lacks the tile's position"),
        ({"EPSG:32633": "EPSG:9"}, "no CRS EPSG:9"),
        ({"EPSG:32633": "EPSG:file"}, "lacks the tile's position"),
        ({"</n1:General_Info>": ""}, "is not a metadata file of ESA"),
        ({"standalone": "encoding"}, "is not a metadata file of ESA"),
        (
            {"<n1:Level": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><n1:Level'},
            "is not a metadata file of ESA",
        ),
    ],
)
def test_invalid_metadata_is_skipped_with_a_sentence(
    tmp_path: Path, change: dict[str, str], words: str
) -> None:
    write_safe(tmp_path / "in", Safe(replace=change))
    if not words:
        assert only(tmp_path / "in")["properties"]["landcover:offset"] == -1000
        return
    text = why(tmp_path / "in")
    assert words in text
    assert text.count(". ") == 0


@pytest.mark.parametrize("lost", ["MTD_TL.xml", "*_B09_60m.jp2", "MTD_MSIL2A.xml"])
def test_an_incomplete_product_is_skipped(tmp_path: Path, lost: str) -> None:
    folder = write_safe(tmp_path / "in", Safe())
    for path in folder.rglob(lost):
        path.unlink()
    assert folder.name[:40] in why(tmp_path / "in")


def test_a_product_in_a_folder_of_its_name_is_found(tmp_path: Path) -> None:
    write_safe(tmp_path / "in" / Safe().name, Safe())
    assert only(tmp_path / "in")["id"] == Safe().name.removesuffix(".SAFE")


@settings(max_examples=examples(60))
@given(data=st.data())
def test_damaged_metadata_never_raises(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.getbasetemp() / "fuzz"
    folder = root / Safe().name
    if not folder.exists():
        write_safe(root, Safe())
        write_stack(root / "2020-01-23.tif")
    path = data.draw(st.sampled_from(sorted(folder.rglob("MTD_*.xml"))))
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 200))
    try:
        path.write_bytes(
            whole[:start] + data.draw(st.binary(max_size=20)) + whole[start + length :]
        )
        result = build(root, root.parent / "fuzz.parquet")
    finally:
        path.write_bytes(whole)
    assert result.layouts["stack"] == 1
    assert result.count + result.skips == 2


def test_deep_and_large_metadata_is_refused(tmp_path: Path) -> None:
    folder = write_safe(tmp_path / "in", Safe())
    metadata = folder / "MTD_MSIL2A.xml"
    metadata.write_text("<a>" * 200_000 + "</a>" * 200_000)
    assert "no PRODUCT_START_TIME" in why(tmp_path / "in")
    with metadata.open("wb") as file:
        file.truncate(30_000_000)
    assert "larger than 20 MB" in why(tmp_path / "in")


# --- Sets of band files


@pytest.mark.parametrize(
    ("name", "scene", "key", "metres"),
    [
        ("B02.tif", "", "B02", None),
        ("blue.tif", "", "B02", None),
        ("nir08.TIFF", "", "B8A", None),
        ("rededge3.tif", "", "B07", None),
        ("T33UUP_20170613T101031_B02_10m.jp2", "T33UUP_20170613T101031", "B02", 10),
        ("T33UUP_20170613T101031_B8A.jp2", "T33UUP_20170613T101031", "B8A", None),
        ("S2A_33UUP_20170613_0_L2A_SCL.tif", "S2A_33UUP_20170613_0_L2A", "SCL", None),
        ("T33UUP_20170613T101031_TCI_10m.jp2", "T33UUP_20170613T101031", "visual", 10),
        ("T33UUP_20170613T101031_AOT_10m.jp2", "T33UUP_20170613T101031", None, 10),
        ("B02_20m.tif", "", "B02", 20),
    ],
)
def test_names_of_band_files(name: str, scene: str, key: str | None, metres: int | None) -> None:
    file = band_file(name)
    assert file is not None
    assert (file.scene, file.key, file.metres) == (scene, key, metres)


@pytest.mark.parametrize("name", ["", "B02", "B02.txt", "forest.tif", "L2A.tif", "20170613.tif"])
def test_other_names_are_not_band_files(name: str) -> None:
    assert band_file(name) is None


@given(st.text(max_size=40))
def test_any_name_can_be_parsed(name: str) -> None:
    file = band_file(name + ".tif")
    assert file is None or file.key is None or file.key in RESOLUTION or file.key == "visual"


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        ("{band}.tif", "S2A_MSIL2A_20170613T101031_N0205_R022_T33UUP"),
        ("T33UUP_20170613T101031_{band}_{metres}m.jp2", "images"),
        ("S2A_MSIL2A_20170613T101031_N0205_R022_T33UUP_{band}.tif", "x"),
    ],
)
def test_sets_of_band_files(tmp_path: Path, pattern: str, place: str) -> None:
    bands = (*BAND_NAMES, "SCL")
    write_set(tmp_path / "in" / place, pattern, bands)
    item = only(tmp_path / "in")
    assert list(item["assets"]) == list(bands) or set(item["assets"]) == set(bands)
    facts = item["properties"]
    assert facts["datetime"] == "2017-06-13T10:10:31Z"
    assert facts["landcover:layout"] == "bands"
    old = "N0205" in pattern + place
    assert facts["landcover:offset"] == (0 if old else None)
    assert facts.get("s2:processing_baseline") == ("02.05" if old else None)
    for band in BAND_NAMES:
        with rasterio.open(item["assets"][band]["href"]) as raster:
            np.testing.assert_array_equal(raster.read(1), pixels()[band])


EARTH_SEARCH = CATALOGUES["earth-search"].assets


@pytest.mark.parametrize(("applied", "offset"), [(True, 0), (False, -1000), (None, -1000)])
def test_an_item_next_to_the_files_is_read(
    tmp_path: Path, *, applied: bool | None, offset: int
) -> None:
    folder = tmp_path / "in" / "tile"
    for band, name in EARTH_SEARCH.items():
        place = (*CORNER, RESOLUTION[band])
        write_raster(folder / f"{name}.tif", pixels()[band], AUSTRIA.crs, place)
    facts: dict[str, Any] = {
        "datetime": "2022-06-13T10:10:31.123Z",
        "platform": "sentinel-2b",
        "eo:cloud_cover": 3.5,
        "s2:processing_baseline": "04.00",
    }
    if applied is not None:
        facts["earthsearch:boa_offset_applied"] = applied
    item = {
        "type": "Feature",
        "id": "S2B_33UUP_20220613_0_L2A",
        "properties": facts,
        "assets": {"blue": {"href": "https://example.org/tiles/blue.tif"}},
    }
    (folder / "S2B_33UUP_20220613_0_L2A.json").write_text(json.dumps(item))
    (folder / "a-broken.json").write_text("{")
    (folder / "another.json").write_text('{"type": "Feature", "id": "other", "properties": {}}')
    found = only(tmp_path / "in")["properties"]
    assert found["datetime"] == "2022-06-13T10:10:31Z"
    assert (found["platform"], found["eo:cloud_cover"]) == ("sentinel-2b", 3.5)
    assert found["landcover:offset"] == offset
    assert found["s2:processing_baseline"] == "04.00"


def test_native_files_are_used_and_dates_are_separate_scenes(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for day in ("20170613", "20170623"):
        write_set(folder, f"T33UUP_{day}T101031_{{band}}_{{metres}}m.tif")
    coarse = pixels()["B02"][::2, ::2]
    write_raster(folder / "T33UUP_20170613T101031_B02_20m.tif", coarse, AUSTRIA.crs, (*CORNER, 20))
    write_raster(folder / "T33UUP_20170613T101031_AOT_20m.tif", coarse, AUSTRIA.crs, (*CORNER, 20))
    result = build(folder, tmp_path / "out.parquet")
    assert (result.layouts, result.skips) == ({"bands": 2}, 0)
    items = items_of(result.out)
    assert set(items) == {"T33UUP_20170613T101031", "T33UUP_20170623T101031"}
    href = items["T33UUP_20170613T101031"]["assets"]["B02"]["href"]
    assert href.endswith("B02_10m.tif")


def test_invalid_sets_are_skipped_with_a_sentence(tmp_path: Path) -> None:
    lacking = write_set(tmp_path / "a" / "2017-06-13", "{band}.tif", BAND_NAMES[:-2])
    assert "lacks the bands B11, B12" in why(lacking.parent)
    coarse = write_set(tmp_path / "b" / "2017-06-13", "{band}.tif")
    write_raster(coarse / "B05.tif", pixels()["B02"], AUSTRIA.crs, (*CORNER, 10))
    assert "'B05.tif' has pixels of 10, not a north-up grid of 20 m" in why(coarse.parent)
    moved = write_set(tmp_path / "c" / "2017-06-13", "{band}.tif")
    write_raster(moved / "B12.tif", pixels()["B12"], AUSTRIA.crs, (0, 5_000_000, 20))
    assert "'B12.tif' covers another place" in why(moved.parent)
    dateless = write_set(tmp_path / "d" / "tile", "{band}.tif")
    assert "--date" in why(dateless.parent)
    damaged = write_set(tmp_path / "e" / "2017-06-13", "{band}.tif")
    (damaged / "B03.tif").write_bytes(b"II*\0nonsense")
    assert "'B03.tif' is damaged" in why(damaged.parent)
    redirect = write_set(tmp_path / "f" / "2017-06-13", "{band}.tif")
    vrt = '<VRTDataset rasterXSize="1" rasterYSize="1"><SRS>EPSG:32633</SRS></VRTDataset>'
    (redirect / "B03.tif").write_text(vrt)
    assert "'B03.tif' is damaged" in why(redirect.parent)


# --- Patches and stacks


def test_patches_are_recognised_by_their_names(tmp_path: Path) -> None:
    root = tmp_path / "in"
    for column in range(3):
        write_patch(root / v2_id(column), 1000)
    (root / v2_id(2) / f"{v2_id(2)}_B05.tif").unlink()
    result = build(root, tmp_path / "out.parquet")
    assert result.layouts == {"patch": 2}
    assert "lacks the band B05" in result.skipped[0].why


def test_a_window_of_an_indexed_tile_in_one_stack_is_fetched(tmp_path: Path) -> None:
    # Only four of its blocks can be read.
    folder = tmp_path / "in"
    folder.mkdir()
    tile = large_stack.write(folder / "S2A_20220701T101031_tile.tif")
    expected = read_stack(tile, tile.name, Cut(size=120, corner=(5250, 5250)))
    out = tmp_path / "c.parquet"
    assert build(folder, out).layouts == {"stack": 1}
    place = expected.extent.part(61, 61, 1, 1).centre
    query = SceneQuery.around(*place, day=date(2022, 7, 1))
    found = catalog.find(str(out), query)
    assert found.best is not None
    patch = catalog.fetch(found.candidates[found.best])
    assert (patch.width, patch.height) == (120, 120)
    assert patch.valid.all()
    row, col = expected.pixel_of(*patch.extent.part(61, 61, 1, 1).centre)
    assert abs(row - 61.5) < 9
    assert abs(col - 61.5) < 9


def test_a_small_stack_of_an_index_is_fetched_and_padded(tmp_path: Path) -> None:
    pixels = AUSTRIA.stack()[:, :60, :60]
    path = tmp_path / "in" / "small_2020-01-23.tif"
    write_raster(path, pixels, AUSTRIA.crs, (*CORNER, 10))
    build(tmp_path / "in", tmp_path / "c.parquet")
    place = read_stack(path, path.name).centre
    found = catalog.find(
        str(tmp_path / "c.parquet"), SceneQuery.around(*place, day=date(2020, 1, 23))
    )
    assert found.best is not None
    patch = catalog.fetch(found.candidates[found.best])
    assert (patch.width, patch.height) == (120, 120)
    assert patch.provenance.padded_fraction == 0.75


@pytest.mark.parametrize(
    ("tags", "offset", "words"),
    [
        ({}, None, "nothing states"),
        ({"BOA_ADD_OFFSET": "-1000"}, -1000, "tags"),
        ({"PROCESSING_BASELINE": "05.09"}, None, "what the export did"),
    ],
)
def test_the_offset_of_a_stack(
    tmp_path: Path, tags: dict[str, str], offset: int | None, words: str
) -> None:
    write_stack(tmp_path / "in" / "Linz_2020-01-23.tif", **tags)
    facts = only(tmp_path / "in")["properties"]
    assert facts["landcover:offset"] == offset
    assert words in facts["landcover:offset_from"]
    assert facts.get("s2:processing_baseline") == tags.get("PROCESSING_BASELINE")


def test_the_pixels_of_thirteen_bands_decide_on_the_level(tmp_path: Path) -> None:
    numbers = digital_numbers()
    folder = tmp_path / "in"
    folder.mkdir()
    padded = np.insert(numbers, 10, 0, axis=0)
    (folder / "2020-01-23_padded.tif").write_bytes(tif(padded))
    (folder / "2020-01-23_top.tif").write_bytes(tif(level_1c(numbers)))
    result = build(folder, tmp_path / "c.parquet")
    assert (result.layouts, result.l1c) == ({"stack": 2}, 1)


def test_the_dates_of_a_stack(tmp_path: Path) -> None:
    stamped = {"TIFFTAG_DATETIME": "2021:02:03 04:05:06"}
    given = datetime(2019, 9, 9, 12, tzinfo=UTC)
    write_stack(tmp_path / "in" / "a.tif", ACQUISITION_DATE="2020-01-23T10:00:00", **stamped)
    write_stack(tmp_path / "in" / "b.tif", **stamped)
    write_stack(tmp_path / "in" / "c_20180304.tif")
    build(tmp_path / "in", tmp_path / "out.parquet")
    times = {k: v["properties"]["datetime"] for k, v in items_of(tmp_path / "out.parquet").items()}
    assert times == {
        "a": "2020-01-23T10:00:00Z",
        "b": "2021-02-03T04:05:06Z",
        "c_20180304": "2018-03-04T00:00:00Z",
    }
    date_from = items_of(tmp_path / "out.parquet")["b"]["properties"]["landcover:date_from"]
    assert "may not be the sensing date" in date_from
    build(tmp_path / "in", tmp_path / "out.parquet", date=given)
    assert items_of(tmp_path / "out.parquet")["b"]["properties"]["datetime"] == (
        "2019-09-09T12:00:00Z"
    )


def test_a_stack_that_is_too_small_to_be_classified_is_skipped(tmp_path: Path) -> None:
    pixels = AUSTRIA.stack()
    for side, name in ((39, "small"), (60, "padded")):
        path = tmp_path / "in" / name / f"{name}_2020-01-23.tif"
        write_raster(path, pixels[:, :side, :side], AUSTRIA.crs, (*CORNER, 10))
    result = build(tmp_path / "in", tmp_path / "out.parquet")
    assert result.layouts == {"stack": 1}
    assert [skipped.why for skipped in result.skipped] == [
        "'small_2020-01-23.tif' covers 39 × 39 pixels of 10 m: give at least 40 × 40 (400 m)."
    ]


def test_other_rasters_are_skipped(tmp_path: Path) -> None:
    write_stack(tmp_path / "in" / "2020-01-23.tif", count=5)
    assert "has 5 bands" in why(tmp_path / "in")


# --- The walk and the file


def test_circular_links_and_hidden_folders(tmp_path: Path) -> None:
    root = tmp_path / "in"
    write_stack(root / "deep" / "2020-01-23.tif")
    write_stack(root / ".trash" / "2020-01-24.tif")
    (root / "deep" / "up").symlink_to(root, target_is_directory=True)
    (root / "deep" / "again").symlink_to(root / "deep", target_is_directory=True)
    (root / "nowhere").symlink_to(tmp_path / "missing")
    os.mkfifo(root / "2020-02-02.tif")
    result = build(root, tmp_path / "out.parquet")
    assert (result.count, result.skips) == (1, 0)


def test_the_depth_is_limited(tmp_path: Path) -> None:
    root = tmp_path / "in"
    write_stack(root / "2020-01-23.tif")
    write_stack(root.joinpath(*"abcdefghijklmnopqrst") / "2020-01-24.tif")
    result = build(root, tmp_path / "out.parquet")
    assert result.count == 1
    assert "beyond the limit" in result.skipped[0].why


def test_unusual_names_are_kept(tmp_path: Path) -> None:
    names = ["a:b", "c d%20e", "f#g?h", "ü—雪", "i..", "http:", "-j", "k&l'm\"n"]
    for name in names:
        write_stack(tmp_path / "in" / name / f"{name} 2020-01-23.tif")
    write_stack(tmp_path / "in" / "line\nend" / "2020-01-23.tif")
    result = build(tmp_path / "in", tmp_path / "out.parquet")
    found = {item["assets"]["stack"]["href"] for item in items_of(result.out).values()}
    assert found == {str(tmp_path / "in" / name / f"{name} 2020-01-23.tif") for name in names}
    assert "plain text" in result.skipped[0].why
    assert "\n" not in index_text(result).split("Skipped 1:\n")[1]


def test_a_catalogue_can_be_moved_with_its_scenes(tmp_path: Path) -> None:
    home = tmp_path / "one"
    write_stack(home / "scenes" / "2020-01-23.tif")
    build(home / "scenes", home / "lists.parquet")
    build(home / "scenes", home / "scenes" / "inside.parquet")
    (home / "deep" / "er").mkdir(parents=True)
    build(home / "scenes", home / "deep" / "er" / "out.parquet")
    moved = home.rename(tmp_path / "two")
    for out in ("lists.parquet", "scenes/inside.parquet", "deep/er/out.parquet"):
        (item,) = items_of(moved / out).values()
        assert item["assets"]["stack"]["href"] == str(moved / "scenes" / "2020-01-23.tif")


def test_building_again_replaces_the_catalogue(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    first = write_stack(tmp_path / "in" / "a_2020-01-23.tif")
    build(tmp_path / "in", out)
    first.unlink()
    write_stack(tmp_path / "in" / "b_2020-01-24.tif")
    build(tmp_path / "in", out)
    assert list(items_of(out)) == ["b_2020-01-24"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.parquet"]


def test_on_failure_the_old_file_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    write_stack(tmp_path / "in" / "2020-01-23.tif")
    build(tmp_path / "in", out)
    before = out.read_bytes()
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        build(tmp_path / "in", out, cancel=stop)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="No scene was found in 'empty': give"):
        build(tmp_path / "empty", out)
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "in", "out.parquet"]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    scenes = write_stack(tmp_path / "in" / "2020-01-23.tif").parent
    (tmp_path / "mine.txt").write_text("mine")
    for out in (
        tmp_path,
        tmp_path / "mine.txt",
        tmp_path / "no" / "x.parquet",
        scenes / "2020-01-23.tif",
        tmp_path / ("x" * 300),
        Path("/proc/x.parquet"),
        tmp_path / "a\0b",
    ):
        with pytest.raises(BadInput, match=r"--out|choose another place"):
            build(scenes, out)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["missing", "a\0b", "x" * 300, "file"])
def test_missing_folders_and_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match=r"^There is no folder"):
        build(tmp_path / name, tmp_path / "out.parquet")


def test_progress_is_reported(tmp_path: Path) -> None:
    write_stack(tmp_path / "in" / "2020-01-23.tif")
    reports: list[Progress] = []
    build(tmp_path / "in", tmp_path / "out.parquet", progress=reports.append)
    assert reports
    assert reports[0].what == "Searching in"


def test_other_programs_can_read_a_catalogue_of_several_layouts(tmp_path: Path) -> None:
    root = tmp_path / "in"
    write_safe(root, Safe())
    write_safe(root, Safe(level="1C", baseline="99.99", offsets=()))
    write_patch(root / v2_id(1), 1000)
    write_stack(root / "Linz_2020-01-23.tif")
    result = build(root, tmp_path / "out.parquet")
    assert result.layouts == {"bands": 2, "patch": 1, "stack": 1}
    text = index_text(result)
    assert "2 scenes with a file for each band, 1 BigEarthNet patch, 1 stack" in text
    assert "2017-06-13 to 2020-01-23" in text
    read = rustac.read_sync(str(result.out))
    ours = items_of(result.out)
    assert {item["id"] for item in read["features"]} == set(ours)
    for item in read["features"]:
        checked = pystac.Item.from_dict(item)
        assert checked.collection_id == "local"
        mine = ours[item["id"]]
        same = {k: v for k, v in mine["properties"].items() if v is not None}
        assert item["properties"] == same
        assert set(item["assets"]) == set(mine["assets"])
        for key, asset in item["assets"].items():
            assert asset["href"].startswith("./in/")
            assert str(tmp_path / asset["href"]) == mine["assets"][key]["href"]


def test_many_skips_are_counted(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / "in" / "sub").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / "sub" / f"{number:02d}.tif").write_bytes(b"junk")
    write_stack(tmp_path / "in" / "2020-01-23.tif")
    result = build(tmp_path / "in", tmp_path / "out.parquet")
    assert (result.count, result.skips) == (1, 30)
    lines = index_text(result).splitlines()
    assert lines[1] == "Skipped 30:"
    assert lines[2] == "  sub: '00.tif' is damaged or truncated: copy or export it again."
    assert lines[-1] == "  and 10 more."


def test_the_result_has_dates_and_time(tmp_path: Path) -> None:
    write_stack(tmp_path / "in" / "2020-01-23.tif")
    result = build(tmp_path / "in", tmp_path / "out.parquet")
    assert isinstance(result, IndexResult)
    assert result.first == result.last == datetime(2020, 1, 23, tzinfo=UTC)
    assert 0 < result.seconds < 60


@given(
    longitude=st.floats(-180, 180),
    latitude=st.floats(-80, 80),
    width=st.floats(0.01, 5),
    height=st.floats(0.01, 5),
)
def test_footprints_keep_their_area_at_the_antimeridian(
    longitude: float, latitude: float, width: float, height: float
) -> None:
    right = longitude + width
    wrapped = right - 360 if right > 180 else right
    ring = [(longitude, latitude), (wrapped, latitude), (wrapped, latitude + height)]
    parts = footprint_of_points([*ring, (longitude, latitude + height)], "x")
    assert sum(shapely.Polygon(ring).area for ring in parts) == pytest.approx(
        width * height, rel=1e-3, abs=1e-5
    )
    west, south, east, north = bbox_of(parts)
    assert -180 <= west <= 180
    assert -180 <= east <= 180
    assert (south, north) == pytest.approx((latitude, latitude + height), abs=1e-6)
    assert (west > east) == (len(parts) == 2)


def stacks_over_years(folder: Path) -> tuple[Path, tuple[float, float]]:
    """A catalogue of one place in 2016, 2018 and 2020, and the place."""
    for year in (2016, 2018, 2020):
        path = write_stack(folder / "in" / f"S2_{year}-06-01.tif")
    out = folder / "mine.parquet"
    build(folder / "in", out)
    return out, read_stack(path, path.name).centre


def test_without_dates_the_whole_catalogue_is_searched(tmp_path: Path) -> None:
    out, place = stacks_over_years(tmp_path)
    query = catalog.usual_query(str(out), *place)
    found = catalog.find(str(out), query)
    assert [one.acquired.year for one in found.candidates] == [2020, 2018, 2016]
    assert found.best == 0
    assert found.reason.endswith("this is the newest of 3 passes.")
    near = catalog.usual_query(str(out), *place, date(2017, 1, 1))
    patch = catalog.fetch_best(str(out), near)
    assert patch.acquired is not None
    assert patch.acquired.year == 2016
    elsewhere = catalog.find(str(out), catalog.usual_query(str(out), -10.0, 20.0))
    assert elsewhere.reason == (
        "No scene of this catalogue shows this place: choose another catalogue or place."
    )


def test_scenes_that_moved_are_one_sentence(tmp_path: Path) -> None:
    out, place = stacks_over_years(tmp_path)
    query = catalog.usual_query(str(out), *place)
    (tmp_path / "in" / "S2_2020-06-01.tif").rename(tmp_path / "gone.tif")
    found = catalog.find(str(out), query)
    assert [one.acquired.year for one in found.candidates] == [2018, 2016]
    (note,) = found.notes
    assert note == (
        "Files of 1 scene of this place are no longer where 'mine.parquet' says: move them back, "
        "or index their folder again."
    )
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    found = catalog.find(str(out), query)
    assert found.best is None
    assert found.reason.startswith("Files of 3 scenes of this place are no longer where")
    assert found.notes == ()


# --- Grids that are nowhere on Earth


@pytest.mark.parametrize(
    ("crs", "corner"),
    [
        (AUSTRIA.crs, (3e7, 5e6)),
        ("EPSG:32600", CORNER),
        ('LOCAL_CS["yard",UNIT["metre",1]]', CORNER),
        ("EPSG:4978", CORNER),
    ],
    ids=["far-east", "no-zone", "local", "geocentric"],
)
def test_a_scene_nowhere_on_earth_is_named_and_skipped(
    tmp_path: Path, crs: str, corner: tuple[float, float]
) -> None:
    folder = tmp_path / "scenes"
    folder.mkdir()
    write_stack(folder / "good_2020-01-23.tif")
    numbers = AUSTRIA.stack()
    write_raster(folder / "bad_2020-01-23.tif", numbers, crs, (*corner, 10))
    result = build(folder, tmp_path / "out.parquet")
    assert result.count == result.skips == 1
    assert re.fullmatch(r"'bad_2020-01-23\.tif' [^\n]{20,300}\.", result.skipped[0].why)
    assert list(items_of(result.out)) == ["good_2020-01-23"]
    with pytest.raises(BadInput, match=r"^'bad_2020-01-23\.tif' "):
        sources.read(folder / "bad_2020-01-23.tif")


# --- Scenes that were moved after indexing


def indexed(folder: Path, layout: str) -> Path:
    """A catalogue of one scene in a layout."""
    scenes = folder / "scenes"
    scenes.mkdir()
    if layout == "stack":
        write_stack(scenes / "one_2020-01-23.tif")
    elif layout == "patch":
        write_patch(scenes / v2_id(3), 1000)
    else:
        (scenes / "set_2020-01-23").mkdir()
        write_set(scenes / "set_2020-01-23", "T33UUP_20200123T101031_{band}_{metres}m.tif")
    assert build(scenes, folder / "c.parquet").count == 1
    return folder / "c.parquet"


def at_its_place(out: Path) -> SceneQuery:
    (item,) = items_of(out).values()
    middle = shapely.geometry.shape(item["geometry"]).centroid
    return SceneQuery.anytime(middle.y, middle.x)


@pytest.mark.parametrize("layout", ["stack", "bands", "patch"])
def test_scenes_that_were_moved_are_one_sentence(tmp_path: Path, layout: str) -> None:
    out = indexed(tmp_path, layout)
    query = at_its_place(out)
    before = catalog.find(str(out), query)
    (candidate,) = before.candidates
    (tmp_path / "scenes").rename(tmp_path / "elsewhere")
    after = catalog.find(str(out), query)
    assert after.best is None
    assert "no longer where" in after.reason
    with pytest.raises(FetchError) as error:
        catalog.fetch(candidate)
    assert str(error.value).isprintable()


def test_a_catalogue_without_the_file_of_a_scene_is_one_sentence(tmp_path: Path) -> None:
    out = indexed(tmp_path, "bands")
    table = pq.read_table(out)
    assets = table["assets"].combine_chunks()
    kept = [field.name for field in assets.type if field.name != "B05"]
    fewer = pa.StructArray.from_arrays([assets.field(name) for name in kept], kept)
    column = table.schema.names.index("assets")
    pq.write_table(table.set_column(column, "assets", fewer), out)
    found = catalog.find(str(out), at_its_place(out))
    assert found.candidates == ()
    assert "B05" in " ".join((found.reason, *found.notes))
