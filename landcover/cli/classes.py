"""The command ``classes``: what the classes mean, how they look, and how good the model is."""

from __future__ import annotations

import argparse
import json
from typing import Any

from landcover.cli.commands import add_command
from landcover.core import class_guide
from landcover.core.classes import CLASS_SETS

__all__ = ["add_commands"]


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``classes``."""
    classes = add_command(commands, "classes", "explain the classes in plain words")
    classes.add_argument(
        "name", metavar="NAME", nargs="?", help="of a class, in full or short; all if left out"
    )
    classes.add_argument(
        "--set",
        dest="class_set",
        choices=list(CLASS_SETS),
        default="bigearthnet-19",
        help="the classes to list (default: bigearthnet-19)",
    )
    classes.add_argument("--json", action="store_true", help="print the guide as JSON")
    classes.set_defaults(command=_classes)


def _classes(options: argparse.Namespace) -> int:
    from landcover.evaluate.class_evidence import of_usual_model  # noqa: PLC0415 - loads torch
    from landcover.report import class_text  # noqa: PLC0415 - loads torch

    if options.name is not None:
        guide = class_guide.find(options.name)
        found = of_usual_model(guide.class_set).get(guide.name)
        print(
            json.dumps(class_text.as_dict(guide, found), ensure_ascii=False, allow_nan=False)
            if options.json
            else class_text.text(guide, found)
        )
        return 0
    guides = [class_guide.of_class(name) for name in CLASS_SETS[options.class_set]]
    if options.json:
        measured = of_usual_model(options.class_set)
        rows = [class_text.as_dict(one, measured.get(one.name)) for one in guides]
        print(json.dumps(rows, ensure_ascii=False, allow_nan=False))
    else:
        print(class_text.list_text(guides))
    return 0
