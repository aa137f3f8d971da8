"""Steps of a command that trains reuse memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("resource")

COUNT = """
import resource, sys, threading
import torch
from landcover.core.freed_memory import keep_freed_memory

def use():
    # One block is larger than what the C library lends to a thread by itself.
    for size in (30_000_000, 90_000_000):
        torch.ones(size // 4)

def faults():
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    use()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin

use(); before = faults()
kept = keep_freed_memory()
for _ in range(5): use()  # until blocks of all sizes have been freed
after = faults()
thread = threading.Thread(target=use)
thread.start(); thread.join()
print(int(kept), before, after)
"""


def test_freed_blocks_are_used_again() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True)
    kept, before, after = map(int, done.stdout.split())
    if not kept:
        pytest.skip("the C library is not glibc")
    assert after < before / 10
