from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from landcover.core.errors import BadInput
from landcover.io import sources
from landcover.stac import local_catalog
from landcover.stac.geoparquet import write
from landcover.stac.index import build
from landcover.stac.layouts.footprint import footprint_of_points
from landcover.stac.layouts.found_scene import FoundScene
from landcover.stac.local_catalog import MISSING, LocalCatalogue
from tests.support.examples import examples

BEGIN, END = datetime(2015, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
WORLD = (-180.0, -90.0, 180.0, 90.0)
DAY = datetime(2020, 1, 1, tzinfo=UTC)


def ignored(_: int) -> None:
    pass


def found(number: int, ring: list[tuple[float, float]], folder: Path, **facts: Any) -> FoundScene:
    values = {
        "name": f"scene-{number}",
        "layout": "stack",
        "level": "L2A",
        "acquired": DAY + timedelta(days=number),
        "acquired_from": "the name",
        "files": {"stack": folder / f"{number}.tif"},
        "footprint": footprint_of_points(ring, "x"),
        "epsg": 32633,
        "offset": None,
        "offset_from": "nothing",
    }
    return FoundScene(**(values | facts))


def square(west: float, south: float, side: float = 1.0) -> list[tuple[float, float]]:
    east = west + side
    return [(west, south), (east, south), (east, south + side), (west, south + side)]


def catalogue_of(folder: Path, scenes: list[FoundScene], *, files: bool = True) -> LocalCatalogue:
    out = folder / "c.parquet"
    assert write((scene.item(folder) for scene in scenes), out, ignored) == len(scenes)
    for scene in scenes if files else ():
        for path in scene.files.values():
            path.write_bytes(b"II*\0")
    return LocalCatalogue.open(out)


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


# --- Searching


@pytest.mark.data
@pytest.mark.slow
def test_a_real_patch_is_found_at_its_place_and_time(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "bigearthnet" / "BigEarthNet-S2"
    out = tmp_path / "ben.parquet"
    build(root, out)
    catalogue = LocalCatalogue.open(out)
    assert catalogue.count == len(list(root.glob("*/*")))
    for folder in sorted(root.glob("*/*"))[::80]:
        patch = sources.read(folder)
        assert patch.acquired is not None
        lat, lon = patch.centre
        point = {"type": "Point", "coordinates": [lon, lat]}
        items = catalogue.search(point, patch.acquired, patch.acquired)
        assert folder.name in ids(items)
        earlier = catalogue.search(point, BEGIN, patch.acquired - timedelta(seconds=1))
        assert folder.name not in ids(earlier)


def test_the_newest_come_first_within_the_times(tmp_path: Path) -> None:
    scenes = [found(n, square(10, 45), tmp_path) for n in (3, 1, 4, 0, 2)]
    catalogue = catalogue_of(tmp_path, scenes)
    place = (10.2, 45.2, 10.3, 45.3)
    whole = catalogue.search(place, BEGIN, END)
    assert ids(whole) == [f"scene-{n}" for n in (4, 3, 2, 1, 0)]
    assert ids(catalogue.search(place, BEGIN, END, limit=2)) == ["scene-4", "scene-3"]
    assert catalogue.search(place, BEGIN, END, limit=0) == []
    part = catalogue.search(place, DAY + timedelta(days=1), DAY + timedelta(days=3))
    assert ids(part) == ["scene-3", "scene-2", "scene-1"]
    plain = (DAY + timedelta(days=1)).replace(tzinfo=None)
    assert ids(catalogue.search(place, plain, plain)) == ["scene-1"]
    assert catalogue.search(place, END, BEGIN) == []


def test_an_item_is_returned_completely(tmp_path: Path) -> None:
    scene = found(0, square(10, 45), tmp_path, baseline="05.09", cloud=1.25, offset=-1000)
    other = found(1, square(10, 45), tmp_path)
    (newer, item) = catalogue_of(tmp_path, [scene, other]).search(WORLD, BEGIN, END)
    expected = scene.item(tmp_path)
    expected["assets"]["stack"]["href"] = str(tmp_path / "0.tif")
    assert json.loads(json.dumps(item)) == expected
    assert newer["properties"]["landcover:offset"] is None
    assert set(newer["properties"]) == set(other.item(tmp_path)["properties"])


def test_footprints_are_compared_and_not_only_boxes(tmp_path: Path) -> None:
    triangle = [(0.0, 0.0), (10.0, 0.0), (0.0, 10.0)]
    catalogue = catalogue_of(tmp_path, [found(0, triangle, tmp_path)])
    assert catalogue.search((8, 8, 9, 9), BEGIN, END) == []
    assert len(catalogue.search((1, 1, 2, 2), BEGIN, END)) == 1
    ring = [[[9, 9], [9, -1], [20, -1], [20, 20], [-1, 20], [-1, 9], [9, 9]]]
    around = {"type": "Polygon", "coordinates": ring}
    assert len(catalogue.search(around, BEGIN, END)) == 1
    hole = (
        [[-5, -5], [20, -5], [20, 20], [-5, 20], [-5, -5]],
        [[-1, -1], [-1, 11], [11, 11], [11, -1], [-1, -1]],
    )
    assert catalogue.search({"type": "Polygon", "coordinates": hole}, BEGIN, END) == []


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ((179.2, 0.2, 179.3, 0.3), {0, 1}),
        ((-179.8, 0.2, -179.7, 0.3), {1, 2}),
        ((179.2, 0.2, -179.7, 0.3), {0, 1, 2}),
        ((179.2, 0.2, 180.3, 0.3), {0, 1, 2}),
        ((-180.8, 0.2, -180.7, 0.3), {0, 1}),
        ([(179.2, 0.2, 179.3, 0.3), (-179.8, 0.2, -179.7, 0.3)], {0, 1, 2}),
        ((-180.0, 0.0, 180.0, 1.0), {0, 1, 2, 3}),
        ((0.5, 0.5, 0.5, 0.5), {3}),
        ({"type": "Point", "coordinates": [180.0, 0.5]}, {0, 1, 2}),
        ({"type": "Point", "coordinates": [-180.0, 0.5]}, {0, 1, 2}),
        ({"type": "LineString", "coordinates": [[170, 0.5], [190, 0.5]]}, {0, 1, 2}),
        ((10, 10, 11, 11), set()),
    ],
)
def test_the_antimeridian(tmp_path: Path, place: Any, names: set[int]) -> None:
    wests = [179.0, 179.5, -180.0, 0.0]
    scenes = [found(n, square(west, 0), tmp_path) for n, west in enumerate(wests)]
    scenes[1] = found(1, [(179.1, 0), (-179.6, 0), (-179.6, 1), (179.1, 1)], tmp_path)
    items = catalogue_of(tmp_path, scenes).search(place, BEGIN, END)
    assert set(ids(items)) == {f"scene-{n}" for n in names}


