"""The log of the real server holds nothing that a visitor sent, also where something fails."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.WidgetStates_pb2 import WidgetState

from landcover.io.samples import read_sample
from tests.browser.steps import write_stack
from tests.pages.sessions.test_isolation import chosen_models, teach
from tests.support.app_server import serve
from tests.support.websocket_client import open_client

CANARIES = ("canary", "47.12345", "8.65432", "127.0.0.1")


@pytest.mark.slow
def test_a_visit_leaves_no_trace_of_the_visitor_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stack = write_stack(tmp_path / "x.tif", read_sample("ireland-fields")).read_bytes()

    async def visit(address: str) -> str:
        async with open_client(address) as client:
            await client.run(query="sample=canary-sample&place=47.12345,8.65432&canary=1")
            await client.run(query="")
            await teach(client, "canary-valley")
            assert any("canary" in option for option in await chosen_models(client))
            search = client.one("Place, or latitude")
            for text in ("canary-ville", "47.12345, 8.65432"):
                client.values[search.id] = WidgetState(id=search.id, string_value=text)
                await client.run()
            await client.upload("Sentinel-2 images", ("canary-bad.tif", b"II*\0canary"))
            await client.upload("Sentinel-2 images", ("canary.tif", stack))
            assert "canary" in client.text()
            # A value of another type than the widget's, garbage, and addresses that are not there.
            slider = client.one("Opacity")
            client.values[slider.id] = WidgetState(id=slider.id, string_value="canary")
            state = ClientState(query_string="canary", page_script_hash="canary")
            state.widget_states.widgets.extend(client.values.values())
            await client.send(BackMsg(rerun_script=state))
            await client.get("canary/47.12345")
            await client.put("/_stcore/upload_file/canary/canary", "canary", b"canary")
            await client.socket.send_bytes(b"\xffcanary")
            await asyncio.sleep(3)
            return client.session

    async def knock(address: str) -> None:
        async with aiohttp.ClientSession() as http:
            await http.get(f"{address}/_stcore/health?canary")
            await http.put(f"{address}/_stcore/upload_file/canary/canary", data=b"canary")
            async with http.ws_connect(f"{address}/_stcore/stream?canary") as socket:
                await socket.send_bytes(b"\xffcanary")
                await asyncio.sleep(1)

    with serve(output=log, environment={"LANDCOVER_LOG": "json"}) as address:
        asyncio.run(knock(address))  # before any page has been run
        session = asyncio.run(visit(address))
    text = log.read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    events = [line["event"] for line in lines]
    assert {"started", "session opened", "classified"} <= set(events)
    for canary in (*CANARIES[:3], session):
        assert canary not in text
    assert all(canary not in json.dumps(line) for canary in CANARIES for line in lines)
