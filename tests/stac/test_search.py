"""Searching an archive: answers, faults, untrusted addresses and the cache."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from shapely.geometry import box, mapping

from landcover.core import limits
from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput, Cancelled, FetchError
from landcover.net.disk_cache import DiskCache
from landcover.stac import search
from landcover.stac.archives import CATALOGUES, Catalogue
from landcover.stac.candidates import SceneQuery
from landcover.stac.search import SceneList, search_archive, search_local
from tests.live.loopback import Fault, LoopbackServer

QUERY = SceneQuery(latitude=48.2, longitude=16.4, start=date(2022, 6, 1), end=date(2022, 6, 30))
AREA = json.loads(json.dumps(mapping(box(16.39, 48.19, 16.41, 48.21))))
Item = dict[str, Any]


def item(day: str = "2022-06-18", **changes: Any) -> Item:
    """A short item in the form of Earth Search."""
    host = CATALOGUES["earth-search"].hosts[0]
    assets = CATALOGUES["earth-search"].assets
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"S2B_33UWP_{day.replace('-', '')}_0_L2A",
        "collection": "sentinel-2-l2a",
        "geometry": json.loads(json.dumps(mapping(box(16, 48, 17, 49)))),
        "bbox": [16, 48, 17, 49],
        "links": [],
        "properties": {
            "datetime": f"{day}T10:06:38.512000Z",
            "proj:epsg": 32633,
            "grid:code": "MGRS-33UWP",
            "s2:processing_baseline": "04.00",
            "s2:product_type": "S2MSI2A",
        },
        "assets": {assets[b]: {"href": f"https://{host}/{day}/{b}.tif"} for b in BAND_NAMES},
        **changes,
    }


class Archive(LoopbackServer):
    """Answers every search with the pages that a test sets.

    Attributes:
        pages: bodies of the answers, one per request; the last one is repeated.
        bodies: bodies of the requests.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[Any] = []
        self.bodies: list[Any] = []
        self.make: Callable[[int], Any] | None = None

    def reset(self) -> None:
        super().reset()
        self.pages, self.bodies, self.make = [collection(item())], [], None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json() if request.can_read_body else None)
        number = len(self.bodies) - 1
        page = self.make(number) if self.make else self.pages[min(number, len(self.pages) - 1)]
        body = page if isinstance(page, bytes) else json.dumps(page).encode()
        return web.Response(body=body, content_type="application/geo+json")

    async def whole(self, request: web.Request) -> bytes | None:
        del request
        return json.dumps(self.pages[0]).encode()


def collection(*items: Any, following: str | None = None) -> Item:
    links = [{"rel": "next", "href": following, "method": "GET"}] if following else []
    return {"type": "FeatureCollection", "features": list(items), "links": links}


@pytest.fixture(scope="module")
def listening() -> Iterator[Archive]:
    with Archive() as server:
        yield server


@pytest.fixture
def archive(listening: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr(search, "SILENCE_S", 0.3)
    listening.reset()
    yield listening
    listening.reset()


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path, 10**8)


def row(server: LoopbackServer) -> Catalogue:
    return replace(CATALOGUES["earth-search"], endpoint=f"{server.url}/v1")


def ask(server: LoopbackServer, query: SceneQuery = QUERY, **more: Any) -> SceneList:
    return search_archive(row(server), AREA, query, **more)


def days(answer: SceneList) -> list[str]:
    return [str(scene.acquired.date()) for scene in answer.scenes]


# Answers


def test_the_request(archive: Archive) -> None:
    assert days(ask(archive)) == ["2022-06-18"]
    (body,) = archive.bodies
    assert body["collections"] == ["sentinel-2-l2a"]
    assert body["intersects"] == AREA
    assert body["datetime"] == "2022-06-01T00:00:00Z/2022-06-30T23:59:59Z"
    assert body["sortby"] == [{"field": "properties.datetime", "direction": "desc"}]
    assert [request.path for request in archive.requests] == ["/v1/search"]


def test_days_and_months_that_were_not_requested_are_left_out(archive: Archive) -> None:
    found = ["2022-05-31", "2022-06-01", "2022-06-30", "2022-07-01", "2021-06-15"]
    archive.pages = [collection(*(item(day) for day in found))]
    assert days(ask(archive)) == ["2022-06-01", "2022-06-30"]
    year = replace(QUERY, start=date(2021, 1, 1), end=date(2022, 12, 31))
    assert days(ask(archive, replace(year, months=frozenset({5, 7})))) == [
        "2022-05-31",
        "2022-07-01",
    ]


