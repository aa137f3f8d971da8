"""Map an area: from a source and an outline to finished files.

:func:`prepare` finds out what a map would consist of and need. :func:`run` makes it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from landcover.areas.area_file import Area
from landcover.areas.block import BlockMap, Mapper, Tally
from landcover.areas.facts import in_order
from landcover.areas.hectares import rows_of
from landcover.areas.imagery import ImagerySpec, files_of
from landcover.areas.imagery_live import items_of
from landcover.areas.job import (
    Executor,
    LocalExecutor,
    MapTask,
    finished_blocks,
    open_imagery,
    open_mapper,
    sum_of,
)
from landcover.areas.memory import DEFAULT_MEMORY, block_within, check_memory
from landcover.areas.parts import Parts, folder_of
from landcover.areas.plan import DEFAULT_STEP, Block
from landcover.areas.plan_area import notes_of, plans_of
from landcover.areas.product import AreaRow, MapFacts, Scene, Written, write_products
from landcover.core import files, progress
from landcover.core.errors import BadInput
from landcover.core.progress import Report
from landcover.models import registry

__all__ = ["MapResult", "Prepared", "check_out", "prepare", "run", "together"]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Maps that are ready to be made, one for each CRS.

    Attributes:
        tasks: the maps.
        source: name of the source, for the files.
        area: the area; None for all of the source.
        memory: bytes that the blocks may use.
        notes: what was repaired of the area, and how much of it is not mapped, a sentence each.
        imagery_notes: what was decided about the imagery, such as scenes that were left out.
    """

    tasks: tuple[MapTask, ...]
    source: str
    area: Area | None
    memory: int
    notes: tuple[str, ...] = ()
    imagery_notes: tuple[str, ...] = ()

    @property
    def km2(self) -> float:
        """Size of what is mapped, in square kilometres."""
        return sum(task.plan.km2 for task in self.tasks)

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return sum(len(task.plan.indices) for task in self.tasks)


@dataclass(frozen=True, kw_only=True)
class MapResult:
    """A finished map of one CRS.

    Attributes:
        crs: the CRS.
        written: its files.
        facts: how it was made, as the files state it.
        tally: sums over all blocks.
        rows: hectares of each cover, or why there are none.
        seconds: time that it took, without that of blocks that were there already.
        blocks: number of blocks.
    """

    crs: str
    written: Written
    facts: MapFacts
    tally: Tally
    rows: tuple[AreaRow, ...]
    seconds: float
    blocks: int


def check_out(out: Path) -> None:
    """Check the name of a map before anything is computed.

    Raises:
        BadInput: it does not end with ``.tif``, or its folder does not exist.
    """
    Written.beside(out, cover=True)
    if not out.parent.is_dir():
        raise BadInput(f"The folder '{out.parent}' does not exist: make it, or name another.")


def prepare(
    spec: ImagerySpec,
    *,
    source: str,
    area: Area | None = None,
    model: str | None = None,
    step: int = DEFAULT_STEP,
    memory: int = DEFAULT_MEMORY,
    cancel: Event | None = None,
) -> Prepared:
    """Find out what a map consists of; no pixel is mapped.

    Args:
        spec: the imagery.
        source: its name, for the files.
        area: the area; None for all of the imagery.
        model: name or path; None for the usual one of its bands.
        step: pixels from window to window, a multiple of 8.
        memory: bytes that the blocks may use.
        cancel: set to stop.

    Raises:
        LandcoverError: the imagery or the model cannot be used, they do not suit each other, or
            the area does not overlap the imagery.
    """
    check_memory(memory)
    imagery = spec.open(cancel=cancel)
    models = registry.default()
    chosen = models.choice(model or models.usual_for_areas(), imagery.bands).name
    card = models.card(chosen)
    block = block_within(memory, open_mapper(chosen, card.hash).engine.pixel_bytes)
    plans = plans_of(area, spec, step=step, block=block, cancel=cancel)
    tasks = tuple(
        MapTask(plan=plan, imagery=spec, model=chosen, model_hash=card.hash) for plan in plans
    )
    notes = notes_of(area, spec, cancel=cancel)
    return Prepared(
        tasks=tasks,
        source=source,
        area=area,
        memory=memory,
        notes=notes,
        imagery_notes=imagery.provenance.notes,
    )


