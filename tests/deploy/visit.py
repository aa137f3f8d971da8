"""Run inside the sandbox of ``test_read_only``: start the app as the image does, and visit it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from landcover.io.samples import read_sample
from tests.browser.steps import write_stack
from tests.conftest import ROOT
from tests.deploy import container
from tests.support.websocket_client import open_client

ADDRESS = "http://127.0.0.1:8501"
PATIENCE_S = 90


def refused(path: Path) -> bool:
    """Whether nothing can be written there."""
    try:
        (path / "written").write_text("x")
    except OSError:
        return True
    return False


def health() -> bool:
    """Whether the image's health check passes."""
    done = subprocess.run([sys.executable, "deploy/health.py"], cwd=ROOT, check=False)
    return done.returncode == 0


async def visit() -> None:
    """Classify a sample and an upload, and look at the attribution map."""
    stack = write_stack(Path(tempfile.mkdtemp()) / "mine.tif", read_sample("ireland-fields"))
    async with open_client(ADDRESS) as client:
        await client.run()
        await client.press("1 ·")
        await client.settle()
        assert "Result as JSON" in client.text()
        await client.upload("Sentinel-2 images", ("mine.tif", stack.read_bytes()))
        await client.settle()
        assert "file=mine.tif" in client.query
        assert "Result as JSON" in client.text()
        assert client.exceptions() == []


def main() -> None:
    """Check the sandbox, then the app in it."""
    assert os.getuid() != 0
    assert refused(ROOT)
    assert refused(Path("/"))
    with socket.socket() as outside:
        outside.settimeout(3)
        assert outside.connect_ex(("192.0.2.1", 80)) != 0, "there is a network"
    assert not health()
    command = [sys.executable, *container.command()[1:]]
    with Path("/tmp/log").open("wb") as log:
        app = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE_S
        while not health():
            assert app.poll() is None, Path("/tmp/log").read_text()
            assert time.monotonic() < until
            time.sleep(0.2)
        asyncio.run(visit())
    finally:
        app.terminate()
        app.wait(timeout=30)
    log_text = Path("/tmp/log").read_text("utf-8")
    assert '"event": "classified"' in log_text
    assert "error" not in log_text, log_text
    written = sorted(path.name for path in Path.home().iterdir())
    sys.stdout.write(json.dumps({"uid": os.getuid(), "written": written}))


if __name__ == "__main__":
    main()
