"""Finding and fetching imagery through a real STAC API and byte ranges, compared with the source."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Event

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from planetary_computer import sas
from planetary_computer.settings import Settings

from landcover.core.bands import BAND_NAMES, BANDS
from landcover.core.errors import BadInput, Cancelled, FetchError, UnknownName
from landcover.core.progress import Progress
from landcover.core.raster import BoolArray, Raster
from landcover.net.http import Transport
from landcover.stac import catalog, search
from landcover.stac.archives import CATALOGUES
from landcover.stac.catalog import Candidate, SceneQuery, SearchResult
from landcover.stac.signing import sign
from tests.live.archive import RESOLUTION, Archive, data_mask, scene_classes
from tests.live.granules import GRANULES, PLACES, Granule, Place, Style
from tests.live.hostile_server import HostileServer
from tests.live.loopback import Fault
from tests.live.range_server import SAS_PATH, RangeServer
from tests.live.stac_front import StacFront
from tests.support.examples import sampled

pytestmark = [pytest.mark.data, pytest.mark.usefixtures("home")]

READABLE: tuple[Style, ...] = ("earth-search", "planetary-computer")
"""Catalogues with cloud-optimised GeoTIFFs; Copernicus has JPEG 2000."""
CLOUD = 9
"""The only class of the test archive's scene classifications that hides the ground."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path))
    return tmp_path


def query(name: str, near: date | None = None, max_cloud: float = 0.1) -> SceneQuery:
    place = PLACES[name]
    return SceneQuery(
        latitude=place.lat,
        longitude=place.lon,
        start=date(2017, 1, 1),
        end=date(2023, 1, 1),
        near=near,
        max_cloud=max_cloud,
    )


def on(result: SearchResult, day: str) -> Candidate:
    (found,) = (c for c in result.candidates if str(c.acquired.date()) == day)
    return found


def fine(pixels: npt.NDArray[np.generic], resolution: int) -> npt.NDArray[np.generic]:
    times = resolution // 10
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


@dataclass(frozen=True)
class Truth:
    """What the sources contain in a place's window, on the 10 m grid.

    Attributes:
        reflectance: float32 ``(12, 120, 120)``.
        data: where there is any.
        clouded: where the scene classification is cloud.
    """

    reflectance: npt.NDArray[np.float32]
    data: BoolArray
    clouded: BoolArray


_KNOWN: dict[tuple[str, str], Truth] = {}


def truth(archive: Archive, candidate: Candidate, place: Place) -> Truth:
    # Only Boadella has different pixels for each day.
    day = str(candidate.acquired.date()) if place.pixels == "boadella" else ""
    if (place.name, day) not in _KNOWN:
        _KNOWN[place.name, day] = read_truth(archive, place, day)
    return _KNOWN[place.name, day]


def read_truth(archive: Archive, place: Place, day: str) -> Truth:
    numbers = archive.expected(place, day)
    bands = np.stack([fine(numbers[band.name], band.resolution_m) for band in BANDS])
    classes = scene_classes(
        numbers["B02"][::2, ::2], numbers["B04"][::2, ::2], numbers["B8A"], numbers["B11"]
    )
    return Truth(
        reflectance=(bands.astype(np.float64) / 10_000).astype(np.float32),
        data=np.asarray(bands.max(axis=0) > 0),
        clouded=fine(classes, 20) == CLOUD,
    )


def reached(granule: Granule, place: Place) -> BoolArray:
    """Where in a place's window, on the 10 m grid, a granule's files have the source's pixels."""
    shown = np.zeros((120, 120), dtype=np.bool_)
    if granule.extent.epsg != place.window.epsg:
        return shown
    inside = data_mask(granule.part, granule.extent, 10)
    row = (granule.extent.top - place.window.top) // 10
    col = (place.window.left - granule.extent.left) // 10
    rows = slice(max(0, row), max(0, row + 120))
    cols = slice(max(0, col), max(0, col + 120))
    piece = inside[rows, cols]
    first_row, first_col = max(0, -row), max(0, -col)
    shown[first_row : first_row + piece.shape[0], first_col : first_col + piece.shape[1]] = piece
    return shown


def passes_over(style: Style, place: Place) -> set[str]:
    """Days on which a catalogue's Level-2A granules overlap a place's window."""
    return {
        granule.day
        for granule in GRANULES
        if granule.style == style and granule.level == "L2A" and reached(granule, place).any()
    }


