"""Tests of the test archive, its web server and its STAC API."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import requests

from landcover.core.bands import BAND_NAMES, L1C_BAND_NAMES
from tests.live.archive import PRODUCT, RESOLUTION, Archive, data_mask
from tests.live.granules import AUSTRIA, GRANULES, PLACES, STYLES, Extent, Granule, Place, Style
from tests.live.range_server import SAS_PATH, Fault, Kind, RangeServer
from tests.live.stac_front import StacFront

pytestmark = pytest.mark.data

BLUE = {
    "earth-search": "blue",
    "planetary-computer": "B02",
    "copernicus": "B02_10m",
}


def read(archive: Archive, granule: Granule, asset: str, window: Extent) -> Any:
    """Read a window of a granule's file, 0 outside the file."""
    side = RESOLUTION[asset]
    top, left = granule.extent.top - window.top, window.left - granule.extent.left
    row, col = top // side, left // side
    (height, width), (rows, cols) = granule.extent.shape(side), window.shape(side)
    found = np.zeros((rows, cols), np.uint16)
    here = (max(0, row), min(height, row + rows)), (max(0, col), min(width, col + cols))
    with rasterio.open(archive.path(granule, asset)) as raster:
        piece = raster.read(1, window=here)
    first_row, first_col = max(0, -row), max(0, -col)
    found[first_row:, first_col:][: piece.shape[0], : piece.shape[1]] = piece
    return found


def covers(granule: Granule, place: Place) -> bool:
    left, bottom, right, top = granule.extent.bounds
    west, south, east, north = place.window.bounds
    within = left <= west and east <= right and bottom <= south and north <= top
    return within and granule.pixels.split("/")[0] == place.pixels


# The archive


@pytest.mark.slow
def test_every_granule_has_the_sources_numbers_plus_its_offset(archive: Archive) -> None:
    seen = set()
    for name in ("patch", "far", "overcast", "south", "l1c"):
        place = PLACES[name]
        known: dict[str, dict[str, Any]] = {}
        for granule in GRANULES:
            if granule.part != "all" or not covers(granule, place):
                continue
            if granule.pixels not in known:
                known[granule.pixels] = archive.expected(place, granule.day)
            for band, numbers in known[granule.pixels].items():
                found = read(archive, granule, band, place.window).astype(int)
                assert np.array_equal(found == 0, numbers == 0), (granule.id, place.name, band)
                found[found > 0] -= granule.shift
                assert np.array_equal(found, numbers), (granule.id, place.name, band)
                seen.add((granule.style, granule.id))
    # The others contain a part of their tile and have their own tests.
    cut = {"2018-07-08", "2018-08-02", "2018-08-17"}
    assert seen == {(g.style, g.id) for g in GRANULES if g.day not in cut}


def test_expected_numbers_are_those_of_the_patch_file(archive: Archive) -> None:
    patch = archive.shared / "bigearthnet" / "BigEarthNet-S2" / PRODUCT / f"{PRODUCT}_29_57"
    expected = archive.expected("patch")
    assert tuple(expected) == BAND_NAMES
    for band, numbers in expected.items():
        with rasterio.open(patch / f"{patch.name}_{band}.tif") as raster:
            assert raster.bounds[:2] == PLACES["patch"].window.bounds[:2]
            assert np.array_equal(numbers, raster.read(1))


@pytest.mark.parametrize(
    ("name", "filled"),
    [("patch", 1.0), ("four patches", 1.0), ("three quarters", 0.75), ("far", 1.0), ("empty", 0.0)],
)
def test_places_have_the_stated_data(archive: Archive, name: str, filled: float) -> None:
    for band, numbers in archive.expected(name).items():
        assert (numbers > 0).mean() == filled, band


