"""Byte ranges of files over HTTP, from allowed hosts only, with retries and one deadline."""

from __future__ import annotations

import asyncio
import random
import re
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp

from landcover.core import limits
from landcover.core.errors import FetchError
from landcover.core.progress import Progress, Report, check
from landcover.net.cache import Cache
from landcover.net.hosts import allowed, host_of, redirect_target
from landcover.net.waiting import T, within

__all__ = [
    "ATTEMPTS",
    "BACK_OFF_S",
    "CLOSE_WAIT_S",
    "CONNECTIONS",
    "HEADER_BYTES",
    "MAX_RANGE",
    "MAX_REDIRECTS",
    "MAX_RETRY_AFTER_S",
    "MERGE_GAP",
    "READ_TIMEOUT_S",
    "SignatureExpired",
    "Transport",
]

ATTEMPTS: Final = 4
BACK_OFF_S: Final = 0.25
"""Wait before the second attempt; it doubles with each attempt and is varied at random."""
MAX_RETRY_AFTER_S: Final = 10.0
READ_TIMEOUT_S: Final = 8.0
"""A connection on which nothing arrives for this long has failed."""
CONNECTIONS: Final = 24
MAX_REDIRECTS: Final = 3
MAX_RANGE: Final = 24_000_000
"""Bytes; four blocks of 1024 × 1024 pixels of 16 bits hold 8 million uncompressed."""
MERGE_GAP: Final = 65_536
"""Ranges closer than this are fetched in one request, which costs less than two."""
HEADER_BYTES: Final = 32_768
"""First range read of a file; it contains the header of a whole-tile COG (titiler's choice)."""
CLOSE_WAIT_S: Final = 2.0
"""How long closing waits for registered work that a reader has not yet started."""

_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE: Final = re.compile(r"^bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)$", re.ASCII)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class SignatureExpired(FetchError):
    """The server rejected an address's signature; signing it again may help."""


