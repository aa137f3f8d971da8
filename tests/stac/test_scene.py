"""Scenes from STAC items: items like those of three archives, and arbitrary JSON."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput, FetchError, LandcoverError
from landcover.io.scaling import PLAIN, SHIFTED, Scaling
from landcover.net.hosts import allowed
from landcover.stac.archives import CATALOGUES, Catalogue
from landcover.stac.harmonise import RULES, Claims
from landcover.stac.outline import rings_of
from landcover.stac.scene import Scene, local_scene, of_level, scene_of
from tests.support.examples import examples

EARTH_SEARCH = CATALOGUES["earth-search"]
PLANETARY = CATALOGUES["planetary-computer"]
COPERNICUS = CATALOGUES["copernicus"]

Item = dict[str, Any]

SQUARE = {
    "type": "Polygon",
    "coordinates": [[[14.0, 47.0], [15.4, 47.0], [15.4, 48.0], [14.0, 48.0], [14.0, 47.0]]],
}


def earth_search(
    *, baseline: str | None = "05.09", applied: bool | None = True, when: str = "2022-06-18"
) -> Item:
    """An item as in Earth Search v1, with raster:bands."""
    base = f"https://{EARTH_SEARCH.hosts[0]}/sentinel-s2-l2a-cogs/33/U/WP/2022/6/S2B_33UWP_0_L2A"
    files = {key: f"{base}/{band}.tif" for band, key in EARTH_SEARCH.assets.items()}
    # raster:bands has the offset whether it was applied or not.
    raster = [{"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}]
    assets: Item = {key: {"href": href, "raster:bands": raster} for key, href in files.items()}
    assets["scl"] = {"href": f"{base}/SCL.tif"}
    assets["visual"] = {"href": f"{base}/TCI.tif"}
    assets["red-jp2"] = {"href": "s3://sentinel-s2-l2a/tiles/33/U/WP/2022/6/18/0/R10m/B04.jp2"}
    properties: Item = {
        "datetime": f"{when}T10:06:38.512000Z",
        "platform": "sentinel-2b",
        "constellation": "sentinel-2",
        "proj:epsg": 32633,
        "mgrs:utm_zone": 33,
        "mgrs:latitude_band": "U",
        "mgrs:grid_square": "WP",
        "grid:code": "MGRS-33UWP",
        "eo:cloud_cover": 12.5,
        "s2:product_type": "S2MSI2A",
    }
    if baseline is not None:
        properties["s2:processing_baseline"] = baseline
    if applied is not None:
        properties["earthsearch:boa_offset_applied"] = applied
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2B_33UWP_20220618_0_L2A",
        "collection": "sentinel-2-l2a",
        "geometry": copy.deepcopy(SQUARE),
        "properties": properties,
        "assets": assets,
    }


def planetary(*, baseline: str | None = "04.00", when: str = "2022-06-18") -> Item:
    """An item as in the Planetary Computer: ESA's numbers, no flag."""
    base = f"https://{PLANETARY.hosts[0]}/sentinel2-l2/33/U/WP/2022/06/18/S2B.SAFE/GRANULE"
    assets: Item = {name: {"href": f"{base}/T33UWP_{name}.tif"} for name in BAND_NAMES}
    assets["SCL"] = {"href": f"{base}/T33UWP_SCL_20m.tif"}
    assets["visual"] = {"href": f"{base}/T33UWP_TCI_10m.tif"}
    properties: Item = {
        "datetime": f"{when}T10:06:09.024000Z",
        "platform": "Sentinel-2B",
        "proj:code": "EPSG:32633",
        "s2:mgrs_tile": "33UWP",
        "eo:cloud_cover": 12.5,
        "s2:product_type": "S2MSI2A",
    }
    if baseline is not None:
        properties["s2:processing_baseline"] = baseline
    return {
        "type": "Feature",
        "id": "S2B_MSIL2A_20220618T100609_R022_T33UWP_20220619T000000",
        "geometry": copy.deepcopy(SQUARE),
        "properties": properties,
        "assets": assets,
    }


