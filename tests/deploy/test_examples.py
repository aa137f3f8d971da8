"""The unit for systemd and the compose file are valid, and as strict as they say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.deploy import container

UNIT = ROOT / "deploy" / "landcover.service"
COMPOSE = ROOT / "deploy" / "compose.yml"


def settings() -> dict[str, str]:
    lines = UNIT.read_text("utf-8").splitlines()
    return dict(line.split("=", maxsplit=1) for line in lines if re.match(r"[A-Z]\w*=", line))


def test_the_unit_starts_the_app_as_the_image_does_but_for_this_computer_only() -> None:
    words = settings()["ExecStart"].split()[1:]
    local = [w.replace("0.0.0.0", "127.0.0.1") for w in container.command()[1:]]
    assert words == local


def test_the_unit_is_strict() -> None:
    found = settings()
    assert found["ProtectSystem"] == "strict"
    assert found["NoNewPrivileges"] == found["DynamicUser"] == "yes"
    assert found["CapabilityBoundingSet"] == ""
    assert "@resources" not in found["SystemCallFilter"]  # the readers limit themselves with it
    assert found["MemoryMax"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_accepts_the_unit_and_finds_little_exposed(tmp_path: Path) -> None:
    # The programs that it names are not on this computer.
    text = re.sub(r"/opt/landcover/\.venv/bin/python", "/bin/true", UNIT.read_text("utf-8"))
    copy = tmp_path / UNIT.name
    copy.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if UNIT.name in line] == []
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=30", str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_the_container_of_compose_is_read_only_and_local() -> None:
    app = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]["app"]
    assert app["read_only"] is True
    assert app["cap_drop"] == ["ALL"]
    assert app["ports"] == ["127.0.0.1:8501:8501"]
    assert f"USER {app['user']}" in container.text()
    assert (COMPOSE.parent / app["build"]["context"] / app["build"]["dockerfile"]).is_file()
    variables = container.variables()
    assert app["volumes"] == [f"data:{variables['HOME']}"]
    assert app["tmpfs"][0].startswith(f"{variables['TMPDIR']}:")