def test_pages_are_followed(archive: Archive) -> None:
    archive.pages = [
        collection(item("2022-06-20"), following=f"{archive.url}/v1/search?page=2"),
        collection(item("2022-06-10")),
    ]
    assert days(ask(archive)) == ["2022-06-20", "2022-06-10"]


def test_endless_pages_are_followed_only_to_the_limit(archive: Archive) -> None:
    def page(number: int) -> Item:
        items = (item(id=f"{number}-{one}") for one in range(search.PAGE))
        return collection(*items, following=f"{archive.url}/v1/search?page={number + 1}")

    archive.make = page
    assert len(ask(archive).scenes) == search.MAX_ITEMS
    assert len(archive.bodies) <= search.MAX_ITEMS / search.PAGE + 1


def test_scenes_that_cannot_be_used_are_left_out_with_a_sentence(archive: Archive) -> None:
    elsewhere = item("2022-06-12")
    elsewhere["assets"]["red"]["href"] = "http://169.254.169.254/latest"
    archive.pages = [collection(item(), elsewhere, item(properties={}), 7, None, "x")]
    answer = ask(archive)
    assert days(answer) == ["2022-06-18"]
    assert len(answer.unusable) == 5
    assert not any("\n" in sentence for sentence in answer.unusable)


def test_if_no_scene_is_usable_it_is_an_error(archive: Archive) -> None:
    archive.pages = [collection(item(properties={}))]
    with pytest.raises(FetchError):
        ask(archive)


def test_an_empty_result_is_not_an_error(archive: Archive) -> None:
    archive.pages = [collection()]
    assert ask(archive) == SceneList(scenes=())


# Faults and untrusted answers


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"features": 7}',
        b'{"features": {"a": 1}}',
        b'{"features": [], "links": 7}',
        b'{"features": [1], "links": [{"rel": "next", "href": 5}]}',
        b'{"type": "FeatureCollection"}',
        b"[" * 100_000,
        b"<html></html>",
    ],
)
def test_invalid_answers_give_a_sentence_or_no_scene(archive: Archive, page: bytes) -> None:
    archive.pages = [page]
    outcome: list[str] = []
    try:
        found = ask(archive).scenes
    except FetchError as fault:
        found = ()
        outcome.append(str(fault))
    assert found == ()
    assert not any("\n" in sentence or len(sentence) > 400 for sentence in outcome)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(kind="status", status=500), "cannot be reached|answers with status 500"),
        (Fault(kind="status", status=404), "answers with status 404"),
        (Fault(kind="status", status=403), "answers with status 403"),
        (Fault(kind="hang", seconds=3.0), "cannot be reached"),
        (Fault(kind="html"), "answers with something that is not STAC"),
        (Fault(kind="redirect"), "redirects to a host that is not its own"),
        (Fault(kind="redirect", location="file:///etc/passwd"), "redirects to a host that is not"),
        (Fault(kind="redirect", location="http://[::1"), "redirects to a host that is not"),
    ],
)
def test_a_fault_gives_a_sentence_that_says_what_to_try(
    archive: Archive, fault: Fault, words: str
) -> None:
    archive.fault("*", fault)
    with pytest.raises(FetchError, match=words) as caught:
        ask(archive)
    assert str(caught.value).startswith("Earth Search")
    assert "another catalogue" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["next page", "redirect"])
def test_another_host_gets_no_request(archive: Archive, kind: str) -> None:
    with Archive() as stranger:
        stranger.reset()
        elsewhere = f"{stranger.url}/v1/search"
        if kind == "redirect":
            archive.fault("*", Fault(kind="redirect", location=elsewhere))
        else:
            archive.pages = [collection(item(), following=elsewhere)]
        with pytest.raises(FetchError, match="redirects to a host that is not its own"):
            ask(archive)
        assert stranger.requests == []


def test_a_transient_fault_is_retried(archive: Archive) -> None:
    archive.fault("*", Fault(kind="status", status=503, retry_after="3600", times=2))
    start = time.monotonic()
    assert days(ask(archive)) == ["2022-06-18"]
    assert time.monotonic() - start < 5


