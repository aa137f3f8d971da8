"""A client of the app without a browser: it speaks Streamlit's own protocol, honestly or not.

As a browser does, it keeps the elements of the page and the values of its widgets, and sends all
values with each run of the script. Unlike a browser, it sends whatever it is told to.

    async with open_client("http://127.0.0.1:8501") as client:
        await client.run()
        await client.press("Whole map")
        print(client.text())
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Block_pb2 import Block
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

RUN_SECONDS = 120.0
_XSRF = "_streamlit_xsrf"

Path = tuple[int, ...]


@dataclass
class Shown:
    """An element or container of the page, and the run that drew it last."""

    what: Element | Block
    run: int
    fragment: str


@dataclass
class Client:
    """One session.

    Attributes:
        socket: the connection.
        http: for uploads and downloads, with the session's cookies.
        address: of the app.
        shown: the page, by position.
        values: the widgets' values, by id; all are sent with each run.
        received: every message of the server.
        timers: fragment → seconds after which it asks to be run again.
        seconds: how long each run took, from sending it to its end.
        arrived: what the server has sent and nobody has taken yet.
    """

    socket: aiohttp.ClientWebSocketResponse
    http: aiohttp.ClientSession
    address: str
    shown: dict[Path, Shown] = field(default_factory=dict)
    values: dict[str, WidgetState] = field(default_factory=dict)
    received: list[ForwardMsg] = field(default_factory=list)
    timers: dict[str, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    query: str = ""
    page: str = ""
    session: str = ""
    _run: int = 0
    _fragments: tuple[str, ...] = ()
    arrived: asyncio.Queue[aiohttp.WSMessage] = field(default_factory=asyncio.Queue)

    async def run(
        self, *, query: str | None = None, page: str | None = None, fragment: str = ""
    ) -> None:
        """Ask for a run of the script, and wait until it and what it asks for have ended.

        Args:
            query: the address's query from now on.
            page: hash of the page to open from now on; :meth:`page_hash` gives it.
            fragment: run only this fragment.
        """
        self.query = self.query if query is None else query
        self.page = self.page if page is None else page
        state = ClientState(
            query_string=self.query, page_script_hash=self.page, fragment_id=fragment
        )
        state.widget_states.widgets.extend(self.values.values())
        begun = time.monotonic()
        await self.send(BackMsg(rerun_script=state))
        await self._until_finished()
        self.seconds.append(time.monotonic() - begun)
        # What is true for one run only, as in a browser.
        self.values = {
            name: value
            for name, value in self.values.items()
            if not str(value.WhichOneof("value")).endswith("trigger_value")
        }

    async def send(self, message: BackMsg) -> None:
        """Send a message and wait for nothing."""
        await self.socket.send_bytes(message.SerializeToString())

    async def settle(self, seconds: float = RUN_SECONDS) -> None:
        """Run fragments as they ask for it, until none does: all jobs of the page have ended."""
        until = time.monotonic() + seconds
        while self.timers and time.monotonic() < until:
            await asyncio.sleep(min(self.timers.values()))
            for fragment in list(self.timers):
                await self.run(fragment=fragment)
        assert not self.timers, "a job of the page did not end"

    async def press(self, label: str) -> None:
        """Press the button with that label."""
        button = self.one(label)
        self.values[button.id] = WidgetState(id=button.id, trigger_value=True)
        await self.run(fragment=self.fragment_of(button.id))

    async def choose(self, label: str, option: str) -> None:
        """Choose the first option that contains a text in the select box with that label."""
        box = self.one(label)
        chosen = next(one for one in box.options if option in one)
        self.values[box.id] = WidgetState(id=box.id, string_value=chosen)
        await self.run(fragment=self.fragment_of(box.id))

    async def upload(self, label: str, *files: tuple[str, bytes], settle: bool = True) -> None:
        """Upload files as the page's upload box does, and wait until the page's jobs have ended."""
        box = self.one(label)
        urls = await self.upload_urls([name for name, _ in files])
        value = WidgetState(id=box.id)
        for (name, data), url in zip(files, urls, strict=True):
            status = await self.put(url.upload_url, name, data)
            assert status == 204, f"{name}: {status}"
            value.file_uploader_state_value.uploaded_file_info.add(
                name=name, size=len(data), file_id=url.file_id, file_urls=url
            )
        self.values[box.id] = value
        await self.run(fragment=self.fragment_of(box.id))
        if settle:
            await self.settle()

    async def upload_urls(self, names: list[str]) -> list[Any]:
        """Ask for the addresses to which files of these names are sent."""
        request = BackMsg()
        request.file_urls_request.request_id = uuid.uuid4().hex
        request.file_urls_request.file_names.extend(names)
        request.file_urls_request.session_id = self.session
        await self.send(request)
        while True:
            message = await self._next(RUN_SECONDS)
            if message.WhichOneof("type") == "file_urls_response":
                return list(message.file_urls_response.file_urls)

    async def put(self, url: str, name: str, data: bytes, parts: int = 1) -> int:
        """Send a file to an upload address; return the status of the answer."""
        form = aiohttp.FormData(quote_fields=False)
        for part in range(parts):
            form.add_field(f"file{part}", data, filename=name, content_type="application/x-any")
        async with self.http.put(
            f"{self.address}{url}", data=form, headers={"X-Xsrftoken": self._token()}
        ) as answer:
            return answer.status

    async def get(self, url: str) -> tuple[int, bytes]:
        """Get an address of the app; return status and body."""
        async with self.http.get(f"{self.address}/{url.lstrip('/')}") as answer:
            return answer.status, await answer.read()

    def elements(self) -> Iterator[Any]:
        """The elements of the page, each as its own kind of message, in the page's order."""
        for _, one in sorted(self.shown.items()):
            if isinstance(one.what, Element):
                kind = one.what.WhichOneof("type")
                if kind is not None:
                    yield getattr(one.what, kind)

    def widgets(self) -> list[Any]:
        """The elements with a value; tabs and popovers, which are containers, are not among them."""
        return [one for one in self.elements() if getattr(one, "id", "")]

    def one(self, label: str) -> Any:
        """The widget whose label begins with a text."""
        found = [one for one in self.widgets() if getattr(one, "label", "").startswith(label)]
        known = [getattr(one, "label", "") for one in self.widgets()]
        assert found, f"no widget is called {label!r}, but {known}"
        return found[0]

    def fragment_of(self, widget: str) -> str:
        """The fragment that a widget is in; empty for the page."""
        for one in self.shown.values():
            if isinstance(one.what, Element):
                kind = one.what.WhichOneof("type")
                if kind and getattr(getattr(one.what, kind), "id", "") == widget:
                    return one.fragment
        return ""

    def text(self) -> str:
        """Everything that the page says now, with labels, options and addresses of pictures."""
        return "\n".join(str(one.what) for _, one in sorted(self.shown.items()))

    def exceptions(self) -> list[str]:
        """The tracebacks that the server has ever sent to this session."""
        return [
            str(message.delta.new_element.exception)
            for message in self.received
            if message.WhichOneof("type") == "delta"
            and message.delta.WhichOneof("type") == "new_element"
            and message.delta.new_element.WhichOneof("type") == "exception"
        ]

    def page_hash(self, name: str) -> str:
        """The hash of the page with that name in the address; empty for the first page."""
        pages = [
            page
            for message in self.received
            if message.WhichOneof("type") == "navigation"
            for page in message.navigation.app_pages
        ]
        return str(next(page.page_script_hash for page in pages if page.url_pathname == name))

    async def _until_finished(self) -> None:
        """Read messages until the script has ended and is not run again at once."""
        until = time.monotonic() + RUN_SECONDS
        while True:
            message = await self._next(until - time.monotonic())
            if message.WhichOneof("type") != "script_finished":
                continue
            if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return

    async def read(self) -> None:
        """Read what arrives until the connection ends; meanwhile the server's pings are answered.

        The server closes a connection whose browser does not answer for 40 seconds.
        """
        while True:
            received = await self.socket.receive()
            self.arrived.put_nowait(received)
            if received.type is not aiohttp.WSMsgType.BINARY:
                return

    async def _next(self, seconds: float) -> ForwardMsg:
        received = await asyncio.wait_for(self.arrived.get(), max(0.001, seconds))
        if received.type is not aiohttp.WSMsgType.BINARY:
            raise ConnectionError(f"the app closed the connection: {received.data}")
        message: ForwardMsg = ForwardMsg.FromString(received.data)
        self.received.append(message)
        self._take(message)
        return message

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._run += 1
            self._fragments = tuple(message.metadata.run.fragment_ids)
            self.session = message.new_session.initialize.session_id
            if not self._fragments:
                self.timers.clear()
        elif kind == "navigation":
            self.page = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            self.timers[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self.timers.pop(fragment, None)
        elif kind == "delta":
            self._draw(message)
        elif kind == "script_finished":
            self._drop_old(message.script_finished)

    def _draw(self, message: ForwardMsg) -> None:
        path, delta = tuple(message.metadata.delta_path), message.delta
        what: Element | Block
        if delta.WhichOneof("type") == "new_element":
            what = delta.new_element
            shown: Any = getattr(what, what.WhichOneof("type") or "", None)
            if getattr(shown, "set_value", False):  # the app has replaced what was sent before
                self.values.pop(shown.id, None)
        elif delta.WhichOneof("type") == "add_block":
            what = delta.add_block
        else:
            return
        before = self.shown.get(path)
        if isinstance(what, Element) and before is not None and isinstance(before.what, Block):
            for below in [one for one in self.shown if one[: len(path)] == path]:
                del self.shown[below]
        self.shown[path] = Shown(what, self._run, delta.fragment_id)

    def _drop_old(self, how: int) -> None:
        """Remove what the run that has just ended has not drawn again."""
        if how == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return
        whole = how == ForwardMsg.FINISHED_SUCCESSFULLY
        for path in [
            path
            for path, one in self.shown.items()
            if one.run != self._run and (whole or one.fragment in self._fragments)
        ]:
            del self.shown[path]

    def _token(self) -> str:
        return next((c.value for c in self.http.cookie_jar if c.key == _XSRF), "")


@asynccontextmanager
async def open_client(address: str, *, existing: str = "") -> AsyncIterator[Client]:
    """Open a session.

    Args:
        address: of the app, without a slash at the end.
        existing: id of a session to connect to again.
    """
    jar = aiohttp.CookieJar(unsafe=True)  # for an address without a name
    limit = aiohttp.ClientTimeout(total=RUN_SECONDS)
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=limit) as http:
        async with http.get(f"{address}/_stcore/health") as health:
            assert health.status == 200
        protocols = ["streamlit", "PLACEHOLDER_AUTH_TOKEN", *([existing] if existing else [])]
        async with http.ws_connect(
            f"{address.replace('http', 'ws', 1)}/_stcore/stream",
            protocols=protocols,
            max_msg_size=0,
        ) as socket:
            client = Client(socket=socket, http=http, address=address)
            reader = asyncio.create_task(client.read())
            try:
                yield client
            finally:
                reader.cancel()
