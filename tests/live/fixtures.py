"""Fixtures for tests of live imagery, for ``pytest_plugins``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live import stac_server
from tests.live.archive import Archive, build
from tests.live.granules import STYLES, Style
from tests.live.range_server import SAS_PATH, RangeServer
from tests.live.stac_front import StacFront


@pytest.fixture(scope="session")
def archive(pytestconfig: pytest.Config, shared_data: Path) -> Archive:
    """Real scenes in the layouts of three catalogues, kept between runs in pytest's cache."""
    cache = pytestconfig.cache
    assert cache is not None
    return build(Path(cache.mkdir("live-archive")), shared_data)


@pytest.fixture(scope="session")
def range_server(archive: Archive) -> Iterator[RangeServer]:
    """The web server of the archive's files."""
    with RangeServer(archive.root) as server:
        yield server


@pytest.fixture
def ranges(range_server: RangeServer) -> Iterator[RangeServer]:
    """The same, without counts and faults at the beginning of each test."""
    range_server.reset()
    yield range_server
    range_server.reset()


@pytest.fixture(scope="session")
def stac_fronts(archive: Archive, range_server: RangeServer) -> Iterator[Mapping[Style, StacFront]]:
    """The catalogues' APIs: a real server if it can run, or else its recorded responses.

    ``LANDCOVER_REPLAY=1`` always uses the recordings, ``LANDCOVER_RECORD=1`` makes new ones.
    """
    replay = os.environ.get("LANDCOVER_REPLAY") == "1"
    real = not replay and (stac_server.installed() or stac_server.install())
    if os.environ.get("CI") and not replay:
        assert real, "the STAC API could not be installed: see tools/stac_server.sh"
    base = range_server.url
    with ExitStack() as stack:
        upstream: dict[Style, str] = {}
        if real:
            items = {style: archive.items(style, base) for style in STYLES}
            server = stack.enter_context(stac_server.StacServer(items))
            upstream = {style: server.url(style) for style in STYLES}
        fronts = {
            style: stack.enter_context(StacFront(style, base, upstream.get(style)))
            for style in STYLES
        }
        yield fronts
        if real and os.environ.get("LANDCOVER_RECORD") == "1":
            for front in fronts.values():
                front.save()


@pytest.fixture
def stac(stac_fronts: Mapping[Style, StacFront]) -> Iterator[Mapping[Style, StacFront]]:
    """The same, without counts and faults at the beginning of each test."""
    for front in stac_fronts.values():
        front.reset()
    yield stac_fronts
    for front in stac_fronts.values():
        front.reset()


@pytest.fixture
def live(
    monkeypatch: pytest.MonkeyPatch, stac: Mapping[Style, StacFront], ranges: RangeServer
) -> RangeServer:
    """Set the addresses of the catalogues to the loopback servers; return the file server."""
    for style, front in stac.items():
        name = f"LANDCOVER_CATALOG_{style.upper().replace('-', '_')}"
        monkeypatch.setenv(name, front.url)
        monkeypatch.setenv(f"{name}_HOSTS", ranges.host)
    monkeypatch.setenv("PC_SDK_SAS_URL", f"{ranges.url}{SAS_PATH}")
    return ranges
