"""The app runs as the image runs it: no root, read-only root, no network, home and /tmp in memory."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.deploy import container

SANDBOX = [
    *("bwrap", "--unshare-all", "--die-with-parent", "--new-session"),
    *("--uid", "10001", "--gid", "10001", "--cap-drop", "ALL"),
    *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
    *("--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/mnt", "--chdir", str(ROOT)),
]


@functools.cache
def sandbox_works() -> bool:
    """Whether bubblewrap is installed, and the kernel lets this user make a sandbox."""
    if shutil.which("bwrap") is None:
        return False
    done = subprocess.run([*SANDBOX, "true"], capture_output=True, check=False)
    return done.returncode == 0


def test_the_image_has_no_root_a_health_check_and_places_to_write() -> None:
    text, variables = container.text(), container.variables()
    assert "\nUSER 10001:10001\n" in text
    assert "HEALTHCHECK" in text
    assert variables["LANDCOVER_HOME"].startswith(variables["HOME"])
    assert variables["TMPDIR"] == "/tmp"
    assert "--server.port=8501" in container.command()


def test_the_build_checks_hashes_and_needs_only_what_it_copies() -> None:
    text = (ROOT / "Containerfile").read_text("utf-8")
    assert "--require-hashes" in text
    allowed = [
        line[1:]
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    ]
    missing = [name for name in allowed if not (ROOT / name).exists()]
    assert missing == []
    assert {"app.py", "landcover", "pages", "static", "requirements.lock"} <= set(allowed)


@pytest.mark.slow
def test_the_app_works_without_root_network_and_a_writable_root() -> None:
    if not sandbox_works():
        pytest.skip("needs bubblewrap and user namespaces")
    variables = container.variables()
    home = variables.pop("HOME")
    # The root of this computer has no folder /data, and none can be made in a read-only root.
    mount = ["--setenv", "HOME", "/mnt"]
    for name, value in variables.items():
        mount += ["--setenv", name, value.replace(home, "/mnt", 1)]
    mount += ["--setenv", "PYTHONPATH", str(ROOT)]
    done = subprocess.run(
        [*SANDBOX, *mount, sys.executable, "-m", "tests.deploy.visit"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["uid"] == 10001
