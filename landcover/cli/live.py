"""The commands that find imagery: ``search``, ``index``, and ``LAT,LON`` as a source."""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import progress
from landcover.core.errors import BadInput

if TYPE_CHECKING:
    from landcover.core.raster import Raster
    from landcover.stac.catalog import Candidate, SceneQuery, SearchResult

__all__ = ["VARIABLE", "add_commands", "add_place_options", "fetch_place"]

VARIABLE: Final = "LANDCOVER_CATALOG"
"""Environment variable that names another catalogue to ask by default."""


def add_place_options(parser: argparse.ArgumentParser) -> None:
    """``--date`` and ``--catalog``, for a source that is ``LAT,LON``."""
    parser.add_argument("--date", metavar="D", help="for LAT,LON: the pass nearest to YYYY-MM-DD")
    _add_catalog(parser)


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """The commands ``search`` and ``index``."""
    search = commands.add_parser("search", help="list the passes over a place and the best one")
    search.add_argument("place", metavar="LAT,LON")
    search.add_argument("--from", dest="start", metavar="D", help="first day, YYYY-MM-DD")
    search.add_argument("--to", dest="end", metavar="D", help="last day, YYYY-MM-DD")
    search.add_argument(
        "--near", metavar="D", help="the day that would do best (default: the last)"
    )
    search.add_argument("--months", metavar="M,M,…", help="months that would do, such as 6,7,8")
    search.add_argument("--max-cloud", type=float, default=10.0, metavar="PERCENT")
    _add_catalog(search)
    search.add_argument("--json", action="store_true")
    search.set_defaults(command=_search)

    index = commands.add_parser("index", help="make a catalogue of your own scenes")
    index.add_argument("folder", type=Path, metavar="FOLDER")
    index.add_argument("--out", type=Path, required=True, metavar="FILE.parquet")
    index.add_argument("--date", metavar="D", help="of stacks whose names and tags have none")
    index.set_defaults(command=_index)


def fetch_place(place: tuple[float, float], options: argparse.Namespace) -> Raster:
    """The best recent patch of a place, or the one nearest to ``--date``.

    Raises:
        LandcoverError: there is none, or it cannot be had.
    """
    from landcover.stac import catalog  # noqa: PLC0415 - it loads what most commands do not need

    day = _day(options.date, "--date") if options.date else None
    wish = catalog.SceneQuery.around(*place, day=day)
    with progress.shown() as report:
        return catalog.fetch_best(_catalog(options), wish, report=report)


def _add_catalog(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--catalog",
        metavar="C",
        help="earth-search (default), planetary-computer, copernicus, or a file that "
        "`landcover index` made",
    )


def _catalog(options: argparse.Namespace) -> str:
    from landcover.stac.catalog import DEFAULT  # noqa: PLC0415

    return str(options.catalog or os.environ.get(VARIABLE, "").strip() or DEFAULT)


def _search(options: argparse.Namespace) -> int:
    from landcover.stac import catalog  # noqa: PLC0415

    wish = _wish(options)
    name = _catalog(options)
    with progress.shown() as report:
        finding = catalog.find(name, wish, report=report)
    print(
        json.dumps(_record(name, wish, finding), ensure_ascii=False, allow_nan=False)
        if options.json
        else _text(finding)
    )
    return 0


def _wish(options: argparse.Namespace) -> SceneQuery:
    from landcover.io import sources  # noqa: PLC0415
    from landcover.stac.catalog import SceneQuery  # noqa: PLC0415

    place = sources.parse_place(options.place.strip())
    if place is None:
        raise BadInput(f"'{options.place[:60]}' is not a place: give LAT,LON such as 48.21,16.37.")
    usual = SceneQuery.around(*place)
    end = _day(options.end, "--to") if options.end else usual.end
    start = _day(options.start, "--from") if options.start else min(usual.start, end)
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
        return frozenset(int(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        raise BadInput(f"'{text}' are no months: give numbers such as 6,7,8.") from None


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(
            f"{option} is '{text[:40]}', which is no day: give one such as 2024-06-30."
        ) from None


def _index(options: argparse.Namespace) -> int:
    from landcover.stac import index  # noqa: PLC0415

    day = _day(options.date, "--date") if options.date else None
    when = datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None
    with progress.shown() as report:
        built = index.build(options.folder, options.out, date=when, progress=report)
    print(index.index_text(built))
    return 0


def _record(name: str, wish: SceneQuery, finding: SearchResult) -> dict[str, Any]:
    return {
        "catalog": name,
        "latitude": wish.latitude,
        "longitude": wish.longitude,
        "from": str(wish.start),
        "to": str(wish.end),
        "best": finding.best,
        "reason": finding.reason,
        "notes": list(finding.notes),
        "candidates": [_candidate(candidate) for candidate in finding.candidates],
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    first, look = candidate.scenes[0], candidate.preview
    return {
        "acquired": candidate.acquired.isoformat(),
        "scenes": [scene.id for scene in candidate.scenes],
        "platform": first.platform,
        "processing_baseline": first.baseline,
        "scene_cloud_fraction": first.cloud,
        "cloud_fraction": look.cloud if look else None,
        "shadow_fraction": look.shadow if look else None,
        "snow_fraction": look.snow if look else None,
        "nodata_fraction": look.nodata if look else None,
    }


def _text(finding: SearchResult) -> str:
    lines = []
    if finding.candidates:
        lines.append(
            "   taken (UTC)       cloud  shadow  no data  scene's cloud  baseline  platform"
        )
    for index, candidate in enumerate(finding.candidates):
        first, look = candidate.scenes[0], candidate.preview
        shares = (look.cloud, look.shadow, look.nodata) if look else (None, None, None)
        cells = [_percent(value) for value in (*shares, first.cloud)]
        lines.append(
            f"{'→' if index == finding.best else ' '}  {candidate.acquired:%Y-%m-%d %H:%M}"
            f"  {cells[0]:>5}  {cells[1]:>6}  {cells[2]:>7}  {cells[3]:>13}"
            f"  {first.baseline or '?':>8}  {first.platform or '?'}"
        )
    return "\n".join([*lines, finding.reason, *finding.notes])


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{value:.0%}"
