"""A real HTTP server of published files on loopback, with faults in scripted steps.

Each request for a file takes the next step of the script; after the last step all answers are
correct. Ranges, ``If-Range`` and tags are correct unless a step changes them. Zenodo's record has
its own path. :class:`~tests.live.loopback.LoopbackServer` counts requests and runs the thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiohttp import web

from landcover.datasets.downloads.zenodo import RemoteFile, Source
from tests.live.loopback import PAGE, LoopbackServer

RECORD: Final = 4711

Kind = Literal[
    "well",
    "drop",
    "less",
    "short",
    "longer",
    "endless",
    "whole",
    "wrong-range",
    "status",
    "html",
    "redirect",
    "retag",
    "swap",
    "garbage",
    "packed",
    "other-size",
    "unlabelled",
    "hang",
    "trickle",
]
"""What a step does:

* ``drop``: the connection breaks after ``count`` bytes of the body;
* ``less``: only ``count`` bytes, correctly labelled as a part;
* ``short``: half the bytes, and a length that agrees with them but not with the label;
* ``longer``: 64 bytes more than the label says; ``endless``: no length, and no end;
* ``whole``: 200 with the entire file, for any request; ``wrong-range``: another part;
* ``status``: an error status; ``html``: a page; ``redirect``: to ``location``;
* ``retag``: from now on the file has another tag and the same bytes;
* ``swap``: from now on the file has other bytes and another tag, and ``If-Range`` is ignored;
* ``garbage``: random bytes; ``packed``: the header states gzip; ``other-size``: the header states
  another size of the file; ``unlabelled``: 206 without ``Content-Range``; ``hang``: no answer;
  ``trickle``: ``count`` bytes at a time, with pauses.
"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """How one request is answered."""

    kind: Kind
    count: int = 0
    status: int = 503
    retry_after: str | None = None
    location: str = "http://169.254.169.254/latest/meta-data/"


class FileServer(LoopbackServer):
    """Serves the files of one record.

    Attributes:
        files: name → bytes.
        tag: the strong ETag of all files, or "" for none.
        script: steps for the next requests.
        record: content of the record's page, or None for the correct one.
        understands_if_range: if False, a request with this header gets the entire file.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__()
        self.originals = files
        self.files: dict[str, bytes] = dict(files)
        self.tag = '"one"'
        self.script: deque[Step] = deque()
        self.record: Any = None
        self.understands_if_range = True

    def reset(self) -> None:
        """Forget requests, script and changed files."""
        super().reset()
        self.files, self.tag, self.record = dict(self.originals), '"one"', None
        self.script.clear()
        self.understands_if_range = True

    def remote(self, name: str, **changes: Any) -> RemoteFile:
        """A file as published."""
        data = self.originals[name]
        values = {"name": name, "size": len(data), "md5": hashlib.md5(data).hexdigest(), **changes}
        return RemoteFile(**values)

    def source(self, *files: RemoteFile, **changes: Any) -> Source:
        """A source at this server."""
        values: dict[str, Any] = {
            "name": "eurosat",
            "title": "Test set",
            "record": RECORD,
            "licence": "MIT",
            "files": files,
            "base": self.url,
            **changes,
        }
        return Source(**values)

    @property
    def asked(self) -> list[str]:
        """The Range headers of all requests for files, oldest first."""
        return [r.range for r in self.requests if "/files/" in r.path]

    async def whole(self, request: web.Request) -> bytes | None:
        return self.files.get(request.path.rsplit("/", 1)[-1])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == f"/api/records/{RECORD}":
            return self._page()
        data = await self.whole(request)
        if data is None or not request.path.startswith(f"/records/{RECORD}/files/"):
            return web.Response(status=404)
        step = self.script.popleft() if self.script else Step(kind="well")
        if step.kind == "retag":
            self.tag = f'"{os.urandom(4).hex()}"'
        elif step.kind == "swap":
            self.tag = f'"{os.urandom(4).hex()}"'
            data = data[:10] + os.urandom(len(data) - 10) if len(data) > 10 else data[::-1]
            self.files[request.path.rsplit("/", 1)[-1]] = data
        elif step.kind == "status":
            headers = {} if step.retry_after is None else {"Retry-After": step.retry_after}
            return web.Response(status=step.status, headers=headers)
        elif step.kind == "html":
            return web.Response(body=PAGE, content_type="text/html")
        elif step.kind == "redirect":
            return web.Response(status=302, headers={"Location": step.location})
        return await self._send(request, data, step)

    def _page(self) -> web.Response:
        if isinstance(self.record, bytes):
            return web.Response(body=self.record, content_type="application/json")
        truth = {
            "files": [
                {
                    "key": name,
                    "size": len(data),
                    "checksum": f"md5:{hashlib.md5(data).hexdigest()}",
                    "links": {"self": f"{self.url}/api/records/{RECORD}/files/{name}/content"},
                }
                for name, data in self.originals.items()
            ]
        }
        return web.json_response(truth if self.record is None else self.record)

    async def _send(self, request: web.Request, data: bytes, step: Step) -> web.StreamResponse:
        size, kind = len(data), step.kind
        start = request.http_range.start or 0
        condition = request.headers.get("If-Range", self.tag)
        same = condition == self.tag or kind == "swap"
        if "If-Range" in request.headers and not self.understands_if_range:
            same = False
        ranged = "Range" in request.headers and same and kind != "whole"
        if ranged and start >= size:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        start = start if ranged else 0
        if kind == "wrong-range" and ranged:
            start = max(0, start - 7)
        end = min(size, start + step.count) if kind == "less" and ranged else size
        body = _BODIES.get(kind, _right)(data[start:end])
        response = web.StreamResponse(status=206 if ranged else 200)
        response.content_type = "application/octet-stream"
        response.headers.update({"ETag": self.tag} if self.tag else {})
        response.headers.update({"Content-Encoding": "gzip"} if kind == "packed" else {})
        stated = size + 1 if kind == "other-size" else size
        if ranged and kind != "unlabelled":
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{stated}"
        if kind != "endless":
            response.content_length = len(body) + (kind == "other-size" and not ranged)
        with suppress(ConnectionError):
            await response.prepare(request)
            await _write(response, body, step)
        if kind in {"drop", "hang", "other-size"} and request.transport is not None:
            request.transport.close()
        return response


async def _write(response: web.StreamResponse, body: bytes, step: Step) -> None:
    if step.kind == "endless":
        for _ in range(40):
            await response.write(body + b"\0" * 65_536)
    elif step.kind == "drop":
        await response.write(body[: step.count])
    elif step.kind == "trickle":
        for start in range(0, len(body), step.count):
            await response.write(body[start : start + step.count])
            await asyncio.sleep(0.03)
    elif step.kind != "hang":
        await response.write(body)


def _right(body: bytes) -> bytes:
    return body


_BODIES: Final[Mapping[Kind, Callable[[bytes], bytes]]] = {
    "garbage": lambda body: os.urandom(len(body)),
    "short": lambda body: body[: len(body) // 2],
    "longer": lambda body: body + b"\0" * 64,
}
