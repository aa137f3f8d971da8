"""Two visitors at the same time: neither is told anything of the other."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState

from landcover.adapt import geojson
from landcover.adapt.corrections import of_answer
from landcover.io.samples import read_sample, samples
from tests.browser.steps import write_stack
from tests.support.websocket_client import Client, open_client


def said(client: Client) -> str:
    return "".join(map(str, client.received))


def pictures(client: Client) -> set[str]:
    """Addresses of all pictures and downloads that a client was told of."""
    return set(re.findall(r"/media/[\w.]+", said(client)))


def test_a_visitor_is_told_nothing_of_another(app: str, tmp_path: Path) -> None:
    data = write_stack(tmp_path / "a.tif", read_sample("ireland-fields")).read_bytes()

    async def visit() -> None:
        async with open_client(app) as one, open_client(app) as other:
            await other.run()
            everybody = pictures(other)  # the samples of the first page
            await one.run()
            # Of the same bytes, each sees its own name.
            await one.upload("Sentinel-2 images", ("../../secret-of-one.tif", data))
            assert one.query.startswith("file=secret-of-one.tif")
            await other.upload("Sentinel-2 images", ("secret-of-other.tif", data[:-9]))
            await other.press("Clear")
            await other.choose("Places with known", "2 ·")
            assert "secret-of-one" not in said(other)
            assert "secret-of-other" not in said(one)
            assert one.session not in said(other)
            assert other.session not in said(one)
            assert pictures(one) - everybody
            # An upload needs a session that is open, one file, and an address that was given.
            (address,) = await one.upload_urls(["a.tif"])
            url = address.upload_url
            assert await other.put(url.replace(one.session, "0" * 36), "a.tif", b"x") == 400
            assert await one.put(url, "a.tif", b"x", parts=50) == 400
            assert await one.put(f"{url.rpartition('/')[0]}/..%2f..%2fx", "a.tif", b"x") >= 400
            assert one.exceptions() == other.exceptions() == []

    asyncio.run(visit())


@pytest.mark.slow
def test_a_visitor_is_taught_nothing_by_another(app: str) -> None:
    async def visit() -> None:
        async with open_client(app) as one, open_client(app) as other:
            await one.run()
            await teach(one, "secret-valley")
            assert "secret-valley" in one.text()
            await other.run()
            await other.run(page=other.page_hash("teach"))
            assert "There are no corrections yet" in other.text()
            assert any("secret-valley" in option for option in await chosen_models(one))
            others = await chosen_models(other)
            assert others
            assert not any("secret-valley" in option for option in others)
            assert "secret-valley" not in said(other)
            assert one.exceptions() == other.exceptions() == []

    asyncio.run(visit())


async def teach(client: Client, name: str) -> None:
    """Correct the answers of all samples, and keep a model that is adapted to them."""
    made = [
        of_answer(read_sample(one.name), {}, predicted=[], present=one.truth, complete=True)
        for one in samples()
    ]
    await client.run(page=client.page_hash("teach"))
    await client.upload("Import corrections", ("mine.geojson", geojson.as_text(made).encode()))
    assert "Your corrections (6)" in client.text()
    await client.press("Adapt landcover")
    await client.settle()
    keep = {"Use this model", "Keep it anyway"} & {
        getattr(each, "label", "") for each in client.widgets()
    }
    field = client.one("Name of the new model")
    client.values[field.id] = WidgetState(id=field.id, string_value=name)
    await client.press(keep.pop())


async def chosen_models(client: Client) -> list[str]:
    """The models that a client is offered for a sample."""
    await client.run(page="")
    await client.choose("Places with known", "4 ·")
    return list(client.one("Model").options)
