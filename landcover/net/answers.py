"""Whole answers of web services, such as JSON: of limited size, from one host, in time.

Byte ranges of files are read by :mod:`landcover.net.http`.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from threading import Event
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

import aiohttp

from landcover.core import limits, untrusted_json
from landcover.net.hosts import allowed, redirect_target
from landcover.net.waiting import within

__all__ = ["BACK_OFF_S", "MAX_REDIRECTS", "AnswerFault", "Service", "Why", "decoded"]

BACK_OFF_S: Final = 0.3
"""Wait before the second attempt; it doubles with each attempt."""
MAX_REDIRECTS: Final = 3

Why = Literal["unreachable", "late", "status", "elsewhere", "circle", "size", "damaged"]

_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CHUNK: Final = 65_536


class AnswerFault(Exception):
    """There is no usable answer. The caller says so in a sentence of its own.

    Args:
        why: the kind of fault.
        what: a phrase that follows the service's name, such as "cannot be reached".
        status: of the answer, if that is the fault.
    """

    def __init__(self, why: Why, what: str, status: int | None = None) -> None:
        super().__init__(what)
        self.why: Why = why
        self.what = what
        self.status = status

    @property
    def transient(self) -> bool:
        """Whether another attempt may succeed."""
        return self.why == "unreachable" or self.status in _TRANSIENT


class Service:
    """Asks one web service, and stops at a deadline, at a limit or when the user stops it.

    A request goes only to the service's own host, also after a redirect, and never from https
    to http. Answers are received piece by piece, so that a large or compressed one is noticed
    before it is in memory.

    Args:
        base: any address of the service.
        until: deadline for all requests together, on the clock of :func:`time.monotonic`.
        cancel: set to stop.
        attempts: number of attempts for a request, if the fault may be gone at the next one.
        silence_s: a connection on which nothing arrives for this long has failed.
        agent: name of this program in the requests.

    Attributes:
        until: the deadline.
    """

    def __init__(
        self,
        base: str,
        *,
        until: float,
        cancel: Event | None = None,
        attempts: int = 4,
        silence_s: float = 15.0,
        agent: str = "landcover",
    ) -> None:
        self._base = base
        self._host = urlsplit(base).netloc.lower()
        self.until = until
        self._cancel = cancel
        self._attempts = attempts
        self._silence_s = silence_s
        self._agent = agent
        self._left = limits.current().search_bytes
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self._silence_s, sock_read=self._silence_s
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "User-Agent": self._agent},
            trust_env=True,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def ask(
        self,
        address: str,
        *,
        method: Literal["GET", "POST"] = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        after_s: float = 0.0,
    ) -> bytes:
        """Send a request and return the body of its answer, decompressed.

        Args:
            address: of this service.
            method: of the request.
            headers: further ones.
            body: of the request.
            after_s: seconds to wait before it.

        Raises:
            AnswerFault: there is no usable answer.
            Cancelled: the user stopped it.
        """
        await self._in_time(asyncio.sleep(after_s, b""))
        for attempt in range(self._attempts):
            try:
                return await self._in_time(self._once(address, method, headers or {}, body))
            except AnswerFault as fault:
                if not fault.transient or attempt + 1 == self._attempts:
                    raise
            await self._in_time(asyncio.sleep(BACK_OFF_S * 2**attempt, b""))
        raise AssertionError("there is at least one attempt")

    async def _in_time(self, work: Any) -> bytes:  # noqa: ANN401 - any coroutine
        def late() -> AnswerFault:
            return AnswerFault("late", "did not answer in time")

        answer: bytes = await within(work, until=self.until, late=late, cancel=self._cancel)
        return answer

    async def _once(
        self, address: str, method: str, headers: Mapping[str, str], body: bytes | None
    ) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            if not allowed(address, (self._host,), start=self._base):
                raise AnswerFault("elsewhere", "redirects to a host that is not its own")
            if self._session is None:
                raise AnswerFault("late", "was asked after its deadline")
            try:
                async with self._session.request(
                    method, address, headers=headers, data=body, allow_redirects=False
                ) as answer:
                    if answer.status not in _REDIRECTS:
                        return await self._body(answer)
                    address = redirect_target(address, answer.headers.get("Location", ""))
                    if answer.status not in {307, 308}:
                        method, body = "GET", None
            except aiohttp.ClientResponseError:  # headers that are too many, too long or invalid
                raise AnswerFault("damaged", "sends a damaged answer") from None
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                # aiohttp raises ValueError for addresses and headers that it cannot parse.
                raise AnswerFault("unreachable", "cannot be reached") from None
        raise AnswerFault("circle", "redirects the request too often")

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        if not 200 <= answer.status < 300:
            raise AnswerFault("status", f"answers with status {answer.status}", answer.status)
        most = min(limits.current().answer_bytes, self._left)
        packing = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if packing not in {"identity", "", "gzip", "x-gzip"}:
            raise AnswerFault("damaged", "compresses its answer, although it must not")
        # Some proxies compress without being asked to.
        unpack = zlib.decompressobj(wbits=31) if "gzip" in packing else None
        data, received = bytearray(), 0
        async for chunk in answer.content.iter_chunked(_CHUNK):
            received += len(chunk)
            try:
                data += unpack.decompress(chunk, most + 1 - len(data)) if unpack else chunk
            except zlib.error:
                raise AnswerFault("damaged", "sends a damaged answer") from None
            if max(received, len(data)) > most:
                raise AnswerFault(
                    "size", f"sends more than {most / 1e6:,.0f} MB, which is no answer to a search"
                )
        if unpack is not None and not unpack.eof:
            raise AnswerFault("unreachable", "cannot be reached")
        self._left -= max(received, len(data))
        return bytes(data)


def decoded(text: bytes | str) -> Any:  # noqa: ANN401 - any JSON
    """Decode the JSON of an answer.

    Raises:
        ValueError: as for :func:`landcover.core.untrusted_json.parse`.
    """
    return untrusted_json.parse(text, most_bytes=limits.current().answer_bytes)
