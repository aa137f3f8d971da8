"""The Explain page in a real browser: maps appear one by one, changes work by keyboard."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import rasterio
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from landcover.io.samples import read_sample, samples
from tests.browser import steps

pytestmark = pytest.mark.browser


def open_explain(page: Page, app: str) -> None:
    steps.open_app(page, app)
    page.get_by_role("link", name="Explain").click()
    expect(page.get_by_role("heading", name="Why this result?")).to_be_visible()
    finished(page)


def finished(page: Page) -> None:
    """Wait until all maps are shown and nothing is computed any more."""
    expect(page.get_by_role("heading", name="Is it stable")).to_be_visible()
    expect(page.locator(".st-key-explain_progress")).to_have_count(0)
    expect(page.get_by_text("is being computed")).to_have_count(0)


def maps(page: Page) -> Locator:
    return page.locator(".st-key-explain_maps img")


def saved(page: Page, button: str) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return Path(download.value.path())


def test_maps_appear_and_are_downloaded(page: Page, app: str, outside: list[str]) -> None:
    open_explain(page, app)
    # The true colours, two maps, and the scale of both.
    expect(maps(page)).to_have_count(4)
    expect(page.get_by_text("All maps share this scale")).to_be_visible()
    expect(page.locator(".st-key-explain_bands_0 .js-plotly-plot")).to_be_visible()
    patch = read_sample(samples()[0].name)
    with rasterio.open(saved(page, "Maps as GeoTIFF")) as raster:
        assert raster.count == 2
        assert raster.crs.to_string() == patch.crs
        assert tuple(raster.transform)[:6] == patch.transform
    record = json.loads(saved(page, "Maps as JSON").read_bytes())
    assert len(record["explanations"]) == len(record["bands"]) == 2
    shown = page.locator("[data-testid=stMain]").inner_text()
    for each in record["explanations"]:
        assert each["reading"] in shown
    picture = Image.open(io.BytesIO(saved(page, "Maps as PNG").read_bytes()))
    assert picture.width > 700
    assert steps.no_other_than_the_satellite_layer(outside)


@pytest.mark.slow
def test_a_painted_cloud_changes_the_result_by_keyboard_and_is_reset(page: Page, app: str) -> None:
    open_explain(page, app)
    slider = page.get_by_role("slider", name="Opacity of a painted cloud")
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(slider).to_have_value("100")
    expect(page.get_by_text("With a painted cloud").first).to_be_visible()
    # While the page is drawn anew, the old chart is there, too.
    expect(page.locator(".st-key-explain_whatif_chart .js-plotly-plot").last).to_be_visible()
    page.get_by_text("All land covers as a table").click()
    expect(page.get_by_role("cell", name="present").first).to_be_visible()
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_text("Nothing is changed yet")).to_be_visible()
    expect(slider).to_have_value("0")


@pytest.mark.slow
def test_the_place_of_classify_is_kept_and_the_page_fits_a_phone(page: Page, app: str) -> None:
    frame = steps.open_app(page, app)
    steps.click_sample(page, frame, 4)
    page.get_by_role("link", name="Explain").click()
    title = f"{samples()[3].title}, {samples()[3].country}"
    expect(page.get_by_role("combobox", name="Place")).to_have_value(title)
    finished(page)
    page.set_viewport_size({"width": 400, "height": 900})
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    for box in (image.bounding_box() for image in maps(page).all()):
        assert box is not None
        assert box["x"] + box["width"] <= 400


@pytest.mark.slow
def test_two_models_are_compared(page: Page, app: str) -> None:
    open_explain(page, app)
    page.get_by_role("radio", name="Two models").click()
    expect(page.get_by_role("combobox", name="The other model")).to_be_visible()
    finished(page)
    # One for each model, and a third for the spectral indices.
    expect(page.get_by_role("button", name="as PNG")).to_have_count(3)
    # The true colours, and two maps, each with its own scale below.
    expect(maps(page)).to_have_count(5)
