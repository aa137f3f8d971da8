"""All passes over a place or an area, from an archive or a catalogue."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

from landcover.areas.area_file import Area
from landcover.areas.imagery import Dates, RasterSpec, imagery_of
from landcover.areas.imagery_passes import PassesSpec
from landcover.core import limits, progress
from landcover.core.errors import BadInput, Cancelled, LandcoverError
from landcover.core.progress import Progress, Report
from landcover.stac import catalog
from landcover.stac.catalog import SceneQuery
from landcover.time.mapped import Shot, opened

__all__ = ["passes_of", "passes_over"]


def passes_over(
    query: SceneQuery,
    name: str = catalog.DEFAULT,
    *,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> tuple[list[Shot], list[tuple[str, str]]]:
    """Fetch the window of 1200 m around a place from each pass.

    Args:
        query: place, first and last day, and months.
        name: of an archive, or path of the user's own catalogue.
        report: called with the progress.
        cancel: set to stop.

    Returns:
        The images, and the name of each pass that could not be fetched with the reason.

    Raises:
        BadInput: there is no pass, or there are too many.
        LandcoverError: as :func:`landcover.stac.catalog.find` raises it.
        Cancelled: the user stopped it.
    """
    found = catalog.find(name, query, report=report, cancel=cancel)
    wanted = [
        one for one in found.candidates if not query.months or one.acquired.month in query.months
    ]
    if not wanted:
        raise BadInput(found.reason)
    most = limits.current().series_dates
    if len(wanted) > most:
        raise BadInput(
            f"There are {len(wanted)} passes from {query.start} to {query.end}, and a "
            f"series has at most {most} dates: choose a shorter time."
        )
    shots, failed = [], []
    for number, one in enumerate(reversed(wanted)):
        total = len(wanted)
        report(Progress(what="Fetching", done=number, total=total, unit="dates"))
        day = f"{one.acquired:%Y-%m-%d}"
        try:
            raster = catalog.fetch(one, cancel=cancel)
            shots.append(opened(day, RasterSpec(raster)))
        except Cancelled:
            raise
        except LandcoverError as error:
            failed.append((day, str(error)))
    return shots, failed


def passes_of(
    source: str,
    area: Area,
    dates: Dates,
    *,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> list[Shot]:
    """Find each pass that shows an area; its pixels are read when they are mapped.

    Args:
        source: name of an archive, or path of a catalogue of the user's own scenes.
        area: the area.
        dates: first and last day, and months.
        report: called with the scenes that were opened.
        cancel: set to stop.

    Raises:
        BadInput: there is no pass, or there are too many.
        LandcoverError: as :func:`landcover.areas.imagery.imagery_of` raises it.
        Cancelled: the user stopped it.
    """
    spec = imagery_of(source, area=area, dates=dates, report=report, cancel=cancel)
    if not isinstance(spec, PassesSpec):
        return [opened(source, spec, cancel=cancel)]
    most = limits.current().series_dates
    if len(spec.passes) > most:
        raise BadInput(
            f"There are {len(spec.passes)} passes over the area, and a series has at most {most} "
            "dates: choose a shorter time with --from and --to."
        )
    return [
        opened(
            f"{one.acquired:%Y-%m-%d}" if one.acquired else one.name,
            replace(spec, passes=(one,)),
            cancel=cancel,
        )
        for one in spec.passes
    ]
