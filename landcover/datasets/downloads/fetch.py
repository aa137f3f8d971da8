"""One published file, fetched over a connection that may break at any byte.

What has come is kept in ``NAME.part`` and never asked for again: the next request says from
which byte on, and with ``If-Range`` that it wants them only of the same file. Size and MD5 sum
are checked while the bytes come; a file takes its name when both are right, not before. A
server that sends the whole file instead is read from the beginning, and what it sends is
compared with what is there.

Only the source's own host is asked, by the source's own scheme, after a redirect too: an
answer from elsewhere could be whatever the one who redirects wants.

A library such as pooch was not taken: it begins a broken download of 63 GB from the start and
follows redirects to any host.
"""

from __future__ import annotations

import asyncio
import json
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

from landcover.core.errors import Cancelled, FetchError
from landcover.core.progress import Report
from landcover.datasets.downloads.partial_file import PartialFile, is_tag, verify
from landcover.datasets.downloads.zenodo import RemoteFile, Source
from landcover.net.hosts import allowed, host_of

__all__ = ["CHUNK", "MAX_PAGE_BYTES", "MAX_REDIRECTS", "WATCH_S", "Client", "RetryPolicy", "T"]

MAX_REDIRECTS: Final = 5
MAX_PAGE_BYTES: Final = 2_000_000
"""A record of Zenodo has some 10 kB."""
CHUNK: Final = 1 << 18
WATCH_S: Final = 0.1
"""How often a waiting request looks whether the user stopped it."""

