"""The command line, a public contract: see docs/command-line.md for each command and its JSON.

Exit status 0: done. 1: done, but some sources failed, each named on stderr.
2: bad input or usage, one line ``error: …`` on stderr. 130: interrupted.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NoReturn

from landcover import __version__
from landcover.cli import (
    data,
    evaluate,
    explain,
    live,
    model_options,
    models,
    picture_sources,
    train,
    trust,
)
from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.threads import configure_threads

# What the commands do is imported when a command runs: `landcover --help` must not
# wait for torch.
if TYPE_CHECKING:
    from landcover.core.raster import Raster
    from landcover.core.window import Cut
    from landcover.models.model import Model
    from landcover.report.classification import ClassificationReport

__all__ = ["BAD", "DONE", "INTERRUPTED", "SOME_FAILED", "main"]

DONE: Final = 0
SOME_FAILED: Final = 1
BAD: Final = 2
INTERRUPTED: Final = 130

_NEGATIVE_PLACE: Final = re.compile(r"^-\d+(\.\d*)?\s*,")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error does."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    configure_threads(training=arguments[:1] == ["train"])
    # A southern latitude would be taken for an option; a leading blank makes it a value.
    arguments = [f" {a}" if _NEGATIVE_PLACE.match(a) else a for a in arguments]
    try:
        options = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except LandcoverError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD
    except KeyboardInterrupt:
        print("error: Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left, as `head` does; nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _parser() -> _Parser:
    parser = _Parser(
        prog="landcover", description="Which land covers does a Sentinel-2 patch show?"
    )
    parser.add_argument("--version", action="version", version=f"landcover {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    classify = commands.add_parser("classify", help="say which land covers each source shows")
    classify.add_argument("sources", nargs="+", metavar="SOURCE", help=_SOURCE_HELP)
    _add_source_options(classify)
    classify.add_argument(
        "--aim",
        default="f1",
        help="what decisions should serve: f1 (the usual), f2 (find more), precision=P or "
        "recall=R with 0.5 to 0.95",
    )
    classify.add_argument(
        "--json", action="store_true", help="one JSON object a source, a line each"
    )
    classify.set_defaults(command=_classify)

    explain.add_commands(commands, _add_source_options, _read)
    evaluate.add_commands(commands)
    trust.add_commands(commands)
    train.add_commands(commands)
    live.add_commands(commands)

    models.add_commands(commands)
    data.add_commands(commands)
    return parser


_SOURCE_HELP: Final = "a GeoTIFF or JP2 stack, a folder of band files, a sample's name, or LAT,LON"


def _add_window_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--at", metavar="LAT,LON", help="the 1200 m window around that place")
    group.add_argument("--window", metavar="ROW,COL", help="the window with that upper left pixel")


def _add_source_options(parser: argparse.ArgumentParser) -> None:
    """Which model, and which window of a source or pass over a place."""
    model_options.add(parser)
    _add_window_options(parser)
    live.add_place_options(parser)


def _read(source: str, options: argparse.Namespace, pixels: int = PATCH_PIXELS) -> Raster:
    """Read the window of a source that was asked for, else the middle one."""
    from landcover.io import sources  # noqa: PLC0415

    place = sources.parse_place(source.strip())
    asked = options.date is not None or options.catalog is not None
    if place is not None and (asked or sources.sample_at(*place) is None):
        return live.fetch_place(place, options)
    if asked:
        raise BadInput(
            f"--date and --catalog find imagery of a place, but '{source.strip()[:60]}' is none: "
            "give LAT,LON such as 48.21,16.37."
        )
    return sources.read(source.strip(), _cut(options, pixels))


def _cut(options: argparse.Namespace, pixels: int) -> Cut:
    """The square of a source that was asked for, else the middle one."""
    from landcover.core.window import Cut  # noqa: PLC0415
    from landcover.io import sources  # noqa: PLC0415

    if options.at is not None:
        place = sources.parse_place(options.at)
        if place is None:
            raise BadInput(f"'{options.at}' is not a place: give LAT,LON such as 48.21,16.37.")
        return Cut(size=pixels, place=place)
    if options.window is not None:
        match = re.fullmatch(r"\s*(\d{1,6})\s*,\s*(\d{1,6})\s*", options.window)
        if match is None:
            raise BadInput(f"'{options.window}' is not a window: give ROW,COL such as 120,60.")
        return Cut(size=pixels, corner=(int(match[1]), int(match[2])))
    return Cut(size=pixels)


def _classify(options: argparse.Namespace) -> int:
    models: dict[bool, tuple[Model, str]] = {}
    failed = 0
    for source in options.sources:
        picture = picture_sources.is_picture(source)
        if picture not in models:
            models[picture] = _model_and_aim(options, picture=picture)
        try:
            if picture:
                report = picture_sources.report_on(models[picture][0], source, options)
            else:
                report = _report_on(*models[picture], source, options)
        except LandcoverError as error:
            failed += 1
            print(f"error: {source.strip()}: {error}", file=sys.stderr)
            continue
        print(report.as_json() if options.json else report.as_text(), flush=True)
    if failed == len(options.sources):
        return BAD
    return SOME_FAILED if failed else DONE


def _model_and_aim(options: argparse.Namespace, *, picture: bool) -> tuple[Model, str]:
    """The model for sources of a kind, and the name of the aim that it serves."""
    from landcover.models import registry, thresholds  # noqa: PLC0415

    usual = registry.PICTURE_MODEL if picture else registry.DEFAULT_MODEL
    model = registry.default().load(options.model or usual, options.device)
    return model, thresholds.thresholds_for(model.card, options.aim).aim


def _report_on(
    model: Model, aim: str, source: str, options: argparse.Namespace
) -> ClassificationReport:
    from landcover.report.classification import report_of  # noqa: PLC0415
    from landcover.trust.result import predict  # noqa: PLC0415

    patch = _read(source, options, model.card.pixels)
    found = predict(model, patch, aim)
    return report_of(found, source.strip())
