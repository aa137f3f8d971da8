"""Hostile answers to a search: one sentence in bounded time and memory, and nothing goes on."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from landcover.core import limits
from landcover.core.errors import Cancelled, FetchError
from landcover.stac.archives import CATALOGUES
from landcover.stac.candidates import SceneQuery
from landcover.stac.search import search_archive
from tests.live.hostile_server import KINDS, HostileServer

ROOT = Path(__file__).parents[2]
SLOW = ("slow-header", "slow-body", "interim")
QUERY = SceneQuery(latitude=48.2, longitude=16.4, start=date(2022, 6, 1), end=date(2022, 6, 30))
AREA = {"type": "Point", "coordinates": [16.4, 48.2]}


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


CHILD = textwrap.dedent(
    """
    import json, resource, sys, time
    from dataclasses import replace
    from landcover.core.errors import FetchError
    from landcover.stac.archives import CATALOGUES
    from landcover.stac.search import search_archive
    from tests.stac.test_hostile_answers import AREA, QUERY

    def most():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    import asyncio, aiohttp, pystac_client  # the programs themselves do not count
    url, *kinds = sys.argv[1:]
    before, result = most(), {}
    for kind in kinds:
        row = replace(CATALOGUES["earth-search"], endpoint=f"{url}/{kind}")
        start, said = time.monotonic(), ""
        try:
            search_archive(row, AREA, QUERY)
        except FetchError as fault:
            said = str(fault)
        result[kind] = said, time.monotonic() - start, most() - before
    print(json.dumps(result))
    """
)


def test_every_kind_is_one_sentence_in_bounded_time_and_memory(server: HostileServer) -> None:
    kinds = [kind for kind in KINDS if kind not in SLOW]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD, server.url, *kinds],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    outcomes = json.loads(done.stdout)
    for kind, (said, seconds, extra) in outcomes.items():
        assert said.startswith("Earth Search"), kind
        assert "\n" not in said, kind
        assert len(said) < 400, kind
        assert seconds < 5, kind
        assert extra < 250_000_000, kind
    assert all(line.split(" ")[0] in {"GET", "POST"} for line in server.requests)
    assert not any("passwd" in line or "meta-data" in line for line in server.requests)


def searched(server: HostileServer, kind: str, cancel: threading.Event | None = None) -> None:
    row = replace(CATALOGUES["earth-search"], endpoint=f"{server.url}/{kind}")
    search_archive(row, AREA, QUERY, cancel=cancel)


def assert_nothing_goes_on(server: HostileServer) -> None:
    assert server.closed.wait(2), "the server can still send"
    until = time.monotonic() + 2
    while names := [t.name for t in threading.enumerate() if t.name == "landcover-transport"]:
        assert time.monotonic() < until, names
        time.sleep(0.01)


@pytest.mark.parametrize("kind", SLOW)
def test_the_transfer_ends_at_the_deadline(server: HostileServer, kind: str) -> None:
    start = time.monotonic()
    with limits.changed(search_seconds=1), pytest.raises(FetchError, match="within 1 s"):
        searched(server, kind)
    assert time.monotonic() - start < 10
    assert_nothing_goes_on(server)


def test_the_transfer_ends_when_the_user_stops_it(server: HostileServer) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    start = time.monotonic()
    with pytest.raises(Cancelled):
        searched(server, "slow-body", stop)
    assert time.monotonic() - start < 1.5
    assert_nothing_goes_on(server)


def test_a_name_that_is_not_resolved_does_not_delay_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thread that asks for the numbers of a name cannot be stopped."""
    answer = threading.Event()

    def hang(*_: object, **__: object) -> None:
        answer.wait(20)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    row = replace(CATALOGUES["earth-search"], endpoint="http://catalogue.invalid/v1")
    start = time.monotonic()
    with limits.changed(search_seconds=1), pytest.raises(FetchError, match="within 1 s"):
        search_archive(row, AREA, QUERY)
    assert time.monotonic() - start < 2
    answer.set()


def test_the_transfer_ends_at_the_limit(server: HostileServer) -> None:
    with pytest.raises(FetchError, match="sends more than 10 MB"):
        searched(server, "endless")
    assert_nothing_goes_on(server)
