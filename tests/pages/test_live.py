"""Live imagery on the Classify page without a browser, with real servers on loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.warp import transform as warp
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from landcover.core.errors import BadInput
from landcover.core.window import Window
from landcover.io.names import FIRST_LIGHT
from landcover.io.samples import native
from landcover.stac.archives import OWN_VARIABLE
from landcover.stac.candidates import Candidate, Preview, SearchResult
from landcover.stac.index import build
from landcover.stac.scene import Scene
from pages.parts.classify import correct, live, searches
from pages.parts.classify import map as chart
from tests.live.archive import Archive
from tests.live.loopback import Fault
from tests.live.range_server import RangeServer
from tests.live.stac_front import StacFront
from tests.pages.test_classify_page import ROOT, MapStandIn, headings
from tests.support.safe_tree import Safe, write_safe

FETCH = "Fetch the best image"
PATIENCE_S = 60


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    stand_in = MapStandIn()
    monkeypatch.setattr(chart, "st_folium", stand_in)
    test = AppTest.from_file(str(ROOT / "pages" / "classify.py"), default_timeout=60)
    test.session_state["app_page"] = "by itself"
    yield test.run()
    assert not test.exception


def go(page: AppTest, latitude: float, longitude: float) -> None:
    page.text_input[0].input(f"{latitude}, {longitude}")
    press(page, "Go there")


def press(page: AppTest, label: str) -> None:
    next(button for button in page.button if button.label.startswith(label)).click().run()


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def settle(page: AppTest) -> None:
    """Rerun the page until its job has ended, as a browser does."""
    until = time.monotonic() + PATIENCE_S
    while "Cancel" in labels(page):
        assert time.monotonic() < until, "the job never ended"
        time.sleep(0.05)
        page.run()


def fetch(page: AppTest, start: date, end: date) -> None:
    page.date_input[0].set_value((start, end))
    press(page, FETCH)
    settle(page)


def captions(page: AppTest) -> str:
    return "\n".join(item.value for item in page.caption)


def at(page: AppTest, archive: Archive, name: str) -> None:
    go(page, archive.places[name].lat, archive.places[name].lon)


def wide(page: AppTest) -> None:
    fetch(page, date(2020, 1, 1), date(2022, 12, 31))


@pytest.mark.data
def test_one_press_finds_fetches_and_classifies(
    page: AppTest, archive: Archive, live: RangeServer, stac: Mapping[str, StacFront]
) -> None:
    at(page, archive, "gap")
    assert FETCH in labels(page)
    assert not live.requests
    assert not stac["earth-search"].requests
    wide(page)
    place = archive.places["gap"]
    assert headings(page)[0].startswith(f"{place.lat:.2f}")
    assert "Passes over this place" in headings(page)
    assert "All 19 land covers" in headings(page)
    assert "Clear over this square" in captions(page)
    assert "modified Copernicus Sentinel data" in captions(page)
    shown = [label for label in labels(page) if label.endswith(", shown")]
    assert len(shown) == 1
    assert headings(page)[0].endswith(shown[0].removesuffix(", shown"))
    best = [item.value for item in page.caption if item.value.startswith("**best**")]
    assert len(best) == 1
    # Its answer can be corrected like others.
    next(one for one in page.checkbox if one.label == correct.COMPLETE).check()
    press(page, "Keep this correction")
    assert any("You said of this place" in item.value for item in page.success)


@pytest.mark.data
@pytest.mark.usefixtures("live")
def test_other_dates_go_into_the_history(page: AppTest, archive: Archive) -> None:
    at(page, archive, "gap")
    wide(page)
    first = headings(page)[0]
    press(page, "Show ")
    settle(page)
    second = headings(page)[0]
    assert second != first
    page.button(key="classify_back").click().run()
    assert headings(page)[0] == first
    # A patch that is still held is shown again without a job.
    press(page, f"Show {second.split(', ')[-1]}")
    assert headings(page)[0] == second
    # After another place and back, the passes of this place are still there.
    page.selectbox(key="classify_sample").select("finland-lake").run()
    assert "Passes over this place" not in headings(page)
    page.button(key="classify_back").click().run()
    assert headings(page)[0] == second
    assert "Passes over this place" in headings(page)
    page.button(key="classify_clear").click().run()
    assert headings(page) == ["Six real places to start with"]


@pytest.mark.data
@pytest.mark.usefixtures("live")
def test_no_scene_leaves_the_form_filled_in(page: AppTest, archive: Archive) -> None:
    at(page, archive, "nowhere")
    page.slider[0].set_value(35)
    fetch(page, date(2021, 1, 1), date(2021, 2, 1))
    assert "No scene shows this place" in page.info[0].value.replace("\\", "")
    assert page.slider[0].value == 35
    assert page.date_input[0].value == (date(2021, 1, 1), date(2021, 2, 1))
    press(page, "Search a whole year")
    settle(page)
    assert page.date_input[0].value == (date(2020, 2, 2), date(2021, 2, 1))
    assert page.info


@pytest.mark.data
def test_the_passes_stay_if_a_download_fails(
    page: AppTest, archive: Archive, live: RangeServer
) -> None:
    at(page, archive, "gap")
    live.fault("*B11*", Fault(kind="status", status=404))
    wide(page)
    assert len(page.error) == 1
    assert "Passes over this place" in headings(page)
    ways_out = {"Try again", "Search Planetary Computer (Microsoft)", "Upload a file"}
    assert ways_out <= set(labels(page))
    # More dates do not help against a failure of the network.
    assert "Search a whole year" not in labels(page)
    # The message is about this place only.
    page.selectbox(key="classify_sample").select("finland-lake").run()
    assert not page.error
    page.button(key="classify_back").click().run()
    live.reset()
    press(page, "Show ")
    settle(page)
    assert not page.error
    assert "All 19 land covers" in headings(page)


@pytest.mark.data
@pytest.mark.usefixtures("live")
def test_a_catalogue_that_fails_leads_to_another(
    page: AppTest, archive: Archive, stac: Mapping[str, StacFront]
) -> None:
    stac["earth-search"].fault("*", Fault(kind="html"))
    at(page, archive, "gap")
    wide(page)
    assert "Earth Search" in page.error[0].value
    press(page, "Try again")
    settle(page)
    assert "Earth Search" in page.error[0].value
    press(page, "Search Planetary Computer")
    settle(page)
    assert not page.error
    assert "Planetary Computer" in captions(page)
    assert "from Microsoft" in captions(page)


@pytest.mark.data
def test_choosing_another_place_cancels_the_job(
    page: AppTest, archive: Archive, live: RangeServer
) -> None:
    at(page, archive, "gap")
    live.fault("*", Fault(kind="hang"))
    page.date_input[0].set_value((date(2020, 1, 1), date(2022, 12, 31)))
    press(page, FETCH)
    assert "Cancel" in labels(page)
    page.selectbox(key="classify_sample").select("finland-lake").run()
    assert "Cancel" not in labels(page)
    until = time.monotonic() + 10
    while any(thread.name == "landcover-job" for thread in threading.enumerate()):
        assert time.monotonic() < until, "the job did not stop"
        time.sleep(0.05)
    assert headings(page)[0].endswith("Finland")


def as_bytes(path: Path) -> None:
    """Write a scene classification again in the type that ESA's products give it."""
    with rasterio.open(path) as raster:
        classes, profile = raster.read(), raster.profile
    profile.update(dtype="uint8", QUALITY="100", REVERSIBLE="YES")
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(classes.astype(np.uint8))


