"""The example for nginx, in front of the real app: sessions, uploads, limits and headers."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from landcover.io.samples import read_sample
from tests.browser.steps import write_stack
from tests.deploy import nginx
from tests.support.app_server import serve
from tests.support.websocket_client import open_client

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(nginx.executable() is None, reason="needs nginx"),
]


@pytest.fixture(scope="module", params=["", "landcover"], ids=["at the root", "below a path"])
def app(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of the app itself, with its base path."""
    path = f"/{request.param}" if request.param else ""
    with serve(f"--server.baseUrlPath={request.param}") as address:
        yield f"{address}{path}"


@pytest.fixture
def proxy(app: str) -> Iterator[str]:
    """Address of the app behind nginx, whose counts begin anew with each test."""
    with nginx.in_front_of(app) as address:
        yield f"{address}{urlsplit(app).path}"


def test_a_session_with_an_upload_works_through_the_proxy(proxy: str, tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "mine.tif", read_sample("ireland-fields")).read_bytes()

    async def visit() -> None:
        async with open_client(proxy) as client:
            await client.run()
            await client.press("1 ·")
            assert "Result as JSON" in client.text()
            await client.upload("Sentinel-2 images", ("mine.tif", stack))
            assert "file=mine.tif" in client.query

    asyncio.run(visit())


def test_every_answer_has_the_headers_and_none_names_the_server(proxy: str) -> None:
    async def ask(path: str) -> aiohttp.ClientResponse:
        async with aiohttp.ClientSession() as http, http.get(f"{proxy}{path}") as answer:
            return answer

    for path in ("/", "/_stcore/health", "/nowhere/else.png", "/_stcore/metrics"):
        headers = asyncio.run(ask(path)).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"], path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
        assert headers["Server"] == "nginx"
    assert asyncio.run(ask("/_stcore/metrics")).status == 403


def announced(proxy: str, path: str, size: int) -> int | None:
    """Status of the answer to a request that announces a body of a size; None if it may send it."""
    address = urlsplit(proxy)
    assert address.hostname
    assert address.port
    with socket.create_connection((address.hostname, address.port), timeout=2) as connection:
        head = f"PUT {address.path}{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
        connection.sendall(head.encode())
        try:
            return int(connection.recv(100).split()[1])
        except TimeoutError:
            return None


def test_a_body_over_the_limit_is_refused_before_it_is_sent(proxy: str) -> None:
    upload = "/_stcore/upload_file/a/b"
    assert announced(proxy, upload, 200 * 2**20 + 1000) is None
    assert announced(proxy, upload, 202 * 2**20) == 413
    assert announced(proxy, "/_stcore/health", 2 * 2**20) == 413


def test_many_sessions_and_uploads_of_one_address_get_429(proxy: str) -> None:
    async def statuses(path: str, count: int) -> Counter[int]:
        async def one(http: aiohttp.ClientSession) -> int:
            async with http.put(f"{proxy}{path}", data=b"x") as answer:
                return answer.status

        async with aiohttp.ClientSession() as http:
            return Counter(await asyncio.gather(*(one(http) for _ in range(count))))

    for path, most in (("/_stcore/stream", 12), ("/_stcore/upload_file/a/b", 22)):
        found = asyncio.run(statuses(path, 30))
        assert found[429] >= 30 - most, (path, found)
        assert found.total() - found[429] >= most - 2, (path, found)


def test_a_page_of_another_site_cannot_open_a_session(proxy: str) -> None:
    async def connect(origin: str) -> int:
        url = f"{proxy.replace('http', 'ws', 1)}/_stcore/stream"
        async with aiohttp.ClientSession() as http:
            try:
                async with http.ws_connect(url, headers={"Origin": origin}):
                    return 101
            except aiohttp.WSServerHandshakeError as error:
                return error.status

    assert asyncio.run(connect("https://elsewhere.example")) == 403
    assert asyncio.run(connect(proxy.removesuffix("/landcover"))) == 101
