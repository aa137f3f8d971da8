"""A client that sends what no browser does: the app goes on, and tells it nothing of the server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.pages.sessions.conftest import SECRET
from tests.support.websocket_client import Client, open_client


def deep() -> str:
    return "[" * 5_000 + "]" * 5_000


def answers_of_the_map() -> list[str]:
    place = {"lat": float("nan"), "lng": 1e308}
    ring = [[10**400, 1], [0, "1"], [None, {}]]
    drawing = {"geometry": {"type": "Polygon", "coordinates": [ring]}}
    return [
        json.dumps({"center": place, "zoom": float("inf"), "last_clicked": place}),
        json.dumps({"last_active_drawing": drawing, "last_object_clicked": [1]}),
        "not JSON",
        deep(),
    ]


def attacks(widget: str, path: Path) -> list[WidgetState]:
    """Values of every type for a widget."""
    out = [WidgetState(id=widget, string_value=text) for text in (str(path), "\0", "é" * 50)]
    out += [WidgetState(id=widget, json_value=text) for text in answers_of_the_map()]
    out += [
        WidgetState(id=widget, double_value=float("nan")),
        WidgetState(id=widget, double_value=1e300),
        WidgetState(id=widget, int_value=-(2**62)),
        WidgetState(id=widget, bytes_value=b"\xff" * 1000),
        WidgetState(id=widget, bool_value=True),
        WidgetState(id=widget),
    ]
    for numbers in ([float("nan")], [1e300], [0.5, 0.5]):
        state = WidgetState(id=widget)
        state.double_array_value.data.extend(numbers)
        out.append(state)
    for names in ([str(path)], [str(path), ""] * 500):
        state = WidgetState(id=widget)
        state.string_array_value.data.extend(names)
        out.append(state)
    state = WidgetState(id=widget)
    for name in (str(path), "../../etc/passwd", "a.tif"):
        state.file_uploader_state_value.uploaded_file_info.add(name=name, file_id=name, size=2**60)
    out.append(state)
    state = WidgetState(id=widget)
    state.string_trigger_value.data = str(path)
    out.append(state)
    return out


async def attack(client: Client, path: Path) -> None:
    """Send a value for all widgets of the page at once, and one after the other."""
    ids = [one.id for one in client.widgets()] + ["unknown", "$$ID-0-classify_sample", ""]
    honest = dict(client.values)
    for turn in zip(*(attacks(widget, path) for widget in ids), strict=True):
        client.values = {**honest, **{state.id: state for state in turn}}
        await client.run()
    client.values = {ids[0]: WidgetState(id=ids[0], string_value="x" * 1_000_000)}
    await client.run()
    client.values = honest


def said_nothing(client: Client, path: Path) -> None:
    assert client.exceptions() == []
    for message in client.received:
        text = str(message)
        assert SECRET not in text
        assert str(path.parent) not in text


@pytest.mark.slow
@pytest.mark.parametrize("page", ["", "area", "explain", "models", "teach"])
def test_values_of_widgets(app: str, canary: Path, page: str) -> None:
    async def attempt() -> None:
        async with open_client(app) as client:
            await client.run(query="sample=portugal-hills")
            if page:
                await client.run(page=client.page_hash(page))
            await attack(client, canary)
            said_nothing(client, canary)
            # The session goes on.
            await client.run(page=client.page_hash(""))
            await client.choose("Places with known", "2 ·")
            assert "Lake, bog and forest" in client.text()
            said_nothing(client, canary)

    asyncio.run(attempt())


def test_the_sample_box_opens_no_file(app: str, canary: Path) -> None:
    """The fault that this is about: a path in place of a sample's name was read and shown."""

    async def attempt() -> None:
        async with open_client(app) as client:
            await client.run()
            for label in ("Places with known", "Place"):
                box = client.one(label)
                client.values[box.id] = WidgetState(id=box.id, string_value=str(canary))
                await client.run(page="" if label != "Place" else client.page_hash("explain"))
                said_nothing(client, canary)
                assert "sample=" not in client.query
                client.values.clear()
                await client.run(page=client.page_hash("explain"))

    asyncio.run(attempt())


def test_addresses(app: str, canary: Path) -> None:
    queries = [
        f"sample={canary}",
        f"model={canary}&sample=finland-lake",
        f"file={canary}&window=1,1",
        "at=nan,inf",
        "at=91,0&area=-90,-180,90,180",
        f"at=48,16&catalogue={canary}&scene={canary}&date=2020-01-01",
        "sample=%00&class=" + "&class=".join(["%F0%9F%8C%8D" * 60] * 300),
        "&".join(f"a{n}=1" for n in range(900)),
        "sample=" + "x" * 1_000_000,
        "method=../../x&baseline=__class__&view=%E2%80%AE&split=../..",
    ]

    async def attempt() -> None:
        async with open_client(app) as client:
            await client.run()
            hashes = [client.page_hash("explain"), client.page_hash("models"), "f" * 32, "..", ""]
            for query in queries:
                for page in hashes if query.startswith("model") else hashes[:1]:
                    async with open_client(app) as other:
                        await other.run(query=query, page=page)
                        assert other.exceptions() == []
                        shown = other.text().replace(str(canary), "")  # what the client said itself
                        assert str(canary.parent) not in shown

    asyncio.run(attempt())


@pytest.mark.slow
def test_messages_that_no_page_needs(app: str) -> None:
    async def attempt() -> None:
        async with open_client(app) as client:
            await client.run(query="sample=finland-lake")
            for message in (
                BackMsg(clear_cache=True),
                BackMsg(load_git_info=True),
                BackMsg(set_run_on_save=True),
                BackMsg(debug_shutdown_runtime=True),
                BackMsg(debug_disconnect_websocket=True),
                BackMsg(),
            ):
                await client.send(message)
            unknown = BackMsg()
            unknown.backend_operation_request.request_id = "1"
            unknown.backend_operation_request.session_id = "another"
            await client.send(unknown)
            before = len(client.received)
            await client.run()
            kinds = {message.WhichOneof("type") for message in client.received}
            assert "git_info_changed" not in kinds
            # Nothing was cleared: the model would be loaded again.
            assert "Loading the model" not in str(client.received[before:])
            assert client.exceptions() == []

    asyncio.run(attempt())
