"""Download a published file over a connection that may break at any byte.

Received bytes are kept in ``NAME.part`` and not requested again: the next request states the
first missing byte, and ``If-Range`` restricts it to the same file. Size and MD5 sum are checked
during the download, and the file gets its final name only when both are correct. If a server
sends the complete file instead, it is read from the beginning and compared with the bytes on
the disk.

Only the source's own host is contacted, with the source's own scheme, also after a redirect:
the content of other hosts is untrusted.

A library such as pooch is not used: it restarts an interrupted download of 63 GB from the
beginning and follows redirects to any host.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urljoin, urlsplit

import aiohttp

from landcover.core import limits
from landcover.core.errors import Cancelled, FetchError
from landcover.core.progress import Report
from landcover.datasets.downloads.partial_file import PartialFile, is_tag, verify
from landcover.datasets.downloads.zenodo import RemoteFile, Source
from landcover.net.answers import decoded
from landcover.net.hosts import allowed, host_of

__all__ = ["CHUNK", "MAX_REDIRECTS", "WATCH_S", "Client", "RetryPolicy", "T"]

MAX_REDIRECTS: Final = 5
CHUNK: Final = 1 << 18
WATCH_S: Final = 0.1
"""Interval in seconds at which a waiting request checks whether the user stopped it."""

T = TypeVar("T")
_TEMPORARY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_RANGE: Final = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)", re.ASCII)
_SUM: Final = re.compile(r"md5:([0-9a-f]{32})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When to retry and when to give up on a bad connection.

    Attributes:
        attempts: number of consecutive failed requests before giving up.
        first_attempts: the same while no byte has been received.
        progress_bytes: a request that receives this many bytes does not count as failed.
        first_wait_s: wait before the first retry; it doubles up to ``longest_wait_s``.
        longest_wait_s: the longest wait, also for ``Retry-After``.
        silence_s: timeout for a server that sends nothing.
        slow_s: how long a connection may be slower than 1 kB/s before it is reopened.
    """

    attempts: int = 12
    first_attempts: int = 4
    progress_bytes: int = 1 << 20
    first_wait_s: float = 1.0
    longest_wait_s: float = 120.0
    silence_s: float = 30.0
    slow_s: float = 60.0


