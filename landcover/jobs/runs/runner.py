"""The process that works through the queue of runs, one at a time, and ends when none waits.

It is started by :func:`landcover.jobs.runs.queue.wake`. It holds a lock, so that there is one at
most. Its lock and its queue are looked at under the lock of all states, so that no run is queued
between its last look and its end. It loads no torch: a run is computed by a child.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import Final

from landcover.core import files
from landcover.core.errors import BadInput, LandcoverError
from landcover.jobs.runs import folder, processes
from landcover.jobs.runs.folder import State
from landcover.jobs.runs.record import INTERRUPTED

__all__ = ["main"]

_POLL_S: Final = 0.2
_GRACE_S: Final = 10.0
"""How long a child that is to stop may tidy up."""
_ASKED: Final = (143, -15)
"""Exit status of a child that was asked to end."""
_OTHER_S: Final = 2.0
"""How long to wait for the lock: somebody may only ask whether it is held."""


class _Leaving:
    """Whether this process was asked to end, as by a shutdown of the computer."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGTERM)):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True


def main() -> int:
    """Work through the queue.

    Returns:
        the exit status.
    """
    leaving = _Leaving()
    with ExitStack() as held:
        try:
            held.enter_context(files.lock_file(folder.runner_lock(), wait_s=_OTHER_S))
        except BadInput:
            return 0  # another runner is at work
        with folder.changing():
            _note_interrupted()
        while True:
            with folder.changing():
                run = None if leaving.asked else _take()
                if run is None:
                    held.close()
                    return 0
            _compute(run, leaving)


def _note_interrupted() -> None:
    """Runs that are called running were computed by a runner that is gone."""
    for run in folder.ids():
        with suppress(OSError, ValueError, BadInput):
            path = folder.path_of(run)
            if folder.read_facts(path).state == "running":
                folder.update(path, state="interrupted", ended=folder.now(), error=INTERRUPTED)


def _take() -> Path | None:
    """The run that waits longest, now running; None if none waits."""
    waiting = folder.waiting()
    if not waiting:
        return None
    path = folder.path_of(waiting[0])
    (path / folder.STOP_FILE).unlink(missing_ok=True)
    folder.update(path, state="running", started=folder.now(), ended=None, error="")
    return path


def _compute(path: Path, leaving: _Leaving) -> None:
    """Compute a run in a child; afterwards its state says how it ended."""
    try:
        child = processes.start_child(path, path / folder.LOG_FILE)
    except LandcoverError as error:
        _end(path, "failed", str(error))
        return
    stopped = False
    while child.poll() is None:
        stopped = stopped or (path / folder.STOP_FILE).exists()
        if stopped or leaving.asked:
            _stop(child)
        time.sleep(_POLL_S)
    if child.stdin:
        child.stdin.close()
    if child.returncode in _ASKED and not stopped and not leaving.asked:
        time.sleep(_OTHER_S)  # a shutdown asks all processes, and this one a moment later
    if stopped:
        _end(path, "stopped")
    elif leaving.asked:
        _end(path, "queued")
    else:
        _end(path, "interrupted", _reason(child.returncode))


def _stop(child: processes.Child) -> None:
    child.terminate()
    try:
        child.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _reason(status: int) -> str:
    """Why a child that has not said how it ended is gone."""
    if status == -9:
        return (
            "The run was killed, perhaps because the computer's memory was full: make room, then "
            "resume it, or start another one with a smaller batch."
        )
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"The run ended unexpectedly ({how}): read its log, then resume it."


def _end(path: Path, state: State, error: str = "") -> None:
    """Note how a run ended, unless its child has done so."""
    try:
        folder.conclude(path, state=state, error=error)
    except LandcoverError as fault:
        print(f"error: {fault}", file=sys.stderr, flush=True)  # noqa: T201 - to the log


if __name__ == "__main__":
    try:
        status = main()
    except LandcoverError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - to the log
        status = 1
    sys.exit(status)