def run(
    prepared: Prepared,
    out: Path,
    *,
    executor: Executor | None = None,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> tuple[MapResult, ...]:
    """Make the maps.

    A map that was stopped before goes on. The files of an earlier map of the same name stay until
    the new ones are complete.

    Args:
        prepared: what to make.
        out: the file of the presence; the others lie beside it. With several CRS the name of each
            has its code.
        executor: where blocks are computed; by default threads of this process.
        report: called with the blocks that are done.
        cancel: set to stop; finished blocks are kept.

    Raises:
        LandcoverError: a block cannot be computed, or a file not written.
        Cancelled: the user stopped it.
    """
    found = []
    for task in prepared.tasks:
        own = out
        if len(prepared.tasks) > 1:
            code = task.plan.window.crs.rpartition(":")[2]
            own = out.with_name(f"{out.stem}-{code}{out.suffix}")
        found.append(_one(prepared, task, own, executor=executor, report=report, cancel=cancel))
    return tuple(found)


def together(prepared: Prepared, results: Sequence[MapResult]) -> tuple[AreaRow, ...]:
    """The table of an area whose maps lie in several UTM zones."""
    task = prepared.tasks[0]
    mapper = open_mapper(task.model, task.model_hash)
    return rows_of(sum_of([result.tally for result in results]), mapper)


def _one(
    prepared: Prepared,
    task: MapTask,
    out: Path,
    *,
    executor: Executor | None,
    report: Report,
    cancel: Event | None,
) -> MapResult:
    begin = time.monotonic()
    mapper = open_mapper(task.model, task.model_hash)
    facts = _facts(prepared, task, mapper)
    own_area = prepared.area.file if prepared.area else None
    names = Written.beside(out, cover=bool(mapper.covers)).all
    files.check_apart(names, *files_of(task.imagery), own_area)
    parts = Parts(
        folder=folder_of(out),
        key=task.key,
        plan=task.plan,
        classes=len(mapper.model.card.classes),
        covers=len(mapper.covers),
    )
    if executor is None:
        executor = LocalExecutor.within(prepared.memory, task.plan, mapper)
    tallies: list[Tally] = []
    scenes: list[tuple[tuple[int, int], Scene]] = []
    rows: list[AreaRow] = []

    def blocks() -> Iterator[tuple[Block, BlockMap]]:
        every = finished_blocks(task, parts, executor, report=report, cancel=cancel)
        with closing(every):
            for block, found in every:
                tallies.append(found.tally)
                scene = Scene(name=found.scene, acquired=found.acquired, baseline=found.baseline)
                scenes.append((block.index, scene))
                yield block, found

    def table() -> Sequence[AreaRow]:
        rows.extend(rows_of(sum_of(tallies), mapper))
        return rows

    with files.lock_file(out):
        written = write_products(
            task.plan, blocks(), out, facts, rows=table, report=report, cancel=cancel
        )
        parts.remove()
    return MapResult(
        crs=task.plan.window.crs,
        written=written,
        facts=facts.with_scenes(in_order(scenes)),
        tally=sum_of(tallies),
        rows=tuple(rows),
        seconds=time.monotonic() - begin,
        blocks=len(tallies),
    )


def _facts(prepared: Prepared, task: MapTask, mapper: Mapper) -> MapFacts:
    imagery = open_imagery(task.imagery)
    stated = imagery.provenance
    scene = Scene(
        name=stated.scene or stated.source, acquired=imagery.acquired, baseline=stated.baseline
    )
    card = mapper.model.card
    return MapFacts(
        source=prepared.source,
        card=card,
        covers=mapper.covers,
        cover_hash=mapper.head_hash,
        scenes=(scene,),
        items=items_of(task.imagery),
        level=imagery.level,
        estimated_bands=mapper.estimated,
        engine=f"torch {mapper.engine.precision}",
        area=None if prepared.area is None else prepared.area.name,
        created=datetime.now(UTC),
        notes=(*prepared.imagery_notes, *prepared.notes),
    )
