"""How torch's threads wait for each other."""

from __future__ import annotations

import os


def wait_politely() -> None:
    """Let torch's threads sleep while they wait, unless the user has said otherwise.

    By default OpenMP's threads spin at the end of every parallel loop. Where another
    program wants the same core, they spin while the thread they wait for is kept from
    running: with one of two cores taken, one classification took 2.4 s spinning and
    0.035 s sleeping. It has an effect only before torch is first imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
