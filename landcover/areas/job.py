"""Mapping an area: all blocks of a plan, on this machine or elsewhere, and what they add up to.

:func:`map_block` computes one block from a task that can be sent to another process. It depends on
nothing else, so that the result is the same wherever and in whatever order blocks are computed.
:func:`finished_blocks` keeps each block on disk (:mod:`landcover.areas.parts`), so that a map
that was stopped goes on later.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from threading import Event
from typing import Final, Protocol, TypeVar

import numpy as np
import torch

from landcover import __version__
from landcover.areas.block import BlockMap, Mapper, Tally
from landcover.areas.imagery import Imagery, ImagerySpec, RasterSpec
from landcover.areas.imagery_folder import close_scenes
from landcover.areas.memory import workers_within
from landcover.areas.parts import Parts
from landcover.areas.plan import Block, Plan
from landcover.core import large_arrays, progress
from landcover.core.errors import ModelMismatch
from landcover.core.progress import Progress, Report
from landcover.core.threads import allowed_cores
from landcover.models import registry
from landcover.models.band_subset import split_name

__all__ = [
    "Executor",
    "Index",
    "LocalExecutor",
    "MapTask",
    "close_imagery",
    "finished_blocks",
    "map_block",
    "open_imagery",
    "open_mapper",
    "sum_of",
]

Index = tuple[int, int]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_OPEN: Final = 4
"""Tasks whose model and imagery a process keeps open."""


@dataclass(frozen=True, kw_only=True)
class MapTask:
    """What a block is computed from; it can be pickled.

    Attributes:
        plan: grids and blocks.
        imagery: where the pixels come from.
        model: name or path of the model.
        model_hash: hash of the model's card, so that another process refuses another model.
        version: of the program, so that another process refuses another version.
    """

    plan: Plan
    imagery: ImagerySpec
    model: str
    model_hash: str
    version: str = __version__

    @cached_property
    def key(self) -> str:
        """Identifies the map: the same key gives the same blocks."""
        plan = {**asdict(self.plan), "outline": (self.plan.outline or b"").hex()}
        facts = [plan, self.imagery.identity, self.model_hash, self.version]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Executor(Protocol):
    """Computes the blocks of a task somewhere."""

    @property
    def text(self) -> str:
        """What computes, such as ``"3 workers"``, for display; may be empty."""
        ...

    def run(
        self, task: MapTask, indices: Sequence[Index], cancel: Event | None
    ) -> Iterator[tuple[Index, BlockMap]]:
        """Compute blocks, and yield each when it is done, in any order.

        Raises:
            LandcoverError: a block cannot be computed.
            Cancelled: the user stopped it.
        """
        ...


class _OpenTasks:
    """Models and imagery of the latest tasks of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mappers: OrderedDict[tuple[str, str], Mapper] = OrderedDict()
        self._imagery: OrderedDict[str, Imagery] = OrderedDict()

    def mapper(self, model: str, model_hash: str) -> Mapper:
        """The mapper of a model."""
        return self._kept(self._mappers, (model, model_hash), partial(_mapper, model, model_hash))

    def imagery(self, spec: ImagerySpec) -> Imagery:
        """The open imagery; pixels in memory belong to whoever holds them, and are not kept."""
        if isinstance(spec, RasterSpec):
            return spec.open()
        return self._kept(self._imagery, spec.identity, spec.open)

    def close(self, spec: ImagerySpec) -> None:
        """Keep the imagery no longer."""
        with self._lock:
            self._imagery.pop(spec.identity, None)
        close_scenes(spec)

    def _kept(
        self, kept: OrderedDict[_Key, _Value], key: _Key, make: Callable[[], _Value]
    ) -> _Value:
        with self._lock:
            if key not in kept:
                kept[key] = make()
            kept.move_to_end(key)
            while len(kept) > _OPEN:
                kept.popitem(last=False)
            return kept[key]


_open_tasks: Final = _OpenTasks()


def open_mapper(model: str, model_hash: str) -> Mapper:
    """The mapper of a model, kept for the next block.

    Raises:
        LandcoverError: there is no such model here, or it is another one.
    """
    return _open_tasks.mapper(model, model_hash)


def open_imagery(spec: ImagerySpec) -> Imagery:
    """The open imagery of a spec, kept for the next block.

    Raises:
        LandcoverError: it is gone, has changed, or cannot be read.
    """
    return _open_tasks.imagery(spec)


def close_imagery(spec: ImagerySpec) -> None:
    """Keep imagery no longer in this process, with what was unpacked and decoded on the disk."""
    _open_tasks.close(spec)