def copernicus(*, baseline: str | None = "05.11", when: str = "2022-06-18") -> Item:
    """An item as in the Copernicus Data Space: JP2 in S3, with an alternate https address."""
    base = "eodata/Sentinel-2/MSI/L2A/2022/06/18/S2B.SAFE/GRANULE/L2A_T33UWP/IMG_DATA"
    names = [*COPERNICUS.assets.values(), "SCL_20m", "TCI_10m"]
    assets: Item = {
        name: {
            "href": f"s3://{base}/{name}.jp2",
            "alternate": {"https": {"href": f"https://{COPERNICUS.hosts[0]}/{base}/{name}.jp2"}},
            "proj:code": "EPSG:32633",
        }
        for name in names
    }
    properties: Item = {
        "datetime": f"{when}T10:06:09.024000Z",
        "platform": "sentinel-2b",
        "grid:code": "MGRS-33UWP",
        "eo:cloud_cover": 12.5,
        "product:type": "S2MSI2A",
        "processing:level": "L2",
    }
    if baseline is not None:
        properties["processing:version"] = baseline
    return {
        "type": "Feature",
        "id": "S2B_MSIL2A_20220618T100609_N0511_R022_T33UWP_20240619T000000",
        "geometry": copy.deepcopy(SQUARE),
        "properties": properties,
        "assets": assets,
    }


def local(**properties: Any) -> Item:
    """An item as in the user's own catalogue."""
    assets: Item = {name: {"href": f"scene/{name}.tif"} for name in (*BAND_NAMES, "SCL", "visual")}
    return {
        "type": "Feature",
        "id": "S2B_MSIL2A_20220618T100609_N0400_R022_T33UWP_20220619T000000",
        "collection": "local",
        "geometry": copy.deepcopy(SQUARE),
        "properties": {
            "datetime": "2022-06-18T10:06:09Z",
            "landcover:layout": "bands",
            "landcover:level": "L2A",
            "landcover:offset": -1000,
            "proj:code": "EPSG:32633",
            **properties,
        },
        "assets": assets,
    }


MAKERS: dict[str, tuple[Callable[..., Item], Catalogue]] = {
    "earth-search": (earth_search, EARTH_SEARCH),
    "planetary-computer": (planetary, PLANETARY),
    "copernicus": (copernicus, COPERNICUS),
}
each_archive = pytest.mark.parametrize(("make", "row"), MAKERS.values(), ids=MAKERS)


# --- items of the archives ------------------------------------------------------------------


@each_archive
def test_an_item_becomes_a_scene(make: Callable[..., Item], row: Catalogue) -> None:
    scene = scene_of(json.loads(json.dumps(make())), row)
    assert scene.catalogue == row.name
    assert scene.acquired.date().isoformat() == "2022-06-18"
    assert scene.acquired.utcoffset() == datetime.now(UTC).utcoffset()
    assert tuple(scene.bands) == BAND_NAMES
    assert scene.crs == "EPSG:32633"
    assert scene.tile == "33UWP"
    assert scene.platform == "Sentinel-2B"
    assert scene.cloud == 0.125
    assert scene.level == "L2A"
    assert scene.scl is not None
    assert scene.visual is not None
    assert scene.footprint["type"] == "MultiPolygon"
    assert len(scene.footprint["coordinates"][0][0]) == 5


def test_each_band_has_the_correct_file() -> None:
    """In particular nir08, which is B8A, and nir, which is B08."""
    scene = scene_of(earth_search(), EARTH_SEARCH)
    for band in BAND_NAMES:
        assert scene.bands[band].endswith(f"/{band}.tif"), "the item names its files by band"
    scene = scene_of(planetary(), PLANETARY)
    for band in BAND_NAMES:
        assert scene.bands[band].endswith(f"_{band}.tif")
    scene = scene_of(copernicus(), COPERNICUS)
    assert scene.bands["B8A"].endswith("/B8A_20m.jp2")
    assert scene.bands["B01"].endswith("/B01_60m.jp2")


# --- item → metadata of the offset → formula, for every archive -----------------------------