def ground(archive: Archive, candidate: Candidate, place: Place) -> BoolArray:
    """Where the ground is visible: a granule has data there, and there is no cloud."""
    style = next(s for s in READABLE if s == candidate.scenes[0].catalogue)
    day = str(candidate.acquired.date())
    shown = np.zeros((120, 120), dtype=np.bool_)
    for granule in GRANULES:
        if granule.style == style and granule.day == day:
            shown |= reached(granule, place)
    known = truth(archive, candidate, place)
    return shown & known.data & ~known.clouded


def assert_exact(archive: Archive, candidate: Candidate, patch: Raster, place: Place) -> None:
    """Every visible pixel equals the source's exactly, and no other is valid."""
    day = str(candidate.acquired.date())
    seen = ground(archive, candidate, place)
    assert np.array_equal(patch.valid, seen), (place.name, day)
    expected = np.where(seen, truth(archive, candidate, place).reflectance, np.float32(0))
    assert patch.data.dtype == np.float32
    assert np.array_equal(patch.data, expected), (place.name, day)
    assert patch.transform is not None
    assert (patch.transform[2], patch.transform[5]) == (place.window.left, place.window.top)
    assert patch.crs == f"EPSG:{place.window.epsg}"
    assert patch.acquired == candidate.acquired


# Pixels


@pytest.mark.parametrize("style", READABLE)
@pytest.mark.parametrize(
    "name",
    sampled(
        [
            *("patch", "four patches", "edge", "three quarters", "far", "overcast"),
            *("gap", "broken", "south"),
        ],
        {"edge", "broken", "south"},
    ),
)
@pytest.mark.usefixtures("live")
def test_every_date_gives_the_sources_pixels_exactly(
    archive: Archive, style: Style, name: str
) -> None:
    place = PLACES[name]
    result = catalog.find(style, query(name))
    days = [str(candidate.acquired.date()) for candidate in result.candidates]
    assert days == sorted(passes_over(style, place), reverse=True)
    for candidate in result.candidates:
        if not ground(archive, candidate, place).any():
            continue
        assert_exact(archive, candidate, catalog.fetch(candidate), place)


VARIANTS = {
    # Day → formula, and whether the dark pixels agree with the metadata.
    "2022-07-14": ("DN / 10000", "the dark pixels agree"),
    "2022-07-19": ("(DN − 1000) / 10000", "the dark pixels agree"),
    "2022-08-03": ("(DN − 1000) / 10000", "the dark pixels agree"),
    "2022-07-29": ("DN / 10000", "contradict the metadata"),
    "2022-08-13": ("(DN − 1000) / 10000", "contradict the metadata"),
}


@pytest.mark.usefixtures("live")
def test_five_ways_to_publish_a_baseline_give_the_same_reflectance() -> None:
    result = catalog.find("earth-search", query("patch"))
    reference = catalog.fetch(on(result, "2017-06-13"))
    for day, (formula, words) in VARIANTS.items():
        patch = catalog.fetch(on(result, day))
        assert np.array_equal(patch.data, reference.data), day
        assert patch.provenance is not None
        assert formula in patch.provenance.scaling, day
        assert words in patch.provenance.scaling, day
        assert patch.provenance.baseline == "04.00"


@pytest.mark.parametrize(
    ("style", "name", "day"),
    [
        ("earth-search", "patch", "2018-07-08"),
        ("planetary-computer", "patch", "2018-07-08"),
        ("earth-search", "edge", "2018-08-02"),
        ("earth-search", "four patches", "2018-08-02"),
    ],
)
@pytest.mark.usefixtures("live")
def test_the_granules_of_a_pass_are_joined(style: Style, name: str, day: str) -> None:
    result = catalog.find(style, query(name))
    joined = on(result, day)
    assert len(joined.scenes) == 2
    patch = catalog.fetch(joined)
    whole = catalog.fetch(on(result, "2017-06-13"))
    assert np.array_equal(patch.data, whole.data)
    assert np.array_equal(patch.valid, whole.valid)
    assert patch.provenance is not None
    assert "2 granules joined" in patch.provenance.notes
    assert patch.provenance.scene == " + ".join(scene.id for scene in joined.scenes)


