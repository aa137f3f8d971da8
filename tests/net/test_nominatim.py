"""The place search over the network, against a server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from aiohttp import web

from landcover.core.errors import Cancelled, FetchError
from landcover.net import nominatim
from landcover.net.disk_cache import DiskCache
from landcover.net.nominatim import FoundPlace
from tests.live.loopback import Fault, LoopbackServer

MARCHTRENK = {
    "display_name": "Marchtrenk, Austria",
    "lat": "48.1917",
    "lon": "14.1106",
    "type": "x",
}


class Nominatim(LoopbackServer):
    """Answers every search with the same text; keeps the agents that clients name."""

    def __init__(self) -> None:
        super().__init__()
        self.body = json.dumps([MARCHTRENK]).encode()
        self.agents: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.agents.append(request.headers["User-Agent"])
        return web.Response(body=self.body, content_type="application/json")

    async def whole(self, request: web.Request) -> bytes | None:  # noqa: ARG002
        return self.body


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nominatim]:
    monkeypatch.setattr(nominatim, "PAUSE_S", 0.0)
    with Nominatim() as running:
        yield running


def search(
    server: Nominatim, text: str = "Marchtrenk", **options: object
) -> tuple[FoundPlace, ...]:
    return nominatim.search(text, address=f"{server.url}/search", **options)  # type: ignore[arg-type]


def test_a_place_is_found_with_one_request_that_names_the_program(server: Nominatim) -> None:
    (place,) = search(server, "  Marchtrenk & Umgebung ")
    assert place == FoundPlace(name="Marchtrenk, Austria", latitude=48.1917, longitude=14.1106)
    (request,) = server.requests
    assert "q=Marchtrenk %26 Umgebung&" in request.query
    assert server.agents[0].startswith("landcover")


def test_an_answer_is_kept(server: Nominatim, tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 1_000_000)
    assert search(server, cache=cache) == search(server, cache=cache)
    assert len(server.requests) == 1


def test_requests_are_apart(server: Nominatim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nominatim, "PAUSE_S", 0.3)
    for _ in range(2):
        search(server)
    first, second = (request.at for request in server.requests)
    assert second - first > 0.2


@pytest.mark.parametrize(
    "body",
    [
        b"<html>log in</html>",
        b"{}x",
        b'{"error": "no"}',
        b"7",
        b"null",
        b"[1]",
        b"[{}]",
        b'[{"display_name": "x", "lat": "nan", "lon": "1"}]',
        b'[{"display_name": "x", "lat": "91", "lon": "1"}]',
        b"[" * 200_000,
        b" " * 600_000,
        b"\xff",
    ],
)
def test_a_bad_answer_is_one_sentence_and_is_not_kept(
    server: Nominatim, tmp_path: Path, body: bytes
) -> None:
    cache = DiskCache(tmp_path, 1_000_000)
    server.body = body
    with pytest.raises(FetchError, match=r"^The answer of the place search is not valid: "):
        search(server, cache=cache)
    server.body = b"[]"
    assert search(server, cache=cache) == ()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(kind="status", status=429), "answers with status 429"),
        (Fault(kind="redirect"), "redirects to a host that is not its own"),
        (Fault(kind="drop"), "cannot be reached"),
        (Fault(kind="hang", seconds=5), "did not answer within 0.3 s"),
    ],
)
def test_a_failure_is_one_sentence(server: Nominatim, fault: Fault, said: str) -> None:
    server.fault("*", fault)
    with pytest.raises(FetchError) as caught:
        search(server, deadline_s=0.3)
    assert said in str(caught.value)


def test_it_can_be_stopped(server: Nominatim) -> None:
    server.fault("*", Fault(kind="hang", seconds=5))
    cancel = Event()
    cancel.set()
    with pytest.raises(Cancelled):
        search(server, cancel=cancel)


def test_without_a_network_it_says_so() -> None:
    with pytest.raises(FetchError, match="without internet, enter the name of a town"):
        nominatim.search("Marchtrenk", address="http://127.0.0.1:9/search")
