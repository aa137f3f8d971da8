"""The command ``series``: an area through many dates."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import area_options, exit_status, live, model_options, output, progress
from landcover.cli.commands import add_command
from landcover.core import files
from landcover.core.errors import BadInput

if TYPE_CHECKING:
    from landcover.core.progress import Report
    from landcover.time.mapped import Shot

__all__ = ["add_commands"]

_TABLE: Final = (".csv",)
_ANIMATION: Final = (".gif",)


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``series``."""
    parser = add_command(
        commands,
        "series",
        "follow an area through many dates",
        description="Follow an area through many dates: the probability of each land cover and "
        "hectares with intervals at each date and month, cloudy dates as gaps with their reason, "
        "and trends.",
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="images of one area, folders or zips of them; LAT,LON for all passes over it; or an "
        "archive such as earth-search, or a catalogue, for all passes over --area",
    )
    where = parser.add_mutually_exclusive_group()
    area_options.add_area(where)
    where.add_argument("--at", metavar="LAT,LON", help="the 1200 m window around that place")
    parser.add_argument("--from", dest="start", metavar="D", help="of passes: first day")
    parser.add_argument("--to", dest="end", metavar="D", help="of passes: last day")
    parser.add_argument("--months", metavar="M,M,…", help="of passes: months, such as 6,7,8")
    live.add_catalog(parser)
    parser.add_argument("--model", help=model_options.HELP)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.csv",
        help="write the dates as a table, and the hectares of each month as FILE-months.csv",
    )
    parser.add_argument("--gif", type=Path, metavar="FILE.gif", help="write an animation")
    parser.add_argument(
        "--step",
        type=int,
        metavar="PIXELS",
        help="pixels of 10 m from one window to the next, a multiple of 8 (default: 24)",
    )
    area_options.add_machine(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(command=_series, near=None)


def _series(options: argparse.Namespace) -> int:
    from landcover.areas.plan import DEFAULT_STEP  # noqa: PLC0415 - loads torch
    from landcover.time import animation, series_files  # noqa: PLC0415 - as above
    from landcover.time.series import series_of  # noqa: PLC0415 - as above

    for name, path, suffixes in (
        ("--out", options.out, _TABLE),
        ("--gif", options.gif, _ANIMATION),
    ):
        if path is not None:
            output.check(path, suffixes, option=name)
    files.check_apart(_outputs(options), *options.sources, options.area)
    with progress.show() as report:
        sources, at, missed = _sources(options, report)
        found = series_of(
            sources,
            at=at,
            area=area_options.area_of(options),
            model=options.model,
            step=DEFAULT_STEP if options.step is None else options.step,
            frames=options.gif is not None,
            memory=area_options.memory_of(options),
            executor=area_options.executor_of(options),
            report=report,
        )
    failed = (*missed, *found.failed)
    print(series_files.as_json(found) if options.json else series_files.as_text(found))
    if options.out is not None:
        files.write_bytes(options.out, series_files.dates_csv(found))
        files.write_bytes(_months(options.out), series_files.months_csv(found))
    if options.gif is not None:
        files.write_bytes(options.gif, animation.animated(found.frames, found.legend))
    for path in _outputs(options):
        print(output.written(path), file=sys.stderr)
    for name, reason in failed:
        print(f"error: {name}: {reason}", file=sys.stderr)
    return exit_status.SOME_FAILED if failed else exit_status.DONE


def _months(out: Path) -> Path:
    return out.with_name(f"{out.stem}-months{out.suffix}")


def _outputs(options: argparse.Namespace) -> list[Path]:
    tables = [] if options.out is None else [options.out, _months(options.out)]
    return [*tables, *([] if options.gif is None else [options.gif])]


def _sources(
    options: argparse.Namespace, report: Report
) -> tuple[list[str | Shot], tuple[float, float] | None, list[tuple[str, str]]]:
    """The images, the place of their window, and the passes that could not be fetched."""
    from landcover.io import sources  # noqa: PLC0415 - `landcover --help` does without
    from landcover.stac.archives import CATALOGUES  # noqa: PLC0415 - as above

    named = [name.strip() for name in options.sources]
    if len(named) == 1 and (named[0] in CATALOGUES or named[0].lower().endswith(".parquet")):
        return _of_area(named[0], options, report), None, []
    place = None if sources.is_file(named[0]) else sources.parse_place(named[0])
    dated = [
        name for name in ("start", "end", "months", "catalog") if getattr(options, name) is not None
    ]
    if place is None:
        if dated:
            raise BadInput(
                "--from, --to, --months and --catalog find passes over a place, but "
                f"'{named[0][:60]}' is not a place: give LAT,LON such as 48.21,16.37."
            )
        return [*named], _place(options.at), []
    if len(named) > 1 or options.at is not None or options.area is not None:
        raise BadInput(
            "A place stands for the passes over its window of 1200 m: give it alone, without --at "
            "and --area, or give images."
        )
    if options.start is None or options.end is None:
        raise BadInput("A series of a place needs --from and --to: give days such as 2024-06-30.")
    from landcover.stac.catalog import SceneQuery  # noqa: PLC0415 - as above
    from landcover.time.passes import passes_over  # noqa: PLC0415 - as above

    start, end, _, months = live.days(options)
    assert start is not None
    assert end is not None
    query = SceneQuery(latitude=place[0], longitude=place[1], start=start, end=end, months=months)
    shots, missed = passes_over(query, live.catalog_of(options), report=report)
    return [*shots], place, missed


def _of_area(source: str, options: argparse.Namespace, report: Report) -> list[str | Shot]:
    """The passes of an archive or catalogue over ``--area``."""
    from landcover.areas.imagery import Dates  # noqa: PLC0415 - as above
    from landcover.time.passes import passes_of  # noqa: PLC0415 - as above

    area = area_options.area_of(options)
    if area is None:
        raise BadInput(
            f"A series from {source[:60]} needs an area: give --area with a box or a file, or for "
            "the passes over a place LAT,LON and --catalog."
        )
    start, end, _, months = live.days(options)
    dates = Dates(start=start, end=end, months=months)
    return [*passes_of(source, area, dates, report=report)]


def _place(text: str | None) -> tuple[float, float] | None:
    from landcover.io import sources  # noqa: PLC0415 - as above

    if text is None:
        return None
    place = sources.parse_place(text)
    if place is None:
        raise BadInput(f"'{text[:60]}' is not a place: give LAT,LON such as 48.21,16.37.")
    return place
