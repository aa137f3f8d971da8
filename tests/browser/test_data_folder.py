"""A folder on the Data page in a real browser: patches, look-alikes, and labels that are wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import steps
from tests.browser.test_access import press, show, views, violations
from tests.support.bigearthnet_tree import write_mislabelled

pytestmark = pytest.mark.browser

PICTURES = re.compile("True colours of patch")


def click(page: Page, button: Locator) -> None:
    button.click()
    steps.idle(page)
    page.mouse.move(0, 0)


def open_folders(page: Page, url: str, width: int, scheme: str) -> None:
    """Open the page, and on it the fields for a folder."""
    show(page, scheme, width)
    page.goto(f"{url}/data")
    expect(page.get_by_text("480,038 patches").first).to_be_visible()
    click(page, page.get_by_text("A data set on this computer"))


def check(page: Page, width: int) -> None:
    """Nothing is wider than the screen, or hard to use for people who do not see well."""
    assert violations(page) == []
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width


@views(("light", 1280))
def test_the_example_is_browsed(
    page: Page, own_app: str, outside: list[str], scheme: str, width: int
) -> None:
    open_folders(page, own_app, width, scheme)
    click(page, page.get_by_role("button", name="Try it with the six example patches"))
    expect(page.get_by_text("5 patches of 1200 m")).to_be_visible()
    press(page, page.get_by_role("radio", name="Patches", exact=True))
    expect(page.get_by_role("img", name=PICTURES)).to_have_count(5)
    check(page, width)
    steps.choose(page, "Patches that have", "Inland waters")
    page.keyboard.press("Escape")
    expect(page.get_by_text("1 patch, in the order of the tables")).to_be_visible()
    expect(page.get_by_role("img", name=PICTURES)).to_have_count(1)
    click(page, page.get_by_role("button", name="Look-alikes"))
    expect(steps.heading(page, "Look-alikes")).to_be_visible()
    expect(page.get_by_role("img", name="True colours of training patch 1")).to_be_visible()
    check(page, width)
    assert outside == []


@views(("dark", 400))
def test_wrong_labels_are_found(
    page: Page, own_app: str, tmp_path: Path, scheme: str, width: int
) -> None:
    wrong = write_mislabelled(tmp_path / "data")
    open_folders(page, own_app, width, scheme)
    folder = page.get_by_role("textbox", name="Folder on this computer")
    folder.fill(str(tmp_path / "data"))
    folder.press("Enter")
    expect(page.get_by_text(": 26 patches")).to_be_visible()
    press(page, page.get_by_role("radio", name="Label errors", exact=True))
    click(page, page.get_by_role("button", name="Look for label errors"))
    expect(page.get_by_text("2 labels of 26 patches are suspected")).to_be_visible()
    reason = page.get_by_text("Labelled Mixed forest, but a model that has not seen this patch")
    expect(reason.first).to_be_visible()
    expect(page.get_by_role("img", name=f"True colours of patch {wrong}")).to_have_count(2)
    check(page, width)