GOLDEN: list[tuple[Item, Catalogue, Scaling]] = [
    *(
        (earth_search(baseline=baseline, applied=flag, when=when), EARTH_SEARCH, scaling)
        # The sensing date does not matter, because old scenes have been reprocessed.
        for when in ("2018-07-01", "2022-06-18", "2025-03-03")
        for baseline, flag, scaling in (
            ("02.14", None, PLAIN),
            ("03.01", True, PLAIN),
            ("03.01", False, PLAIN),
            ("04.00", True, PLAIN),
            ("04.00", False, SHIFTED),
            ("05.00", True, PLAIN),
            ("05.00", None, SHIFTED),
            (None, True, PLAIN),
            (None, None, PLAIN),
        )
    ),
    *(
        (make(baseline=baseline, when=when), row, scaling)
        for make, row in ((planetary, PLANETARY), (copernicus, COPERNICUS))
        for when in ("2018-07-01", "2022-06-18", "2025-03-03")
        for baseline, scaling in (
            ("02.12", PLAIN),
            ("03.01", PLAIN),
            ("04.00", SHIFTED),
            ("05.11", SHIFTED),
            (None, PLAIN),
        )
    ),
]


@pytest.mark.parametrize(("item", "row", "scaling"), GOLDEN)
def test_the_formula_of_an_item(item: Item, row: Catalogue, scaling: Scaling) -> None:
    scene = scene_of(item, row)
    assert RULES[row.offset](scene.claims).scaling is scaling


@pytest.mark.parametrize("applied", [True, False, None])
@pytest.mark.parametrize("offset", [-0.1, 0, 0.0, -1000, None])
def test_raster_bands_are_ignored(*, applied: bool | None, offset: float | None) -> None:
    """Their offset is -0.1 whether Earth Search removed the offset or not."""
    item = earth_search(applied=applied)
    for asset in item["assets"].values():
        asset["raster:bands"] = [{"scale": 0.0001, "offset": offset}]
        asset["raster:offset"] = offset
    assert scene_of(item, EARTH_SEARCH).claims == Claims(baseline="05.09", applied=applied)


@pytest.mark.parametrize("flag", ["true", "false", 1, 0, [], {}, "True"])
def test_a_flag_that_is_not_a_boolean_is_ignored(flag: object) -> None:
    item = earth_search()
    item["properties"]["earthsearch:boa_offset_applied"] = flag
    assert scene_of(item, EARTH_SEARCH).claims.applied is None


@pytest.mark.parametrize(
    "baseline", ["4", "04", "4.0", 4.0, 5, "N0400", "04.00 ", "", [], "04.001", "٠٤.٠٠"]
)
def test_only_a_baseline_in_esas_form_is_accepted(baseline: object) -> None:
    item = planetary()
    item["properties"]["s2:processing_baseline"] = baseline
    expected = "04.00" if baseline == "04.00 " else None
    assert scene_of(item, PLANETARY).baseline == expected


@pytest.mark.parametrize(
    ("changes", "claims", "scaling"),
    [
        ({}, Claims(stated=-1000), SHIFTED),
        ({"landcover:offset": 0}, Claims(stated=0), PLAIN),
        ({"landcover:offset": -1000.0}, Claims(stated=-1000), SHIFTED),
        (
            {"landcover:offset": None, "s2:processing_baseline": "05.10"},
            Claims(baseline="05.10"),
            SHIFTED,
        ),
        (
            {"landcover:offset": 0, "s2:processing_baseline": "05.10"},
            Claims(baseline="05.10", stated=0),
            PLAIN,
        ),
        ({"landcover:offset": None}, Claims(), PLAIN),
        # Other values are ignored.
        ({"landcover:offset": False}, Claims(), PLAIN),
        ({"landcover:offset": 1000}, Claims(), PLAIN),
        ({"landcover:offset": "-1000"}, Claims(), PLAIN),
    ],
)
def test_a_users_item_states_its_offset(changes: Item, claims: Claims, scaling: Scaling) -> None:
    scene = local_scene(local(**changes), "mine.parquet")
    assert scene.claims == claims
    assert RULES["stated"](scene.claims).scaling is scaling
    assert set(scene.bands) == set(BAND_NAMES)
    assert scene.scl == "scene/SCL.tif"
    assert scene.visual == "scene/visual.tif"