@pytest.fixture
def long_timeouts(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    del archive  # it sets shorter time limits
    monkeypatch.setattr(search, "SILENCE_S", 2.0)


@pytest.mark.usefixtures("long_timeouts")
def test_stopping_takes_effect_at_once(archive: Archive) -> None:
    archive.fault("*", Fault(kind="hang", seconds=1.5, times=1))
    stop = threading.Event()
    pressed: list[float] = []

    def press() -> None:
        pressed.append(time.monotonic())
        stop.set()

    threading.Timer(0.2, press).start()
    with pytest.raises(Cancelled):
        ask(archive, cancel=stop)
    assert time.monotonic() - pressed[0] < 0.5
    assert not receiving()


@pytest.mark.usefixtures("long_timeouts")
def test_the_deadline_ends_a_search(archive: Archive) -> None:
    archive.fault("*", Fault(kind="hang", seconds=3.0, times=1))
    start = time.monotonic()
    with (
        limits.changed(search_seconds=1),
        pytest.raises(FetchError, match=r"did not answer within 1 s: try again later"),
    ):
        ask(archive)
    assert time.monotonic() - start < 1.7
    assert not receiving()


SEARCHES = ("landcover-transport", "landcover-search")
"""Names of the threads that receive answers; other tests leave idle threads of other kinds."""


def receiving() -> list[str]:
    """Threads that go on with a search some time after it has ended."""
    time.sleep(0.2)
    return [thread.name for thread in threading.enumerate() if thread.name in SEARCHES]


# Cache


def test_an_answer_is_cached_for_an_hour(
    archive: Archive, cache: DiskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask(archive, cache=cache)
    assert ask(archive, cache=cache) == first
    assert len(archive.bodies) == 1
    # Other days are another request.
    ask(archive, replace(QUERY, start=date(2022, 6, 2)), cache=cache)
    assert len(archive.bodies) == 2
    monkeypatch.setattr(search, "FRESH_S", 0.0)
    ask(archive, cache=cache)
    assert len(archive.bodies) == 3


def test_an_older_answer_is_used_if_the_archive_cannot_be_reached(
    archive: Archive, cache: DiskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = datetime.now(UTC)
    first = ask(archive, cache=cache)
    monkeypatch.setattr(search, "FRESH_S", 0.0)
    archive.fault("*", Fault(kind="status", status=404))
    again = ask(archive, cache=cache)
    assert again.scenes == first.scenes
    assert again.asked is not None
    assert abs((again.asked - before).total_seconds()) < 10
    # An answer for other days is used too, as far as it contains the requested ones.
    wider = ask(archive, replace(QUERY, start=date(2022, 1, 1)), cache=cache)
    assert wider.scenes == first.scenes
    with pytest.raises(FetchError, match="answers with status 404"):
        ask(archive, replace(QUERY, end=date(2022, 6, 10)), cache=cache)


def test_an_invalid_answer_is_not_cached(archive: Archive, cache: DiskCache) -> None:
    archive.pages = [collection(item(properties={}))]
    with pytest.raises(FetchError):
        ask(archive, cache=cache)
    archive.fault("*", Fault(kind="html", times=1))
    with pytest.raises(FetchError):
        ask(archive, cache=cache)
    archive.pages = [collection(item())]
    assert days(ask(archive, cache=cache)) == ["2022-06-18"]


@pytest.mark.parametrize("kept", [b"", b"{}", b"[1]", b'["x", []]', b"[1e400, []]", b"\xff"])
def test_a_corrupted_cache_entry_is_ignored(
    archive: Archive, cache: DiskCache, kept: bytes
) -> None:
    class Corrupted(DiskCache):
        def get(self, key: str, *, max_age: float | None = None) -> bytes | None:
            del key, max_age
            return kept

    assert days(ask(archive, cache=Corrupted(cache.folder, 10**6))) == ["2022-06-18"]


# The user's own catalogue


def test_a_file_that_is_not_a_catalogue_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    path.write_bytes(b"PAR1 and no more")
    area: Mapping[str, Any] = AREA
    with pytest.raises(BadInput) as caught:
        search_local(path, area, QUERY)
    assert "\n" not in str(caught.value)
