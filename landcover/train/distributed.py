"""Training of one net by several processes, started by ``torchrun``.

torch's DistributedDataParallel averages gradients but uses the batch statistics of the first
process, so that the result depends on the number of processes. Here a step consists of a
fixed number of pieces (``shards`` in the configuration). Their gradients, losses and running
statistics are summed over pieces and processes. One process that computes all pieces in turn
gets the same sums, up to rounding, as several processes that share them.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, TypeVar

import torch
from torch import Tensor, distributed

from landcover.core import files
from landcover.core.errors import BadInput, LandcoverError

if TYPE_CHECKING:  # not every build of torch has it
    from torch.distributed.distributed_c10d import Store

__all__ = [
    "SINGLE",
    "Item",
    "ProcessGroup",
    "ProcessLost",
    "current",
    "joined",
    "locked",
    "requested",
    "shards_for",
]

Item = TypeVar("Item")

_TIMEOUT: Final = timedelta(minutes=15)
"""How long a process waits for the others. The longest work that one does alone is making the
card, some minutes."""


LEAVING_S: Final = 5.0
"""How long a process that has finished waits for the others to finish too."""


class ProcessLost(LandcoverError):
    """Another process of the same training ended before its work was done."""

    def __init__(self) -> None:
        super().__init__(
            "Another process of this training has ended or cannot be reached: read its error "
            "message, then run the same command again to resume after the last epoch."
        )


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a run; by default only this one.

    Attributes:
        rank: of this process, from 0.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints messages."""
        return self.rank == 0

    def share_of(self, pieces: Sequence[Item]) -> Sequence[Item]:
        """The consecutive pieces that this process computes."""
        each = len(pieces) // self.size
        return pieces[self.rank * each : (self.rank + 1) * each]

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace floating-point tensors by their sum over all processes.

        Raises:
            ProcessLost: one of them has ended.
        """
        if self.size == 1:
            return
        # One message for all tensors: a net has hundreds, most of them tiny.
        flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
        with _as_process_lost():
            distributed.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def agree(self, numbers: Sequence[int], device: torch.device) -> bool:
        """Whether all processes pass the same numbers, each below 2**62.

        Raises:
            ProcessLost: one of them has ended.
        """
        if self.size == 1:
            return True
        least = torch.tensor(numbers, dtype=torch.int64, device=device)
        most = least.clone()
        with _as_process_lost():
            distributed.all_reduce(least, distributed.ReduceOp.MIN)
            distributed.all_reduce(most, distributed.ReduceOp.MAX)
        return torch.equal(least, most)


SINGLE: Final = ProcessGroup()


def requested() -> ProcessGroup:
    """The group that ``torchrun`` requests by its environment variables, joined or not.

    Raises:
        BadInput: the variables are not valid numbers.
    """
    try:
        size, rank = (int(os.environ.get(n, d)) for n, d in (("WORLD_SIZE", "1"), ("RANK", "0")))
    except ValueError:
        size, rank = 0, 0
    if not 0 <= rank < size:
        raise BadInput("WORLD_SIZE and RANK in the environment do not fit: start with torchrun.")
    return ProcessGroup(rank, size)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Lock an output folder in the process that writes it, for all processes of the group.

    Raises:
        BadInput: another run writes to the folder, or it cannot be written to.
    """
    if not current().is_main:
        yield
        return
    with files.lock(out):
        yield


def current() -> ProcessGroup:
    """The group that this process has joined."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return SINGLE
    return ProcessGroup(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def joined(device: str = "auto") -> Iterator[ProcessGroup]:
    """Join the processes that ``torchrun`` started, and leave them at the end.

    GPUs communicate through NCCL, one GPU a process; CPUs through Gloo. Does nothing if
    ``torchrun`` did not start this process.

    Raises:
        BadInput: there are more processes than GPUs.
        ProcessLost: the others do not join in time.
    """
    group = requested()
    if group.size == 1:
        yield SINGLE
        return
    if not distributed.is_available():
        raise BadInput("This build of torch trains with one process: start without torchrun.")
    gpu = device in ("auto", "cuda") and torch.cuda.is_available()
    if gpu:
        _take_gpu()
    with _as_process_lost():
        # `torch.distributed` offers it, but its stubs do not say so.
        meet = distributed.rendezvous  # type: ignore[attr-defined]
        store, rank, size = next(meet("env://", timeout=_TIMEOUT))
        distributed.init_process_group(
            "nccl" if gpu else "gloo", store=store, rank=rank, world_size=size, timeout=_TIMEOUT
        )
    # torchrun ends the others with SIGTERM once one has ended.
    before = signal.signal(signal.SIGTERM, _lost)
    complete = True
    try:
        yield group
    except ProcessLost:
        complete = False
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        # Gloo aborts a process whose peer, or whose store in process 0, disappears while it is
        # still disconnecting: wait for each other before and after.
        if complete:
            _wait_for_all(store, "leaving", size)
        distributed.destroy_process_group()
        if complete:
            _wait_for_all(store, "left", size)


def _wait_for_all(store: Store, key: str, size: int) -> None:
    """Wait until every process has called this with ``key``, at most :data:`LEAVING_S`."""
    deadline = time.monotonic() + LEAVING_S
    with suppress(RuntimeError):  # the store is gone with process 0, so all have left
        waiting = store.add(key, 1)
        while waiting < size and time.monotonic() < deadline:
            time.sleep(0.02)
            waiting = store.add(key, 0)


def shards_for(shards: int, group: ProcessGroup) -> int:
    """Number of pieces into which a group cuts a batch, given the configured number.

    Raises:
        BadInput: the processes cannot share the pieces evenly.
    """
    if shards == 1:
        return group.size
    if shards % group.size:
        raise BadInput(
            f"A batch in {shards} shards cannot be shared evenly by {group.size} processes: "
            "start as many processes as divide it, or change 'shards' in the configuration."
        )
    return shards


def _take_gpu() -> None:
    """Make ``cuda`` stand for the GPU of this process."""
    local, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local >= count:
        raise BadInput(
            f"There are more processes than the {count} GPUs here: start one for each GPU."
        )
    torch.cuda.set_device(local)


def _lost(_signal: int, _frame: FrameType | None) -> None:
    raise ProcessLost


@contextmanager
def _as_process_lost() -> Iterator[None]:
    """Raise ProcessLost in place of torch's network errors, which do not name the cause."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessLost from error