@pytest.mark.parametrize("layout", ["bands", "patch", "stack"])
def test_a_users_item_states_its_layout(layout: str) -> None:
    item = local(**{"landcover:layout": layout})
    if layout == "stack":
        item["assets"] = {"stack": {"href": "./scene.tif"}}
    assert local_scene(item, "mine.parquet").layout == layout


@pytest.mark.parametrize("layout", [None, "", "tiles", [], {}, ["bands"], 1])
def test_an_unknown_layout_is_an_error(layout: object) -> None:
    with pytest.raises(FetchError, match="has no layout: index it again"):
        local_scene(local(**{"landcover:layout": layout}), "mine.parquet")


# --- levels -------------------------------------------------------------------------------


def test_level_1c_is_recognised_and_left_out() -> None:
    item = planetary()
    item["id"] = item["id"].replace("MSIL2A", "MSIL1C")
    by_id = scene_of(item, PLANETARY)
    item = earth_search()
    item["properties"]["s2:product_type"] = "S2MSI1C"
    by_type = scene_of(item, EARTH_SEARCH)
    by_user = local_scene(local(**{"landcover:level": "L1C"}), "mine.parquet")
    assert [scene.level for scene in (by_id, by_type, by_user)] == ["L1C"] * 3
    surface = scene_of(earth_search(), EARTH_SEARCH)
    assert of_level([by_id, surface, by_type], "L2A") == [surface]
    assert of_level([], "L2A") == []
    with pytest.raises(BadInput, match="only L1C scenes of this place"):
        of_level([by_id], "L2A")


# --- position and time ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("properties", "crs"),
    [
        ({"proj:epsg": 32733}, "EPSG:32733"),
        ({"proj:code": "EPSG:32601"}, "EPSG:32601"),
        ({"proj:epsg": 4326, "grid:code": "MGRS-60CWS"}, "EPSG:32760"),
        ({"proj:code": "EPSG:32661", "grid:code": "MGRS-01NAA"}, "EPSG:32601"),
        ({"mgrs:utm_zone": 5, "mgrs:latitude_band": "M", "mgrs:grid_square": "QK"}, "EPSG:32705"),
        ({"mgrs:utm_zone": 61, "mgrs:latitude_band": "N", "mgrs:grid_square": "QK"}, None),
        ({"mgrs:utm_zone": 0, "mgrs:latitude_band": "N", "mgrs:grid_square": "QK"}, None),
        ({"mgrs:utm_zone": True}, "EPSG:32633"),
        ({"grid:code": "MGRS-99UWP"}, None),
        ({"proj:code": "EPSG:3263٣", "grid:code": "MGRS-٣٣UWP"}, None),
        ({"proj:epsg": True, "grid:code": "CDSE-1"}, None),
        ({}, "EPSG:32633"),  # from the id
    ],
)
def test_the_zone_of_an_item(properties: Item, crs: str | None) -> None:
    item = earth_search()
    for name in ("proj:epsg", "mgrs:utm_zone", "mgrs:latitude_band", "mgrs:grid_square"):
        del item["properties"][name]
    del item["properties"]["grid:code"]
    item["properties"].update(properties)
    assert scene_of(item, EARTH_SEARCH).crs == crs


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        (SQUARE, 1),
        ({"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"]] * 2}, 2),
        ({"type": "Polygon", "coordinates": [SQUARE["coordinates"][0], [[0, 0]]]}, 1),
        ({"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"], [[[0, 0], [1, 1]]]]}, 1),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, float("nan")], [0, 0]]]}, 0),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 10**400], [0, 0]]]}, 0),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 91], [0, 0]]]}, 0),
        ({"type": "Polygon", "coordinates": {"0": []}}, 0),
        ({"type": "Polygon"}, 0),
    ],
)
def test_outer_rings_are_found_and_invalid_ones_ignored(shape: Item, count: int) -> None:
    assert len(rings_of(shape)) == count


