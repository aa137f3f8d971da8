"""The process that computes one run: a child of the runner."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final

import torch

from landcover.core import disk_errors, files
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.freed_memory import keep_freed_memory
from landcover.core.text import plain
from landcover.jobs.runs import folder, testing, training
from landcover.jobs.runs.order import RunOrder

__all__ = ["compute", "main"]

_NICE: Final = 10
_STOPPED: Final = 143
_OTHER_S: Final = 30.0
"""How long to wait for an earlier process of the same run that is about to end."""


def main(run: str) -> int:
    """Compute a run and note how it ended.

    Returns:
        the exit status.
    """
    path = folder.path_of(run)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(_NICE)  # pages come first
    keep_freed_memory()
    with files.lock_file(path / "work", wait_s=_OTHER_S):
        model, error = "", ""
        try:
            model = compute(path)
        except KeyboardInterrupt:
            return _STOPPED
        except Exception as fault:  # noqa: BLE001 - any error ends the run, with one sentence
            error = _sentence(fault)
            with suppress(OSError):  # a full disk
                print(f"error: {error}", file=sys.stderr, flush=True)  # noqa: T201 - to the log
        state = "failed" if error else "finished"
        folder.conclude(path, state=state, error=error, model=model)
    return 1 if error else 0


def compute(path: Path) -> str:
    """Do what the order of a run says.

    Returns:
        the name of the model that was added to the user's models; empty after a test.

    Raises:
        LandcoverError: the order cannot be carried out.
    """
    order = RunOrder.from_json((path / folder.ORDER_FILE).read_bytes())
    if order.kind == "test":
        testing.test(order, path)
        return ""
    return training.train(order, path)


def _sentence(fault: Exception) -> str:
    """What to tell the user about an error; the traceback of a bug goes to the log."""
    if isinstance(fault, LandcoverError):
        return str(fault)
    with suppress(OSError):
        traceback.print_exception(fault)
    text = str(fault).lower()
    memory = isinstance(fault, MemoryError | torch.OutOfMemoryError)
    if memory or "allocate memory" in text or "out of memory" in text:
        return "The memory is full: give a smaller batch or a smaller net, or end other programs."
    if isinstance(fault, OSError):
        where = f"'{plain(str(fault.filename))}'" if fault.filename else "A file"
        return (
            f"{where} cannot be used ({disk_errors.reason(fault)}): check the disk and the data "
            "set, then resume the run."
        )
    return f"An internal error occurred ({type(fault).__name__}): read the log of the run."


def _leave(number: int, frame: FrameType | None) -> None:
    """Unwind on a request to stop, so that locks and temporary folders are given back."""
    del number, frame
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    """Wait for the end of the pipe, which only the runner can write to, and end at once."""
    try:
        # A buffer would be locked when the interpreter ends, which it does not survive.
        while os.read(sys.stdin.fileno(), 1):
            pass
    finally:
        os._exit(137)


if __name__ == "__main__":
    try:
        status = main(sys.argv[1])
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - to the log
        status = 2
    sys.exit(status)
