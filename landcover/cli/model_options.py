"""The option that names a model, which many commands share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

__all__ = ["HELP", "SAVE_HELP", "add", "add_device"]

HELP = "a model's name (see `landcover models`), or the path of a model folder"

SAVE_HELP = "keep the report with the model; of a shipped one, in a copy in LANDCOVER_HOME/models"


def add(parser: argparse.ArgumentParser, usual: str = "") -> None:
    """Add ``--model``, and ``--card DIR``, the older way to give a folder.

    Args:
        parser: of the command.
        usual: what is used without the option, for the help; empty to leave it out.
    """
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", help=f"{HELP}{f' (default: {usual})' if usual else ''}")
    which.add_argument("--card", dest="model", type=_path, help=argparse.SUPPRESS)
    add_device(parser)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def _path(text: str) -> str:
    """A folder's path, which is no name even where it has no slash."""
    return text if Path(text).is_absolute() else os.path.join(".", text)  # noqa: PTH118 - pathlib drops the dot