@pytest.mark.parametrize(
    "when",
    [None, "", "yesterday", 20220618, [], "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)
def test_an_invalid_time_is_an_error(when: object) -> None:
    item = earth_search()
    item["properties"]["datetime"] = when
    with pytest.raises(FetchError, match="has no time: choose another date"):
        scene_of(item, EARTH_SEARCH)


@pytest.mark.parametrize(
    ("when", "utc"),
    [
        ("2022-06-18T10:06:38.512Z", (10, 6)),
        ("2022-06-18T10:06:38.512024+02:00", (8, 6)),
        ("2022-06-18T10:06:38", (10, 6)),
    ],
)
def test_a_time_is_in_utc(when: str, utc: tuple[int, int]) -> None:
    item = earth_search()
    item["properties"]["datetime"] = None
    item["properties"]["start_datetime"] = when
    acquired = scene_of(item, EARTH_SEARCH).acquired
    assert (acquired.hour, acquired.minute) == utc
    assert acquired.tzinfo is UTC


@pytest.mark.parametrize(
    ("cover", "share"),
    [
        *((0, 0.0), (100, 1.0), (37.5, 0.375)),
        *((bad, None) for bad in (-1, 101, "5", True, float("nan"), 10**400, None)),
    ],
)
def test_a_cloud_cover_is_a_fraction_or_none(cover: object, share: float | None) -> None:
    item = earth_search()
    item["properties"]["eo:cloud_cover"] = cover
    assert scene_of(item, EARTH_SEARCH).cloud == share


# --- addresses of files ---------------------------------------------------------------------

HOST = EARTH_SEARCH.hosts[0]


@pytest.mark.parametrize(
    "href",
    [
        "https://169.254.169.254/latest/meta-data",
        "http://localhost/x.tif",
        f"https://{HOST}.evil.example/x.tif",
        f"https://evil.example/{HOST}/x.tif",
        f"https://{HOST}@evil.example/x.tif",
        f"https://evil.example@{HOST}/x.tif",
        f"https://evil.example#@{HOST}/x.tif",
        f"https://evil.example\\@{HOST}/x.tif",
        f"https://{HOST}:8443/x.tif",
        f"https://{HOST}:port/x.tif",
        f"//{HOST}/x.tif",
        f"ftp://{HOST}/x.tif",
        "file:///etc/passwd",
        "/etc/passwd",
        "../../x.tif",
        "/vsicurl/https://evil.example/x.tif",
        "s3://elsewhere/x.tif",
        "s3://eodata/x.tif",
        "https://[::1/x.tif",
        f"https://{HOST}/x\r\nHost: evil.example",
        f" https://{HOST}/x.tif",
        f"ht\ntps://{HOST}/x.tif",
        "javascript:alert(1)",
    ],
)
def test_an_address_on_another_host_is_refused(href: str) -> None:
    item = earth_search()
    item["assets"]["nir"]["href"] = href
    with pytest.raises(FetchError, match="not one of the hosts of that archive") as caught:
        scene_of(item, EARTH_SEARCH)
    assert len(str(caught.value)) < 350
    assert "\n" not in str(caught.value)
    assert not allowed(href, EARTH_SEARCH.hosts)


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        ("https://a.example/x", ("a.example",)),
        ("HTTPS://A.EXAMPLE/x", ("a.example",)),
        ("http://127.0.0.1:8001/x?sig=a%2Bb", ("127.0.0.1:8001",)),
        ("https://b.example:444/x", ("a.example", "b.example:444")),
    ],
)
def test_an_address_on_the_hosts_is_allowed(address: str, hosts: tuple[str, ...]) -> None:
    assert allowed(address, hosts)


def test_s3_is_allowed_for_the_archive_in_s3() -> None:
    item = copernicus()
    for asset in item["assets"].values():
        del asset["alternate"]
    assert scene_of(item, COPERNICUS).bands["B02"].startswith("s3://eodata/")


@each_archive
def test_missing_bands_are_all_named(make: Callable[..., Item], row: Catalogue) -> None:
    item = make()
    del item["assets"][row.assets["B03"]]
    item["assets"][row.assets["B11"]] = {"title": "no href"}
    with pytest.raises(FetchError, match="lacks the bands B03, B11: choose another date"):
        scene_of(item, row)


