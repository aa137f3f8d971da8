"""The command ``change``: what became of an area between two dates."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from landcover.cli import area_options, exit_status, model_options, output, progress
from landcover.cli.commands import add_command
from landcover.core import files

__all__ = ["add_commands"]

_SUFFIXES = (".tif", ".tiff")
_SOURCE_HELP = (
    "a GeoTIFF or JP2 stack, a SAFE product, a folder of band files, a zip of one of these, or a "
    "sample's name; or a map that ends with -cover.tif"
)


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``change``."""
    parser = add_command(
        commands,
        "change",
        "show what became of an area between two dates",
        description="Show what became of an area between two dates: a raster of what was and "
        "became what where it is clear, the probability of change, and hectares gained and lost "
        "with intervals. Refuses what cannot be compared and warns of what may be no change: "
        "seasons, clouds, processing.",
    )
    parser.add_argument("a", metavar="A", help=_SOURCE_HELP)
    parser.add_argument("b", metavar="B", help="the same of another date")
    parser.add_argument("out", type=Path, metavar="OUT.tif", help="the raster to write")
    area_options.add_area(parser)
    parser.add_argument("--model", help=model_options.HELP)
    parser.add_argument(
        "--threshold",
        type=float,
        default=None,
        metavar="P",
        help="probability from which a change is shown, 0.5 to 0.99 (default: 0.8)",
    )
    area_options.add_machine(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(command=_change)


def _change(options: argparse.Namespace) -> int:
    from landcover.time import change_files  # noqa: PLC0415 - loads torch
    from landcover.time.between import change_between  # noqa: PLC0415 - as above
    from landcover.time.change import THRESHOLD  # noqa: PLC0415 - as above

    output.check(options.out, _SUFFIXES, option="OUT.tif")
    a, b = options.a.strip(), options.b.strip()
    files.check_apart(change_files.ChangeFiles.beside(options.out).all, a, b, options.area)
    with progress.show() as report:
        found = change_between(
            a,
            b,
            area=area_options.area_of(options),
            model=options.model,
            threshold=THRESHOLD if options.threshold is None else options.threshold,
            memory=area_options.memory_of(options),
            executor=area_options.executor_of(options),
            report=report,
        )
        written = change_files.write_change(found, options.out)
    if options.json:
        print(json.dumps(change_files.record_of(found), ensure_ascii=False, allow_nan=False))
    else:
        print(change_files.as_text(found))
    for path in written.all:
        print(output.written(path), file=sys.stderr)
    return exit_status.DONE
