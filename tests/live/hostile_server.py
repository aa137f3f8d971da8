"""A server on loopback whose answers have no end, or are too large, too slow or too deep."""

from __future__ import annotations

import itertools
import json
import socket
import socketserver
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["KINDS", "HostileServer"]

_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/geo+json\r\n"
_START: Final = b'{"type": "FeatureCollection", "links": [], "features": ['
_GZIP: Final = b"\x1f\x8b\x08\0\0\0\0\0\0\x03"
_BLOCK: Final = 1 << 20


def _slowly(content: Iterable[bytes]) -> Iterator[bytes]:
    for piece in content:
        yield piece
        time.sleep(0.05)


def _endless(_url: str) -> Iterable[bytes]:
    return itertools.chain([_OK + b"\r\n" + _START], itertools.repeat(b" " * _BLOCK, 1000))


def _gigabyte(_url: str) -> Iterable[bytes]:
    head = _OK + b"Content-Length: 1000000000\r\n\r\n"
    return itertools.chain([head + _START], itertools.repeat(b"1," * (_BLOCK // 2)))


def _chunked(_url: str) -> Iterable[bytes]:
    piece = b"100000\r\n" + b" " * _BLOCK + b"\r\n"
    head = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
    return itertools.chain([head], itertools.repeat(piece, 1000))


def _bomb(_url: str) -> Iterable[bytes]:
    packer = zlib.compressobj(9, wbits=-15)
    part = packer.compress(b" " * _BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)  # stands alone
    head = _OK + b"Content-Encoding: gzip\r\n\r\n" + _GZIP
    return itertools.chain([head], itertools.repeat(part, 100_000))


def _empty_gzip(_url: str) -> Iterable[bytes]:
    head = _OK + b"Content-Encoding: gzip\r\n\r\n" + _GZIP
    stored = b"\0\0\0\xff\xff"  # a block of no bytes
    return itertools.chain([head], itertools.repeat(stored * (_BLOCK // 5), 1000))


def _brotli(_url: str) -> Iterable[bytes]:
    return [_OK + b"Content-Encoding: br\r\n\r\n", b"\0" * 1000]


def _whole(body: bytes) -> Iterable[bytes]:
    return [_OK + f"Content-Length: {len(body)}\r\n\r\n".encode(), body]


def _values(_url: str) -> Iterable[bytes]:
    return _whole(_START + b"[]," * 3_000_000 + b"[]]}")


def _deep(_url: str) -> Iterable[bytes]:
    return _whole(_START + b"[" * 900 + b"]" * 900 + b"]}")


def _deeper(_url: str) -> Iterable[bytes]:
    return _whole(b'{"features":' * 500_000)


def _number(_url: str) -> Iterable[bytes]:
    return _whole(_START + b'{"id": "x", "geometry": ' + b"9" * 4000 + b"}]}")


def _pages(url: str) -> Iterable[bytes]:
    link = {"rel": "next", "href": f"{url}/pages/search?n={time.monotonic()}", "method": "GET"}
    page = {"type": "FeatureCollection", "links": [link], "features": [7]}
    return _whole(json.dumps(page).encode() + b" " * 2_000_000)


def _small_pages(url: str) -> Iterable[bytes]:
    link = {"rel": "next", "href": f"{url}/small-pages/search", "method": "GET"}
    return _whole(json.dumps({"links": [link], "features": [7]}).encode())


def _link(link: Mapping[str, Any]) -> Callable[[str], Iterable[bytes]]:
    def page(url: str) -> Iterable[bytes]:
        full = {"rel": "next", "href": f"{url}/link/search"} | link
        return _whole(json.dumps({"links": [full], "features": [7]}).encode())

    return page


def _headers(_url: str) -> Iterable[bytes]:
    return itertools.chain([_OK], (b"X-%d: %s\r\n" % (n, b"y" * 4000) for n in range(250_000)))


def _long_header(_url: str) -> Iterable[bytes]:
    return itertools.chain([_OK + b"X: "], itertools.repeat(b"y" * _BLOCK, 1000))


def _interim(_url: str) -> Iterable[bytes]:
    return itertools.repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)


def _slow_header(_url: str) -> Iterable[bytes]:
    return _slowly(itertools.chain([_OK + b"X: "], itertools.repeat(b"y")))


def _slow_body(_url: str) -> Iterable[bytes]:
    return _slowly(itertools.chain([_OK + b"\r\n" + _START], itertools.repeat(b" ")))


KINDS: Final[Mapping[str, Callable[[str], Iterable[bytes]]]] = {
    "endless": _endless,
    "gigabyte": _gigabyte,
    "chunked": _chunked,
    "bomb": _bomb,
    "empty-gzip": _empty_gzip,
    "brotli": _brotli,
    "values": _values,
    "deep": _deep,
    "deeper": _deeper,
    "number": _number,
    "pages": _pages,
    "small-pages": _small_pages,
    "delete-link": _link({"method": "DELETE"}),
    "long-link": _link({"method": "POST", "body": {"token": "x" * 200_000}}),
    "file-link": _link({"href": "file:///etc/passwd"}),
    "local-link": _link({"href": "http://127.0.0.1:9/search"}),
    "metadata-link": _link({"href": "http://169.254.169.254/latest/meta-data/"}),
    "path-link": _link({"href": "/etc/passwd"}),
    "headers": _headers,
    "long-header": _long_header,
    "interim": _interim,
    "slow-header": _slow_header,
    "slow-body": _slow_body,
}
"""First part of the path → pieces of the answer, for the server's address."""


class HostileServer(socketserver.ThreadingTCPServer):
    """Answers ``/KIND/…``; a context manager.

    Attributes:
        url: its address.
        requests: the first lines of requests.
        closed: set once a client has closed the connection of an answer before its end.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.requests: list[str] = []
        self.closed = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.shutdown()
        self.server_close()


class _Answer(socketserver.StreamRequestHandler):
    server: HostileServer
    request: socket.socket

    def handle(self) -> None:
        line = self.rfile.readline(10_000).decode("latin-1")
        self.server.requests.append(line.strip())
        length = 0
        while (header := self.rfile.readline(10_000)) not in (b"\r\n", b""):
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        self.rfile.read(length)
        kind = line.split(" ")[1].split("/")[1]
        self.request.settimeout(30)
        try:
            for piece in KINDS[kind](self.server.url):
                self.request.sendall(piece)
        except OSError:
            self.server.closed.set()