def test_search_agrees_with_a_test_of_every_item(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    rings = [
        square(*random.uniform((-180, -80), (180, 80)), side)
        for side in random.uniform(0.1, 9, 1500)
    ]
    scenes = [found(n, ring, tmp_path) for n, ring in enumerate(rings)]
    shapes = [shapely.union_all([shapely.Polygon(r) for r in scene.footprint]) for scene in scenes]
    catalogue = catalogue_of(tmp_path, scenes, files=False)

    @given(
        west=st.integers(-180_000, 180_000).map(lambda v: v / 1000),
        south=st.integers(-90_000, 85_000).map(lambda v: v / 1000),
        width=st.integers(0, 60_000).map(lambda v: v / 1000),
        height=st.integers(0, 5_000).map(lambda v: v / 1000),
        first=st.integers(0, 1500),
        limit=st.integers(1, 60),
    )
    @settings(max_examples=examples(60))
    def check(
        *, west: float, south: float, width: float, height: float, first: int, limit: int
    ) -> None:
        east = west + width
        box = (west, south, east - 360 if east > 180 else east, south + height)
        boxes = [shapely.box(west + t, south, east + t, south + height) for t in (0, -360)]
        wanted = [
            n for n in range(first, len(scenes)) if any(shapes[n].intersects(b) for b in boxes)
        ][::-1][:limit]
        got = catalogue.search(box, DAY + timedelta(days=first), END, limit)
        assert ids(got) == [f"scene-{n}" for n in wanted]

    check()


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"type": "Polygon"},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": "here"},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
        {"type": "Nonsense", "coordinates": [0, 0]},
        {"type": "Point", "coordinates": [500, 500]},
        {"type": "Point", "coordinates": [float("nan"), 0]},
        {"type": "GeometryCollection", "geometries": []},
        (),
        (1, 2, 3),
        (0, 1, 1, 0),
        (0, float("nan"), 1, 1),
        (0, 0, float("inf"), 1),
        [(1, 2)],
        "here",
    ],
)
def test_invalid_places_are_refused(tmp_path: Path, place: Any) -> None:
    catalogue = catalogue_of(tmp_path, [found(0, square(0, 0), tmp_path)])
    with pytest.raises(BadInput, match="is not a geometry on Earth"):
        catalogue.search(place, BEGIN, END)