@each_archive
def test_classification_and_picture_are_optional(make: Callable[..., Item], row: Catalogue) -> None:
    item = make()
    del item["assets"][row.scl]
    del item["assets"][row.visual]
    scene = scene_of(item, row)
    assert scene.scl is None
    assert scene.visual is None


# --- arbitrary JSON -------------------------------------------------------------------------

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 2**63])
    | st.floats()
    | st.text(st.characters(), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def outcome(item: object, row: Catalogue | None) -> Scene | None:
    """The scene, or None after a LandcoverError; any other error fails the test."""
    try:
        return local_scene(item, "mine.parquet") if row is None else scene_of(item, row)
    except LandcoverError as error:
        text = str(error)
        assert len(text) < 500
        assert text.isprintable()
        return None


def check(scene: Scene | None, row: Catalogue | None) -> None:
    """Check the properties that every scene has."""
    if scene is None:
        return
    assert scene.id
    assert scene.id.isprintable()
    assert scene.acquired.tzinfo is UTC
    assert scene.cloud is None or 0 <= scene.cloud <= 1
    assert scene.level in {"L2A", "L1C"}
    assert scene.footprint["coordinates"]
    if row is not None:
        assert tuple(scene.bands) == BAND_NAMES
        for href in (*scene.bands.values(), scene.scl, scene.visual):
            inside = row is COPERNICUS and str(href).startswith("s3://eodata/")
            assert href is None or inside or allowed(href, row.hosts)
        RULES[row.offset](scene.claims)


@given(item=json_values)
@settings(max_examples=examples(200))
def test_any_json_is_a_scene_or_one_sentence(item: object) -> None:
    for row in (*CATALOGUES.values(), None):
        check(outcome(item, row), row)


def paths_in(value: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all values inside a decoded JSON value."""
    found = [at]
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in inside:
        found += paths_in(inner, (*at, key))
    return found


def put_at(item: Any, path: tuple[Any, ...], value: object) -> None:
    for key in path[:-1]:
        item = item[key]
    item[path[-1]] = value


BASES: list[tuple[Item, Catalogue | None]] = [
    *((make(), row) for make, row in MAKERS.values()),
    (local(**{"s2:processing_baseline": "04.00", "eo:cloud_cover": 3, "platform": "x"}), None),
]


@given(data=st.data())
@settings(max_examples=examples(400))
def test_an_item_with_any_value_at_any_path(data: st.DataObject) -> None:
    base, row = data.draw(st.sampled_from(BASES))
    item = copy.deepcopy(base)
    places = [path for path in paths_in(base) if path]
    # Deepest first, so that each chosen path still exists.
    chosen = data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3, unique=True))
    for path in sorted(chosen, key=len, reverse=True):
        put_at(item, path, data.draw(json_values))
    check(outcome(item, row), row)


@pytest.mark.parametrize("base", range(len(BASES)))
@pytest.mark.parametrize(
    "hostile",
    [
        *(
            [],
            {},
            [[]],
            {"a": 1},
            None,
            True,
            0,
            -1,
            1.5,
            "",
            " ",
            "\0",
            "\ud800",
            "\n",
            "x" * 10**5,
        ),
        *(float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), "<html>502</html>"),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_each_path_of_an_item_with_each_difficult_value(base: int, hostile: object) -> None:
    """Without randomness: each path gets each of the values that are difficult for parsers."""
    original, row = BASES[base]
    for path in paths_in(original):
        item = copy.deepcopy(original)
        if path:
            put_at(item, path, hostile)
        check(outcome(item if path else hostile, row), row)


@pytest.mark.parametrize("name", ["s2:product_type", "processing:level", "platform", "datetime"])
def test_nesting_deeper_than_the_recursion_limit(name: str) -> None:
    """Some decoders have no limit of their own."""
    item = earth_search()
    deep: object = []
    for _ in range(5000):
        deep = [deep]
    item["properties"][name] = deep
    check(outcome(item, EARTH_SEARCH), EARTH_SEARCH)
