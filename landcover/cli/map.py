"""The command ``map``: which land covers are where in an area."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import area_options, live, model_options, output, progress
from landcover.cli.commands import add_command

if TYPE_CHECKING:
    from landcover.areas.mapping import MapResult, Prepared
    from landcover.areas.table import AreaRow
    from landcover.core.progress import Report

__all__ = ["add_commands"]

_SOURCE_HELP: Final = (
    "a GeoTIFF or JP2 stack, a SAFE product, a folder of band files, a folder, zip or catalogue of "
    "many scenes, a sample's name, or an archive: earth-search, planetary-computer, copernicus"
)


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``map``."""
    parser = add_command(
        commands,
        "map",
        "map the land covers of an area",
        description="Map the land covers of an area: which are present in each window of 1200 m, "
        "and which one each cell of 80 m is of. Writes Cloud-Optimised GeoTIFFs with styles for "
        "QGIS, a STAC item and a table of hectares. A map that was stopped goes on when the "
        "command is repeated.",
    )
    parser.add_argument("source", metavar="SOURCE", help=_SOURCE_HELP)
    parser.add_argument("out", type=Path, metavar="OUT.tif", help="the map to write")
    area_options.add_area(parser)
    parser.add_argument("--model", help=model_options.HELP)
    parser.add_argument(
        "--step",
        type=int,
        metavar="PIXELS",
        help="pixels of 10 m from one window to the next, a multiple of 8 (default: 24)",
    )
    area_options.add_machine(parser)
    live.add_day_options(parser)
    parser.add_argument(
        "--one-pass",
        action="store_true",
        help="of an archive, take one pass for all of the area, instead of the one that shows most "
        "of each block",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(command=_map)


def _map(options: argparse.Namespace) -> int:
    from landcover.io.gate import pool  # noqa: PLC0415 - as below

    pool.start()  # a reader, while torch is loaded
    from landcover.areas import mapping  # noqa: PLC0415 - loads torch

    mapping.check_out(options.out)
    executor = area_options.executor_of(options)
    with progress.show() as report:
        prepared = _prepared(options, report)
        if not options.json:
            print(_before(prepared), file=sys.stderr)
        results = mapping.run(prepared, options.out, executor=executor, report=report)
    print(_record(prepared, results) if options.json else _text(prepared, results))
    return 0


def _prepared(options: argparse.Namespace, report: Report) -> Prepared:
    from landcover.areas import mapping  # noqa: PLC0415 - loads torch
    from landcover.areas.imagery import Dates, imagery_of  # noqa: PLC0415 - as above
    from landcover.areas.plan import DEFAULT_STEP  # noqa: PLC0415 - as above

    area = area_options.area_of(options)
    source = options.source.strip()
    start, end, near, months = live.days(options)
    dates = Dates(start=start, end=end, near=near, months=months)
    spec = imagery_of(source, area=area, dates=dates, one_pass=options.one_pass, report=report)
    return mapping.prepare(
        spec,
        source=Path(source).name or source,
        area=area,
        model=options.model,
        step=DEFAULT_STEP if options.step is None else options.step,
        memory=area_options.memory_of(options),
    )


def _before(prepared: Prepared) -> str:
    """What is going to be made, before it is."""
    count = prepared.blocks
    line = (
        f"{prepared.km2:,.1f} km² in {count:,} block{'s' * (count != 1)}, with "
        f"{prepared.tasks[0].model}."
    )
    return "\n".join([line, *_notes(prepared)])


def _notes(prepared: Prepared) -> list[str]:
    """What a reader of the map has to know of its imagery and its area, a sentence each."""
    imagery = (
        f"{note[:1].upper()}{note[1:].removesuffix('.')}." for note in prepared.imagery_notes
    )
    return [*imagery, *prepared.notes]


def _text(prepared: Prepared, results: Sequence[MapResult]) -> str:
    from landcover.areas.mapping import together  # noqa: PLC0415 - loads torch

    if len(results) == 1:
        return _one(results[0])
    zones = [f"{result.crs}\n{_one(result)}" for result in results]
    windows = sum(result.tally.windows for result in results)
    return "\n\n".join([*zones, f"All zones\n{_table(together(prepared, results), windows)}"])


def _one(result: MapResult) -> str:
    files = [output.written(path) for path in result.written.all]
    return "\n".join([_table(result.rows, result.tally.windows), "", *files])


def _table(rows: Sequence[AreaRow], windows: int) -> str:
    return "\n".join([*_covers(rows), *_windows(rows, windows)])


def _covers(every: Sequence[AreaRow]) -> list[str]:
    """Hectares of each cover: those of its cells, and corrected ones with their interval."""
    rows = [row for row in every if row.windows is None]
    if not rows:
        return []
    width = max(len(row.label) for row in rows)
    lines = [f"{'':<{width}}  {'cells, ha':>12}  corrected, ha [95 % interval]"]
    notes: dict[str, list[str]] = {}
    for row in rows:
        cells = "" if row.mapped_ha is None else f"{row.mapped_ha:,.0f}"
        text = f"{row.label:<{width}}  {cells:>12}"
        if row.adjusted_ha is not None:
            text += f"  {row.adjusted_ha:,.0f} [{row.low_ha:,.0f}, {row.high_ha:,.0f}]"
        lines.append(text.rstrip())
        if row.note:
            notes.setdefault(row.note, []).append(row.label)
    for note, labels in notes.items():
        named = "" if len(labels) == len(rows) else f"{', '.join(labels)}: "
        lines.append(f"{named}{note}")
    return [*lines, ""]


def _windows(rows: Sequence[AreaRow], windows: int) -> list[str]:
    """In how many windows each class is present, most frequent first."""
    if not windows:
        return ["No window of 1200 m has its middle in the area and an answer."]
    found = [(row.windows, row.label) for row in rows if row.windows]
    start = f"Present in windows of 1200 m, of {windows:,} with an answer (no area):"
    if not found:
        return [f"{start} no class."]
    return [start, *(f"{count:>8,}  {label}" for count, label in sorted(found, reverse=True))]


def _record(prepared: Prepared, results: Sequence[MapResult]) -> str:
    from landcover.areas.mapping import together  # noqa: PLC0415 - loads torch

    found = {
        "source": prepared.source,
        "model": prepared.tasks[0].model,
        "km2": round(prepared.km2, 3),
        "notes": _notes(prepared),
        "covers": [_row(row) for row in together(prepared, results)],
        "maps": [_map_record(result) for result in results],
    }
    return json.dumps(found, ensure_ascii=False, allow_nan=False)


def _map_record(result: MapResult) -> dict[str, Any]:
    return {
        "crs": result.crs,
        "files": [str(path) for path in result.written.all],
        "blocks": result.blocks,
        "seconds": round(result.seconds, 2),
        "cells_without_answer": result.tally.silent,
        "windows": result.tally.windows,
        "scenes": [scene.name for scene in result.facts.scenes],
        "covers": [_row(row) for row in result.rows],
    }


def _row(row: AreaRow) -> dict[str, Any]:
    return {
        "label": row.label,
        "mapped_ha": row.mapped_ha,
        "adjusted_ha": row.adjusted_ha,
        "low_ha": row.low_ha,
        "high_ha": row.high_ha,
        "windows_present": row.windows,
        "note": row.note,
    }