def map_block(task: MapTask, index: Index, cores: int = 1) -> BlockMap:
    """Compute one block.

    Args:
        task: the map.
        index: row and column of the block.
        cores: that compute at the same time; the result does not depend on it.

    Raises:
        LandcoverError: its pixels cannot be read, or do not suit the model; or the map was started
            by another version of this program.
    """
    if task.version != __version__:
        raise ModelMismatch(
            f"This map was started by landcover {task.version}, and this is {__version__}: install "
            "the same version on each machine."
        )
    block = task.plan.block_at(index)
    raster = open_imagery(task.imagery).read(block.read)
    mapper = open_mapper(task.model, task.model_hash)
    return mapper.answer(raster, task.plan, block, cores=cores)


@dataclass(frozen=True, kw_only=True)
class LocalExecutor:
    """Computes blocks in threads of this process, one thread of torch for each.

    The last blocks share the workers that have no block any more.

    Attributes:
        workers: blocks at a time.
    """

    workers: int = field(default_factory=allowed_cores)

    @property
    def text(self) -> str:
        """Nothing: everybody knows this machine."""
        return ""

    @classmethod
    def within(cls, memory_bytes: int, plan: Plan, mapper: Mapper) -> LocalExecutor:
        """As many workers as there are cores, or as fit into memory; at least one."""
        return cls(workers=workers_within(memory_bytes, plan, mapper.engine.pixel_bytes))

    def run(
        self, task: MapTask, indices: Sequence[Index], cancel: Event | None
    ) -> Iterator[tuple[Index, BlockMap]]:
        """See :class:`Executor`. At most ``workers`` blocks are in memory besides the yielded."""
        with large_arrays.kept():
            yield from self._run(task, indices, cancel)

    def _run(
        self, task: MapTask, indices: Sequence[Index], cancel: Event | None
    ) -> Iterator[tuple[Index, BlockMap]]:
        waiting, left = iter(indices), len(indices)
        running: dict[Future[BlockMap], Index] = {}
        before = torch.get_num_threads()
        pool = ThreadPoolExecutor(self.workers, "blocks", partial(torch.set_num_threads, 1))
        try:
            while True:
                progress.check(cancel)
                for index in waiting:
                    # Nothing else is left for the cores that the last blocks do not take.
                    left -= 1
                    cores = self.workers // min(left + 1, self.workers)
                    running[pool.submit(map_block, task, index, cores)] = index
                    if len(running) >= self.workers:
                        break
                if not running:
                    return
                done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    index = running.pop(future)
                    yield index, future.result()
        finally:
            for future in running:
                future.cancel()
            pool.shutdown(wait=True)
            # Setting it in a worker also changes the default of later threads.
            torch.set_num_threads(before)


def finished_blocks(
    task: MapTask,
    parts: Parts,
    executor: Executor,
    *,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> Generator[tuple[Block, BlockMap], None, None]:
    """Yield all blocks of a map: those on disk first, then each that is computed.

    Args:
        task: the map.
        parts: the folder of its finished blocks.
        executor: where the others are computed.
        report: called with the number of blocks that are done.
        cancel: set to stop; what is finished stays on disk.

    Raises:
        LandcoverError: a block cannot be computed or written.
        Cancelled: the user stopped it.
    """
    there = parts.open()
    total, done = len(task.plan.indices), 0
    begin, computed = time.monotonic(), 0
    missing = []
    for index in task.plan.indices:
        progress.check(cancel)
        found = parts.read(index) if index in there else None
        if found is None:
            missing.append(index)
            continue
        done += 1
        yield task.plan.block_at(index), found
    report(Progress(what="Mapping", done=done, total=total, unit="blocks"))
    for index, found in executor.run(task, missing, cancel):
        parts.write(index, found)
        block = task.plan.block_at(index)
        done += 1
        computed += block.height * block.width
        rate = computed / 1e4 / max(time.monotonic() - begin, 1e-3)
        detail = ", ".join(filter(None, (f"{rate:,.1f} km² a second", executor.text)))
        report(Progress(what="Mapping", done=done, total=total, unit="blocks", detail=detail))
        yield block, found


def sum_of(tallies: Sequence[Tally]) -> Tally:
    """Add up the numbers of blocks; there is at least one."""
    return Tally(
        covers=np.sum([one.covers for one in tallies], axis=0, dtype=np.int64),
        expected=np.sum([one.expected for one in tallies], axis=0, dtype=np.float64),
        silent=sum(one.silent for one in tallies),
        present=np.sum([one.present for one in tallies], axis=0, dtype=np.int64),
        windows=sum(one.windows for one in tallies),
    )


def _mapper(model: str, model_hash: str) -> Mapper:
    models = registry.default()
    found = models.load(model)
    if found.card.hash != model_hash:
        raise ModelMismatch(
            f"The model '{model[:60]}' is another one here than where the map was started: "
            "install the same version on each machine."
        )
    derived = split_name(model)
    return Mapper(found, None if derived is None else models.load(derived[0]))
