"""The Area page in a real browser: draw an area, map it, look at it, download the map."""

from __future__ import annotations

import json
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import rasterio
from playwright.sync_api import FrameLocator, Page, expect

from landcover.io.samples import read_sample
from tests.browser import steps
from tests.browser.test_access import FOCUSED, show, tab_to, views, violations
from tests.support.app_server import serve

pytestmark = pytest.mark.browser

MAP = "iframe[title='Map to draw an area on, and of its land covers']"
COMPLETE = "The map is complete:"
HEADINGS = ("One place", "Hectares")


def open_page(page: Page, url: str) -> FrameLocator:
    """Open the page and wait until an area can be mapped."""
    page.goto(f"{url}/area")
    frame = page.frame_locator(MAP)
    expect(frame.locator(".lc-area-imagery")).to_be_visible()
    expect(page.get_by_role("button", name="Map this area")).to_be_visible()
    steps.idle(page)
    return frame


def map_it(page: Page) -> None:
    page.get_by_role("button", name="Map this area").click()
    expect(page.get_by_text(COMPLETE)).to_be_visible()
    steps.idle(page)


def draw(page: Page, frame: FrameLocator) -> None:
    """Draw a rectangle over the middle of the imagery."""
    frame.locator(".leaflet-draw-draw-rectangle").click()
    box = frame.locator(".lc-area-imagery").bounding_box()
    assert box is not None
    x, y, width, height = box["x"], box["y"], box["width"], box["height"]
    page.mouse.move(x + 0.2 * width, y + 0.2 * height)
    page.mouse.down()
    page.mouse.move(x + 0.5 * width, y + 0.5 * height, steps=4)
    page.mouse.move(x + 0.8 * width, y + 0.7 * height, steps=4)
    page.mouse.up()


def test_an_area_is_drawn_mapped_looked_at_and_downloaded(
    page: Page, app: str, outside: list[str], tmp_path: Path
) -> None:
    frame = open_page(page, app)
    draw(page, frame)
    expect(page.get_by_role("radio", name="Drawn on the map")).to_be_checked()
    expect(frame.locator(".lc-area-area").first).to_be_visible()
    expect(page.get_by_role("button", name="Map this area")).to_be_visible()
    map_it(page)
    picture = frame.locator("img.lc-area-picture")
    expect(picture).to_have_count(1)
    assert picture.evaluate("image => image.naturalWidth") > 100

    # The page can be left and opened again.
    steps.open_page(page, "Teach")
    steps.open_page(page, "Area")
    expect(page.get_by_text(COMPLETE)).to_be_visible()
    expect(frame.locator("img.lc-area-picture")).to_have_count(1)
    steps.idle(page)

    # A click shows the place.
    chart = page.locator(".st-key-area_place_chart .js-plotly-plot")
    for _ in range(3):  # the map still moves to where it was left, so that a click may miss
        middle = frame.locator("img.lc-area-picture").bounding_box()
        assert middle is not None
        page.mouse.click(middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2)
        with suppress(AssertionError):
            expect(chart).to_be_visible(timeout=15_000)
            break
    expect(chart).to_be_visible()
    expect(frame.locator(".lc-area-cell").first).to_be_visible()

    with page.expect_download() as waiting:
        page.get_by_role("button", name="Everything as a zip").click()
    saved = tmp_path / "map.zip"
    waiting.value.save_as(saved)
    with zipfile.ZipFile(saved) as archive:
        archive.extractall(tmp_path)
    with rasterio.open(tmp_path / "map-decision.tif") as decision:
        centre = read_sample("finland-lake").extent.centre
        x, y = rasterio.warp.transform("EPSG:4326", decision.crs, [centre[1]], [centre[0]])
        assert decision.bounds.left < x[0] < decision.bounds.right
        assert decision.bounds.bottom < y[0] < decision.bounds.top
        numbers = decision.read(1)
    # Around the drawn rectangle there is nothing.
    assert {0} < set(np.unique(numbers).tolist())
    assert json.loads((tmp_path / "map.json").read_text())["type"] == "Feature"
    assert steps.no_other_than_the_satellite_layer(outside)


