"""An HTTP server on loopback in its own thread that records requests and injects faults.

The responses come from its subclasses :class:`~tests.live.range_server.RangeServer` and
:class:`~tests.live.stac_front.StacFront`; the faults are the same for both.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from aiohttp import web

Kind = Literal[
    "status",
    "drop",
    "truncated",
    "longer",
    "whole",
    "wrong-range",
    "html",
    "hang",
    "trickle",
    "redirect",
    "garbage",
]
"""Kinds of faults:

* ``status``: an error status, with ``Retry-After`` if given;
* ``drop``: the connection breaks inside the body;
* ``truncated``: half the bytes, and a Content-Length that agrees with them;
* ``longer``: more bytes than requested, and a Content-Length that agrees with them;
* ``whole``: the range is ignored: 200 with the complete file;
* ``wrong-range``: 206 with other bytes of the file, with the correct Content-Range;
* ``html``: 200 with a page, as from captive portals and login pages;
* ``hang``: no response for ``seconds``;
* ``trickle``: the correct response in small pieces, spread over ``seconds``;
* ``redirect``: 302 to ``location``;
* ``garbage``: correct length and headers, random bytes.
"""

_FAULT: Final = web.RequestKey("fault", str)
_ROUND: Final = web.RequestKey("round", int)
PAGE: Final = b"<!DOCTYPE html><html><body><h1>Please log in</h1></body></html>"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request and its response.

    Attributes:
        method: such as ``"GET"``.
        path: without the query string.
        query: the query string.
        range: the ``Range`` header, or "".
        status: of the response; 0 if the connection was closed before.
        sent: length of the response's body in bytes (what the client could receive).
        fault: kind of the fault that was injected, or "".
        at: seconds since the server started.
    """

    method: str
    path: str
    query: str
    range: str
    status: int
    sent: int
    fault: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault, and how often it occurs.

    Attributes:
        kind: see :data:`Kind`.
        times: number of requests of each path that fail; None for all.
        skip: number of requests of each path that are answered correctly before.
        status: for ``status``.
        retry_after: seconds or an HTTP date, for ``status``.
        location: for ``redirect``.
        seconds: for ``hang`` and ``trickle``.
    """

    kind: Kind
    times: int | None = None
    skip: int = 0
    status: int = 503
    retry_after: str | None = None
    location: str = "http://169.254.169.254/latest/meta-data/"
    seconds: float = 30.0


Decide = Callable[[str, str, str], Fault | None]
"""Function of method, path and Range header that returns the fault of a request, or None."""


@dataclass
class _Rule:
    pattern: str
    fault: Fault
    seen: Counter[str] = field(default_factory=Counter)


class LoopbackServer(ABC):
    """Base class of the servers, a context manager. All settings may change while it runs.

    Attributes:
        url: its address, without a trailing slash.
        requests: requests so far, oldest first.
        latency: seconds before every response.
        decide: if set, called for every request before the table of faults.
        peak: maximum number of simultaneous requests.
    """

    def __init__(self, *, latency: float = 0.0) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.latency = latency
        self.decide: Decide | None = None
        self.peak = 0
        self._rules: list[_Rule] = []
        self._active = 0
        self._round = 0
        self._started = time.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="loopback-server", daemon=True)
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None

    # For tests

    @property
    def host(self) -> str:
        """``127.0.0.1:port``."""
        return urlsplit(self.url).netloc

    @property
    def sent(self) -> int:
        """Bytes of all bodies so far."""
        return sum(request.sent for request in self.requests)

    def fault(self, pattern: str, fault: Fault) -> None:
        """Inject a fault into requests of paths that match a shell pattern (``*B04.tif``)."""
        self._rules.append(_Rule(pattern, fault))

    def heal(self) -> None:
        """Forget all faults."""
        self._rules.clear()
        self.decide = None

    def reset(self) -> None:
        """Forget requests, faults and latency.

        Requests that still wait for their response (``hang``, ``trickle``) are forgotten too: a
        client that gave up does not stop the server, which would record them in the next test.
        """
        self._round += 1
        self.heal()
        self.requests.clear()
        self.latency, self.peak = 0.0, 0

    # For subclasses

    @abstractmethod
    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Return the correct response."""

    @abstractmethod
    async def whole(self, request: web.Request) -> bytes | None:
        """Return the complete resource that a fault changes, or None if there is none."""

    # The server

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(20):
            raise TimeoutError("the server did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(middlewares=[self._middleware])
        app.router.add_route("*", "/{path:.*}", self._route)
        app.on_response_prepare.append(self._note)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = runner.addresses[0]
        self.url = f"http://{address[0]}:{address[1]}"
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    @web.middleware
    async def _middleware(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        request[_ROUND] = self._round
        self._active += 1
        self.peak = max(self.peak, self._active)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            return await handler(request)
        finally:
            self._active -= 1

    async def _route(self, request: web.Request) -> web.StreamResponse:
        fault = self._fault_of(request)
        if fault is None:
            return await self.answer(request)
        request[_FAULT] = fault.kind
        if fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
            return await self.answer(request)
        if fault.kind in _INSTEAD:
            return _INSTEAD[fault.kind](fault)
        whole = await self.whole(request)
        if whole is None:
            return await self.answer(request)
        return await _DISTORTED[fault.kind](request, fault, whole)

    async def _note(self, request: web.Request, response: web.StreamResponse) -> None:
        if request.get(_ROUND) != self._round:
            return
        self.requests.append(
            Request(
                method=request.method,
                path=request.path,
                query=request.query_string,
                range=request.headers.get("Range", ""),
                status=response.status,
                sent=0 if request.method == "HEAD" else response.content_length or 0,
                fault=request.get(_FAULT, ""),
                at=time.monotonic() - self._started,
            )
        )

    def _fault_of(self, request: web.Request) -> Fault | None:
        if self.decide is not None:
            fault = self.decide(request.method, request.path, request.headers.get("Range", ""))
            if fault is not None:
                return fault
        for rule in self._rules:
            if fnmatch(request.path, rule.pattern):
                rule.seen[request.path] += 1
                nth = rule.seen[request.path] - rule.fault.skip
                if nth >= 1 and (rule.fault.times is None or nth <= rule.fault.times):
                    return rule.fault
        return None


# Responses instead of the correct one


def _status(fault: Fault) -> web.Response:
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    return web.Response(status=fault.status, headers=headers, text="<Error/>")


def _html(_fault: Fault) -> web.Response:
    return web.Response(body=PAGE, content_type="text/html")


def _redirect(fault: Fault) -> web.Response:
    return web.Response(status=302, headers={"Location": fault.location})


# The correct response, changed


def _span(request: web.Request, size: int) -> tuple[int, int] | None:
    """Return first byte and end of the requested range, or None without a range."""
    if "Range" not in request.headers:
        return None
    requested = request.http_range
    start = requested.start or 0
    start = max(0, size + start) if start < 0 else start
    return start, min(size, size if requested.stop is None else requested.stop)


def _cut(request: web.Request, whole: bytes) -> tuple[bytes, int, dict[str, str]]:
    """Return bytes, status and headers of a correct response."""
    span = _span(request, len(whole))
    if span is None:
        return whole, 200, {}
    start, end = span
    return whole[start:end], 206, {"Content-Range": f"bytes {start}-{end - 1}/{len(whole)}"}


async def _drop(request: web.Request, _fault: Fault, whole: bytes) -> web.StreamResponse:
    body, status, headers = _cut(request, whole)
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    with suppress(ConnectionError):
        await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _trickle(request: web.Request, fault: Fault, whole: bytes) -> web.StreamResponse:
    body, status, headers = _cut(request, whole)
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    pieces = 20
    step = max(1, -(-len(body) // pieces))
    with suppress(ConnectionError):
        for start in range(0, len(body), step):
            await asyncio.sleep(fault.seconds / pieces)
            await response.write(body[start : start + step])
    return response


async def _truncated(request: web.Request, _fault: Fault, whole: bytes) -> web.StreamResponse:
    body, status, headers = _cut(request, whole)
    return web.Response(body=body[: len(body) // 2], status=status, headers=headers)


async def _longer(request: web.Request, _fault: Fault, whole: bytes) -> web.StreamResponse:
    body, status, headers = _cut(request, whole)
    return web.Response(body=body + b"\0" * 64, status=status, headers=headers)


async def _whole(_request: web.Request, _fault: Fault, whole: bytes) -> web.StreamResponse:
    return web.Response(body=whole)


async def _wrong_range(request: web.Request, _fault: Fault, whole: bytes) -> web.StreamResponse:
    start, end = _span(request, len(whole)) or (0, len(whole))
    length = end - start
    other = 0 if start else max(0, len(whole) - length)
    headers = {"Content-Range": f"bytes {other}-{other + length - 1}/{len(whole)}"}
    return web.Response(body=whole[other : other + length], status=206, headers=headers)


async def _garbage(request: web.Request, _fault: Fault, whole: bytes) -> web.StreamResponse:
    body, status, headers = _cut(request, whole)
    return web.Response(body=os.urandom(len(body)), status=status, headers=headers)


_INSTEAD: Final[Mapping[Kind, Callable[[Fault], web.Response]]] = {
    "status": _status,
    "html": _html,
    "redirect": _redirect,
}
_Distort = Callable[[web.Request, Fault, bytes], Awaitable[web.StreamResponse]]
_DISTORTED: Final[Mapping[Kind, _Distort]] = {
    "drop": _drop,
    "truncated": _truncated,
    "longer": _longer,
    "whole": _whole,
    "wrong-range": _wrong_range,
    "trickle": _trickle,
    "garbage": _garbage,
}
