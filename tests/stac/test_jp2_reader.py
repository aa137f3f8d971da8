"""JPEG 2000 scenes of the Copernicus Data Space, at addresses signed with keys."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from landcover.core.bands import BANDS
from landcover.core.errors import FetchError
from landcover.stac import catalog
from landcover.stac.catalog import SceneQuery
from tests.live.archive import Archive
from tests.live.loopback import Fault
from tests.live.range_server import RangeServer

pytestmark = pytest.mark.data


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path))
    monkeypatch.setenv("LANDCOVER_COPERNICUS_KEY", "a key")
    monkeypatch.setenv("LANDCOVER_COPERNICUS_SECRET", "a secret")


def query(archive: Archive, name: str) -> SceneQuery:
    place = archive.places[name]
    return SceneQuery(
        latitude=place.lat, longitude=place.lon, start=date(2017, 1, 1), end=date(2020, 12, 31)
    )


@pytest.mark.parametrize("name", ["four patches", "gap"])
def test_every_pass_has_the_sources_numbers(live: RangeServer, archive: Archive, name: str) -> None:
    result = catalog.find("copernicus", query(archive, name))
    assert len(result.candidates) == 2
    for candidate in result.candidates:
        patch = catalog.fetch(candidate)
        truth = archive.expected(name, str(candidate.acquired.date()))
        assert patch.valid.mean() > 0.9
        for band in BANDS:
            times = band.resolution_m // 10
            whole = truth[band.name].repeat(times, 0).repeat(times, 1)[patch.valid] / 10_000
            np.testing.assert_allclose(patch.band(band.name)[patch.valid], whole, atol=1e-7)
    asked = [request for request in live.requests if request.path.endswith(".jp2")]
    assert asked
    assert all("X-Amz-Signature" in request.query for request in asked)


@pytest.mark.parametrize("kind", ["garbage", "html", "whole", "drop"])
def test_a_damaged_band_gives_a_sentence(live: RangeServer, archive: Archive, kind: str) -> None:
    result = catalog.find("copernicus", query(archive, "gap"))
    assert result.best is not None
    candidate = result.candidates[result.best]
    live.fault("*B04_10m.jp2", Fault(kind=kind))  # type: ignore[arg-type]
    with pytest.raises(FetchError, match="another"):
        catalog.fetch(candidate)
    live.reset()
    assert catalog.fetch(candidate).valid.mean() > 0.9


@pytest.mark.usefixtures("live")
def test_without_keys_the_message_names_them(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LANDCOVER_COPERNICUS_SECRET")
    with pytest.raises(FetchError, match="LANDCOVER_COPERNICUS_KEY"):
        catalog.find("copernicus", query(archive, "gap"))
