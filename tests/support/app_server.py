"""The real app in a process of its own, for tests that talk to it as a browser does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """An app that runs: its address without a slash at the end, and its process."""

    address: str
    process: subprocess.Popen[bytes]


@contextmanager
def serve(
    *options: str,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    output: Path = Path(os.devnull),
) -> Iterator[str]:
    """Run the app; the value is its address. Arguments as for :func:`served`."""
    with served(*options, port=port, environment=environment, output=output) as server:
        yield server.address


@contextmanager
def served(
    *options: str,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    output: Path = Path(os.devnull),
) -> Iterator[Server]:
    """Run the app in a process that a test may kill.

    Args:
        options: further options of ``streamlit run``.
        port: where it listens; None for a free port.
        environment: variables to set, besides those of this process.
        output: the file to which it prints and logs.
    """
    port = port or _free_port()
    with output.open("wb") as printed:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "streamlit", "run", "app.py"),
                *(f"--server.port={port}", "--server.headless=true", *options),
            ],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            assert server.poll() is None, "the app ended by itself"
            assert time.monotonic() < deadline, "the app did not start"
            time.sleep(0.1)
        yield Server(f"http://127.0.0.1:{port}", server)
    finally:
        server.terminate()
        try:
            # At its end the app waits up to 20 s for a job that cannot stop at once.
            server.wait(timeout=60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