class _Transient(Exception):
    """A fault that may be gone at the next attempt."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class Transport:
    """Reads byte ranges, counts them, and stops at a deadline or when the user stops it.

    Args:
        title: name of the archive in messages.
        hosts: allowed hosts as ``host[:port]``, also after a redirect.
        cache: for the first bytes of files, or None.
        cancel: set to stop.
        deadline_s: time limit for all requests together, in seconds; by default the one of
            :mod:`landcover.core.limits`.

    Attributes:
        until: the deadline, on the clock of :func:`time.monotonic`.
        signing: held while an address is signed, so that one signature serves all files.
    """

    def __init__(
        self,
        title: str,
        hosts: tuple[str, ...],
        *,
        cache: Cache | None = None,
        cancel: Event | None = None,
        deadline_s: float | None = None,
    ) -> None:
        self.title = title
        self.requests = 0
        self.bytes = 0
        self.started = time.monotonic()
        self._hosts = hosts
        self._cache = cache
        self.cancel = cancel
        self._deadline_s = limits.current().imagery_seconds if deadline_s is None else deadline_s
        self.until = self.started + self._deadline_s
        self.signing = asyncio.Lock()
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._session: aiohttp.ClientSession | None = None
        self._unconfirmed: dict[str, bytes] = {}
        self._under_way: set[asyncio.Task[Any]] = set()
        self._sizes: dict[str, int] = {}
        self._closed = False
        self._pending = 0
        self._lock = threading.Lock()

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=READ_TIMEOUT_S, sock_read=READ_TIMEOUT_S
        )
        self._session = aiohttp.ClientSession(
            timeout=timeout,
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "landcover"},
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            trust_env=True,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Work that a file's reader has started in the loop does not end with its caller.
        with self._lock:
            self._closed = True
        until = time.monotonic() + CLOSE_WAIT_S
        while self._under_way or (self._pending and time.monotonic() < until):
            tasks = list(self._under_way)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.001)
        if self._session is not None:
            await self._session.close()

    def register(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Coroutine[Any, Any, T]:
        """Announce work that a file's reader will start in the loop from its own thread.

        Closing the transport waits for it. Otherwise the loop could be closed when the reader
        starts the work, which would then never end.

        Args:
            work: makes the coroutine, which must use :meth:`track`.

        Returns:
            The coroutine to start.

        Raises:
            FetchError: the transport is closed.
        """
        with self._lock:
            if self._closed:
                raise self._ended()
            self._pending += 1

        async def work_once() -> T:
            try:
                return await work()
            finally:
                with self._lock:
                    self._pending -= 1

        return work_once()

    def _ended(self) -> FetchError:
        return FetchError(f"Reading from {self.title} has ended: try again.")

    @contextmanager
    def track(self) -> Iterator[None]:
        """Context of a reader's work: closing the transport cancels it.

        Raises:
            FetchError: the transport is closed.
        """
        task = asyncio.current_task()
        if self._closed or task is None:
            raise self._ended()
        self._under_way.add(task)
        try:
            yield
        finally:
            self._under_way.discard(task)

    @property
    def seconds(self) -> float:
        """Seconds since the transport was created."""
        return time.monotonic() - self.started

    def report(self, report: Report, what: str, done: int, total: int) -> None:
        """Report progress with the requests and bytes so far."""
        check(self.cancel)
        report(
            Progress(what=what, done=done, total=total, requests=self.requests, bytes=self.bytes)
        )

    async def get(self, address: str, start: int, end: int) -> bytes:
        """Read the bytes from ``start`` up to ``end`` of a file; fewer if the file ends before.

        Raises:
            FetchError: the file cannot be read; the message says why and what to try.
            SignatureExpired: the address needs a new signature.
            Cancelled: the user stopped it.
        """
        if end - start > MAX_RANGE or end <= start or start < 0:
            raise FetchError(
                f"A file of {self.title} needs {end - start:,} bytes at once, so it is damaged: "
                "choose another date or catalogue."
            )
        kept = self._cached(address, start, end)
        if kept is not None:
            return kept
        trouble = ""
        for attempt in range(ATTEMPTS):
            check(self.cancel)
            try:
                data = await self._within_deadline(self._once(address, start, end))
            except _Transient as fault:
                trouble = str(fault)
                wait = fault.wait
            except TimeoutError:
                trouble, wait = "did not answer", None
            except (aiohttp.ClientError, OSError) as fault:
                trouble, wait = _describe(fault), None
            else:
                if not start and end == HEADER_BYTES:
                    self._unconfirmed[address] = data
                return data
            if attempt + 1 < ATTEMPTS:
                pause = BACK_OFF_S * 2**attempt * random.uniform(0.8, 1.3)  # noqa: S311
                await self._within_deadline(_pause(pause if wait is None else wait, self.cancel))
        raise FetchError(
            f"{self.title} failed {ATTEMPTS} times to send {_name(address)} ({trouble}): "
            "try again later, another date or another catalogue."
        )

    async def size(self, address: str) -> int:
        """Size of a file in bytes, as the server states it with the first range.

        Raises:
            FetchError: as for :meth:`get`, or the server does not state the size.
        """
        await self.get(address, 0, HEADER_BYTES)
        whole = self._sizes.get(address)
        if whole is None:
            raise FetchError(
                f"{self.title} does not state the size of {_name(address)}: choose another date or "
                "catalogue."
            )
        return whole

    async def ranges(self, address: str, wanted: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges of a file, in the given order; close ones share a request."""
        groups: list[list[int]] = []
        for start, end in sorted(set(wanted)):
            near = groups and start - groups[-1][1] <= MERGE_GAP
            if near and max(end, groups[-1][1]) - groups[-1][0] <= MAX_RANGE:
                groups[-1][1] = max(end, groups[-1][1])
            else:
                groups.append([start, end])
        parts = await asyncio.gather(*(self.get(address, a, b) for a, b in groups))
        out = []
        for start, end in wanted:
            index = next(i for i, (a, b) in enumerate(groups) if a <= start and end <= b)
            first = groups[index][0]
            part = parts[index][start - first : end - first]
            if len(part) != end - start:
                raise FetchError(
                    f"{_name(address)} of {self.title} is too short, so it is damaged: "
                    "choose another date or catalogue."
                )
            out.append(part)
        return out

    async def _within_deadline(self, work: Coroutine[Any, Any, T]) -> T:
        """Await ``work`` until the deadline, or until the user stops it."""

        def late() -> FetchError:
            return FetchError(
                f"{self.title} did not send everything within {self._deadline_s:g} s: "
                "try again later, or another catalogue."
            )

        return await within(work, until=self.until, late=late, cancel=self.cancel)

    async def _once(self, address: str, start: int, end: int) -> bytes:
        assert self._session is not None
        asked = address
        for _ in range(MAX_REDIRECTS + 1):
            if not allowed(address, self._hosts, start=asked):
                raise FetchError(
                    f"{self.title} leads to '{host_of(address)}', which "
                    "is not one of its hosts: choose another date or catalogue."
                )
            async with self._slots:
                check(self.cancel)
                self.requests += 1
                async with self._session.get(
                    address,
                    headers={"Range": f"bytes={start}-{end - 1}"},
                    allow_redirects=False,
                ) as answer:
                    if answer.status not in _REDIRECTS:
                        return await self._body(answer, address, start, end)
                    address = redirect_target(address, answer.headers.get("Location", ""))
        raise FetchError(
            f"{self.title} redirects {_name(asked)} too often: choose another date or catalogue."
        )

    async def _body(
        self, answer: aiohttp.ClientResponse, address: str, start: int, end: int
    ) -> bytes:
        status = answer.status
        if status in _TRANSIENT:
            raise _Transient(f"status {status}", _retry_after(answer))
        if status in {401, 403}:
            raise SignatureExpired(
                f"{self.title} refuses {_name(address)} (status {status}): "
                "try again, another date or another catalogue."
            )
        if status != 206:
            what = (
                "is not there"
                if status in {404, 410}
                else "is not sent in parts"
                if status == 200
                else f"is refused (status {status})"
            )
            raise FetchError(
                f"{_name(address)} {what} at {self.title}: choose another date or catalogue."
            )
        first, last, whole = _content_range(answer.headers.get("Content-Range", ""))
        expected = min(end, whole or end)
        if whole is not None:
            self._sizes[address] = whole
        if first != start or last != expected - 1:
            raise _Transient("it sends other bytes than requested")
        data = bytearray()
        async for chunk in answer.content.iter_chunked(65_536):
            check(self.cancel)
            data += chunk
            self.bytes += len(chunk)
            if self.bytes > limits.current().imagery_bytes:
                raise FetchError(
                    f"The imagery of this place has more than "
                    f"{limits.current().imagery_bytes / 1e6:,.0f} MB at {self.title}: "
                    "choose a smaller area, another date or catalogue."
                )
            if len(data) > expected - start:
                raise _Transient("it sends more bytes than requested")
        if len(data) != expected - start:
            raise _Transient("its answer is incomplete")
        return bytes(data)

    def _cached(self, address: str, start: int, end: int) -> bytes | None:
        if self._cache is None or start or end != HEADER_BYTES:
            return None
        return self._cache.get(_key(address, end))

    def confirm(self, address: str) -> None:
        """Cache the first bytes of a file after its reader has parsed them.

        If they were cached before, one corrupted answer would make the file unreadable for good.
        """
        data = self._unconfirmed.pop(address, None)
        if self._cache is not None and data is not None:
            self._cache.put(_key(address, HEADER_BYTES), data)


async def _pause(seconds: float, cancel: Event | None) -> None:
    check(cancel)
    await asyncio.sleep(seconds)


def _key(address: str, end: int) -> str:
    # Without the signature, which changes every hour.
    return f"header:{end}:{address.partition('?')[0]}"


def _name(address: str) -> str:
    """Name of the file, for messages."""
    return f"'{urlsplit(address).path.rsplit('/', 1)[-1][:80]}'"


def _describe(fault: Exception) -> str:
    if isinstance(fault, aiohttp.ClientConnectorError):
        return "no connection"
    if isinstance(fault, aiohttp.ServerTimeoutError):
        return "did not answer"
    return "the connection broke"


def _retry_after(answer: aiohttp.ClientResponse) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return min(float(text), MAX_RETRY_AFTER_S) if text.isascii() and text.isdecimal() else None


def _content_range(text: str) -> tuple[int, int, int | None]:
    """First byte, last byte and size of the file (None if not stated); -1, -1, None if invalid."""
    match = _CONTENT_RANGE.match(text)
    if match is None:
        return -1, -1, None
    first, last, whole = match.groups()
    return int(first), int(last), None if whole == "*" else int(whole)
