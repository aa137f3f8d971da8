"""The option ``--model``, which many commands share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

__all__ = ["HELP", "SAVE_HELP", "add", "add_device"]

HELP = "a model's name (see `landcover models`), or the path of a model folder"

SAVE_HELP = "save the report with the model; for a shipped one, in a copy in LANDCOVER_HOME/models"


def add(parser: argparse.ArgumentParser, usual: str = "") -> None:
    """Add ``--model``, and ``--card DIR``, the older way to give a folder.

    Args:
        parser: of the command.
        usual: the default, for the help text; empty to leave it out.
    """
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", help=f"{HELP}{f' (default: {usual})' if usual else ''}")
    which.add_argument("--card", dest="model", type=_path, help=argparse.SUPPRESS)
    add_device(parser)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def _path(text: str) -> str:
    """Turn a folder's path into one that cannot be taken for a model's name."""
    return text if Path(text).is_absolute() else os.path.join(".", text)  # noqa: PTH118 - pathlib drops the dot