def test_missing_files_are_listed(tmp_path: Path) -> None:
    files = {"B02": tmp_path / "B02.tif", "B03": tmp_path / "B03.tif", "SCL": tmp_path}
    scene = found(0, square(0, 0), tmp_path, files={**files, "SCL": tmp_path / "SCL.tif"})
    catalogue = catalogue_of(tmp_path, [scene])
    files["B03"].unlink()
    (tmp_path / "SCL.tif").unlink()
    (tmp_path / "SCL.tif").mkdir()
    (item,) = catalogue.search(WORLD, BEGIN, END)
    assert list(item["assets"]) == ["B02"]
    assert item["properties"][MISSING] == ["B03", "SCL"]


def test_many_row_groups_and_threads(tmp_path: Path) -> None:
    scenes = [
        found(n, square((n * 7) % 340 - 170, (n * 3) % 150 - 75), tmp_path) for n in range(4300)
    ]
    catalogue = catalogue_of(tmp_path, scenes, files=False)
    assert pq.read_metadata(catalogue.path).num_row_groups > 4
    results: dict[int, list[str]] = {}

    def search(number: int) -> None:
        west, south = scenes[number].footprint[0][0]
        place = (west + 0.4, south + 0.4, west + 0.6, south + 0.6)
        results[number] = ids(catalogue.search(place, BEGIN, END))

    threads = [threading.Thread(target=search, args=(n,)) for n in range(0, 4300, 430)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(f"scene-{number}" in names for number, names in results.items())
    assert len(results) == 10
    assert len(catalogue.search(WORLD, BEGIN, END, limit=5000)) == 4300


# --- Hostile files


def rewritten(catalogue: LocalCatalogue, change: Callable[[pa.Table], pa.Table]) -> Path:
    pq.write_table(change(pq.read_table(catalogue.path)), catalogue.path)
    return catalogue.path


def small(tmp_path: Path, **facts: Any) -> LocalCatalogue:
    return catalogue_of(tmp_path, [found(0, square(0, 0), tmp_path, **facts)])


def with_href(table: pa.Table, href: str | None) -> pa.Table:
    at = table.schema.get_field_index("assets")
    assets = table["assets"].to_pylist()
    assets[0]["stack"]["href"] = href
    return table.set_column(at, "assets", pa.array(assets, type=table.schema.field(at).type))


@pytest.mark.parametrize(
    "href",
    [
        "https://example.org/a.tif",
        "HTTP://169.254.169.254/a.tif",
        "file:///etc/passwd.tif",
        "s3://bucket/a.tif",
        "C:\\a.tif",
        "zip+https:a.zip!a.tif",
        "/vsicurl/http://example.org/a.tif",
        "//host/share/a.tif",
        "\\\\host\\share\\a.tif",
        "../../../etc/passwd",
        "./a.tif\0.tif",
        "./a\n.tif",
        "./a.vrt",
        "GTIFF_DIR:1:a.tif",
        "",
        "./" + "a" * 5000 + ".tif",
    ],
)
def test_addresses_other_than_relative_paths_are_refused(tmp_path: Path, href: str) -> None:
    path = rewritten(small(tmp_path), lambda table: with_href(table, href))
    with pytest.raises(BadInput, match=r"^'c.parquet' gives scene 'scene-0' the address") as error:
        LocalCatalogue.open(path).search(WORLD, BEGIN, END)
    assert str(error.value).isprintable()


def test_an_asset_without_an_address_is_refused(tmp_path: Path) -> None:
    path = rewritten(small(tmp_path), lambda table: with_href(table, None))
    with pytest.raises(BadInput, match=r"c\.parquet"):
        LocalCatalogue.open(path).search(WORLD, BEGIN, END)


def test_a_path_to_a_parent_folder_is_allowed_for_raster_files(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    scene = found(0, square(0, 0), tmp_path)
    (tmp_path / "0.tif").write_bytes(b"II*\0")
    write(iter([scene.item(tmp_path / "deep")]), tmp_path / "deep" / "c.parquet", ignored)
    (item,) = LocalCatalogue.open(tmp_path / "deep" / "c.parquet").search(WORLD, BEGIN, END)
    assert item["assets"]["stack"]["href"] == str(tmp_path / "0.tif")


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1PAR1", b"II*\0", b'{"type": "Feature"}', b"PAR1" + b"\xff" * 99]
)
def test_files_that_are_not_parquet(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.parquet"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"c\.parquet' is (not a catalogue|damaged)"):
        LocalCatalogue.open(path)


@pytest.mark.parametrize("name", ["missing.parquet", "", "a\0b", "x" * 300])
def test_missing_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"There is no catalogue|cannot be read"):
        LocalCatalogue.open(tmp_path / name)


COLUMNS = [
    "type",
    "id",
    "geometry",
    "bbox",
    "datetime",
    "assets",
    "landcover:layout",
    "landcover:level",
    "stac_version",
]


@pytest.mark.parametrize("name", COLUMNS)
def test_missing_and_invalid_columns(tmp_path: Path, name: str) -> None:
    catalogue = small(tmp_path)
    whole = pq.read_table(catalogue.path)
    changes: list[Callable[[pa.Table], pa.Table]] = [
        lambda table: table.drop_columns([name]),
        lambda table: table.drop_columns([name]).append_column(name, pa.array([1.5])),
        lambda table: table.append_column(name, table[name]),
    ]
    for change in changes:
        pq.write_table(change(whole), catalogue.path)
        with pytest.raises(BadInput, match=r"not a catalogue of landcover |is damaged") as error:
            LocalCatalogue.open(catalogue.path)
        assert str(error.value).count("make ") == 1


def test_missing_values_give_items_or_a_sentence(tmp_path: Path) -> None:
    catalogue = small(tmp_path)
    whole = pq.read_table(catalogue.path)
    for name in COLUMNS:
        empty = pa.nulls(1, whole.schema.field(name).type)
        at = whole.schema.get_field_index(name)
        pq.write_table(whole.set_column(at, name, empty), catalogue.path)
        try:
            items = LocalCatalogue.open(catalogue.path).search(WORLD, BEGIN, END)
        except BadInput:
            continue
        else:
            assert name != "id"
            assert all(item["id"] for item in items)


def test_further_columns_are_ignored(tmp_path: Path) -> None:
    odd = pa.array([[{"a": [b"\xff"]}]])
    path = rewritten(
        small(tmp_path, baseline="05.00"),
        lambda table: (
            table.append_column("odd", odd)
            .drop_columns(["proj:code", "s2:processing_baseline"])
            .append_column("s2:processing_baseline", pa.array([5.0]))
        ),
    )
    (item,) = LocalCatalogue.open(path).search(WORLD, BEGIN, END)
    assert not {"odd", "proj:code", "s2:processing_baseline"} & set(item["properties"])


def test_invalid_footprints_are_not_found(tmp_path: Path) -> None:
    bow = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]).wkb
    star = shapely.Polygon([(i * 7 % 40 / 40, i * 11 % 37 / 37) for i in range(250)]).wkb
    long = shapely.Point(0.5, 0.5).buffer(0.5, 2_000).wkb
    nothing = b"\1\3\0\0\0\1\0\0\0\4\0\0\0" + b"\0\0\0\0\0\0\xf8\x7f" * 8
    nested = b"\1\7\0\0\0\1\0\0\0" * 20_000
    deep = b"\1\6\0\0\0\1\0\0\0" * 20_000
    for wkb, count in (
        *((b"", 0), (b"\x01\x03\0\0\0\xff\xff\xff\xff", 0), (b"junk", 0), (bow, 1)),
        *((star, 1), (long, 1), (nothing, 0), (nested, 0), (deep, 0)),
    ):
        catalogue = small(tmp_path)
        at = pq.read_schema(catalogue.path).get_field_index("geometry")
        path = rewritten(
            catalogue,
            lambda table, wkb=wkb, at=at: table.set_column(at, "geometry", pa.array([wkb])),
        )
        place = (0.1, 0.4, 0.9, 0.6)
        assert len(LocalCatalogue.open(path).search(place, BEGIN, END)) == count


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small(tmp_path).path
    for limit in ("MAX_ROWS", "MAX_DECODED", "MAX_GROUP", "MAX_COLUMNS"):
        with monkeypatch.context() as patch:
            patch.setattr(local_catalog, limit, 0)
            with pytest.raises(BadInput, match="more than can be read"):
                LocalCatalogue.open(path)
    monkeypatch.setattr(local_catalog, "MAX_FILE_BYTES", 10)
    with pytest.raises(BadInput, match="larger than"):
        LocalCatalogue.open(path)


def test_a_changed_file_is_detected(tmp_path: Path) -> None:
    catalogue = small(tmp_path)
    other = found(1, square(0, 0), tmp_path, cloud=5.0)
    write(iter([other.item(tmp_path)]), catalogue.path, ignored)
    with pytest.raises(BadInput, match="has just been changed"):
        catalogue.search(WORLD, BEGIN, END)


@settings(max_examples=examples(300))
@given(data=st.data())
def test_damaged_files_give_items_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "flip"
    if not folder.exists():
        folder.mkdir()
        catalogue_of(folder, [found(n, square(n, 0), folder) for n in range(3)])
        (folder / "c.parquet").rename(folder / "whole")
    whole = bytearray((folder / "whole").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(whole), len(whole), len(whole) // 2]))
    path = folder / "c.parquet"
    path.write_bytes(whole[:cut])
    try:
        items = LocalCatalogue.open(path).search(WORLD, BEGIN, END)
    except BadInput:
        return
    for item in items:
        assert item["id"]
        assert all(Path(asset["href"]).is_file() for asset in item["assets"].values())
