"""What strace reports of a process, and what of it a file has no right to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.hostile.corpus import trace

CODE = (sys.prefix, sys.base_prefix, "/usr", "/etc", "/lib", "/proc", "/sys")


def _events(code: str, tmp_path: Path) -> list[str]:
    log, own = tmp_path / "log", tmp_path / "own"
    own.mkdir()
    command = [*trace.command(log), sys.executable, "-I", "-S", "-c", code]
    subprocess.run(command, cwd=own, check=True)
    return list(trace.events(log.read_text(), CODE, (str(own),)))


@pytest.mark.skipif(not trace.available(), reason="strace is not installed")
@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("open('a', 'w').write('x'); open('a').read()", ""),
        ("open('../secret').read()", "read {0}/secret"),
        ("import os; os.open('{0}/secret', 0)", "read {0}/secret"),
        ("open('{0}/made', 'w')", "wrote {0}/made"),
        ("import os; os.mkdir('{0}/folder')", "changed {0}/folder"),
        ("import os; os.unlink('{0}/secret')", "changed {0}/secret"),
        (
            "import socket; socket.socket(socket.AF_INET, 2).connect(('127.1.1.1', 9))",
            "connected to 127.1.1.1:9",
        ),
        ("import os; os.execv('/bin/true', ['true'])", "started /bin/true"),
    ],
)
def test_what_a_process_does_elsewhere_is_named(code: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")

    found = _events(code.format(tmp_path), tmp_path)

    assert found == ([fault.format(tmp_path)] if fault else [])
