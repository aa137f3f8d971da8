"""The imagery that an area is mapped from, read by rectangles of any size.

A job carries an :class:`ImagerySpec`, which is small and can be pickled; each process that computes
blocks opens it. Blocks that are read one by one equal the whole, to the bit. :func:`imagery_of`
makes the spec of anything that a user can name.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

from landcover.areas.area_file import Area
from landcover.areas.imagery_base import Imagery, ImagerySpec
from landcover.areas.imagery_files import FileSpec, RasterSpec
from landcover.areas.imagery_folder import Dates, FilePass, folder_spec
from landcover.areas.imagery_live import live_spec
from landcover.areas.imagery_passes import PassesSpec
from landcover.core import progress
from landcover.core.errors import BadInput
from landcover.core.progress import Report
from landcover.io import samples, sources
from landcover.io.guard import shown
from landcover.stac.archives import CATALOGUES
from landcover.stac.candidates import SceneQuery

__all__ = ["Dates", "FileSpec", "Imagery", "ImagerySpec", "RasterSpec", "files_of", "imagery_of"]


def imagery_of(
    source: str | Path,
    *,
    area: Area | None = None,
    dates: Dates | None = None,
    one_pass: bool = False,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> ImagerySpec:
    """The imagery that a text names.

    Args:
        source: name of a sample; path of a stack, a SAFE product, a folder or zip with band files;
            a folder, zip or catalogue (``.parquet``) of many scenes; or name of an archive.
        area: where; it is needed for an archive.
        dates: acceptable days of many scenes; by default the last half year of an archive, and all
            of the user's own scenes.
        one_pass: whether an archive's imagery is all of one pass; else each block is read from the
            pass that hides least of it.
        report: called with the scenes that were opened.
        cancel: set to stop.

    Raises:
        BadInput: it is none of these, or has no scene of the area or of these days.
        FetchError: the archive gives no usable answer.
        Cancelled: the user stopped it.
    """
    text, dates = str(source), dates or Dates()
    if text in samples.NAMES:
        return _of_days(RasterSpec(samples.read_sample(text)), text, dates, cancel)
    if text in CATALOGUES:
        if area is None:
            raise BadInput(f"Imagery of {text} needs an area: give --area with a box or a file.")
        return live_spec(text, area, _query(area, dates), one_pass=one_pass, cancel=cancel)
    if text.lower().endswith(".parquet"):
        return folder_spec(Path(text), area, dates, report=report, cancel=cancel)
    if sources.is_file(text):
        if len(sources.expand(text)) > 1:
            return folder_spec(Path(text), area, dates, report=report, cancel=cancel)
        return _of_days(FileSpec.of(text), text, dates, cancel)
    raise BadInput(
        f"There is no file, folder or sample '{text[:80]}' to map: give a GeoTIFF stack, a SAFE "
        f"product, a folder of scenes, or an archive ({', '.join(CATALOGUES)})."
    )


def files_of(spec: ImagerySpec) -> tuple[Path, ...]:
    """The files or folders on the user's disk that imagery is read from."""
    if isinstance(spec, FileSpec):
        return (Path(spec.source),) if spec.source else ()
    if isinstance(spec, PassesSpec):
        own = (one for one in spec.passes if isinstance(one, FilePass))
        return tuple(Path(scene.spec.source) for one in own for scene in one.scenes)
    return ()


def _of_days(spec: ImagerySpec, text: str, dates: Dates, cancel: Event | None) -> ImagerySpec:
    """A single image, if it is of an acceptable day.

    Raises:
        BadInput: it is not, or states no date.
    """
    if dates.any:
        return spec
    when = spec.open(cancel=cancel).acquired
    if dates.has(when):
        return spec
    name = f"'{shown(Path(text).name)}'"
    if when is None:
        raise BadInput(
            f"{name} states no date, so it may be of other days: leave out the choice of days."
        )
    raise BadInput(
        f"{name} is of {when:%Y-%m-%d}, which is none of these days: give other days, or another "
        "image."
    )


def _query(area: Area, dates: Dates) -> SceneQuery:
    """What an archive is asked for; the place is that of the area's centre."""
    centre = area.geometry.representative_point()
    usual = SceneQuery.around(float(centre.y), float(centre.x), day=dates.near)
    return replace(
        usual,
        start=dates.start or min(usual.start, dates.end or usual.start),
        end=dates.end or max(usual.end, dates.start or usual.end),
        months=dates.months,
    )
