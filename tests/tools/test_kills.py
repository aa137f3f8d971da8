"""The short form of the kills, and that it finds files which are written in place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools.hostile.kills import Job, Say, run_job

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes of POSIX")


@pytest.mark.slow
def test_a_few_kills_lose_nothing_and_leave_nothing() -> None:
    command = [sys.executable, "-m", "tools.hostile.kills", "--short"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^kills: (.+?)  +(\d+) +(\d+) ", done.stdout, re.MULTILINE)
    assert len(rows) >= 8, done.stdout
    assert sum(int(count) for _, count, _ in rows) >= 12
    assert {failed for *_, failed in rows} == {"0"}


def in_place(folder: Path, say: Say) -> None:
    """Write a file in pieces, and confirm it before it is complete."""
    with (folder / "a").open("w") as file:
        say("a")
        for _ in range(20):
            file.write("x")
            file.flush()
            time.sleep(0.005)


def leaving(folder: Path, say: Say) -> None:
    (folder / f"{time.monotonic_ns()}.part").touch()
    time.sleep(0.05)
    say("done")


def whole(folder: Path, confirmed: list[str]) -> None:
    assert not confirmed or (folder / "a").read_text() == "x" * 20


@pytest.mark.parametrize(
    "job",
    [
        Job(what="in place", kills=4, work=in_place, check=whole, result=lambda _: 1),
        Job(what="leaving", kills=4, work=leaving, check=lambda *_: None, result=lambda _: 1),
    ],
)
def test_files_written_in_place_or_left_are_found(job: Job, tmp_path: Path) -> None:
    row = run_job(job, tmp_path / "runs", 4)
    assert row.count == 4
    assert row.failed
