"""The Data page in a real browser, without a network; its looks are in ``test_access``."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import steps
from tests.browser.test_access import press

pytestmark = pytest.mark.browser


def test_a_view_is_in_the_address_and_asks_nobody(page: Page, app: str, outside: list[str]) -> None:
    page.goto(f"{app}/data")
    expect(page.get_by_text("480,038 patches").first).to_be_visible()
    press(page, page.get_by_role("radio", name="Map", exact=True))
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    press(page, page.get_by_role("radio", name="Spectra", exact=True))
    assert "view=Spectra" in page.url
    page.reload()
    expect(page.get_by_role("radio", name="Spectra")).to_be_checked()
    steps.idle(page)
    assert outside == []