@pytest.mark.usefixtures("live")
def test_there_is_no_data_beyond_the_edge_of_the_swath(archive: Archive) -> None:
    result = catalog.find("earth-search", query("edge"))
    candidate = on(result, "2018-08-17")
    preview = candidate.preview
    assert preview is not None
    patch = catalog.fetch(candidate)
    assert 0.2 < patch.valid.mean() < 0.8
    assert_exact(archive, candidate, patch, PLACES["edge"])
    assert preview.nodata == pytest.approx(1 - patch.valid.mean(), abs=1e-9)
    assert patch.scl is not None
    assert np.array_equal(patch.scl == 0, ~patch.valid)
    assert not patch.data[:, ~patch.valid].any()


@pytest.mark.usefixtures("live")
def test_a_quarter_without_data_is_not_valid() -> None:
    result = catalog.find("earth-search", query("three quarters"))
    patch = catalog.fetch(result.candidates[0])
    assert patch.valid.mean() == 0.75
    assert "hides least" in result.reason
    assert "25% no data" in result.reason


@pytest.mark.usefixtures("live")
def test_a_scene_without_data_in_the_square_is_refused_with_a_sentence() -> None:
    result = catalog.find("earth-search", query("empty"))
    assert result.best == 0
    assert "100% no data" in result.reason
    with pytest.raises(FetchError, match=r"has no data in this square: choose another date\.$"):
        catalog.fetch(result.candidates[0])


# Choice


@pytest.mark.parametrize("style", READABLE)
@pytest.mark.parametrize("name", ["overcast", "gap", "broken"])
@pytest.mark.parametrize(
    "near",
    sampled([date(2020, 1, 13), date(2020, 1, 23), date(2022, 6, 1)], [date(2020, 1, 23)]),
)
@pytest.mark.usefixtures("live")
def test_the_clear_pass_nearest_to_the_preferred_day_is_best(
    archive: Archive, style: Style, name: str, near: date
) -> None:
    result = catalog.find(style, query(name, near))
    cloud = {
        candidate.acquired.date(): archive.cloud(name, str(candidate.acquired.date()))
        for candidate in result.candidates
    }
    for candidate in result.candidates:
        assert candidate.preview is not None
        assert candidate.preview.cloud == pytest.approx(cloud[candidate.acquired.date()], abs=1e-12)
    clear = [day for day, share in cloud.items() if share <= 0.1]
    assert result.best is not None
    best = result.candidates[result.best].acquired.date()
    assert best == min(clear, key=lambda day: abs((day - near).days))
    assert f"the nearest to {near.day} {near:%B %Y} of 4 checked passes" in result.reason
    assert ("under 1%" in result.reason) == (0 < cloud[best] < 0.01)


@pytest.mark.usefixtures("live")
def test_an_overcast_day_is_not_best_and_its_pixels_are_not_valid(archive: Archive) -> None:
    assert archive.cloud("overcast", "2020-01-23") > 0.9
    result = catalog.find("earth-search", query("overcast", date(2020, 1, 23)))
    assert result.best is not None
    assert str(result.candidates[result.best].acquired.date()) == "2020-01-28"
    assert result.reason.startswith("Clear over this square (0% cloud and shadow)")
    clouded = catalog.fetch(on(result, "2020-01-23"))
    assert clouded.valid.mean() == pytest.approx(1 - archive.cloud("overcast", "2020-01-23"))


@pytest.mark.usefixtures("live")
def test_if_nothing_is_clear_the_least_hidden_pass_is_best() -> None:
    place = PLACES["broken"]
    only = SceneQuery(
        latitude=place.lat,
        longitude=place.lon,
        start=date(2020, 1, 20),
        end=date(2020, 1, 25),
    )
    result = catalog.find("earth-search", only)
    assert result.best == 0
    assert result.reason.startswith("None of 1 checked pass is clear enough here")
    assert "50% cloud" in result.reason


@pytest.mark.usefixtures("live")
def test_more_candidates_are_previewed_on_request() -> None:
    first = catalog.find("earth-search", query("patch"))
    assert "8 checked passes (9 found)" in first.reason
    assert on(first, "2017-06-13").preview is None
    more = catalog.preview_more(first, query("patch"))
    assert on(more, "2017-06-13").preview is not None
    assert "9 checked passes." in more.reason


@pytest.mark.usefixtures("live")
def test_a_place_without_scenes_has_a_reason() -> None:
    for style in READABLE:
        result = catalog.find(style, query("nowhere"))
        assert result.candidates == ()
        assert result.best is None
        assert result.reason == (
            "No scene shows this place from 2017-01-01 to 2023-01-01: widen the dates, or choose "
            "another catalogue."
        )


