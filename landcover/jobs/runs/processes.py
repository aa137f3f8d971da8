"""Start the processes of runs: the runner, which outlives all, and its children, which do not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

import landcover
from landcover.core import disk_errors, home

__all__ = ["Child", "start_child", "start_detached"]

Child = subprocess.Popen[bytes]

_RUNNER: Final = "landcover.jobs.runs.runner"
_WORK: Final = "landcover.jobs.runs.work"
_MOST_LOG: Final = 1_000_000


def start_detached(log: Path) -> None:
    """Start the runner in its own session, so that it goes on when this process ends in any way.

    Args:
        log: the file that gets its output; it starts anew when it has become long.

    Raises:
        BadInput: the file cannot be written, or no process can be started.
    """
    with disk_errors.explained(log):
        long = log.exists() and log.stat().st_size > _MOST_LOG
        with log.open("wb" if long else "ab") as output:
            runner = subprocess.Popen(  # noqa: S603 - our own program
                _command(_RUNNER),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=log.parent,
                env=_environment(),
            )
    # Without somebody who waits, a process that has ended stays in the system's table.
    threading.Thread(target=runner.wait, name="runner", daemon=True).start()


def start_child(run: Path, log: Path) -> Child:
    """Start the process that computes a run; it ends when this one does, in whatever way.

    It reads from a pipe that only this process can write to. The end of the pipe is its end.

    Args:
        run: the run's folder.
        log: the file to which its output is added.

    Raises:
        BadInput: the file cannot be written, or no process can be started.
    """
    with disk_errors.explained(log), log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own program
            [*_command(_WORK), run.name],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=run,
            env=_environment(),
        )


def _command(module: str) -> list[str]:
    # Without -P a file in the current folder could stand in for a module.
    return [sys.executable, "-P", "-m", module]


def _environment() -> dict[str, str]:
    """Our variables; the package and its home are found from any folder."""
    root = str(Path(landcover.__file__).parents[1])
    given = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([root, *(str(Path(p).absolute()) for p in given.split(os.pathsep) if p)])
    return {
        **os.environ,
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        home.VARIABLE: str(home.location()),
    }
