"""A real HTTP server on loopback with byte ranges, which serves the archive's files.

aiohttp serves the files and handles ranges, ``If-Range``, HEAD and 416. With ``signatures`` the
server accepts only valid, unexpired SAS tokens, as Azure's blob storage does; it issues them under
``/api/sas/v1/token/ACCOUNT/CONTAINER``, as the Planetary Computer does.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from aiohttp import web

from tests.live.loopback import Decide, Fault, Kind, LoopbackServer, Request

__all__ = ["SAS_PATH", "Decide", "Fault", "Kind", "RangeServer", "Request"]

SAS_PATH: Final = "/api/sas/v1/token"


class RangeServer(LoopbackServer):
    """Serves a folder.

    Attributes:
        root: the served folder.
        signatures: whether a SAS token is required.
        token_life: seconds for which an issued token is valid (negative: already expired).
    """

    def __init__(self, root: Path, *, latency: float = 0.0, signatures: bool = False) -> None:
        super().__init__(latency=latency)
        self.root = root.resolve()
        self.signatures = signatures
        self.token_life = 3600.0
        self._key = os.urandom(16)

    def reset(self) -> None:
        """Forget requests, faults, latency and signatures."""
        super().reset()
        self.signatures, self.token_life = False, 3600.0

    def token(self, life: float | None = None) -> str:
        """Return a SAS token: the query string of a signed address.

        Args:
            life: seconds for which it is valid; by default ``token_life``.
        """
        now = datetime.now(UTC)
        expiry = _time(now + timedelta(seconds=self.token_life if life is None else life))
        start = _time(now - timedelta(hours=1))
        fields = {"st": start, "se": expiry, "sp": "rl", "sv": "2025-07-05", "sr": "c"}
        signed = {**fields, "sig": self._signature(expiry)}
        return "&".join(f"{name}={quote(value, safe='')}" for name, value in signed.items())

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405, text="405: Method Not Allowed")
        if request.path.startswith(f"{SAS_PATH}/"):
            expiry = _time(datetime.now(UTC) + timedelta(seconds=self.token_life))
            return web.json_response({"msft:expiry": expiry, "token": self.token()})
        if self.signatures and (refusal := self._refusal(request.query)):
            return refusal
        path = self._find(request.path)
        return web.Response(status=404, text="404: Not Found") if path is None else _file(path)

    async def whole(self, request: web.Request) -> bytes | None:
        path = self._find(request.path)
        return None if path is None else await asyncio.to_thread(path.read_bytes)

    def _find(self, path: str) -> Path | None:
        found = (self.root / path.lstrip("/")).resolve()
        return found if found.is_relative_to(self.root) and found.is_file() else None

    def _signature(self, expiry: str) -> str:
        return hmac.new(self._key, expiry.encode(), hashlib.sha256).hexdigest()

    def _refusal(self, query: Mapping[str, str]) -> web.Response | None:
        """Return Azure's error response: 409 without a signature, 403 with a wrong or expired one."""
        expiry, signature = query.get("se", ""), query.get("sig", "")
        if not signature:
            return _azure(
                409,
                "PublicAccessNotPermitted",
                "Public access is not permitted on this storage account.",
            )
        genuine = hmac.compare_digest(signature, self._signature(expiry))
        if genuine and _time(datetime.now(UTC)) < expiry:
            return None
        return _azure(
            403,
            "AuthenticationFailed",
            "Server failed to authenticate the request. Make sure the value of Authorization "
            "header is formed correctly including the signature.",
        )


def _file(path: Path) -> web.FileResponse:
    # The real archives use these types; mimetypes does not know JPEG 2000.
    types = {
        ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
        ".jp2": "image/jp2",
    }
    headers = {"Content-Type": types[path.suffix]} if path.suffix in types else None
    return web.FileResponse(path, headers=headers)


def _time(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _azure(status: int, code: str, message: str) -> web.Response:
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code>'
        f"<Message>{message}</Message></Error>"
    )
    headers = {"x-ms-error-code": code}
    return web.Response(status=status, text=body, headers=headers, content_type="application/xml")
