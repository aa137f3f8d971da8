"""The Data page in a real browser: every view, without a network, on a wide and a narrow screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import steps
from tests.browser.test_access import press, violations

pytestmark = pytest.mark.browser

VIEWS = ("Together", "Combinations", "Seasons", "Map", "Spectra")


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("light", 1280),
        pytest.param("dark", 400, marks=pytest.mark.slow),
        pytest.param("light", 400, marks=pytest.mark.slow),
        pytest.param("dark", 1280, marks=pytest.mark.slow),
    ],
)
def test_every_view_is_drawn(
    page: Page, app: str, outside: list[str], scheme: str, width: int
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{app}/data")
    expect(page.get_by_text("480,038 patches").first).to_be_visible(timeout=90_000)
    for view in VIEWS:
        press(page, page.get_by_role("radio", name=view, exact=True))
        expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=90_000)
        assert violations(page) == []
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width
    assert outside == []
    assert "view=Spectra" in page.url
    page.reload()
    expect(page.get_by_role("radio", name="Spectra")).to_be_checked(timeout=90_000)
    steps.idle(page)
