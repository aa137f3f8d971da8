"""Options that choose a model and a window of a source, and reading what they name."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from landcover.cli import live, model_options
from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import BadInput

# Readers and reports are imported when a command runs: `landcover --help` must not wait for them.
if TYPE_CHECKING:
    from landcover.core.progress import Report
    from landcover.core.raster import Raster
    from landcover.core.window import Cut
    from landcover.models.model import Model
    from landcover.report.classification import ClassificationReport, View
    from landcover.trust.result import Result

__all__ = [
    "REQUESTED",
    "SOURCE_HELP",
    "Pixels",
    "add",
    "expand",
    "level_of",
    "model_for",
    "read",
    "report_of",
]

REQUESTED: Final = "as asked for"
SOURCE_HELP: Final = (
    "a GeoTIFF or JP2 stack, a picture, a SAFE product, a folder of band files, a folder or zip of "
    "any of these, a sample's name, or LAT,LON"
)
WINDOW: Final = re.compile(r"\s*(\d{1,6})\s*,\s*(\d{1,6})\s*")


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """The window of a source that was read.

    Attributes:
        source: what the user named.
        raster: the window.
        view: its position in the file; None if it has a position on the ground instead.
    """

    source: str
    raster: Raster
    view: View | None = None


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the model, the window of a source and the pass over a place."""
    model_options.add(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--at", metavar="LAT,LON", help="the 1200 m window around that place")
    group.add_argument("--window", metavar="ROW,COL", help="the window with that upper left pixel")
    live.add_place_options(parser)


def expand(names: Sequence[str]) -> list[str]:
    """The sources that are named, with those in folders and zips of several."""
    from landcover.io import sources  # noqa: PLC0415
    from landcover.io.gate import pool  # noqa: PLC0415

    if any(sources.is_file(name.strip()) for name in names):
        pool.start()  # while the model is loaded
    found = []
    for name in map(str.strip, names):
        try:
            found += sources.expand(name)
        except BadInput:  # reading it reports why
            found.append(name)
    return found


def level_of(source: str) -> str:
    """Return the level of the models that can use a source: "RGB" or "L2A"."""
    from landcover.io import sources  # noqa: PLC0415

    return sources.level_of(source)


def read(
    source: str,
    options: argparse.Namespace,
    pixels: int = PATCH_PIXELS,
    *,
    level: str,
    report: Report,
) -> Pixels:
    """Read the window of a source that the options name, by default the middle one.

    Args:
        source: what the user named.
        options: those of :func:`add`.
        pixels: along a side of the window; a colour picture's window has its own size.
        level: of the source, as :func:`level_of` has it.
        report: called with the progress of a download.

    Raises:
        BadInput: the source cannot be used, or an option does not apply to it.
        LandcoverError: imagery of a place cannot be fetched.
    """
    from landcover.io import sources  # noqa: PLC0415
    from landcover.io.images import LEVEL  # noqa: PLC0415

    if level == LEVEL:
        return _read_view(source, options)
    place = sources.parse_place(source)
    dated = options.date is not None or options.catalog is not None
    if place is not None and (dated or sources.sample_at(*place) is None):
        return Pixels(source=source, raster=live.fetch_place(place, options, report))
    if dated:
        raise BadInput(
            f"--date and --catalog find imagery of a place, but '{source[:60]}' is not a place: "
            "give LAT,LON such as 48.21,16.37."
        )
    return Pixels(source=source, raster=sources.read(source, _cut(options, pixels)))


def model_for(
    model: Model, raster: Raster, options: argparse.Namespace, *, named: str | None = None
) -> Model:
    """The model for the bands of a raster: the loaded one if it has them, or another.

    Args:
        model: the loaded model.
        raster: its input.
        options: those of :func:`add`.
        named: the model's name or folder if the user named it; it then estimates the missing
            bands. Otherwise the default model is used.

    Raises:
        ModelMismatch: blue, green or red is missing.
    """
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.models.band_subset import lacks  # noqa: PLC0415 - as above

    models, bands = registry.default(), raster.bands
    if raster.is_rgb or not lacks(model.card, bands):
        return model
    choice = models.choice(named, bands) if named else models.best_for(bands, raster.level)
    return models.load(choice.name, options.device)


def report_of(
    model: Model, result: Result, pixels: Pixels, options: argparse.Namespace
) -> ClassificationReport:
    """The report of a model's result; of a colour picture it also states the model's limits."""
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.report import classification, picture_limits  # noqa: PLC0415 - loads torch

    if pixels.view is None:
        return classification.report_of(result, pixels.source)
    folder = model.folder or registry.default().folder(model.card.name)
    return classification.report_of(
        result,
        pixels.source,
        seen=pixels.view,
        limits=picture_limits.limits_of(folder),
        choice=REQUESTED if options.model else classification.RGB_MODEL_REASON,
    )


def _read_view(source: str, options: argparse.Namespace) -> Pixels:
    """Read a window of a raster that has no position on the ground."""
    from landcover.io import sources  # noqa: PLC0415
    from landcover.report import classification  # noqa: PLC0415 - loads torch

    for name in ("at", "date", "catalog"):
        if getattr(options, name) is not None:
            raise BadInput(f"A picture has no place or date, so --{name} means nothing: drop it.")
    view = classification.view(sources.read(source), _corner(options))
    return Pixels(source=source, raster=view.picture, view=view)


def _cut(options: argparse.Namespace, pixels: int) -> Cut:
    """The square of a source that the options name, by default the middle one."""
    from landcover.core.window import Cut  # noqa: PLC0415
    from landcover.io import sources  # noqa: PLC0415

    if options.at is None:
        return Cut(size=pixels, corner=_corner(options))
    place = sources.parse_place(options.at)
    if place is None:
        raise BadInput(f"'{options.at}' is not a place: give LAT,LON such as 48.21,16.37.")
    return Cut(size=pixels, place=place)


def _corner(options: argparse.Namespace) -> tuple[int, int] | None:
    """Row and column that ``--window`` names."""
    if options.window is None:
        return None
    match = WINDOW.fullmatch(options.window)
    if match is None:
        raise BadInput(f"'{options.window}' is not a window: give ROW,COL such as 120,60.")
    return int(match[1]), int(match[2])
