"""The commands ``search`` and ``index``, and imagery of a place as a source."""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landcover.cli import progress
from landcover.cli.commands import add_command
from landcover.core.errors import BadInput

if TYPE_CHECKING:
    from landcover.core.progress import Report
    from landcover.core.raster import Raster
    from landcover.stac.catalog import Candidate, SceneQuery, SearchResult

__all__ = [
    "add_catalog",
    "add_commands",
    "add_day_options",
    "add_place_options",
    "catalog_of",
    "days",
    "fetch_place",
]


def add_place_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--date`` and ``--catalog``, for sources that are ``LAT,LON``."""
    parser.add_argument("--date", metavar="D", help="for LAT,LON: the pass nearest to YYYY-MM-DD")
    add_catalog(parser)


def add_day_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--from``, ``--to``, ``--near`` and ``--months``, which :func:`days` reads."""
    parser.add_argument(
        "--from",
        dest="start",
        metavar="D",
        help="first day, YYYY-MM-DD (default: 180 days ago, or in your own catalogue the first)",
    )
    parser.add_argument("--to", dest="end", metavar="D", help="last day, YYYY-MM-DD")
    parser.add_argument("--near", metavar="D", help="preferred day (default: the last)")
    parser.add_argument("--months", metavar="M,M,…", help="accepted months, such as 6,7,8")