@pytest.mark.usefixtures("live")
def test_a_place_with_only_level_1c_is_refused_with_a_sentence() -> None:
    with pytest.raises(BadInput, match=r"^The catalogue has only L1C scenes of this place"):
        catalog.find("earth-search", query("l1c"))


@pytest.mark.usefixtures("live")
def test_copernicus_names_the_keys_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANDCOVER_COPERNICUS_KEY", raising=False)
    with pytest.raises(FetchError, match=r"set free S3 keys .* LANDCOVER_COPERNICUS_SECRET"):
        catalog.find("copernicus", query("patch"))


def test_an_unknown_catalogue_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="did you mean 'earth-search'"):
        catalog.find("earthsearch", query("patch"))
    with pytest.raises(UnknownName):
        catalog.find("no\0thing", query("patch"))


def test_without_a_home_folder_imagery_is_found_fetched_and_kept_in_memory(
    archive: Archive, live: RangeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "file" / "home"))
    result = catalog.find("earth-search", query("patch"))
    (note,) = (note for note in result.notes if "LANDCOVER_HOME" in note)
    assert "kept in memory until the program ends" in note
    candidate = on(result, "2017-06-13")
    assert_exact(archive, candidate, catalog.fetch(candidate), PLACES["patch"])
    live.requests.clear()
    again = catalog.find("earth-search", query("patch"))
    assert not any("LANDCOVER_HOME" in note for note in again.notes), "it is said once"
    catalog.fetch(on(again, "2017-06-13"))
    assert live.requests == []


# Signatures


@pytest.fixture
def unsigned() -> None:
    """The library for signatures caches tokens until the process ends."""
    sas.TOKEN_CACHE.clear()


def tokens(server: RangeServer) -> int:
    return sum(request.path.startswith(SAS_PATH) for request in server.requests)


@pytest.mark.usefixtures("unsigned")
def test_addresses_are_signed_if_needed(archive: Archive, live: RangeServer) -> None:
    live.signatures = True
    result = catalog.find("planetary-computer", query("patch"))
    candidate = on(result, "2020-07-12")
    assert_exact(archive, candidate, catalog.fetch(candidate), PLACES["patch"])
    assert {request.status for request in live.requests} == {200, 206}
    assert all("sig=" in request.query for request in live.requests if request.range)


@pytest.mark.usefixtures("unsigned")
def test_an_expired_signature_is_renewed(archive: Archive, live: RangeServer) -> None:
    result = catalog.find("planetary-computer", query("patch"))
    candidate = on(result, "2020-07-12")
    # The service states that they are valid for an hour, but the storage rejects them.
    stale = live.token(-5)
    for token in sas.TOKEN_CACHE.values():
        token.token = stale
    live.signatures = True
    live.requests.clear()
    patch = catalog.fetch(candidate)
    assert_exact(archive, candidate, patch, PLACES["patch"])
    refused = Counter(request.path for request in live.requests if request.status == 403)
    assert refused, "the stale signature was tried"
    assert max(refused.values()) == 1
    assert tokens(live) <= len(refused)


@pytest.mark.usefixtures("unsigned")
def test_signatures_that_never_work_give_a_sentence(live: RangeServer) -> None:
    result = catalog.find("planetary-computer", query("patch"))
    sas.TOKEN_CACHE.clear()
    live.signatures, live.token_life = True, -5.0
    live.requests.clear()
    with pytest.raises(FetchError, match=r"refuses .* \(status 403\): try again, another date"):
        catalog.fetch(on(result, "2020-07-12"))
    asked = Counter(request.path for request in live.requests if request.range)
    assert max(asked.values()) <= 2


@pytest.mark.usefixtures("unsigned")
def test_hostile_services_for_signatures_give_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    row = CATALOGUES["planetary-computer"]

    async def signed() -> str:
        async with Transport("Archive", row.hosts, deadline_s=1.0) as transport:
            return await sign(f"https://{row.hosts[0]}/container/a.tif", row, transport)

    with HostileServer() as hostile:
        for kind in ("endless", "bomb", "values", "headers", "deeper", "slow-body"):
            monkeypatch.setattr(Settings.get(), "sas_url", f"{hostile.url}/{kind}")
            with pytest.raises(FetchError, match="gives no signature for its files: try again"):
                asyncio.run(signed())
    assert not sas.TOKEN_CACHE


# Requests and bytes


