"""Live imagery in the real app, from a STAC API and a web server on loopback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser import steps
from tests.live.archive import Archive
from tests.live.loopback import Fault
from tests.live.range_server import RangeServer
from tests.support.app_server import serve

pytestmark = pytest.mark.data
FETCH = "Fetch the best image"


@pytest.fixture
def live_app(
    live: RangeServer,  # noqa: ARG001 - it points the catalogues at the servers
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    with serve() as address:
        yield address


def ask(page: Page, archive: Archive, place: str, first: str, last: str) -> None:
    """Go to a place by its coordinates and type the dates, such as 2020/01/31."""
    spot = archive.places[place]
    field = page.get_by_role("textbox", name=steps.SEARCH)
    field.fill(f"{spot.lat}, {spot.lon}")
    field.press("Enter")
    expect(page.get_by_role("button", name=FETCH)).to_be_visible()
    for which, day in (("start", first), ("end", last)):
        for part, number in zip(("year", "month", "day"), day.split("/"), strict=True):
            page.get_by_role("spinbutton", name=f"{part}, First and last day {which}").click()
            page.keyboard.type(number)


def test_fetches_classifies_and_shows_another_date(
    page: Page, live_app: str, archive: Archive, live: RangeServer
) -> None:
    frame = steps.open_app(page, live_app)
    ask(page, archive, "gap", "2020/01/01", "2022/12/31")
    assert live.requests == []
    page.get_by_role("button", name=FETCH).click()
    expect(steps.verdict(page)).to_contain_text("%")
    expect(page.get_by_role("heading", name="Passes over this place")).to_be_visible()
    expect(page.get_by_text("Clear over this square").first).to_be_visible()
    expect(frame.locator("img.leaflet-image-layer")).to_be_in_viewport()
    other = page.get_by_role("button", name=re.compile(r"^Show \d")).first
    day = other.inner_text().removeprefix("Show ")
    other.click()
    expect(page.get_by_role("button", name=f"{day}, shown")).to_be_visible()
    expect(steps.verdict(page)).to_be_visible()
    page.get_by_role("button", name="Previous place").click()
    expect(page.get_by_role("button", name=f"Show {day}")).to_be_visible()


@pytest.mark.slow
def test_a_second_tab_shows_the_image_of_a_link_without_the_archive(
    page: Page, context: BrowserContext, live_app: str, archive: Archive, live: RangeServer
) -> None:
    steps.open_app(page, live_app)
    ask(page, archive, "gap", "2020/01/01", "2022/12/31")
    page.get_by_role("button", name=FETCH).click()
    expect(steps.verdict(page)).to_contain_text("%")
    expect(page).to_have_url(re.compile(r"at=.*&catalogue=earth-search&scene=S2.*&date=20"))
    place = archive.places["gap"]
    expect(page).to_have_title(re.compile(rf"^{place.lat:.2f}.*20\d\d · Classify · Land cover$"))
    found = page.locator("ul.landcover-verdict b").all_inner_texts()
    live.fault("*", Fault(kind="status", status=404))
    other = context.new_page()
    other.goto(page.url)
    expect(steps.verdict(other)).to_contain_text("%")
    expect(other.locator("ul.landcover-verdict b")).to_have_text(found)
    expect(other).to_have_url(page.url)
    other.close()
    page.reload()
    expect(page.locator("ul.landcover-verdict b")).to_have_text(found)


@pytest.mark.slow
def test_a_hanging_archive_can_be_cancelled(
    page: Page, live_app: str, archive: Archive, live: RangeServer
) -> None:
    steps.open_app(page, live_app)
    ask(page, archive, "gap", "2020/01/01", "2020/12/31")
    live.fault("*", Fault(kind="hang"))
    page.get_by_role("button", name=FETCH).click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name=FETCH)).to_be_enabled()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_failing_archive_explains_what_to_do(
    page: Page, live_app: str, archive: Archive, live: RangeServer
) -> None:
    steps.open_app(page, live_app)
    ask(page, archive, "gap", "2020/01/01", "2020/12/31")
    live.fault("*", Fault(kind="status", status=404))
    page.get_by_role("button", name=FETCH).click()
    expect(page.get_by_role("alert")).to_contain_text("choose another date or catalogue")
    page.get_by_role("button", name="Upload a file").click()
    tab = page.get_by_role("tab", name="Upload a file")
    expect(tab).to_have_attribute("aria-selected", "true")
    live.reset()
    page.get_by_role("button", name=FETCH).click()
    expect(steps.verdict(page)).to_contain_text("%")
