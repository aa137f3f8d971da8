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
from typing import Any, Final, NoReturn

from landcover import __version__
from landcover.cli import doctor
from landcover.cli.exit_status import BAD, DONE, INTERRUPTED
from landcover.core import disk_errors
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.threads import configure_threads

__all__ = ["main", "parser"]

_NEGATIVE_PLACE: Final = re.compile(r"^-\d+(\.\d*)?\s*,")


class _Parser(argparse.ArgumentParser):
    """Reports usage errors in one line, like all other errors."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    configure_threads(training=_trains(arguments))
    # argparse takes a negative latitude for an option; a leading blank makes it a value.
    arguments = [f" {a}" if _NEGATIVE_PLACE.match(a) else a for a in arguments]
    try:
        # The doctor must work where other commands, or what they import, are damaged.
        only = arguments[:1] == ["doctor"]
        options = (_parser(doctor.add_commands) if only else parser()).parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        status = command(options)
        sys.stdout.flush()  # the output may be redirected to a full disk
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
    except OSError as error:
        if error.errno not in disk_errors.FAULTS:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"error: {disk_errors.general(error)}", file=sys.stderr)
        return BAD
    return status


def _trains(arguments: Sequence[str]) -> bool:
    """Whether a command trains; it is asked before anything that knows commands is imported."""
    by_place = any(re.match(r"--by(=|$)", argument) for argument in arguments)
    return arguments[:1] == ["train"] or (arguments[:1] == ["evaluate"] and by_place)


def parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    from landcover.cli import (  # noqa: PLC0415 - see `main`
        adapt,
        bands,
        change,
        classes,
        classify,
        corrections,
        cover,
        data,
        evaluate,
        explain,
        live,
        models,
        runs,
        series,
        train,
        trust,
    )
    from landcover.cli import map as area_map  # noqa: PLC0415 - see `main`

    maps = (area_map, change, series)
    first = (classify, explain, *maps, corrections, adapt, evaluate, trust, train, runs)
    groups = (*first, live, classes, models, bands, cover, data, doctor)
    return _parser(*(group.add_commands for group in groups))


def _parser(*groups: Callable[[Any], None]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="landcover", description="Land-cover classification of Sentinel-2 patches"
    )
    parser.add_argument("--version", action="version", version=f"landcover {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for add in groups:
        add(commands)
    return parser
