"""The client of these tests sees the app as a browser does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from landcover.io.samples import read_sample
from tests.browser.steps import write_stack
from tests.support.websocket_client import open_client


@pytest.mark.slow
def test_the_client_walks_through_the_app(app: str, tmp_path: Path) -> None:
    async def walk() -> None:
        async with open_client(app) as client:
            await client.run()
            await client.press("1 ·")
            assert client.query == "sample=portugal-hills"
            assert "Result as JSON" in client.text()
            await client.choose("Places with known", "2 ·")
            assert client.query == "sample=finland-lake"
            stack = write_stack(tmp_path / "mine.tif", read_sample("ireland-fields"))
            await client.upload("Sentinel-2 images", ("mine.tif", stack.read_bytes()))
            assert "file=mine.tif" in client.query
            await client.run(page=client.page_hash("explain"))
            await client.settle()
            assert "Stop" not in client.text()
            picture = next(e.imgs[0].url for e in client.elements() if hasattr(e, "imgs"))
            assert (await client.get(picture))[1].startswith(b"\x89PNG")
            assert client.exceptions() == []

    asyncio.run(walk())
