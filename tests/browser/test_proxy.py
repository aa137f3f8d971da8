"""All pages work behind the example for nginx, with its Content-Security-Policy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.browser import steps
from tests.deploy import nginx
from tests.support.app_server import serve

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(nginx.executable() is None, reason="needs nginx"),
]


@pytest.fixture(scope="module", params=["", "landcover"], ids=["at the root", "below a path"])
def proxy(request: pytest.FixtureRequest) -> Iterator[str]:
    with (
        serve(f"--server.baseUrlPath={request.param}") as app,
        nginx.in_front_of(app) as address,
    ):
        yield f"{address}/{request.param}"


@pytest.mark.slow
def test_no_page_asks_for_what_the_policy_forbids(
    page: Page, proxy: str, outside: list[str]
) -> None:
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # Without internet the satellite layer does not answer, which is no fault of the policy.
        if message.type == "error" and "tiles.maps.eox.at" not in message.location.get("url", ""):
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    frame = steps.open_app(page, proxy)
    steps.click_sample(page, frame, 1)
    for name in ("Explain", "Models"):
        steps.open_page(page, name)
        steps.idle(page)
        expect(page.locator(".js-plotly-plot").first).to_be_visible()
    assert complaints == []
    assert steps.no_other_than_the_satellite_layer(outside)