def test_two_tiles_of_a_pass_together_contain_the_patch_on_their_border(archive: Archive) -> None:
    west, east = (g for g in GRANULES if g.style == "earth-search" and g.day == "2018-07-08")
    place = PLACES["patch"]
    for band, numbers in archive.expected(place).items():
        left, right = (read(archive, g, band, place.window) for g in (west, east))
        assert (left == 0).any()
        assert (right == 0).any()
        both = (left > 0) & (right > 0)
        assert both.any()
        assert np.array_equal(left[both], right[both])
        assert np.array_equal(np.maximum(left, right), numbers)


def test_two_granules_of_one_tile_complement_each_other_along_a_slanted_edge(
    archive: Archive,
) -> None:
    north, south = (g for g in GRANULES if g.style == "earth-search" and g.day == "2018-08-02")
    place = PLACES["edge"]
    for band, numbers in archive.expected(place).items():
        upper, lower = (read(archive, g, band, place.window) for g in (north, south))
        assert 0.2 < (upper > 0).mean() < 0.8
        assert not ((upper > 0) & (lower > 0)).any()
        assert np.array_equal(upper + lower, numbers)
    edge = data_mask("north", AUSTRIA, 60)
    assert not (edge == edge[:, :1]).all(), "the edge slants"


def test_cloud_differs_by_place_and_day(archive: Archive) -> None:
    assert archive.cloud("overcast", "2020-01-23") > 0.9
    assert 0.4 < archive.cloud("broken", "2020-01-23") < 0.6
    assert archive.cloud("gap", "2020-01-23") < 0.05
    for name in ("overcast", "broken", "gap"):
        assert archive.cloud(name, "2020-01-28") < 0.05


def test_files_are_cloud_optimised_on_native_grids(archive: Archive) -> None:
    whole = GRANULES[0]
    for asset, side in {"B02": 10_980, "B05": 5_490, "B01": 1_830, "SCL": 5_490}.items():
        with rasterio.open(archive.path(whole, asset)) as raster:
            assert raster.shape == (side, side)
            assert raster.block_shapes == [(1024, 1024) if side == 10_980 else (512, 512)]
            assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert raster.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "2"
            assert raster.overviews(1)
            assert raster.nodata == 0
            assert raster.transform.to_gdal() == (
                *(300_000.0, float(RESOLUTION[asset]), 0.0),
                *(5_400_000.0, 0.0, -float(RESOLUTION[asset])),
            )


@pytest.mark.parametrize("style", STYLES)
def test_items_are_stac_and_agree_with_their_files(archive: Archive, style: Style) -> None:
    for item in archive.items(style, "http://127.0.0.1:1"):
        checked = pystac.Item.from_dict(item)
        granule = archive.granule(checked.id, style)
        names = L1C_BAND_NAMES if granule.level == "L1C" else BAND_NAMES
        assert item["bbox"][0] < item["bbox"][2]
        assert BLUE[style] in item["assets"]
        hrefs = [asset["href"] for asset in item["assets"].values()]
        for band in names:
            path = archive.path(granule, band)
            relative = path.relative_to(archive.root).as_posix()
            found = [a for a in item["assets"].values() if a["href"].endswith(f"/{relative}")]
            if style == "copernicus":
                found = [a for a in item["assets"].values() if a["href"] == f"s3://{relative}"]
            assert len(found) == 1, (hrefs, relative)
            with rasterio.open(path) as raster:
                assert list(raster.shape) == found[0]["proj:shape"]
                assert list(raster.transform)[:6] == found[0]["proj:transform"]
                assert raster.crs.to_epsg() == granule.extent.epsg


def test_exactly_two_flags_are_wrong() -> None:
    wrong = [g.id for g in GRANULES if not g.states_offset_correctly]
    assert wrong == ["S2B_33UUP_20220729_0_L2A", "S2A_33UUP_20220813_0_L2A"]


# The web server


@pytest.fixture
def address(ranges: RangeServer, archive: Archive) -> str:
    return f"{ranges.url}/{archive.path(GRANULES[1], 'B02').relative_to(ranges.root).as_posix()}"


def get(address: str, span: str = "bytes=1000-1999") -> requests.Response:
    headers = {"Range": span} if span else {}
    return requests.get(address, headers=headers, timeout=10, allow_redirects=False)


