"""A real nginx with the example of deploy/nginx.conf, on a free port and without TLS."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.conftest import ROOT

EXAMPLE = ROOT / "deploy" / "nginx.conf"
MAIN = """\
{user}daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    include {folder}/landcover.conf;
}}
"""


def executable() -> str | None:
    """Path of nginx, which Debian keeps where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def example(app: str, port: int, folder: Path) -> str:
    """The example, with this computer's addresses instead of a name and a certificate."""
    text = EXAMPLE.read_text("utf-8")
    for pattern, instead in (
        (r"listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        (r"server_name [^;]*;", ""),
        (r"ssl_certificate(_key)? [^;]*;", ""),
        (r"server 127\.0\.0\.1:8501;", f"server {urlsplit(app).netloc};"),
        (r"error_log [^;]*;", f"error_log {folder}/site.log warn;"),
    ):
        text, count = re.subn(pattern, instead, text)
        assert count, pattern
    return text


@contextmanager
def in_front_of(app: str) -> Iterator[str]:
    """Run nginx in front of the app at an address; the value is nginx's address."""
    program = executable()
    assert program is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "landcover.conf").write_text(example(app, port, folder), encoding="utf-8")
        user = "user root;\n" if os.getuid() == 0 else ""
        (folder / "nginx.conf").write_text(MAIN.format(user=user, folder=folder), encoding="utf-8")
        server = subprocess.Popen(
            [program, "-p", name, "-e", f"{name}/error.log", "-c", f"{name}/nginx.conf"],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            until = time.monotonic() + 20
            while not _answers(port):
                assert server.poll() is None, server.communicate()[1]
                assert time.monotonic() < until
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.communicate(timeout=20)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
