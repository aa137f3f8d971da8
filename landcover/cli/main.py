"""The command line, a public interface: docs/command-line.md describes commands and JSON.

Exit status 0: done. 1: done, but some sources failed; each is named on stderr.
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
    models,
    source_options,
    train,
    trust,
)
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.threads import configure_threads

# Commands import torch when they run, so that `landcover --help` is fast.
if TYPE_CHECKING:
    from landcover.models.model import Model

__all__ = ["BAD", "DONE", "INTERRUPTED", "SOME_FAILED", "main"]

DONE: Final = 0
SOME_FAILED: Final = 1
BAD: Final = 2
INTERRUPTED: Final = 130

_NEGATIVE_PLACE: Final = re.compile(r"^-\d+(\.\d*)?\s*,")


class _Parser(argparse.ArgumentParser):
    """Reports usage errors in one line, like all other errors."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    configure_threads(training=arguments[:1] == ["train"])
    # argparse takes a negative latitude for an option; a leading blank makes it a value.
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
        # The reader of our output has closed it, as `head` does; this is no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _parser() -> _Parser:
    parser = _Parser(
        prog="landcover", description="Land-cover classification of Sentinel-2 patches"
    )
    parser.add_argument("--version", action="version", version=f"landcover {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    classify = commands.add_parser("classify", help="predict the land covers of each source")
    classify.add_argument("sources", nargs="+", metavar="SOURCE", help=source_options.SOURCE_HELP)
    source_options.add(classify)
    classify.add_argument(
        "--aim",
        default="f1",
        help="what the thresholds optimise: f1 (default), f2 (miss fewer), precision=P or "
        "recall=R with 0.5 to 0.95",
    )
    classify.add_argument(
        "--json", action="store_true", help="print one JSON object a line for each source"
    )
    classify.set_defaults(command=_classify)

    explain.add_commands(commands)
    evaluate.add_commands(commands)
    trust.add_commands(commands)
    train.add_commands(commands)
    live.add_commands(commands)

    models.add_commands(commands)
    data.add_commands(commands)
    return parser


def _classify(options: argparse.Namespace) -> int:
    from landcover.trust.result import predict  # noqa: PLC0415

    models: dict[str, tuple[Model, str]] = {}
    failed = 0
    for source in map(str.strip, options.sources):
        level = source_options.level_of(source)
        if level not in models:
            models[level] = _model_and_aim(options, level)
        model, aim = models[level]
        try:
            pixels = source_options.read(source, options, model.card.pixels)
            result = predict(model, pixels.raster, aim)
            report = source_options.report_of(model, result, pixels, options)
        except LandcoverError as error:
            failed += 1
            print(f"error: {source}: {error}", file=sys.stderr)
            continue
        print(report.as_json() if options.json else report.as_text(), flush=True)
    if failed == len(options.sources):
        return BAD
    return SOME_FAILED if failed else DONE


def _model_and_aim(options: argparse.Namespace, level: str) -> tuple[Model, str]:
    """The model for pixels of a level, and the full name of the aim."""
    from landcover.models import registry, thresholds  # noqa: PLC0415

    models = registry.default()
    model = models.load(options.model or models.usual(level), options.device)
    return model, thresholds.thresholds_for(model.card, options.aim).aim
