"""Finding and fetching Sentinel-2 imagery of a place.

:func:`find` searches an archive for passes over a place and prefers one, :func:`fetch` reads a
pass, and :func:`fetch_best` does both. An archive is a row of :data:`CATALOGUES` or the path of
a file made by ``landcover index``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Event

import shapely

from landcover.core import progress
from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import BadInput, FetchError, LandcoverError, UnknownName
from landcover.core.progress import Progress, Report
from landcover.core.raster import Raster
from landcover.core.window import Cut, Window
from landcover.io import sources
from landcover.io.guard import shown
from landcover.io.scaling import SHIFTED, valid_numbers
from landcover.net import cache
from landcover.net.http import Transport
from landcover.net.waiting import run
from landcover.stac.archives import CATALOGUES, DEFAULT, Catalogue, OffsetRule, catalogue
from landcover.stac.candidates import Candidate, Preview, SceneQuery, SearchResult
from landcover.stac.joining import decided, joined
from landcover.stac.passes import area_of, passes
from landcover.stac.pixels import (
    Numbers,
    RemoteReader,
    gather,
    read_local,
    read_numbers,
    read_previews,
)
from landcover.stac.ranking import FIRST_PREVIEWS, choose, order, preview_of
from landcover.stac.scene import Scene, of_level
from landcover.stac.search import SceneList, search_archive, search_local

__all__ = [
    "CATALOGUES",
    "DEFAULT",
    "Candidate",
    "Preview",
    "SceneQuery",
    "SearchResult",
    "fetch",
    "fetch_best",
    "find",
    "preview_more",
    "usual_query",
]


def find(
    name: str,
    query: SceneQuery,
    *,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> SearchResult:
    """Find the passes over a place, preview the first few, and choose the best.

    Args:
        name: name of a row of :data:`CATALOGUES`, or path of the user's own catalogue.
        query: place, dates and cloud.
        report: called with the progress.
        cancel: set to stop.

    Raises:
        UnknownName: there is no such catalogue.
        BadInput: the file is not a catalogue, or there are only Level-1C scenes.
        FetchError: the archive cannot be reached or its answer is not valid.
        Cancelled: the user stopped it.
    """
    area = shapely.geometry.mapping(area_of(_own_target(query)))
    row = _row(name)
    report(Progress(what=f"Searching {row.title if row else 'your catalogue'}"))
    if row is None:
        answer = search_local(Path(name), area, query)
    else:
        answer = search_archive(row, area, query, cache=cache.default(), cancel=cancel)
    scenes = of_level(list(answer.scenes), "L2A")
    candidates = tuple(_passes(scenes, query))
    notes = _notes(answer)
    if answer.moved:
        moved = _moved(answer.moved, Path(name))
        if not candidates:
            return SearchResult(candidates=(), best=None, reason=moved, notes=notes)
        notes = (*notes, moved)
    found = SearchResult(candidates=candidates, best=None, reason="", notes=notes)
    return preview_more(found, query, report=report, cancel=cancel)


def usual_query(
    name: str, latitude: float, longitude: float, day: date | None = None
) -> SceneQuery:
    """Query for a place if the user names no first and last day.

    An archive is searched near the preferred day, or for the latest imagery; the user's own
    catalogue is searched completely, because it has few scenes of a place.

    Args:
        name: as for :func:`find`.
        latitude: WGS 84 degrees.
        longitude: WGS 84 degrees.
        day: the preferred day; None for the newest.
    """
    if name in CATALOGUES:
        return SceneQuery.around(latitude, longitude, day=day)
    return replace(SceneQuery.anytime(latitude, longitude), near=day)


def preview_more(
    found: SearchResult,
    query: SceneQuery,
    *,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> SearchResult:
    """Preview the next few candidates that have no preview yet, and choose again.

    A candidate that cannot be checked is left out with a note.

    Raises:
        Cancelled: the user stopped it.
    """
    candidates = list(found.candidates)
    notes = list(found.notes)
    row = _row(candidates[0].scenes[0].catalogue) if candidates else None
    if row is None:
        candidates = [c if c.preview else _local_preview(c) for c in candidates]
        return choose(candidates, query, tuple(notes))
    waiting = [i for i in order(candidates, query) if candidates[i].preview is None][
        :FIRST_PREVIEWS
    ]
    chosen = [candidates[i] for i in waiting]
    results = run(lambda: _previews(chosen, row, report, cancel))
    for index, result in zip(waiting, results, strict=True):
        if isinstance(result, LandcoverError):
            day = candidates[index].acquired.date()
            notes.append(f"The pass of {day} could not be checked: {result}")
        else:
            candidates[index] = replace(candidates[index], preview=result)
    if waiting and all(isinstance(result, LandcoverError) for result in results):
        first = next(result for result in results if isinstance(result, LandcoverError))
        if not any(candidate.preview for candidate in candidates):
            raise first
    return choose(candidates, query, tuple(notes))


def fetch(
    candidate: Candidate,
    *,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> Raster:
    """Read a candidate's twelve bands as reflectance on the 10 m grid.

    Pixels that the scene classification marks as cloud, shadow, defective or without data are
    not valid. What was read is cached on disk and needs no network the next time.

    Raises:
        FetchError: a part of it cannot be read; nothing of that part is kept.
        Cancelled: the user stopped it.
    """
    first = candidate.scenes[0]
    row = _row(first.catalogue)
    if row is not None:
        parts = run(lambda: _numbers(candidate, row, report, cancel))
        return _of_pass(candidate, parts, row.offset, row.title, row.attribution)
    if first.layout != "bands":
        return _whole(candidate)
    parts = []
    for done, scene in enumerate(candidate.scenes):
        progress.check(cancel)
        total = len(candidate.scenes)
        report(Progress(what="Reading", done=done, total=total, unit="scenes"))
        parts.append(read_local(scene, candidate.target))
    return _of_pass(candidate, parts, "stated", "your catalogue", "")


def fetch_best(
    name: str,
    query: SceneQuery,
    *,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> Raster:
    """Find the best pass over a place and read it.

    Args:
        name: name of a row of :data:`CATALOGUES`, or path of the user's own catalogue.
        query: place, dates and cloud.
        report: called with the progress.
        cancel: set to stop.

    Raises:
        BadInput: no pass can be used; the message says why.
        LandcoverError: as for :func:`find` and :func:`fetch`.
    """
    found = find(name, query, report=report, cancel=cancel)
    if found.best is None:
        raise BadInput(found.reason)
    return fetch(found.candidates[found.best], report=report, cancel=cancel)


def _own_target(query: SceneQuery) -> Window:
    return Window.around(query.latitude, query.longitude, pixels=PATCH_PIXELS)


def _row(name: str) -> Catalogue | None:
    """Look up an archive; None for the path of a file.

    Raises:
        UnknownName, BadInput: it is neither.
    """
    if name in CATALOGUES:
        return catalogue(name)
    try:
        if Path(name).is_file():
            return None
    except (OSError, ValueError):
        pass
    if "/" in name or "\\" in name or name.endswith(".parquet"):
        raise BadInput(
            f"There is no catalogue file '{shown(Path(name).name)}': make one with "
            f"`landcover index`, or choose one of {', '.join(CATALOGUES)}."
        )
    raise UnknownName("catalogue", name, CATALOGUES)


def _passes(scenes: Sequence[Scene], query: SceneQuery) -> list[Candidate]:
    """Passes, newest first; a scene whose bands cannot be joined is a pass of its own."""
    joinable = [scene for scene in scenes if scene.layout == "bands"]
    alone = [scene for scene in scenes if scene.layout != "bands"]
    found = passes(joinable, query.latitude, query.longitude)
    target = _own_target(query)
    found += [Candidate(scenes=(scene,), target=target) for scene in alone]
    return sorted(found, key=lambda candidate: candidate.acquired, reverse=True)


def _notes(answer: SceneList) -> tuple[str, ...]:
    notes = []
    if answer.asked is not None:
        notes.append(
            "The archive could not be reached: these are the scenes that it listed on "
            f"{answer.asked:%Y-%m-%d %H:%M} UTC."
        )
    if answer.unusable:
        count = len(answer.unusable)
        notes.append(
            f"{count} scene{'s' * (count > 1)} left out, the first because: {answer.unusable[0]}"
        )
    if said := cache.default().note():
        notes.append(said)
    return tuple(notes)


def _moved(count: int, path: Path) -> str:
    files = f"{count} scene{'s' * (count > 1)} of this place"
    return (
        f"Files of {files} are no longer where '{shown(path.name)}' says: move them back, or index "
        "their folder again."
    )


async def _previews(
    candidates: list[Candidate], row: Catalogue, report: Report, cancel: Event | None
) -> list[Preview | LandcoverError | None]:
    done = 0

    async with Transport(row.title, row.hosts, cache=cache.default(), cancel=cancel) as transport:
        reader = RemoteReader(
            row=row, transport=transport, cache=cache.default(), report=progress.ignore
        )

        async def one(candidate: Candidate) -> Preview | LandcoverError | None:
            nonlocal done
            try:
                parts = await read_previews(candidate, reader)
            except FetchError as fault:
                return fault
            done += 1
            transport.report(report, "Checking dates", done, len(candidates))
            return preview_of(parts)

        transport.report(report, "Checking dates", 0, len(candidates))
        return await gather([lambda c=candidate: one(c) for candidate in candidates])  # type: ignore[misc]


async def _numbers(
    candidate: Candidate, row: Catalogue, report: Report, cancel: Event | None
) -> list[Numbers]:
    async with Transport(row.title, row.hosts, cache=cache.default(), cancel=cancel) as transport:
        reader = RemoteReader(row=row, transport=transport, cache=cache.default(), report=report)
        return await read_numbers(candidate, reader)


def _local_preview(candidate: Candidate) -> Candidate:
    if not all(scene.scl and scene.layout == "bands" for scene in candidate.scenes):
        return candidate
    try:
        parts = [read_local(scene, candidate.target) for scene in candidate.scenes]
    except FetchError:
        return candidate
    arrays = [{"SCL": part.scl[::2, ::2]} for part in parts if part.scl is not None]
    return replace(candidate, preview=preview_of(arrays))


def _of_pass(
    candidate: Candidate,
    parts: Sequence[Numbers],
    rule: OffsetRule,
    title: str,
    attribution: str,
) -> Raster:
    """Join the granules of a pass.

    Raises:
        FetchError: none has data in the square.
    """
    decisions = [
        decided(scene, part, rule) for scene, part in zip(candidate.scenes, parts, strict=True)
    ]
    found = joined(candidate, parts, decisions, title=title, attribution=attribution)
    pairs = zip(parts, decisions, strict=True)
    if not any(
        valid_numbers(part.bands, shifted=decision.scaling is SHIFTED).any()
        for part, decision in pairs
    ):
        raise FetchError(
            f"The pass of {candidate.acquired:%Y-%m-%d} has no data in this square: choose "
            "another date."
        )
    return found


def _whole(candidate: Candidate) -> Raster:
    """Read a BigEarthNet patch or a stack in the user's own catalogue."""
    scene = candidate.scenes[0]
    cut = Cut(size=candidate.target.width, place=_middle(candidate.target))
    try:
        if scene.layout == "patch":
            return sources.read(Path(scene.bands["B02"]).parent)
        patch = sources.read(Path(scene.bands["stack"]), cut)
    except BadInput as fault:
        raise FetchError(str(fault)) from None
    return replace(patch, acquired=patch.acquired or scene.acquired)


def _middle(target: Window) -> tuple[float, float]:
    centre = area_of(target).centroid
    return float(centre.y), float(centre.x)