def test_ranges_are_served_and_counted(ranges: RangeServer, archive: Archive, address: str) -> None:
    data = archive.path(GRANULES[1], "B02").read_bytes()
    for span, part in {
        "bytes=1000-1999": data[1000:2000],
        "bytes=-100": data[-100:],
        f"bytes={len(data) - 7}-": data[-7:],
    }.items():
        answer = get(address, span)
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["Content-Type"].startswith("image/tiff")
    assert get(address, f"bytes={len(data)}-").status_code == 416
    assert requests.head(address, timeout=10).headers["Content-Length"] == str(len(data))
    assert get(f"{ranges.url}/nothing.tif").status_code == 404
    assert get(f"{ranges.url}/%2e%2e/%2e%2e/etc/passwd").status_code == 404
    assert [request.status for request in ranges.requests] == [206, 206, 206, 416, 200, 404, 404]
    assert [request.sent for request in ranges.requests[:3]] == [1000, 100, 7]
    assert ranges.requests[0].range == "bytes=1000-1999"
    assert ranges.requests[4].sent == 0


@pytest.mark.parametrize(
    ("kind", "status", "length"),
    [
        ("status", 429, None),
        ("truncated", 206, 500),
        ("longer", 206, 1064),
        ("whole", 200, None),
        ("wrong-range", 206, 1000),
        ("html", 200, None),
        ("redirect", 302, 0),
        ("garbage", 206, 1000),
    ],
)
def test_a_fault_occurs_the_given_number_of_times(
    ranges: RangeServer, address: str, kind: Kind, status: int, length: int | None
) -> None:
    right = get(address).content
    ranges.fault("*B02.tif", Fault(kind=kind, times=2, skip=1, status=429, retry_after="3"))
    answers = [get(address) for _ in range(4)]
    assert [answer.content == right for answer in answers] == [True, False, False, True]
    assert answers[1].status_code == status
    assert length in {None, len(answers[1].content)}
    assert [request.fault for request in ranges.requests] == ["", "", kind, kind, ""]
    if kind == "wrong-range":
        assert answers[1].headers["Content-Range"].startswith("bytes 0-999/")
    if kind == "status":
        assert answers[1].headers["Retry-After"] == "3"


def test_a_connection_drops_hangs_and_trickles(ranges: RangeServer, address: str) -> None:
    right = get(address).content
    ranges.fault("*", Fault(kind="drop", times=1))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(address)
    for kind in ("hang", "trickle"):
        ranges.heal()
        ranges.fault("*", Fault(kind=kind, seconds=0.3))
        answer = get(address)
        assert answer.content == right
    ranges.heal()
    ranges.fault("*", Fault(kind="hang", seconds=30))
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(address, timeout=0.1)


def test_a_request_that_still_waits_is_forgotten_with_the_others(
    ranges: RangeServer, address: str
) -> None:
    ranges.fault("*", Fault(kind="hang", seconds=0.3))
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(address, timeout=0.1)
    ranges.reset()
    time.sleep(0.4)
    assert get(address).status_code == 206
    assert [request.fault for request in ranges.requests] == [""]


def test_a_function_can_choose_the_fault(ranges: RangeServer, address: str) -> None:
    ranges.decide = lambda _method, path, _span: (
        Fault(kind="status", status=500) if path.endswith("B02.tif") else None
    )
    assert get(address).status_code == 500
    assert get(address.replace("B02", "B03")).status_code == 206


def test_latency_applies_to_every_request(ranges: RangeServer, address: str) -> None:
    ranges.latency = 0.15
    assert get(address).elapsed.total_seconds() >= 0.15


def test_signatures_are_required_and_expire(ranges: RangeServer, address: str) -> None:
    ranges.signatures = True
    assert get(address).status_code == 409
    handed = requests.get(f"{ranges.url}{SAS_PATH}/account/container", timeout=10).json()
    assert handed["msft:expiry"].endswith("Z")
    assert get(f"{address}?{handed['token']}").status_code == 206
    assert get(f"{address}?{ranges.token(-1)}").status_code == 403
    forged = ranges.token(-1).replace("sig=", "sig=0")
    assert get(f"{address}?{forged}").status_code == 403


