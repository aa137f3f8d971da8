"""Whole answers of a web service: their limits, their host, and JSON that is decoded."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Iterator

import pytest
from aiohttp import web

from landcover.core import limits
from landcover.core.errors import FetchError
from landcover.net import answers, nominatim
from landcover.net.answers import AnswerFault, Service
from landcover.net.hosts import allowed, host_of
from tests.live.hostile_server import KINDS, HostileServer
from tests.live.loopback import Fault, LoopbackServer


class Echo(LoopbackServer):
    """Answers with method and body of the request, perhaps compressed."""

    def __init__(self) -> None:
        super().__init__()
        self.packed = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = f"{request.method} {request.path} ".encode() + await request.read()
        if self.packed:
            return web.Response(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
        return web.Response(body=body)

    async def whole(self, request: web.Request) -> bytes | None:
        del request
        return b"whole"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Echo]:
    monkeypatch.setattr(answers, "BACK_OFF_S", 0.01)
    with Echo() as running:
        yield running


def ask(base: str, *paths: str, body: bytes | None = None, seconds: float = 5.0) -> list[bytes]:
    async def asked() -> list[bytes]:
        until = time.monotonic() + seconds
        async with Service(base, until=until, attempts=2) as service:
            method = "GET" if body is None else "POST"
            return [await service.ask(f"{base}{p}", method=method, body=body) for p in paths]

    return asyncio.run(asked())


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_comes_back_unpacked(server: Echo, *, packed: bool) -> None:
    server.packed = packed
    assert ask(server.url, "/a", body=b"question") == [b"POST /a question"]


@pytest.mark.parametrize(
    ("status", "expected"), [(307, b"POST /there question"), (303, b"GET /there ")]
)
def test_a_redirect_to_the_same_host_is_followed(
    server: Echo, status: int, expected: bytes
) -> None:
    async def lead(request: web.Request) -> web.StreamResponse:
        if request.path == "/here":
            return web.Response(status=status, headers={"Location": "/there"})
        return await Echo.answer(server, request)

    server.answer = lead  # type: ignore[method-assign]
    assert ask(server.url, "/here", body=b"question") == [expected]


def test_redirects_in_a_circle_end(server: Echo) -> None:
    server.fault("*", Fault(kind="redirect", location="/a"))
    with pytest.raises(AnswerFault, match="too often"):
        ask(server.url, "/a")
    assert len(server.requests) == answers.MAX_REDIRECTS + 1


def test_a_transient_fault_is_tried_again_and_a_lasting_one_is_not(server: Echo) -> None:
    server.fault("/a", Fault(kind="status", status=503, times=1))
    assert ask(server.url, "/a") == [b"GET /a "]
    server.fault("/b", Fault(kind="status", status=404))
    with pytest.raises(AnswerFault) as caught:
        ask(server.url, "/b")
    assert (caught.value.why, caught.value.status) == ("status", 404)
    assert [request.path for request in server.requests] == ["/a", "/a", "/b"]


def test_all_answers_share_a_limit(server: Echo) -> None:
    with limits.changed(search_bytes=20), pytest.raises(AnswerFault) as caught:
        ask(server.url, "/a", "/b", "/c", "/d")
    assert caught.value.why == "size"
    assert len(server.requests) == 3


def test_a_closed_service_asks_nobody(server: Echo) -> None:
    async def late() -> bytes:
        async with Service(server.url, until=time.monotonic() + 5) as service:
            pass
        return await service.ask(f"{server.url}/a")

    with pytest.raises(AnswerFault):
        asyncio.run(late())
    assert server.requests == []


def test_what_starts_encrypted_stays_encrypted() -> None:
    hosts = ("a.org",)
    assert allowed("https://a.org/x", hosts, start="https://a.org/")
    assert allowed("https://a.org/x", hosts, start="http://a.org/")
    assert not allowed("http://a.org/x", hosts, start="https://a.org/")
    assert not allowed("http://a.org/x", hosts, start="HTTPS://a.org/")


@pytest.mark.parametrize("address", ["http://a\nb/", "http://[::1", "\x1b[31m", "x" * 5000, ""])
def test_a_host_in_a_message_is_short_and_printable(address: str) -> None:
    said = host_of(address)
    assert said.isprintable()
    assert 0 < len(said) <= 60


@pytest.mark.parametrize("kind", [k for k in KINDS if "link" not in k and "pages" not in k])
def test_the_place_search_survives_hostile_answers(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nominatim, "PAUSE_S", 0.0)
    with HostileServer() as hostile, pytest.raises(FetchError, match=r"place search"):
        nominatim.search("x", address=f"{hostile.url}/{kind}/search", deadline_s=0.6)
