"""The real app in its own process, and a Chromium that reaches nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests.browser import chromium

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
LOOPBACK = {"127.0.0.1", "localhost"}

expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        if not chromium.installed(playwright.chromium.executable_path):
            missing = "there is no Chromium: install it, or name it in LANDCOVER_CHROMIUM"
            if os.environ.get("CI"):
                pytest.fail(missing)
            pytest.skip(missing)
        running = playwright.chromium.launch(
            executable_path=chromium.executable(), args=chromium.ARGUMENTS
        )
        yield running
        running.close()


def serve(*options: str) -> Iterator[str]:
    """Run the app on a free port; yields its address without a slash at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "streamlit", "run", "app.py"),
            *(f"--server.port={port}", "--server.headless=true", *options),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            assert server.poll() is None, "the app ended by itself"
            assert time.monotonic() < deadline, "the app did not start"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def app() -> Iterator[str]:
    yield from serve()


@pytest.fixture
def outside() -> list[str]:
    """Addresses beyond this computer that a page asked for; every request there is refused."""
    return []


@pytest.fixture
def page(browser: Browser, outside: list[str]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(30_000)

    def guard(route: Route) -> None:
        if urlsplit(route.request.url).hostname in LOOPBACK:
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    context.route(lambda url: not url.startswith(("data:", "blob:")), guard)
    yield context.new_page()
    context.close()
