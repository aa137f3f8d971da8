"""How many threads torch uses, and how they wait for each other."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["MAX_SINGLE", "allowed_cores", "configure_threads", "single_threaded", "usable_cores"]

MAX_SINGLE: Final = 2
"""Up to this number of cores, one thread is faster than one thread a core."""
_CORES_VARIABLE: Final = "LANDCOVER_CORES"
"""Environment variable that is set if this program, not the user, chose one thread."""


def configure_threads(*, training: bool = False) -> None:
    """Let torch's threads sleep while they wait, and use one thread on few cores.

    By default OpenMP's threads spin at the end of every parallel loop. If another program uses
    the same core, they spin while the thread that they wait for cannot run: with one of two
    cores busy, one classification took 2.4 s with spinning and 0.035 s with sleeping threads.

    Sleeping and waking takes time as well, and a small net has many loops: on two cores one
    classification took 134 ms with two sleeping threads and 78 ms with one
    (``tools/bench.py classify``). So on few cores torch uses one thread, and
    :class:`landcover.models.inference.Scorer` gives each core its own patches.

    Variables that the user has set are kept. The settings take effect only before torch is
    imported for the first time.

    Args:
        training: whether the program trains. Batches are large then, and on two cores two
            threads were up to 1.3 times as fast as one.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not training and usable_cores() <= MAX_SINGLE and "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = "1"
        os.environ[_CORES_VARIABLE] = str(usable_cores())


def single_threaded() -> bool:
    """Whether this program, not the user, chose one thread for torch."""
    return _CORES_VARIABLE in os.environ


def allowed_cores() -> int:
    """Cores to distribute work over, at most the user's ``OMP_NUM_THREADS``."""
    asked = os.environ.get(_CORES_VARIABLE) or os.environ.get("OMP_NUM_THREADS", "")
    return min(usable_cores(), max(1, int(asked))) if asked.isdigit() else usable_cores()


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
