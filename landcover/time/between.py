"""Change between two sources: images, which are mapped on one grid, or finished maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

from landcover.areas.area_file import Area, as_area
from landcover.areas.hectares import LEAST_PATCHES
from landcover.areas.job import Executor, LocalExecutor, open_mapper
from landcover.areas.memory import DEFAULT_MEMORY, check_memory
from landcover.areas.plan_area import notes_of
from landcover.core import progress
from landcover.core.errors import BadInput, LandcoverError, ModelMismatch
from landcover.core.progress import Report
from landcover.core.text import plain
from landcover.io.guard import shown
from landcover.models import registry
from landcover.models.cover import CoverRecord, load_record
from landcover.stac.archives import CATALOGUES
from landcover.time.change import THRESHOLD, Change, check_threshold, compare
from landcover.time.dated import DateMap, Facts
from landcover.time.guard import check_facts
from landcover.time.map_source import is_map, read_map
from landcover.time.mapped import (
    check_suits,
    facts_of,
    grids_of,
    map_of,
    model_for,
    opened,
)

__all__ = ["change_between"]


def change_between(
    a: str | Path,
    b: str | Path,
    *,
    area: Area | str | Path | None = None,
    model: str | None = None,
    threshold: float = THRESHOLD,
    memory: int = DEFAULT_MEMORY,
    executor: Executor | None = None,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> Change:
    """Find the change between two sources.

    Args:
        a: an image as for :func:`landcover.areas.imagery.imagery_of`, or the cover of a map.
        b: the same of another date.
        area: the area, or what :func:`landcover.areas.area_file.read_area` reads, if both are
            images; None for all of the first one.
        model: name or path, if both are images; None for the usual one of maps.
        threshold: probability of a change from which it is shown.
        memory: bytes that the blocks may use.
        executor: where blocks are computed; by default threads of this process.
        report: called with the progress.
        cancel: set to stop.

    Raises:
        BadInput: they cannot be compared; the message says why and what to do.
        LandcoverError: they cannot be read or mapped.
        Cancelled: the user stopped it.
    """
    check_threshold(threshold)
    a, b = str(a), str(b)
    notes: tuple[str, ...] = ()
    finished = is_map(a), is_map(b)
    if all(finished):
        if area is not None or model is not None:
            raise BadInput(
                "--area and --model say how images are mapped, and these are maps already: leave "
                "them out, or give the images."
            )
        pair = read_map(a, cancel=cancel), read_map(b, cancel=cancel)
    elif any(finished):
        one, other = (a, b) if finished[0] else (b, a)
        raise BadInput(
            f"'{plain(one)[:80]}' is a map and '{plain(other)[:80]}' an image: give two images, or "
            "two maps that were made with the same model and area."
        )
    else:
        pair, notes = _mapped(a, b, as_area(area), model, memory, executor, report, cancel)
    record = _record(pair[0].facts)
    if record is None:
        found = compare(*pair, threshold=threshold)
    else:
        pairs = zip(record.covers, record.true_patches, strict=True)
        known = {name: (name,) for name, patches in pairs if patches >= LEAST_PATCHES}
        found = compare(*pair, threshold=threshold, reference=record.clustered, groups=known)
    return replace(found, warnings=(*notes, *found.warnings))


def _mapped(  # noqa: PLR0917 - as change_between has them
    a: str,
    b: str,
    area: Area | None,
    model: str | None,
    memory: int,
    executor: Executor | None,
    report: Report,
    cancel: Event | None,
) -> tuple[tuple[DateMap, DateMap], tuple[str, ...]]:
    """The maps of two images, and what has to be said of their area."""
    check_memory(memory)
    for source in (a, b):
        if source in CATALOGUES or source.lower().endswith(".parquet"):
            raise BadInput(
                f"'{shown(Path(source).name)}' has many dates: map two of them with `landcover "
                "map` and --near, and give their covers."
            )
    first, second = opened(a, cancel=cancel), opened(b, cancel=cancel)
    grids = grids_of(first, area, cancel=cancel)
    name, card = model_for(model, first.imagery.bands)
    mapper = open_mapper(name, card)
    if not mapper.covers:
        raise ModelMismatch(
            f"'{plain(name)}' has no cover head, so it cannot tell which ground changed: choose "
            f"{registry.DEFAULT_MODEL}."
        )
    for shot in (first, second):
        check_suits(shot, name, card, cancel=cancel)
    check_facts(facts_of(first, name, card), facts_of(second, name, card))
    where = executor or LocalExecutor.within(memory, grids, mapper)
    before, after = (
        map_of(shot, grids, name, card, where, report=report, cancel=cancel)
        for shot in (first, second)
    )
    return (before, after), notes_of(area, first.spec, cancel=cancel)


def _record(facts: Facts) -> CoverRecord | None:
    """What the model's map gets wrong; None if the model is not here or was not measured."""
    models = registry.default()
    try:
        if models.card(facts.model).hash != facts.card:
            return None
        return load_record(models.folder(facts.model), facts.card)
    except LandcoverError:
        return None