def touched(archive: Archive, granule: Granule, place: Place) -> int:
    """Bytes of the blocks that a place's window touches in all files of a granule."""
    total = 0
    for band in (*BAND_NAMES, "SCL"):
        pixel = RESOLUTION[band]
        with rasterio.open(archive.path(granule, band)) as raster:
            tall, wide = raster.block_shapes[0]
            row = (granule.extent.top - place.window.top) // pixel
            col = (place.window.left - granule.extent.left) // pixel
            side = 1200 // pixel
            for y in range(row // tall, (row + side - 1) // tall + 1):
                for x in range(col // wide, (col + side - 1) // wide + 1):
                    tag = f"BLOCK_SIZE_{x}_{y}"
                    total += int(raster.get_tag_item(tag, "TIFF", bidx=1) or 0)
    return total


@pytest.mark.parametrize("style", READABLE)
def test_requests_and_bytes_are_few(archive: Archive, live: RangeServer, style: Style) -> None:
    result = catalog.find(style, query("patch"))
    beside = catalog.find(style, query("four patches"))
    live.requests.clear()
    catalog.fetch(on(result, "2017-06-13"))
    unknown = Counter(request.path for request in live.requests if request.range)
    assert len(unknown) == 13
    assert max(unknown.values()) <= 2
    # The same files again, of which only the header is cached.
    live.requests.clear()
    catalog.fetch(on(beside, "2017-06-13"))
    known = Counter(request.path for request in live.requests if request.range)
    assert len(known) == 13
    assert max(known.values()) == 1
    granule = archive.granule(on(beside, "2017-06-13").scenes[0].id, style)
    blocks = touched(archive, granule, PLACES["four patches"])
    sent = sum(request.sent for request in live.requests if request.range)
    print(f"{style}: {sent:,} bytes of blocks of {blocks:,}")  # noqa: T201 - a figure of the notes
    assert 0 < sent <= 2 * blocks


def test_pixels_are_not_requested_again(live: RangeServer, stac: Mapping[str, StacFront]) -> None:
    first = catalog.find("earth-search", query("patch"))
    patch = catalog.fetch(on(first, "2018-07-08"))
    live.requests.clear()
    stac["earth-search"].requests.clear()
    second = catalog.find("earth-search", query("patch"))
    again = catalog.fetch(on(second, "2018-07-08"))
    assert second == first
    assert again.data.tobytes() == patch.data.tobytes()
    assert live.requests == []
    assert stac["earth-search"].requests == []


@pytest.mark.parametrize("style", READABLE)
def test_the_second_time_no_network_is_needed(
    live: RangeServer, stac: Mapping[str, StacFront], monkeypatch: pytest.MonkeyPatch, style: Style
) -> None:
    result = catalog.find(style, query("patch"))
    first = {c.key: catalog.fetch(c) for c in result.candidates}
    monkeypatch.setattr(search, "FRESH_S", 0.0)
    sas.TOKEN_CACHE.clear()
    for server in (live, stac[style]):
        server.fault("*", Fault(kind="status", status=404))
    again = catalog.find(style, query("patch"))
    assert again.best == result.best
    assert re.match(r"The archive could not be reached: these are the scenes", again.notes[0])
    for candidate in again.candidates:
        patch = catalog.fetch(candidate)
        assert patch.data.tobytes() == first[candidate.key].data.tobytes()
        assert patch.valid.tobytes() == first[candidate.key].valid.tobytes()


# Progress and stopping


@pytest.mark.usefixtures("live")
def test_progress_never_decreases() -> None:
    heard: list[Progress] = []
    result = catalog.find("earth-search", query("four patches"), report=heard.append)
    assert heard[0].what == "Searching Earth Search (Element 84, on AWS)"
    heard.clear()
    catalog.fetch(on(result, "2017-06-13"), report=heard.append)
    assert [(h.done, h.total) for h in heard] == [(n, 13) for n in range(14)]
    for before, after in itertools.pairwise(heard):
        assert after.bytes >= before.bytes
        assert after.requests >= before.requests
    assert heard[-1].requests >= 13
    assert heard[-1].fraction == 1


def test_a_cancelled_fetch_keeps_no_partial_result(archive: Archive, live: RangeServer) -> None:
    candidate = on(catalog.find("earth-search", query("four patches")), "2017-06-13")
    stop = Event()

    def at_five(progress: Progress) -> None:
        if progress.done == 5:
            stop.set()

    with pytest.raises(Cancelled):
        catalog.fetch(candidate, report=at_five, cancel=stop)
    live.requests.clear()
    assert_exact(archive, candidate, catalog.fetch(candidate), PLACES["four patches"])
    assert len({request.path for request in live.requests}) == 13
