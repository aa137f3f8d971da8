"""Byte ranges from a real server: correct bytes, allowed hosts only, in time, or one sentence."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landcover.core import limits
from landcover.core.errors import Cancelled, FetchError
from landcover.net import http
from landcover.net.disk_cache import DiskCache
from landcover.net.http import HEADER_BYTES, MERGE_GAP, SignatureExpired, Transport
from tests.live.hostile_server import HostileServer
from tests.live.loopback import Fault, Kind
from tests.live.range_server import RangeServer
from tests.support.examples import examples

T = TypeVar("T")

SIZE = 700_000
CONTENT = random.Random(1).randbytes(SIZE)
OTHER = random.Random(2).randbytes(1000)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RangeServer]:
    root = tmp_path_factory.mktemp("files")
    (root / "a.tif").write_bytes(CONTENT)
    (root / "b.tif").write_bytes(OTHER)
    with RangeServer(root) as server:
        yield server


@pytest.fixture
def server(files: RangeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    """The server without faults and counts, and shorter time limits than in use."""
    monkeypatch.setattr(http, "BACK_OFF_S", 0.01)
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.25)
    files.reset()
    yield files
    files.reset()


Work = Callable[[Transport], Awaitable[T]]


def through(
    server: RangeServer,
    work: Work[T],
    *,
    hosts: tuple[str, ...] | None = None,
    cache: DiskCache | None = None,
    cancel: threading.Event | None = None,
    deadline_s: float = 20.0,
) -> T:
    """Run work with a transport that may use only this server."""

    async def done() -> T:
        async with Transport(
            "Archive",
            hosts if hosts is not None else (server.host,),
            cache=cache,
            cancel=cancel,
            deadline_s=deadline_s,
        ) as transport:
            return await work(transport)

    return asyncio.run(done())


def get(
    server: RangeServer,
    start: int = 10,
    end: int = 90,
    *,
    name: str = "a.tif",
    hosts: tuple[str, ...] | None = None,
    cancel: threading.Event | None = None,
    deadline_s: float = 20.0,
) -> bytes:
    return through(
        server,
        lambda transport: transport.get(f"{server.url}/{name}", start, end),
        hosts=hosts,
        cancel=cancel,
        deadline_s=deadline_s,
    )


# Ranges


@settings(max_examples=examples(40))
@given(
    wanted=st.lists(
        st.tuples(st.integers(0, SIZE - 1), st.integers(1, 120_000)).map(
            lambda pair: (pair[0], min(SIZE, sum(pair)))
        ),
        min_size=1,
        max_size=8,
    )
)
def test_ranges_come_in_the_requested_order(
    files: RangeServer, wanted: list[tuple[int, int]]
) -> None:
    files.reset()
    got = through(files, lambda transport: transport.ranges(f"{files.url}/a.tif", wanted))
    assert got == [CONTENT[start:end] for start, end in wanted]
    # No two requests are closer than the gap, and each starts and ends at a requested range.
    asked = sorted(_span(request.range) for request in files.requests)
    for (_, before), (after, _) in itertools.pairwise(asked):
        assert after - before > MERGE_GAP
    assert {start for start, _ in asked} <= {start for start, _ in wanted}
    assert {end for _, end in asked} <= {end for _, end in wanted}


def _span(header: str) -> tuple[int, int]:
    start, _, last = header.removeprefix("bytes=").partition("-")
    return int(start), int(last) + 1


@pytest.mark.parametrize(
    ("wanted", "requests"),
    [
        ([(0, 10), (10, 20)], 1),
        ([(0, 10), (10 + MERGE_GAP, 20 + MERGE_GAP)], 1),
        ([(0, 10), (11 + MERGE_GAP, 20 + MERGE_GAP)], 2),
        ([(5, 9), (5, 9), (0, 30)], 1),
        ([(500_000, 500_010), (0, 10), (250_000, 250_010)], 3),
        ([], 0),
    ],
)
def test_close_ranges_share_a_request(
    server: RangeServer, wanted: list[tuple[int, int]], requests: int
) -> None:
    got = through(server, lambda transport: transport.ranges(f"{server.url}/a.tif", wanted))
    assert got == [CONTENT[start:end] for start, end in wanted]
    assert len(server.requests) == requests


def test_merged_ranges_do_not_exceed_the_largest_request(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_RANGE", 100)
    wanted = [(n * 40, n * 40 + 40) for n in range(10)]
    got = through(server, lambda transport: transport.ranges(f"{server.url}/a.tif", wanted))
    assert got == [CONTENT[start:end] for start, end in wanted]
    assert len(server.requests) == 5


def test_fewer_bytes_come_if_the_file_ends(server: RangeServer) -> None:
    assert get(server, SIZE - 5, SIZE + 100) == CONTENT[-5:]
    assert get(server, 0, HEADER_BYTES, name="b.tif") == OTHER


def test_a_range_beyond_the_end_means_damage(server: RangeServer) -> None:
    wanted = [(0, 10), (990, 1010)]
    with pytest.raises(FetchError, match=r"'b.tif' of Archive is too short, so it is damaged"):
        through(server, lambda transport: transport.ranges(f"{server.url}/b.tif", wanted))


@pytest.mark.parametrize(
    ("start", "end"), [(0, http.MAX_RANGE + 1), (0, 2**60), (5, 5), (9, 3), (-4, 3)]
)
def test_ranges_of_a_damaged_header_are_not_requested(
    server: RangeServer, start: int, end: int
) -> None:
    with pytest.raises(FetchError, match=r"so it is damaged: choose another date"):
        get(server, start, end)
    assert server.requests == []


def test_all_bytes_together_are_limited(server: RangeServer) -> None:
    async def both(transport: Transport) -> bytes:
        await transport.get(f"{server.url}/a.tif", 0, 60)
        return await transport.get(f"{server.url}/a.tif", 100, 160)

    assert len(through(server, both)) == 60
    with (
        limits.changed(imagery_bytes=100),
        pytest.raises(FetchError, match="more than 0 MB at Archive: choose a smaller area"),
    ):
        through(server, both)


@pytest.mark.parametrize("kind", ["endless", "headers", "interim", "slow-header", "slow-body"])
def test_hostile_answers_end_in_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BACK_OFF_S", 0.01)

    async def read() -> bytes:
        host = hostile.url.removeprefix("http://")
        async with Transport("Archive", (host,), deadline_s=0.5) as transport:
            return await transport.get(f"{hostile.url}/{kind}/a.tif", 0, 100)

    with HostileServer() as hostile:
        start = time.monotonic()
        with pytest.raises(FetchError):
            asyncio.run(read())
        assert time.monotonic() - start < 2
        assert hostile.closed.wait(2)


def test_requests_and_bytes_are_counted(server: RangeServer) -> None:
    async def twice(transport: Transport) -> tuple[int, int]:
        await transport.get(f"{server.url}/a.tif", 0, 100)
        await transport.get(f"{server.url}/a.tif", 200, 250)
        return transport.requests, transport.bytes

    assert through(server, twice) == (2, 150)


def test_simultaneous_requests_are_limited(server: RangeServer) -> None:
    server.latency = 0.03

    async def many(transport: Transport) -> list[bytes]:
        gets = (transport.get(f"{server.url}/a.tif", n, n + 1) for n in range(80))
        return await asyncio.gather(*gets)

    assert b"".join(through(server, many)) == CONTENT[:80]
    assert 8 < server.peak <= http.CONNECTIONS


# Hosts and redirects


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:1/a.tif",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a.tif",
        "http://user@127.0.0.1/a.tif",
        "http://127.0.0.1:99999/a.tif",
        "//127.0.0.1/a.tif",
        "",
        "http://[::1",
    ],
)
def test_only_the_archives_hosts_are_used(server: RangeServer, address: str) -> None:
    with pytest.raises(FetchError, match="is not one of its hosts: choose another") as caught:
        through(server, lambda transport: transport.get(address, 0, 10))
    assert "\n" not in str(caught.value)
    assert server.requests == []


def test_a_redirect_among_the_hosts_is_followed_with_its_range(server: RangeServer) -> None:
    server.fault("/a.tif", Fault(kind="redirect", location="/b.tif"))
    assert get(server) == OTHER[10:90]
    assert [request.path for request in server.requests] == ["/a.tif", "/b.tif"]
    server.heal()
    server.fault("/a.tif", Fault(kind="redirect", location=f"{server.url}/b.tif"))
    assert get(server) == OTHER[10:90]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/",
        "//169.254.169.254/a.tif",
        "file:///etc/passwd",
        "http://127.0.0.1/a.tif",
        "http://x@127.0.0.1/",
        "gopher://a",
        "http://[::1",
    ],
)
def test_a_redirect_to_another_host_is_refused(server: RangeServer, location: str) -> None:
    server.fault("/a.tif", Fault(kind="redirect", location=location))
    with pytest.raises(FetchError, match="is not one of its hosts"):
        get(server)
    assert len(server.requests) == 1


def test_a_redirect_to_another_port_is_not_followed(server: RangeServer, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(CONTENT)
    with RangeServer(tmp_path) as stranger:
        server.fault("/a.tif", Fault(kind="redirect", location=f"{stranger.url}/a.tif"))
        with pytest.raises(FetchError, match="is not one of its hosts"):
            get(server)
        assert stranger.requests == []
        # The redirect is followed once the user's environment allows that host.
        assert get(server, hosts=(server.host, stranger.host)) == CONTENT[10:90]
        assert len(stranger.requests) == 1


@pytest.mark.parametrize("location", ["/a.tif", ""])
def test_redirects_in_a_circle_end(server: RangeServer, location: str) -> None:
    server.fault("/a.tif", Fault(kind="redirect", location=location))
    with pytest.raises(FetchError, match=r"redirects 'a.tif' too often"):
        get(server)
    assert len(server.requests) == http.MAX_REDIRECTS + 1


def test_redirects_to_an_invalid_address_give_a_sentence(server: RangeServer) -> None:
    for number in range(http.MAX_REDIRECTS):
        server.fault(f"/{number}.tif", Fault(kind="redirect", location=f"/{number + 1}.tif"))
    server.fault(f"/{http.MAX_REDIRECTS}.tif", Fault(kind="redirect", location="http://[::1"))
    with pytest.raises(FetchError, match=r"redirects '0.tif' too often"):
        get(server, name="0.tif")


# Faults


TRANSIENT: list[Fault] = [
    *(Fault(kind="status", status=status) for status in (408, 425, 429, 500, 502, 503, 504)),
    *(Fault(kind=kind) for kind in ("drop", "truncated", "longer", "wrong-range", "hang")),
]


def _id(fault: Fault) -> str:
    return f"{fault.kind}-{fault.status}" if fault.kind == "status" else fault.kind


@pytest.mark.parametrize("fault", TRANSIENT, ids=_id)
def test_transient_faults_are_retried(server: RangeServer, fault: Fault) -> None:
    server.fault("*", Fault(kind=fault.kind, status=fault.status, times=1))
    assert get(server) == CONTENT[10:90]
    assert len(server.requests) >= 1


@pytest.mark.parametrize("fault", TRANSIENT, ids=_id)
def test_lasting_faults_give_a_sentence_after_a_few_attempts(
    server: RangeServer, fault: Fault
) -> None:
    server.fault("*", fault)
    with pytest.raises(
        FetchError, match=r"^Archive failed 4 times to send 'a.tif' \(.+\): try again later"
    ):
        get(server)
    if fault.kind != "hang":  # those are counted only when they end
        assert len(server.requests) == http.ATTEMPTS


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault(kind="status", status=401), SignatureExpired, r"refuses 'a.tif' \(status 401\)"),
        (Fault(kind="status", status=403), SignatureExpired, r"refuses 'a.tif' \(status 403\)"),
        (Fault(kind="status", status=404), FetchError, "'a.tif' is not there at Archive"),
        (Fault(kind="status", status=410), FetchError, "'a.tif' is not there at Archive"),
        (Fault(kind="status", status=418), FetchError, r"is refused \(status 418\)"),
        (Fault(kind="whole"), FetchError, "'a.tif' is not sent in parts at Archive"),
        (Fault(kind="html"), FetchError, "'a.tif' is not sent in parts at Archive"),
    ],
)
def test_permanent_faults_give_a_sentence_at_once(
    server: RangeServer, fault: Fault, kind: type[FetchError], words: str
) -> None:
    server.fault("*", fault)
    with pytest.raises(FetchError, match=words) as caught:
        get(server)
    assert type(caught.value) is kind
    assert len(server.requests) == 1


def test_a_closed_port_gives_no_connection(server: RangeServer, tmp_path: Path) -> None:
    with RangeServer(tmp_path) as gone:
        host, address = gone.host, f"{gone.url}/a.tif"
    with pytest.raises(FetchError, match=r"failed 4 times to send 'a.tif' \(no connection\)"):
        through(server, lambda transport: transport.get(address, 0, 10), hosts=(host,))


# Time


def timed(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def test_retry_after_is_followed(server: RangeServer) -> None:
    server.fault("*", Fault(kind="status", status=429, retry_after="1", times=1))
    assert 1.0 <= timed(lambda: get(server)) < 3.0


@pytest.mark.parametrize("pause", ["3600", "99999999999999999999", "9" * 400])
def test_a_long_retry_after_is_shortened(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch, pause: str
) -> None:
    assert http.MAX_RETRY_AFTER_S <= 10
    monkeypatch.setattr(http, "MAX_RETRY_AFTER_S", 0.2)
    server.fault("*", Fault(kind="status", status=503, retry_after=pause, times=1))
    assert 0.2 <= timed(lambda: get(server)) < 2.0


@pytest.mark.parametrize("pause", ["Wed, 21 Oct 2099 07:28:00 GMT", "-5", "nan", "1e9", "²", ""])
def test_an_invalid_retry_after_is_ignored(server: RangeServer, pause: str) -> None:
    server.fault("*", Fault(kind="status", status=503, retry_after=pause, times=1))
    assert timed(lambda: get(server)) < 2.0


STUCK: list[tuple[Kind, str | None]] = [("hang", None), ("trickle", None), ("status", "9")]


@pytest.mark.parametrize(("kind", "pause"), STUCK)
def test_stopping_takes_effect_at_once(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch, kind: Kind, pause: str | None
) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 20.0)
    server.fault("*", Fault(kind=kind, retry_after=pause, seconds=15.0))
    stop = threading.Event()
    pressed: list[float] = []

    def press() -> None:
        pressed.append(time.monotonic())
        stop.set()

    timer = threading.Timer(0.3, press)
    timer.start()
    with pytest.raises(Cancelled, match="Stopped, as you asked"):
        get(server, cancel=stop)
    assert time.monotonic() - pressed[0] < 0.5


@pytest.mark.parametrize(("kind", "pause"), STUCK)
def test_the_deadline_ends_a_stuck_request(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch, kind: Kind, pause: str | None
) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 20.0)
    server.fault("*", Fault(kind=kind, retry_after=pause, seconds=15.0))
    start = time.monotonic()
    with pytest.raises(FetchError, match=r"^Archive did not send everything within 0.4 s: try"):
        get(server, deadline_s=0.4)
    assert 0.4 <= time.monotonic() - start < 1.5


def test_all_attempts_share_one_deadline(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.3)
    server.fault("*", Fault(kind="hang"))
    start = time.monotonic()
    with pytest.raises(FetchError, match=r"within 0.5 s"):
        get(server, deadline_s=0.5)
    assert time.monotonic() - start < 1.5


# Cache


def test_a_header_is_cached_once_its_reader_confirms_it(
    server: RangeServer, tmp_path: Path
) -> None:
    cache = DiskCache(tmp_path / "cache", 10**7)
    address = f"{server.url}/a.tif"

    def ask(query: str, *, confirm: bool = False) -> int:
        """Number of requests for the first bytes."""

        async def work(transport: Transport) -> int:
            assert await transport.get(address + query, 0, HEADER_BYTES) == CONTENT[:HEADER_BYTES]
            if confirm:
                transport.confirm(address + query)
            return transport.requests

        return through(server, work, cache=cache)

    assert ask("?sig=1") == 1
    assert ask("?sig=1", confirm=True) == 1, "unconfirmed bytes are not cached"
    # Signatures change every hour; the file is the same.
    assert ask("?sig=2") == 0
    assert ask("") == 0


def test_only_headers_are_cached(server: RangeServer, tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", 10**7)
    address = f"{server.url}/a.tif"

    async def work(transport: Transport) -> int:
        for start, end in ((0, 100), (100, 400), (HEADER_BYTES, 2 * HEADER_BYTES)):
            await transport.get(address, start, end)
            transport.confirm(address)
        return transport.requests

    assert through(server, work, cache=cache) == 3
    assert through(server, work, cache=cache) == 3


def test_closing_waits_for_work_that_a_reader_starts_late(server: RangeServer) -> None:
    """As in async-tiff, which registers work in its own thread and starts it in the loop later."""
    asked = threading.Event()
    late: list[asyncio.Future[bytes]] = []

    async def start_late(transport: Transport) -> None:
        loop = asyncio.get_running_loop()

        async def used() -> bytes:
            with transport.track():
                return await transport.get(f"{server.url}/a.tif", 0, 10)

        def reader() -> None:
            work = transport.register(used)
            asked.set()
            time.sleep(0.2)
            loop.call_soon_threadsafe(lambda: late.append(asyncio.ensure_future(work)))

        threading.Thread(target=reader).start()
        await asyncio.to_thread(asked.wait)

    through(server, start_late)
    assert [task.done() for task in late] == [True]
    with pytest.raises(FetchError, match="has ended"):
        late[0].result()


def test_a_closed_transport_accepts_no_work(server: RangeServer) -> None:
    async def kept(transport: Transport) -> Transport:
        return transport

    async def never() -> bytes:
        raise AssertionError

    ended = through(server, kept)
    with pytest.raises(FetchError, match="Reading from Archive has ended"):
        ended.register(never)