class _Temporary(Exception):
    """A fault that another attempt may avoid."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class Client:
    """An HTTP client that contacts the host of one source only.

    Attributes:
        requests: number of requests sent.
    """

    def __init__(self, source: Source, retry_policy: RetryPolicy, cancel: Event) -> None:
        self.source = source
        self.retry_policy = retry_policy
        self.requests = 0
        self._cancel = cancel
        self._session: aiohttp.ClientSession | None = None
        self._unconditional = False

    async def __aenter__(self) -> Self:
        silence = self.retry_policy.silence_s
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=silence, sock_read=silence),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "landcover"},
            trust_env=True,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def watched(self, work: Coroutine[Any, Any, T]) -> T:
        """Await a coroutine until the user stops it.

        Raises:
            Cancelled: the user stopped it.
        """
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                if self._cancel.is_set():
                    raise Cancelled("Stopped by the user: run it again to resume.")
                await asyncio.wait({task}, timeout=WATCH_S)
            return task.result()
        finally:
            task.cancel()
            # A write in progress must end before its file is closed.
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # otherwise asyncio would log that it was never retrieved

    @asynccontextmanager
    async def open(self, address: str, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a GET request and follow redirects to the same host.

        Raises:
            FetchError: a redirect leads to another host, or there are too many.
        """
        assert self._session is not None
        for _ in range(MAX_REDIRECTS + 1):
            self._refuse_other_hosts(address)
            self.requests += 1
            async with asyncio.timeout(2 * self.retry_policy.silence_s):
                answer = await self._session.get(address, headers=headers, allow_redirects=False)
            async with answer:
                if answer.status not in _MOVED:
                    yield answer
                    return
                # An invalid address is not joined, and is refused later.
                with suppress(ValueError):
                    address = urljoin(address, answer.headers.get("Location", ":"))
        raise FetchError(f"{self._host} redirects the request too often: try again later.")

    def _refuse_other_hosts(self, address: str) -> None:
        base = urlsplit(self.source.base)
        scheme = address.partition(":")[0].lower()
        if scheme != base.scheme or not allowed(address, (base.netloc,)):
            where = host_of(address)
            how = " without encryption" if scheme == "http" != base.scheme else ""
            raise FetchError(
                f"{self._host} redirects to '{where}'{how}, where {self.source.title} is not "
                "published: check your network's proxy, or try again later."
            )

    @property
    def _host(self) -> str:
        return urlsplit(self.source.base).netloc

    async def published(self) -> dict[str, tuple[int, str]] | None:
        """Read the current record: name → bytes and MD5 sum. None if it is not available.

        Raises:
            FetchError: the request is redirected to another host.
            Cancelled: the user stopped it.
        """
        try:
            text = await self.watched(self._page())
            files = decoded(text)["files"]
            found = {str(f["key"]): (int(f["size"]), str(f["checksum"])) for f in files}
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError, OverflowError):
            return None
        sums = {name: _SUM.fullmatch(text) for name, (_, text) in found.items()}
        return {
            name: (size, match[1])
            for name, (size, _) in found.items()
            if (match := sums[name]) is not None
        }

    async def _page(self) -> bytes:
        async with (
            asyncio.timeout(2 * self.retry_policy.silence_s),
            self.open(self.source.page, Accept="application/json") as answer,
        ):
            data = bytearray()
            async for chunk in answer.content.iter_chunked(CHUNK):
                data += chunk
                if answer.status != 200 or len(data) > limits.current().answer_bytes:
                    return b""
            return bytes(data) if answer.status == 200 else b""

    async def fetch(self, file: RemoteFile, folder: Path, report: Report) -> bool:
        """Download a file to a folder; returns False if the correct file is already there.

        Raises:
            BadInput: another file of that name exists, or the file cannot be written.
            FetchError: the download failed; the message states the reason and what to try.
            Cancelled: the user stopped it.
        """
        if verify(file, folder, report, self._cancel):
            return False
        with PartialFile(file, folder, report, self._cancel) as part:
            await self.watched(self._receive(part))
            part.finish()
        return True

    async def _receive(self, part: PartialFile) -> None:
        failures, received = 0, False
        while part.position < part.file.size:
            before = part.position
            trouble, wait = await self._attempt(part)
            gained = part.position - before
            if part.position == part.file.size:
                return
            received = received or gained > 0
            failures = 0 if gained >= self.retry_policy.progress_bytes else failures + 1
            if failures >= (
                self.retry_policy.attempts if received else self.retry_policy.first_attempts
            ):
                raise FetchError(
                    f"{self._host} failed {failures} times in a row to send '{part.file.name}' "
                    f"({trouble}): {part.kept}run it again later to resume."
                )
            if failures:
                spread = random.uniform(0.8, 1.2)  # noqa: S311 - spreads clients in time
                pause = self.retry_policy.first_wait_s * 2 ** (failures - 1) * spread
                pause = min(self.retry_policy.longest_wait_s, pause if wait is None else wait)
                part.wait(f"{trouble}, next try in {pause:.0f} s", self.requests)
                await asyncio.sleep(pause)

    async def _attempt(self, part: PartialFile) -> tuple[str, float | None]:
        """Send one request; return why it ended, and the wait requested by the server."""
        try:
            await self._once(part)
        except _Temporary as fault:
            return str(fault), fault.wait
        except TimeoutError:
            return "no response", None
        except aiohttp.ClientConnectorError:
            return "no connection", None
        except (aiohttp.ClientError, OSError, ValueError):
            return "the connection broke", None
        return "its response was truncated", None

    async def _once(self, part: PartialFile) -> None:
        """Send one request for all missing bytes and read its response to the end."""
        headers = {}
        start = 0 if part.unconfirmed else part.position
        if start:
            headers["Range"] = f"bytes={start}-"
            if part.validator and not self._unconditional:
                headers["If-Range"] = part.validator
        async with self.open(self.source.address(part.file), **headers) as answer:
            first = self._first_byte(answer, part, start)
            if first and part.validator and _validator(answer) != part.validator:
                # Bytes of another file must not be appended to those of the first.
                part.unconfirmed = True
                raise _Temporary("the file changed between two requests")
            if "If-Range" in headers and not first and _validator(answer) == part.validator:
                # The server may support ranges, but not the condition.
                self._unconditional = True
                raise _Temporary("it sends the file from the beginning")
            part.begin(first, _validator(answer))
            watch, mark = time.monotonic(), first
            at = first
            async for chunk in answer.content.iter_chunked(CHUNK):
                at += len(chunk)
                if at > part.file.size:
                    raise _Temporary("it sends more bytes than the file has")
                part.take(chunk, self.requests)
                now = time.monotonic()
                if now - watch > self.retry_policy.slow_s:
                    if at - mark < 1000 * self.retry_policy.slow_s:
                        raise _Temporary("it sends less than 1 kB a second")
                    watch, mark = now, at

    def _first_byte(self, answer: aiohttp.ClientResponse, part: PartialFile, start: int) -> int:
        """Return which byte of the file the body of a response starts with.

        Raises:
            _Temporary: another attempt may succeed.
            FetchError: no attempt will succeed.
        """
        status, name, size = answer.status, part.file.name, part.file.size
        if status in _TEMPORARY:
            raise _Temporary(f"status {status}", _retry_after(answer))
        if status not in {200, 206}:
            what = "is missing" if status in {404, 410} else f"is refused (status {status})"
            raise FetchError(
                f"'{name}' {what} at {self._host}: see {self.source.base}/records/"
                f"{self.source.record}, and try again later."
            )
        if "html" in answer.content_type:
            raise FetchError(
                f"{self._host} sends a web page instead of '{name}': check whether your network "
                "has a log-in page, and try again."
            )
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _Temporary("it compresses the file again")
        stated = _stated(answer)
        if stated is None:
            raise _Temporary("it does not state which bytes it sends")
        first, total = stated
        if total is not None and total != size:
            raise FetchError(
                f"{self._host} has a '{name}' of {total:,} bytes, but {size:,} are published: "
                f"{self.source.title} has changed, or a proxy interferes; try a newer version of "
                "landcover, or try again later."
            )
        if first not in {0, start}:
            raise _Temporary("it sends other bytes than requested")
        return first


def _validator(answer: aiohttp.ClientResponse) -> str:
    """Return a validator for ``If-Range``: a strong ETag, else the date of the last change."""
    tag = answer.headers.get("ETag", "")
    if tag.startswith('"') and tag.endswith('"') and len(tag) > 2 and is_tag(tag):
        return tag
    changed = answer.headers.get("Last-Modified", "")
    return changed if is_tag(changed) and not tag else ""


def _stated(answer: aiohttp.ClientResponse) -> tuple[int, int | None] | None:
    """Return first byte and total size (None if not stated); None if contradictory."""
    if answer.status == 200:
        return 0, answer.content_length
    match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if match is None:
        return None
    first, last, total = int(match[1]), int(match[2]), match[3]
    length = answer.content_length
    if last < first or (length is not None and length != last - first + 1):
        return None
    return first, None if total == "*" else int(total)


def _retry_after(answer: aiohttp.ClientResponse) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
