"""How many threads torch takes, and how they wait for each other."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["MAX_SINGLE", "allowed_cores", "configure_threads", "single_threaded", "usable_cores"]

MAX_SINGLE: Final = 2
"""Cores up to which one thread answers sooner than one a core."""
_CORES_VARIABLE: Final = "LANDCOVER_CORES"
"""Says to this process and those it starts that one thread was our wish, not the user's."""


def configure_threads(*, training: bool = False) -> None:
    """Let torch's threads sleep while they wait, unless the user has said otherwise.

    By default OpenMP's threads spin at the end of every parallel loop. Where another
    program wants the same core, they spin while the thread they wait for is kept from
    running: with one of two cores taken, one classification took 2.4 s spinning and
    0.035 s sleeping.

    To sleep and wake costs time as well, at the end of each of a small net's many loops: on two
    cores one classification took 134 ms by two threads that sleep and 78 ms by one
    (``tools/bench.py classify``). So of few cores torch gets one;
    :class:`landcover.models.inference.Scorer` gives the others patches of their own.

    Both have an effect only before torch is first imported.

    Args:
        training: the program trains. Batches are large, and on two cores two threads were up
            to 1.3 times as fast as one.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not training and usable_cores() <= MAX_SINGLE and "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = "1"
        os.environ[_CORES_VARIABLE] = str(usable_cores())


def single_threaded() -> bool:
    """Whether torch has one thread because that was our wish, and not the user's."""
    return _CORES_VARIABLE in os.environ


def allowed_cores() -> int:
    """Cores that work of its own may be given to: the user's ``OMP_NUM_THREADS`` bounds it."""
    asked = os.environ.get(_CORES_VARIABLE) or os.environ.get("OMP_NUM_THREADS", "")
    return min(usable_cores(), max(1, int(asked))) if asked.isdigit() else usable_cores()


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
