"""All passes over a place between two days, from a catalogue."""

from __future__ import annotations

from threading import Event

from landcover.areas.imagery import RasterSpec
from landcover.core import limits, progress
from landcover.core.errors import BadInput, Cancelled, LandcoverError
from landcover.core.progress import Progress, Report
from landcover.stac import catalog
from landcover.stac.catalog import SceneQuery
from landcover.time.mapped import Shot, opened

__all__ = ["passes_over"]


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