T = TypeVar("T")
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_RANGE: Final = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)", re.ASCII)
_SUM: Final = re.compile(r"md5:([0-9a-f]{32})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How long a bad connection is borne with.

    Attributes:
        attempts: requests in a row that bring next to nothing, until it is given up.
        first_attempts: the same where not a byte has come yet: it may never.
        progress_bytes: an attempt that brings as many does not count.
        first_wait_s: wait before the second of them; it doubles up to ``longest_wait_s``.
        longest_wait_s: the longest wait, of ``Retry-After`` too.
        silence_s: a server that sends nothing for so long is taken for gone.
        slow_s: so long a connection may bring less than 1 kB/s before it is made anew.
    """

    attempts: int = 12
    first_attempts: int = 4
    progress_bytes: int = 1 << 20
    first_wait_s: float = 1.0
    longest_wait_s: float = 120.0
    silence_s: float = 30.0
    slow_s: float = 60.0


class _Passing(Exception):
    """A fault that another attempt may not meet."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class Client:
    """Asks one source's host, and no other.

    Attributes:
        requests: how many were sent.
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
        """Await something, but not after the user stopped it.

        Raises:
            Cancelled: the user did.
        """
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                if self._cancel.is_set():
                    raise Cancelled("Stopped, as you asked: run it again to go on.")
                await asyncio.wait({task}, timeout=WATCH_S)
            return task.result()
        finally:
            task.cancel()
            # What it was about to write must be written before its file is closed.
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # else asyncio would complain that nobody looked at it

    @asynccontextmanager
    async def open(self, address: str, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a GET, redirects followed as far as they may be.

        Raises:
            FetchError: it leads elsewhere, or in circles.
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
                # What cannot be joined is no address, and is refused as such.
                with suppress(ValueError):
                    address = urljoin(address, answer.headers.get("Location", ":"))
        raise FetchError(
            f"{self._host} sends the request from address to address: try again later."
        )

    def _refuse_other_hosts(self, address: str) -> None:
        base = urlsplit(self.source.base)
        scheme = address.partition(":")[0].lower()
        if scheme != base.scheme or not allowed(address, (base.netloc,)):
            where = "".join(c for c in (host_of(address) or address) if c.isprintable())[:60]
            how = " without encryption" if scheme == "http" != base.scheme else ""
            raise FetchError(
                f"{self._host} leads to '{where}'{how}, which is not where {self.source.title} is "
                "published: check your network's proxy, or try again later."
            )

    @property
    def _host(self) -> str:
        return urlsplit(self.source.base).netloc

    async def published(self) -> dict[str, tuple[int, str]] | None:
        """What the record says now: name → bytes and MD5 sum. None where it cannot be had.

        Raises:
            FetchError: the answer leads to another host.
            Cancelled: the user stopped it.
        """
        try:
            text = await self.watched(self._page())
            files = json.loads(text)["files"]
            found = {str(f["key"]): (int(f["size"]), str(f["checksum"])) for f in files}
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError, RecursionError):
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
            data = b""
            async for chunk in answer.content.iter_chunked(CHUNK):
                data += chunk
                if answer.status != 200 or len(data) > MAX_PAGE_BYTES:
                    break
            return data if answer.status == 200 and len(data) <= MAX_PAGE_BYTES else b""

    async def fetch(self, file: RemoteFile, folder: Path, report: Report) -> bool:
        """Bring a file into a folder; False where it is there already, and right.

        Raises:
            BadInput: a file of that name is there and is another, or cannot be written.
            FetchError: it cannot be had; the message says why and what to try.
            Cancelled: the user stopped it.
        """
        if verify(file, folder, report, self._cancel):
            return False
        with PartialFile(file, folder, report, self._cancel) as part:
            await self.watched(self._bring(part))
            part.finish()
        return True

    async def _bring(self, part: PartialFile) -> None:
        failures, come = 0, False
        while part.position < part.file.size:
            before = part.position
            trouble, wait = await self._attempt(part)
            gained = part.position - before
            if part.position == part.file.size:
                return
            come = come or gained > 0
            failures = 0 if gained >= self.retry_policy.progress_bytes else failures + 1
            if failures >= (
                self.retry_policy.attempts if come else self.retry_policy.first_attempts
            ):
                raise FetchError(
                    f"{self._host} failed {failures} times in a row to send '{part.file.name}' "
                    f"({trouble}): {part.kept}run it again later to go on."
                )
            if failures:
                spread = random.uniform(0.8, 1.2)  # noqa: S311 - so that not all come at once
                pause = self.retry_policy.first_wait_s * 2 ** (failures - 1) * spread
                pause = min(self.retry_policy.longest_wait_s, pause if wait is None else wait)
                part.wait(f"{trouble}, next try in {pause:.0f} s", self.requests)
                await asyncio.sleep(pause)

    async def _attempt(self, part: PartialFile) -> tuple[str, float | None]:
        """One request; what ended it, and how long the server wants to be left alone."""
        try:
            await self._once(part)
        except _Passing as fault:
            return str(fault), fault.wait
        except TimeoutError:
            return "no answer", None
        except aiohttp.ClientConnectorError:
            return "no connection", None
        except (aiohttp.ClientError, OSError, ValueError):
            return "the connection broke", None
        return "its answer breaks off", None

    async def _once(self, part: PartialFile) -> None:
        """One request for all that is missing; returns when its answer ends."""
        headers = {}
        start = 0 if part.unconfirmed else part.position
        if start:
            headers["Range"] = f"bytes={start}-"
            if part.validator and not self._unconditional:
                headers["If-Range"] = part.validator
        async with self.open(self.source.address(part.file), **headers) as answer:
            first = self._first_byte(answer, part, start)
            if first and part.validator and _validator(answer) != part.validator:
                # Bytes of another file must not be put behind those of the first.
                part.unconfirmed = True
                raise _Passing("it changes the file between its parts")
            if "If-Range" in headers and not first and _validator(answer) == part.validator:
                # It has ranges perhaps, and does not understand the condition.
                self._unconditional = True
                raise _Passing("it sends the file from the beginning")
            part.begin(first, _validator(answer))
            watch, mark = time.monotonic(), first
            at = first
            async for chunk in answer.content.iter_chunked(CHUNK):
                at += len(chunk)
                if at > part.file.size:
                    raise _Passing("it sends more bytes than the file has")
                part.take(chunk, self.requests)
                now = time.monotonic()
                if now - watch > self.retry_policy.slow_s:
                    if at - mark < 1000 * self.retry_policy.slow_s:
                        raise _Passing("it sends less than 1 kB a second")
                    watch, mark = now, at

    def _first_byte(self, answer: aiohttp.ClientResponse, part: PartialFile, start: int) -> int:
        """Which byte of the file an answer's body begins with.

        Raises:
            _Passing: another attempt may do better.
            FetchError: no attempt will.
        """
        status, name, size = answer.status, part.file.name, part.file.size
        if status in _PASSING:
            raise _Passing(f"status {status}", _retry_after(answer))
        if status not in {200, 206}:
            what = "is not there" if status in {404, 410} else f"is refused (status {status})"
            raise FetchError(
                f"'{name}' {what} at {self._host}: look at {self.source.base}/records/"
                f"{self.source.record}, and try again later."
            )
        if "html" in answer.content_type:
            raise FetchError(
                f"{self._host} answers with a web page instead of '{name}': check that no log-in "
                "page of your network stands between, and try again."
            )
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _Passing("it packs the file once more")
        stated = _stated(answer)
        if stated is None:
            raise _Passing("it does not say which bytes it sends")
        first, whole = stated
        if whole is not None and whole != size:
            raise FetchError(
                f"{self._host} has a '{name}' of {whole:,} bytes where {size:,} are published: "
                f"{self.source.title} has changed, or something stands between; try a newer "
                "landcover, or later."
            )
        if first not in {0, start}:
            raise _Passing("it sends other bytes than were asked for")
        return first


def _validator(answer: aiohttp.ClientResponse) -> str:
    """What ``If-Range`` may name: a strong ETag, else the date of the last change."""
    tag = answer.headers.get("ETag", "")
    if tag.startswith('"') and tag.endswith('"') and len(tag) > 2 and is_tag(tag):
        return tag
    changed = answer.headers.get("Last-Modified", "")
    return changed if is_tag(changed) and not tag else ""


def _stated(answer: aiohttp.ClientResponse) -> tuple[int, int | None] | None:
    """First byte and size of the whole file (None where not stated); None where contradictory."""
    if answer.status == 200:
        return 0, answer.content_length
    match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if match is None:
        return None
    first, last, whole = int(match[1]), int(match[2]), match[3]
    length = answer.content_length
    if last < first or (length is not None and length != last - first + 1):
        return None
    return first, None if whole == "*" else int(whole)


def _retry_after(answer: aiohttp.ClientResponse) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
