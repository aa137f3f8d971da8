"""The real app in its own process, and a Chromium that reaches nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from tests.browser import chromium
from tests.support.app_server import serve

LOOPBACK = {"127.0.0.1", "localhost"}
LOOPBACK_ONLY = "--host-resolver-rules=MAP * ~NOTFOUND" + "".join(
    f", EXCLUDE {host}" for host in sorted(LOOPBACK)
)
"""No other address is found. Refusing requests one by one would pass each through Python, and
would turn off the browser's cache."""

PATIENCE_MS = 120_000
"""How long a test waits for what a page shows. A server that has just started imports torch first,
and a busy computer takes several times as long as a quiet one."""

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        if not chromium.installed(playwright.chromium.executable_path):
            missing = "there is no Chromium: install it, or name it in LANDCOVER_CHROMIUM"
            if os.environ.get("CI"):
                pytest.fail(missing)
            pytest.skip(missing)
        running = playwright.chromium.launch(
            executable_path=chromium.executable(), args=[*chromium.ARGUMENTS, LOOPBACK_ONLY]
        )
        yield running
        running.close()


@pytest.fixture(scope="session")
def app() -> Iterator[str]:
    with serve() as address:
        yield address


@pytest.fixture
def own_app(tmp_path: Path) -> Iterator[str]:
    """The app of one person, with a home of its own."""
    home = {"LANDCOVER_PERSONAL": "1", "LANDCOVER_HOME": str(tmp_path)}
    with serve(environment=home) as address:
        yield address


@pytest.fixture
def outside() -> list[str]:
    """Addresses beyond this computer that a page asked for; none of them answers."""
    return []


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One cache of the app's scripts for all tests; what the app remembers belongs to a page."""
    shared = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    shared.set_default_timeout(PATIENCE_MS)
    yield shared
    shared.close()


@pytest.fixture
def page(context: BrowserContext, outside: list[str]) -> Iterator[Page]:
    opened = context.new_page()

    def note(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"} and address.hostname not in LOOPBACK:
            outside.append(request.url)

    opened.on("request", note)
    yield opened
    opened.close()