@pytest.mark.slow
def test_a_map_is_made_and_compared_by_keyboard_alone(page: Page, app: str) -> None:
    frame = open_page(page, app)
    tab_to(page, "Model and detail")  # the text of the page also ends with the next name
    tab_to(page, "Map this area")
    page.keyboard.press("Enter")
    expect(page.get_by_text(COMPLETE)).to_be_visible()
    steps.idle(page)
    steps.choose(page, "Layer", "Picture")
    steps.idle(page)
    steps.choose(page, "Compare with, right of a divider", "Land cover")
    expect(frame.locator("img.lc-area-picture")).to_have_count(2)
    divider = frame.get_by_role("slider", name="Divider between Picture and Land cover")
    divider.focus()
    page.keyboard.press("ArrowRight")
    expect(divider).to_have_attribute("aria-valuenow", "52")
    page.keyboard.press("Home")
    expect(divider).to_have_attribute("aria-valuenow", "0")
    clip = "document.querySelector('.leaflet-lc-area-left-pane').style.clip"
    assert "rect" in page.frame(url=lambda url: "st_folium" in url).evaluate(clip)  # type: ignore[union-attr]
    tab_to(page, "Look there")
    page.keyboard.press("Enter")
    expect(page.locator(".st-key-area_place_chart .js-plotly-plot")).to_be_visible()
    assert page.evaluate(FOCUSED).strip() == "Look there"


@pytest.mark.slow
@views(("dark", 400))
def test_the_area_page_is_accessible(page: Page, app: str, scheme: str, width: int) -> None:
    show(page, scheme, width)
    open_page(page, app)
    assert violations(page) == []
    map_it(page)
    assert violations(page) == []
    steps.choose(page, "Layer", "Presence")
    steps.idle(page)
    steps.choose(page, "Compare with, right of a divider", "What hides")
    steps.idle(page)
    page.get_by_role("button", name="Look there").click()
    expect(page.locator(".st-key-area_place_chart .js-plotly-plot")).to_be_visible()
    # On a phone, the place that was tapped is above the hectares, and nothing of its chart is cut.
    place, hectares = (steps.heading(page, name).bounding_box() for name in HEADINGS)
    assert place is not None
    assert hectares is not None
    assert place["y"] < hectares["y"]
    ends = page.locator(".st-key-area_place_chart").evaluate(
        "chart => [chart, ...chart.querySelectorAll('.bartext')]"
        ".map(part => part.getBoundingClientRect().right)"
    )
    assert max(ends) == ends[0]
    for closed in ("Show as a table", "The layers as a table", "Imagery and area of another map"):
        page.get_by_text(closed).click()
    steps.idle(page)
    page.mouse.move(0, 0)
    assert violations(page) == []
    narrow = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    assert narrow <= width


@pytest.mark.slow
def test_the_blocks_of_a_map_are_computed_on_a_cluster_of_this_machine(page: Page) -> None:
    with serve(environment={"LANDCOVER_SCHEDULER": "local:2"}) as url:
        open_page(page, url)
        map_it(page)
        page.close()


@pytest.mark.slow
def test_an_upload_larger_than_memory_is_mapped_after_visits_to_other_pages(
    page: Page, tmp_path: Path
) -> None:
    scene = tmp_path / "valley_2017-09-24.tif"
    steps.write_stack(scene, read_sample("finland-lake"), (11, 11))
    with serve(environment={"LANDCOVER_LIMIT_SAMPLES": str(12 * 1250 * 1250)}) as url:
        frame = open_page(page, url)
        expect(frame.locator("img.lc-area-under")).to_have_count(1)
        page.get_by_text("Upload Sentinel-2 imagery").click()
        page.locator("input[type=file]").first.set_input_files(scene)
        size = page.get_by_role("cell", name="174.2 km²")
        expect(size).to_be_visible()
        steps.idle(page)
        for name in ("Teach", "Area"):
            page.get_by_role("link", name=name, exact=True).first.click()
            steps.idle(page)
        expect(size).to_be_visible()
        expect(frame.locator("img.lc-area-under")).to_have_count(1)
        map_it(page)
        expect(page.get_by_text("174.2 km² in")).to_be_visible()
        page.close()