# The STAC APIs


def search(front: StacFront, **body: Any) -> dict[str, Any]:
    answer = requests.post(
        f"{front.url}/search", json={"collections": ["sentinel-2-l2a"], **body}, timeout=30
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("style", STYLES)
def test_a_window_is_searched_newest_first_and_page_by_page(
    stac: Mapping[Style, StacFront], archive: Archive, ranges: RangeServer, style: Style
) -> None:
    place = PLACES["patch"]
    # A point would miss the neighbouring tile, so the window is searched.
    ring = [[round(x, 6), round(y, 6)] for x, y in place.window.ring()]
    by_time = [{"field": "properties.datetime", "direction": "desc"}]
    wanted = {
        item["id"]: item
        for item in archive.items(style, ranges.url)
        if covers(archive.granule(item["id"], style), place)
        or archive.granule(item["id"], style).day == "2018-07-08"
    }
    page = search(
        stac[style],
        intersects={"type": "Polygon", "coordinates": [ring]},
        sortby=by_time,
        limit=2,
    )
    found = list(page["features"])
    while following := [link for link in page["links"] if link["rel"] == "next"]:
        assert following[0]["href"].startswith(stac[style].url)
        page = requests.post(following[0]["href"], json=following[0]["body"], timeout=30).json()
        found += page["features"]
    assert {item["id"] for item in found} == set(wanted)
    times = [item["properties"]["datetime"] for item in found]
    assert times == sorted(times, reverse=True)
    for item in found:
        assert item["assets"] == wanted[item["id"]]["assets"]
        assert item["properties"] == wanted[item["id"]]["properties"]


def test_dates_boxes_cloud_and_fields_narrow_a_search(stac: Mapping[Style, StacFront]) -> None:
    front = stac["earth-search"]
    box = [2.79, 42.33, 2.83, 42.36]
    whole = search(front, bbox=box)["features"]
    assert {item["properties"]["grid:code"] for item in whole} == {"MGRS-31TDG"}
    january = search(front, bbox=box, datetime="2020-01-01T00:00:00Z/2020-01-31T23:59:59Z")
    assert len(january["features"]) == 3
    clear = search(front, bbox=box, query={"eo:cloud_cover": {"lt": 10}})["features"]
    assert {item["id"] for item in whole} - {item["id"] for item in clear} == {
        "S2B_31TDG_20200123_0_L2A"
    }
    slim = search(front, bbox=box, limit=1, fields={"include": ["id", "properties.datetime"]})
    assert "assets" not in slim["features"][0]
    nowhere = PLACES["nowhere"]
    point = {"type": "Point", "coordinates": [round(nowhere.lon, 4), round(nowhere.lat, 4)]}
    assert search(front, intersects=point)["features"] == []


def test_addresses_of_found_items_are_those_of_the_files(
    stac: Mapping[Style, StacFront], ranges: RangeServer
) -> None:
    found = search(stac["earth-search"], ids=["S2A_33UUP_20220714_0_L2A"])["features"]
    answer = get(found[0]["assets"]["blue"]["href"], "bytes=0-3")
    assert answer.content == b"II*\0"
    assert ranges.requests[-1].status == 206


def test_a_catalogue_can_be_made_to_fail(stac: Mapping[Style, StacFront]) -> None:
    front = stac["copernicus"]
    front.fault("/search", Fault(kind="status", status=429, retry_after="1", times=1))
    front.fault("/search", Fault(kind="html", times=1))
    address = f"{front.url}/search"
    body: dict[str, Any] = {"collections": ["sentinel-2-l2a"], "limit": 1}
    answers = [requests.post(address, json=body, timeout=30) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 200, 200]
    assert "<html>" in answers[1].text
    assert len(answers[2].json()["features"]) == 1
