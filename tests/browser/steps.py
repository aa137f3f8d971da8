"""Actions of a user, shared by the browser tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from playwright.sync_api import Error, FrameLocator, Locator, Page, expect

from landcover.core.raster import Raster
from landcover.io.samples import samples

MAP_FRAME = "iframe[title='Map of places to classify']"
SEARCH = "Place, or latitude and longitude"


def open_app(page: Page, url: str) -> FrameLocator:
    """Open the app and wait until the map with its background is drawn."""
    page.goto(url)
    return classify_is_ready(page)


def classify_is_ready(page: Page) -> FrameLocator:
    """Wait until Classify is drawn to its end, without a place, and its map stands still."""
    frame = page.frame_locator(MAP_FRAME)
    # A server that has just started imports the app first, which takes long on a busy computer.
    expect(frame.locator("img.leaflet-tile-loaded").first).to_be_visible()
    # The last part of the page: after it, nothing moves any more.
    expect(heading(page, "Six real places")).to_be_visible()
    settle(page, frame)
    return frame


def settle(page: Page, frame: FrameLocator) -> None:
    """Wait until the map has stopped moving: it moves while the page around it grows."""
    still, last = 0, None
    for _ in range(150):
        now = pin(frame, 1).bounding_box()
        still = still + 1 if now is not None and now == last else 0
        if still == 4:
            return
        last = now
        page.wait_for_timeout(200)
    raise AssertionError("the map did not stop moving")


def idle(page: Page) -> None:
    """Wait until the server has run the page after the last action."""
    page.wait_for_timeout(1000)  # until it has begun
    state = page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
    expect(state).to_have_count(1)


def heading(page: Page, text: str) -> Locator:
    """A heading that contains that text."""
    return page.get_by_role("heading", name=text)


def pin(frame: FrameLocator, number: int) -> Locator:
    """The pin of a sample, counted from 1."""
    return frame.locator(".lc-pin").nth(number - 1).locator("svg")


def verdict(page: Page) -> Locator:
    """The list of land covers that were found."""
    return page.locator("ul.landcover-verdict")


def click_sample(page: Page, frame: FrameLocator, number: int) -> None:
    """Click a sample's pin and wait for its result."""
    pin(frame, number).click()
    expect(heading(page, samples()[number - 1].title)).to_be_visible()
    expect(verdict(page)).to_contain_text("%")
    # With this button the page is complete.
    expect(page.get_by_role("button", name="Image and attribution map as PNG")).to_be_visible()


def choose(page: Page, label: str, option: str) -> None:
    """Choose the first option that contains a text in the select box with that label."""
    found = page.get_by_role("option").filter(has_text=option).first
    for _ in range(5):
        page.get_by_role("combobox", name=label, exact=True).click()
        page.keyboard.type(option)
        try:
            found.click(timeout=6_000)
        except Error:
            # A page that was still growing moved the box away, or closed its list.
            page.keyboard.press("Escape")
        else:
            return
    raise AssertionError(f"the box '{label}' did not offer '{option}'")


def upload(page: Page, *files: Path) -> None:
    """Upload files in the upload tab."""
    page.get_by_role("tab", name="Upload a file").click()
    page.locator("input[type=file]").set_input_files(list(files))


def write_stack(path: Path, patch: Raster, repeat: tuple[int, int] = (1, 1)) -> Path:
    """A patch as a 12-band GeoTIFF of digital numbers, repeated along y and x."""
    numbers = np.tile(np.round(patch.data * 10_000).astype(np.uint16), (1, *repeat))
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=numbers.shape[0],
        height=numbers.shape[1],
        width=numbers.shape[2],
        dtype="uint16",
        crs=patch.crs,
        transform=rasterio.Affine(*patch.transform),
        compress="deflate",
    ) as raster:
        raster.write(numbers)
        for index, band in enumerate(patch.bands, 1):
            raster.set_band_description(index, band)
    return path


def open_page(page: Page, name: str) -> None:
    """Go to another page by the navigation."""
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def no_other_than_the_satellite_layer(outside: list[str]) -> bool:
    """Whether only the map's own layer was tried; without a network, it is one request a map."""
    return all("tiles.maps.eox.at" in url and url.endswith("/0/0/0.jpg") for url in outside)
