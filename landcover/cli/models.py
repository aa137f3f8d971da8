"""The command ``models``: list models, show their nets; add, rename, remove and move your own."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landcover.cli import layers, model_options, output
from landcover.cli.commands import add_command
from landcover.cli.exit_status import DONE, SOME_FAILED
from landcover.core.errors import BadInput, CorruptModel
from landcover.core.text import one_line, plain

if TYPE_CHECKING:
    from landcover.models.registry import Registry

__all__ = ["add_commands", "print_added"]


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``models`` with its actions; the default action is ``list``."""
    models = add_command(commands, "models", "list, add, rename, remove, export and import models")
    models.add_argument("--json", action="store_true", help="print the list as JSON")
    models.set_defaults(command=_list)
    actions = models.add_subparsers(metavar="ACTION", help="what to do; list by default")

    listing = add_command(actions, "list", "list all models")
    # SUPPRESS, so that `models --json list` keeps its --json.
    listing.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print the list as JSON"
    )
    listing.set_defaults(command=_list)

    layers.add_command_layers(actions)

    add = add_command(actions, "add", "copy a model folder to your models")
    add.add_argument("model", metavar="FOLDER", help=model_options.HELP)
    _add_name(add, "the folder's")
    add.set_defaults(command=_add)

    rename = add_command(actions, "rename", "give one of your models another name")
    rename.add_argument("name", metavar="OLD", help="name of one of your models")
    rename.add_argument("new", metavar="NEW", help="its new name")
    rename.set_defaults(command=_rename)

    remove = add_command(actions, "remove", "move one of your models to the trash")
    remove.add_argument("name", metavar="NAME", help="of one of your models")
    remove.set_defaults(command=_remove)

    removed = add_command(actions, "removed", "list the models that can be restored")
    removed.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print the list as JSON"
    )
    removed.set_defaults(command=_removed)

    restore = add_command(actions, "restore", "undo `remove`")
    restore.add_argument(
        "name", metavar="NAME", help="of the model that was removed, or its id in `models removed`"
    )
    restore.set_defaults(command=_restore)

    export = add_command(actions, "export", "write a model with its reports as one zip file")
    export.add_argument("model", metavar="MODEL", help=model_options.HELP)
    export.add_argument("file", metavar="FILE.zip", type=Path, help="the file to write")
    export.set_defaults(command=_export)

    load = add_command(
        actions, "import", "check a file written by `export` and add its model to yours"
    )
    load.add_argument("file", metavar="FILE.zip", type=Path, help="written by `export`")
    _add_name(load, "the card's")
    load.set_defaults(command=_import)


def _add_name(parser: argparse.ArgumentParser, usual: str) -> None:
    parser.add_argument(
        "--name", metavar="NAME", help=f"name for the model (default: {usual} name)"
    )


def _registry() -> Registry:
    """The user's and the shipped models, without what killed commands left."""
    from landcover.jobs.runs.models import follow  # noqa: PLC0415 - loads torch
    from landcover.models import registry, store  # noqa: PLC0415 - as above

    found = registry.default()
    store.tidy(found)
    with suppress(BadInput):  # a folder of runs that cannot be written to; models can be read
        follow()
    return found


def _list(options: argparse.Namespace) -> int:
    from landcover.evaluate.model_summary import describe  # noqa: PLC0415 - loads torch
    from landcover.models import registry  # noqa: PLC0415
    from landcover.report import patch_report  # noqa: PLC0415

    models, rows, damaged = _registry(), [], []
    for name in models.names():
        try:
            row = describe(models.folder(name))
        except CorruptModel as error:
            damaged.append(str(error))
            continue
        default = name == registry.DEFAULT_MODEL
        rows.append({**row, "name": name, "default": default, "origin": models.origin(name)})
    print(
        json.dumps(rows, ensure_ascii=False, allow_nan=False)
        if options.json
        else patch_report.models_text(rows)
    )
    for name in models.shadowed():
        print(
            f"note: {plain(str(models.user_folder(name)))} is not used, because a shipped model "
            f"has its name: landcover models rename {name} NEW",
            file=sys.stderr,
        )
    for sentence in damaged:
        print(f"error: {sentence}", file=sys.stderr)
    return SOME_FAILED if damaged else DONE


def _add(options: argparse.Namespace) -> int:
    from landcover.models import store  # noqa: PLC0415 - loads torch

    print_added(store.add(_registry(), options.model, options.name))
    return DONE


def print_added(name: str) -> None:
    """Print that a model was added, and how to use it."""
    print(f"Added '{name}': landcover classify SOURCE --model {name}")


def _rename(options: argparse.Namespace) -> int:
    from landcover.jobs.runs import models  # noqa: PLC0415 - loads torch

    _registry()
    models.rename(options.name, options.new)
    print(
        f"Renamed '{options.name}' to '{options.new}': landcover classify SOURCE --model "
        f"{options.new}"
    )
    return DONE


def _remove(options: argparse.Namespace) -> int:
    from landcover.models import store  # noqa: PLC0415 - loads torch

    folder = store.remove(_registry(), options.name)
    moved = f"Moved '{options.name}' to {folder}; undo: landcover models restore {options.name}"
    print(one_line(moved))
    return DONE


def _removed(options: argparse.Namespace) -> int:
    from landcover.models import store  # noqa: PLC0415 - loads torch

    found = store.removed(_registry())
    if options.json:
        rows = [
            {"id": one.id, "name": one.name, "removed": one.when and one.when.isoformat()}
            for one in found
        ]
        print(json.dumps(rows, ensure_ascii=False))
        return DONE
    for one in found:
        when = "" if one.when is None else f", removed {one.when:%Y-%m-%d %H:%M} UTC"
        print(one_line(f"{one.name}{when}; undo: landcover models restore {one.id}"))
    if not found:
        print("No removed model is kept.")
    return DONE


def _restore(options: argparse.Namespace) -> int:
    from landcover.models import store  # noqa: PLC0415 - loads torch

    name = store.restore(_registry(), options.name)
    print(f"Restored '{name}': landcover classify SOURCE --model {name}")
    return DONE


def _export(options: argparse.Namespace) -> int:
    from landcover.models import store  # noqa: PLC0415 - loads torch

    store.export_archive(_registry(), options.model, options.file)
    print(output.written(options.file, size=True))
    return DONE


def _import(options: argparse.Namespace) -> int:
    from landcover.models import store  # noqa: PLC0415 - loads torch

    print_added(store.import_archive(_registry(), options.file, options.name))
    return DONE
