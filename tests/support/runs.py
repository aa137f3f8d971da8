"""Small orders of runs, and waiting for them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from landcover.core import files
from landcover.core.classes import CLASS_NAMES
from landcover.jobs.runs import folder, record
from landcover.jobs.runs.order import RunOrder
from landcover.jobs.runs.record import ACTIVE, Run
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2

NET = {"members": 2, "width": 8, "stem": 4, "spectral": 8}


def patches(root: Path) -> Path:
    """A BigEarthNet of 24 patches of three classes, in three places far apart."""
    counts = {"train": 12, "validation": 6, "test": 6}
    specs = [
        PatchSpec(v2_id(40 * far + k, 40 * far), (CLASS_NAMES[k % 3],), split=split)
        for far, (split, count) in enumerate(counts.items())
        for k in range(count)
    ]
    return write_v2(root, specs)


def order(root: Path, **changes: Any) -> RunOrder:
    """The training of a tiny net for two epochs."""
    values: dict[str, Any] = {
        "kind": "train",
        "dataset": "bigearthnet",
        "root": root,
        "model": "landcover-cnn",
        "name": "mine",
        "epochs": 2,
        "settings": {"batch": 4, "validate_every": 1, "net_options": NET},
        "device": "cpu",
    }
    return RunOrder(**{**values, **changes})


def wait(run: str, until: Callable[[Run], bool] | None = None, seconds: float = 90) -> Run:
    """Wait until something is true of a run; by default until it has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = record.run_of(run)
        if until(found) if until else found.state not in ACTIVE:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{record.run_of(run)}\n{record.log_of(run)}")


def process_of(path: Path) -> int:
    """The process that holds the lock beside a file; 0 if none does."""
    with suppress(OSError, ValueError):
        return int(path.with_name(f".{path.name}.landcover-lock").read_text().split()[1])
    return 0


def runner() -> int:
    """The process of the runner; 0 if there is none."""
    return process_of(folder.runner_lock())


_BUSY: list[ExitStack] = []


@contextmanager
def busy_runner() -> Iterator[None]:
    """Hold the lock of the runner, so that runs wait."""
    files.make_folder(folder.runs())
    with ExitStack() as held:
        held.enter_context(files.lock_file(folder.runner_lock()))
        _BUSY.append(held)
        try:
            yield
        finally:
            _BUSY.remove(held)


@contextmanager
def no_runner() -> Iterator[None]:
    """Give the lock of :func:`busy_runner` back for a while."""
    _BUSY[-1].close()
    yield
    _BUSY[-1].enter_context(files.lock_file(folder.runner_lock()))


@contextmanager
def tidy() -> Iterator[None]:
    """Leave no process behind."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            if folder.runner_lives() and (process := runner()):
                os.kill(process, signal.SIGKILL)
