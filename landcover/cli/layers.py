"""The command ``models layers``: the structure of a net."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from landcover.cli import model_options
from landcover.cli.commands import add_command
from landcover.core.errors import UnknownName

if TYPE_CHECKING:
    from landcover.nets.anatomy import Anatomy

__all__ = ["add_command_layers"]


def add_command_layers(actions: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the action ``layers``."""
    layers = add_command(
        actions,
        "layers",
        "show the structure of a model's net",
        "Show the blocks of a net: the shapes of their outputs, how far they see, their "
        "parameters, and the multiply-adds of one patch. A net that can be trained need not "
        "be trained for that.",
    )
    layers.add_argument(
        "model",
        metavar="MODEL",
        help=f"{model_options.HELP}, or what `landcover train --model` takes",
    )
    layers.add_argument("--all", action="store_true", help="list the layers of each block as well")
    layers.add_argument("--json", action="store_true", help="print everything as JSON")
    layers.set_defaults(command=_layers)


def _layers(options: argparse.Namespace) -> int:
    from landcover.report.anatomy_text import anatomy_json, anatomy_text  # noqa: PLC0415 - torch

    found = _anatomy(options.model)
    print(
        json.dumps(anatomy_json(found), ensure_ascii=False, allow_nan=False)
        if options.json
        else anatomy_text(found, layers=options.all)
    )
    return 0


def _anatomy(model: str) -> Anatomy:
    """The structure of a model, or of a net before it is trained."""
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.models.structure import structure  # noqa: PLC0415
    from landcover.train.recipes import structures  # noqa: PLC0415

    try:
        return structure(registry.default().card(model))
    except UnknownName:
        if model not in structures.names() and not model.startswith(structures.TIMM):
            raise
    return structures.structure(model)
