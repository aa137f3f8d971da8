"""A catalogue on loopback that gives one answer to every request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from landcover.stac.archives import Catalogue

__all__ = ["PORTS", "answering"]

ANSWERS: Final = b"http://127.0.0.1:88888"
MOST: Final = 3_000_000_000
"""Bytes after which an endless answer ends."""
PORTS: set[int] = set()
"""Ports of the servers that run."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Print nothing: the program hangs up in the middle of an answer, as it must."""


@contextmanager
def answering(file: Path, row: Catalogue) -> Iterator[Catalogue]:
    """Serve a file while the context lasts, as the answer of an archive.

    Args:
        file: the answer; one named ``….gz`` is sent as compressed, one named ``endless`` again
            and again.
        row: the archive.

    Returns:
        The archive with the server's address.
    """
    body = file.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            own = f"http://127.0.0.1:{self.server.server_port}".encode()  # type: ignore[attr-defined]
            sent = body.replace(ANSWERS, own)
            endless = file.name == "endless"
            self.send_response(200)
            self.send_header("Content-Type", "application/geo+json")
            self.send_header("Content-Length", str(MOST if endless else len(sent)))
            if file.suffix == ".gz":
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            try:
                for _ in range(MOST // len(sent) if endless else 1):
                    self.wfile.write(sent)
            except OSError:
                self.close_connection = True

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    PORTS.add(server.server_port)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield replace(row, endpoint=f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        PORTS.discard(server.server_port)
