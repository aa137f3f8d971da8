"""Network faults: correct pixels or one sentence, and never a partial cache entry."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from landcover.core.bands import BANDS
from landcover.core.errors import FetchError, LandcoverError
from landcover.core.raster import Raster
from landcover.net import http
from landcover.stac import catalog, search
from landcover.stac.catalog import Candidate, SceneQuery
from tests.live.archive import Archive
from tests.live.loopback import Fault
from tests.live.range_server import RangeServer
from tests.live.stac_front import StacFront

pytestmark = pytest.mark.data

PLACE = "four patches"
KINDS = (
    *(Fault(kind="status", status=status) for status in (403, 404, 410, 429, 500, 502, 503, 504)),
    Fault(kind="status", status=429, retry_after="3600"),
    *(Fault(kind=kind) for kind in ("drop", "truncated", "longer", "whole", "wrong-range")),
    *(Fault(kind=kind) for kind in ("html", "hang", "trickle", "garbage")),
    *(
        Fault(kind="redirect", location=location)
        for location in ("http://169.254.169.254/", "file:///etc/passwd", "http://127.0.0.1:1/")
    ),
)
ASSETS = ("*B01*", "*B04*", "*B8A*", "*SCL*", "*B12*", "*")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter time limits than in use."""
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.3)
    monkeypatch.setattr(http, "BACK_OFF_S", 0.01)
    monkeypatch.setattr(http, "MAX_RETRY_AFTER_S", 0.05)
    monkeypatch.setattr(search, "SILENCE_S", 0.3)


def query(archive: Archive) -> SceneQuery:
    place = archive.places[PLACE]
    return SceneQuery(
        latitude=place.lat, longitude=place.lon, start=date(2022, 7, 1), end=date(2022, 7, 16)
    )


def source(archive: Archive) -> np.ndarray:
    """The pixels of the patch files, as reflectance on the 10 m grid."""
    numbers = archive.expected(PLACE)
    whole = [
        numbers[band.name].repeat(band.resolution_m // 10, 0).repeat(band.resolution_m // 10, 1)
        for band in BANDS
    ]
    return np.stack(whole).astype(np.float64) / 10_000


def is_right(patch: Raster, truth: np.ndarray) -> bool:
    return bool(
        np.array_equal(patch.data[:, patch.valid], truth[:, patch.valid].astype(np.float32))
        and patch.valid.mean() > 0.9
    )


# Several kinds wait for a server that does not answer, so that 200 take most of a minute.
@pytest.mark.parametrize("count", [8, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("quick")
def test_faults_of_the_files_never_give_a_wrong_pixel(
    live: RangeServer,
    archive: Archive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "first"))
    finding = catalog.find("earth-search", query(archive))
    assert finding.best is not None
    candidate: Candidate = finding.candidates[finding.best]
    truth = source(archive)
    dice = random.Random(3)
    outcome: Counter[str] = Counter()
    sentences: list[str] = []
    for number in range(count):
        home = tmp_path / str(number)
        monkeypatch.setenv("LANDCOVER_HOME", str(home))
        live.reset()
        fault = dice.choice(KINDS)
        times = dice.choice([1, 2, None])
        live.fault(dice.choice(ASSETS), replace(fault, times=times))
        try:
            patch = catalog.fetch(candidate)
        except FetchError as error:
            outcome["one sentence"] += 1
            sentences.append(str(error))
        else:
            outcome["right pixels"] += 1
            assert is_right(patch, truth), (fault, times)
        # Nothing of a failed read may be returned from the cache.
        live.reset()
        assert is_right(catalog.fetch(candidate), truth), (fault, times)
    assert [text for text in sentences if "\n" in text or "another" not in text] == []
    print(f"{count} faults of files: {dict(outcome)}")  # noqa: T201 - a figure of the notes
    assert outcome["one sentence"] > count // 10
    assert outcome["right pixels"] > count // 10


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its sockets
@pytest.mark.usefixtures("quick", "live")
def test_faults_of_the_search_are_one_sentence(
    stac: Mapping[str, StacFront],
    archive: Archive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    front = stac["earth-search"]
    outcome: Counter[str] = Counter()
    sentences: list[str] = []
    for number, fault in enumerate(KINDS):
        monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / str(number)))
        front.reset()
        front.fault("*", fault)
        try:
            finding = catalog.find("earth-search", query(archive))
        except LandcoverError as error:
            outcome["one sentence"] += 1
            sentences.append(str(error))
        else:
            outcome["right answer"] += 1
            assert finding.best is not None
    front.reset()
    # An abandoned search closes its socket when it is collected.
    gc.collect()
    assert all("Earth Search" in sentence for sentence in sentences)
    print(f"{len(KINDS)} faults of the search: {dict(outcome)}")  # noqa: T201 - as above
    assert outcome["one sentence"] > 10


@pytest.mark.usefixtures("quick")
def test_the_second_time_works_without_the_network(
    live: RangeServer,
    stac: Mapping[str, StacFront],
    archive: Archive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path))
    finding = catalog.find("earth-search", query(archive))
    assert finding.best is not None
    first = catalog.fetch(finding.candidates[finding.best])
    live.fault("*", Fault(kind="drop"))
    stac["earth-search"].fault("*", Fault(kind="drop"))
    monkeypatch.setattr(search, "FRESH_S", 0.0)
    again = catalog.find("earth-search", query(archive))
    assert again.best == finding.best
    assert "could not be reached" in again.notes[0]
    second = catalog.fetch(again.candidates[again.best])
    assert second.data.tobytes() == first.data.tobytes()


def test_the_caller_may_have_a_running_loop(
    live: RangeServer, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path))

    async def notebook() -> Raster:
        finding = catalog.find("earth-search", query(archive))
        assert finding.best is not None
        return catalog.fetch(finding.candidates[finding.best])

    # As in a notebook, whose cells run inside a loop. A thread, since a browser's test may have
    # left one running in this.
    with ThreadPoolExecutor(1) as pool:
        patch = pool.submit(lambda: asyncio.run(notebook())).result()
    assert is_right(patch, source(archive))
    assert live.requests