def days(
    options: argparse.Namespace,
) -> tuple[date | None, date | None, date | None, frozenset[int]]:
    """First, last and preferred day, and months, as :func:`add_day_options` has them.

    Raises:
        BadInput: one of them is not a day or a month.
    """
    given = {"--from": options.start, "--to": options.end, "--near": options.near}
    start, end, near = (_day(text, name) if text else None for name, text in given.items())
    return start, end, near, _months(options.months)


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the commands ``search`` and ``index``."""
    search = add_command(
        commands, "search", "list the passes over a place, with the best one marked"
    )
    search.add_argument("place", metavar="LAT,LON", help="such as 48.21,16.37, in degrees (WGS 84)")
    add_day_options(search)
    search.add_argument(
        "--max-cloud",
        type=float,
        default=10.0,
        metavar="PERCENT",
        help="most cloud and shadow over the square (default: 10)",
    )
    add_catalog(search)
    search.add_argument("--json", action="store_true", help="print the result as JSON")
    search.set_defaults(command=_search)

    index = add_command(commands, "index", "make a catalogue of your scenes")
    index.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="folder with scenes, searched with its subfolders",
    )
    index.add_argument(
        "--out", type=Path, required=True, metavar="FILE.parquet", help="the catalogue to write"
    )
    index.add_argument(
        "--date", metavar="D", help="date of stacks without one in their names and tags"
    )
    index.set_defaults(command=_index)


def fetch_place(place: tuple[float, float], options: argparse.Namespace, report: Report) -> Raster:
    """Fetch the best recent patch of a place, or the one nearest to ``--date``.

    Args:
        place: latitude and longitude, WGS 84 degrees.
        options: those of :func:`add_place_options`.
        report: called with the progress.

    Raises:
        LandcoverError: there is none, or it cannot be fetched.
    """
    from landcover.stac import catalog  # noqa: PLC0415 - slow to import

    day = _day(options.date, "--date") if options.date else None
    name = catalog_of(options)
    query = catalog.usual_query(name, *place, day)
    return catalog.fetch_best(name, query, report=report)


def add_catalog(parser: argparse.ArgumentParser) -> None:
    """Add ``--catalog``."""
    parser.add_argument(
        "--catalog",
        metavar="C",
        help="earth-search (default), planetary-computer, copernicus, or a file made by "
        "`landcover index`",
    )


def catalog_of(options: argparse.Namespace) -> str:
    """The catalogue that ``--catalog`` or the environment names, or the usual one."""
    from landcover.stac.archives import DEFAULT, OWN_VARIABLE  # noqa: PLC0415

    return str(options.catalog or os.environ.get(OWN_VARIABLE, "").strip() or DEFAULT)


def _search(options: argparse.Namespace) -> int:
    from landcover.stac import catalog  # noqa: PLC0415

    name = catalog_of(options)
    query = _query(options, name)
    with progress.show() as report:
        result = catalog.find(name, query, report=report)
    print(
        json.dumps(_record(name, query, result), ensure_ascii=False, allow_nan=False)
        if options.json
        else _text(result)
    )
    return 0


def _query(options: argparse.Namespace, name: str) -> SceneQuery:
    from landcover.io import sources  # noqa: PLC0415
    from landcover.stac.catalog import SceneQuery, usual_query  # noqa: PLC0415

    place = sources.parse_place(options.place.strip())
    if place is None:
        raise BadInput(f"'{options.place[:60]}' is not a place: give LAT,LON such as 48.21,16.37.")
    default = usual_query(name, *place)
    end = _day(options.end, "--to") if options.end else default.end
    start = _day(options.start, "--from") if options.start else min(default.start, end)
    return SceneQuery(
        latitude=place[0],
        longitude=place[1],
        start=start,
        end=end,
        near=_day(options.near, "--near") if options.near else None,
        months=_months(options.months),
        max_cloud=options.max_cloud / 100,
    )


def _months(text: str | None) -> frozenset[int]:
    try:
        found = frozenset(int(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        found = frozenset({0})
    if not found <= set(range(1, 13)):
        raise BadInput(f"'{text}' is not a list of months: give numbers such as 6,7,8.")
    return found


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(
            f"{option} is '{text[:40]}', which is not a day: give one such as 2024-06-30."
        ) from None


def _index(options: argparse.Namespace) -> int:
    from landcover.stac import index  # noqa: PLC0415

    day = _day(options.date, "--date") if options.date else None
    when = datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None
    with progress.show() as report:
        built = index.build(options.folder, options.out, date=when, progress=report)
    print(index.index_text(built))
    return 0


def _record(name: str, query: SceneQuery, result: SearchResult) -> dict[str, Any]:
    return {
        "catalog": name,
        "latitude": query.latitude,
        "longitude": query.longitude,
        "from": str(query.start),
        "to": str(query.end),
        "best": result.best,
        "reason": result.reason,
        "notes": list(result.notes),
        "candidates": [_candidate(candidate) for candidate in result.candidates],
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    first, preview = candidate.scenes[0], candidate.preview
    return {
        "acquired": candidate.acquired.isoformat(),
        "scenes": [scene.id for scene in candidate.scenes],
        "platform": first.platform,
        "processing_baseline": first.baseline,
        "scene_cloud_fraction": first.cloud,
        "cloud_fraction": preview.cloud if preview else None,
        "shadow_fraction": preview.shadow if preview else None,
        "snow_fraction": preview.snow if preview else None,
        "nodata_fraction": preview.nodata if preview else None,
    }


def _text(result: SearchResult) -> str:
    lines = []
    if result.candidates:
        lines.append(
            "   taken (UTC)       cloud  shadow  no data  scene's cloud  baseline  platform"
        )
    for index, candidate in enumerate(result.candidates):
        first, preview = candidate.scenes[0], candidate.preview
        shares = (preview.cloud, preview.shadow, preview.nodata) if preview else (None, None, None)
        cells = [_percent(value) for value in (*shares, first.cloud)]
        lines.append(
            f"{'→' if index == result.best else ' '}  {candidate.acquired:%Y-%m-%d %H:%M}"
            f"  {cells[0]:>5}  {cells[1]:>6}  {cells[2]:>7}  {cells[3]:>13}"
            f"  {first.baseline or '?':>8}  {first.platform or '?'}"
        )
    return "\n".join([*lines, result.reason, *result.notes])


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{value:.0%}"
