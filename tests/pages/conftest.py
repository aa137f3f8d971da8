"""What tests of pages share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from landcover.jobs import queue
from pages.parts.area import map as area_chart
from pages.parts.classify import map as chart
from pages.parts.classify import uploads

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def components_found_once() -> Iterator[None]:
    """Let Streamlit look for components in the installed packages once.

    It does so at each run of an ``AppTest``, which takes three quarters of the run's time.
    """
    with pytest.MonkeyPatch.context() as patched:
        scan = cache(manifest_scanner.scan_component_manifests)
        patched.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture(autouse=True)
def uploads_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the page wait for uploaded files: ``AppTest`` does not draw it again by itself."""
    monkeypatch.setattr(uploads, "QUICK_S", 60.0)


@pytest.fixture(autouse=True)
def no_job_is_left() -> Iterator[None]:
    """Cancel the jobs of a test: all have the same session, which may have a few jobs only."""
    yield
    queue.default().forget("test session id")


class MapStandIn:
    """Stands in for the map's answers; AppTest has no browser to draw the map."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {}
        self.calls: list[dict[str, Any]] = []

    def __call__(self, _chart: object, **arguments: Any) -> dict[str, Any]:
        self.calls.append(arguments)
        return self.answer


@pytest.fixture
def browser_map(monkeypatch: pytest.MonkeyPatch) -> MapStandIn:
    return _in_place_of(chart, monkeypatch)


@pytest.fixture
def area_map(monkeypatch: pytest.MonkeyPatch) -> MapStandIn:
    return _in_place_of(area_chart, monkeypatch)


def _in_place_of(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> MapStandIn:
    stand_in = MapStandIn()
    monkeypatch.setattr(module, "st_folium", stand_in)
    return stand_in


@pytest.fixture
def page(browser_map: MapStandIn) -> Iterator[AppTest]:  # noqa: ARG001 - it must be in place first
    test = AppTest.from_file(str(ROOT / "pages" / "classify.py"), default_timeout=60)
    test.session_state["app_page"] = "by itself"
    test.run()
    assert not test.exception
    yield test
    assert not test.exception