def test_own_catalogue_is_searched_without_a_network(
    page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = native("austria-fields")
    # Next to the sample, which would be shown otherwise.
    west, north = (sample.transform[2] + 12_000, sample.transform[5] - 12_000)
    for scl in write_safe(tmp_path / "scenes", Safe(corner=(west, north))).rglob("*_SCL_20m.jp2"):
        as_bytes(scl)
    build(tmp_path / "scenes", tmp_path / "own.parquet")
    (longitude,), (latitude,) = warp(sample.crs, "EPSG:4326", [west + 600], [north - 600])[:2]
    go(page, latitude, longitude)
    assert live.OWN not in catalogues(page).options
    monkeypatch.setenv(OWN_VARIABLE, str(tmp_path / "missing.parquet"))
    page.run()
    catalogues(page).select(live.OWN).run()
    # The whole catalogue is searched unless the user names dates.
    assert page.date_input[0].value[0] == FIRST_LIGHT.date()
    press(page, FETCH)
    settle(page)
    assert "catalogue file of this server is missing" in page.error[0].value
    assert str(tmp_path) not in page.error[0].value
    monkeypatch.setenv(OWN_VARIABLE, str(tmp_path / "own.parquet"))
    press(page, FETCH)
    settle(page)
    # These synthetic pixels are not land, which the verdict reports; there is no other error.
    assert all(error.icon == ":material/block:" for error in page.error)
    assert headings(page)[0].endswith("13 June 2017")
    assert "Passes over this place" in headings(page)
    assert "Copernicus" not in captions(page)


def catalogues(page: AppTest) -> Selectbox:
    return next(box for box in page.selectbox if box.label == "Catalogue")


def test_places_where_the_satellite_takes_none_are_refused(page: AppTest) -> None:
    go(page, 89.0, 10.0)
    press(page, FETCH)
    assert len(page.error) == 1
    assert "takes no pictures" in page.error[0].value
    assert "Cancel" not in labels(page)


FORM = live.Form(name="earth-search", start=date(2024, 1, 1), end=date(2024, 6, 30))


def test_form_becomes_a_query() -> None:
    form = replace(FORM, months=("March", "December"), cloud=25)
    query = form.query((48.0, 16.0))
    assert query.months == {3, 12}
    assert query.max_cloud == 0.25
    assert (query.start, query.end) == (FORM.start, FORM.end)
    with pytest.raises(BadInput, match="run backwards"):
        replace(FORM, start=date(2024, 7, 1)).query((48.0, 16.0))


def candidates(*days: str, looked: int) -> tuple[Candidate, ...]:
    target = Window.from_bounds("EPSG:32633", (300_000, 5_298_840, 301_200, 5_300_040))
    look = Preview(cloud=0.1, shadow=0.0, snow=0.0, nodata=0.0)
    return tuple(
        Candidate(
            scenes=(
                Scene(
                    id=f"scene-{number}",
                    catalogue="earth-search",
                    acquired=datetime.fromisoformat(day).replace(tzinfo=UTC),
                    footprint={},
                    bands={},
                ),
            ),
            target=target,
            preview=look if number < looked else None,
        )
        for number, day in enumerate(days)
    )


@pytest.mark.parametrize(
    ("catalogue", "looked", "best", "shown"),
    [
        # An archive: those with a preview; the rest is shown when more are requested.
        ("earth-search", 2, 1, [0, 1]),
        # No preview at all, or the user's own files: the first few, and the best.
        ("earth-search", 0, 8, [0, 1, 2, 3, 4, 5, 8]),
        ("/home/me/own.parquet", 2, 0, [0, 1, 2, 3, 4, 5]),
        ("earth-search", 0, None, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_which_passes_are_shown(
    catalogue: str, looked: int, best: int | None, shown: list[int]
) -> None:
    found = candidates(*(f"2024-06-{day:02}" for day in range(20, 11, -1)), looked=looked)
    search = searches.Search(
        catalogue=catalogue,
        query=FORM.query((48.0, 16.0)),
        result=SearchResult(candidates=found, best=best, reason=""),
    )
    assert search.shown == shown


def test_two_passes_of_a_day_have_different_names() -> None:
    found = candidates("2024-06-12T10:06", "2024-06-12T09:26", "2024-06-02T10:06", looked=0)
    assert [live.pass_name(candidate, found) for candidate in found] == [
        "12 June 2024, 10:06",
        "12 June 2024, 09:26",
        "2 June 2024",
    ]
