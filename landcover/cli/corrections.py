"""The command ``corrections``: say what is right and wrong in answers; list, undo, exchange."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landcover.cli import model_options, output, progress, source_options
from landcover.cli.commands import add_command
from landcover.cli.exit_status import DONE, SOME_FAILED
from landcover.core.errors import BadInput, ModelMismatch
from landcover.core.text import listed, one_line, place_text, time_text

if TYPE_CHECKING:
    from landcover.adapt.corrections import Correction, Kept

__all__ = ["add_commands"]

_CLASS_HELP = "a class, by its full or short name; may be repeated"


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``corrections`` with its actions; the default action is ``list``."""
    corrections = add_command(
        commands, "corrections", "say what is right and wrong in answers; list, undo, exchange"
    )
    corrections.add_argument("--json", action="store_true", help="print the list as JSON")
    corrections.set_defaults(command=_list)
    actions = corrections.add_subparsers(metavar="ACTION")
    _add_add(actions)
    shown = add_command(actions, "list", "list the corrections that are kept")
    shown.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print them as GeoJSON"
    )
    shown.set_defaults(command=_list)
    suggest = add_command(actions, "suggest", "say which windows to correct next")
    suggest.add_argument(
        "source", nargs="+", metavar="SOURCE", help="files or folders; those corrected may be there"
    )
    suggest.add_argument("--count", type=int, default=5, help="how many (default: 5)")
    model_options.add(suggest, "landcover-mosaic")
    suggest.set_defaults(command=_suggest)
    undo = add_command(actions, "undo", "remove the last correction, or the one with an id")
    undo.add_argument("id", nargs="?", help="as `landcover corrections list` shows it")
    undo.set_defaults(command=_undo)
    export = add_command(actions, "export", "write all corrections to a GeoJSON file")
    export.add_argument("file", type=Path, metavar="FILE", help="a .geojson or .json file")
    export.set_defaults(command=_export)
    imported = add_command(actions, "import", "add the corrections of a GeoJSON file")
    imported.add_argument("file", type=Path, metavar="FILE", help="a GeoJSON file in EPSG:4326")
    imported.set_defaults(command=_import)


def _add_add(actions: Any) -> None:  # noqa: ANN401 - as above
    add = add_command(actions, "add", "correct the answer for a window of a source")
    add.add_argument("source", metavar="SOURCE", help=source_options.SOURCE_HELP)
    for name, meaning in (("present", "that is there"), ("absent", "that is not there")):
        add.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="CLASS",
            help=_CLASS_HELP.replace("a class,", f"a class {meaning},"),
        )
    add.add_argument(
        "--complete", action="store_true", help="no other class than those of --present is there"
    )
    source_options.add(add)
    add.set_defaults(command=_add)


def _add(options: argparse.Namespace) -> int:
    from landcover.adapt import evidence  # noqa: PLC0415 - loads torch
    from landcover.adapt.corrections import of_answer  # noqa: PLC0415 - slow to import
    from landcover.core.classes import resolve  # noqa: PLC0415
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    present, absent = (
        [resolve(name).name for name in names] for names in (options.present, options.absent)
    )
    models = registry.default()
    loaded = models.load(options.model or models.usual("L2A"), options.device)
    with progress.show() as report:
        patch = source_options.read(options.source.strip(), options, level="L2A", report=report)
    model = source_options.model_for(loaded, patch.raster, options, named=options.model)
    answer = model.predict(patch.raster)
    made = of_answer(
        patch.raster,
        {one.label: one.probability for one in answer.labels},
        predicted=[one.label for one in answer.predicted],
        present=present,
        absent=absent,
        complete=options.complete,
        model=answer.model,
        card_hash=answer.card_hash,
    )
    kept = _kept()
    kept.add([made])
    with suppress(ModelMismatch):  # a model without features, which cannot be adapted
        evidence.keep(kept, made, model, patch.raster)
    print(_line(made))
    return 0


def _list(options: argparse.Namespace) -> int:
    from landcover.adapt import geojson  # noqa: PLC0415 - slow to import

    found = _kept().read()
    if options.json:
        print(json.dumps(geojson.as_geojson(found), ensure_ascii=False, allow_nan=False))
        return 0
    for one in found:
        print(_line(one))
    if not found:
        print("There are no corrections yet: landcover corrections add SOURCE --present CLASS")
    return 0


def _suggest(options: argparse.Namespace) -> int:
    from landcover.adapt import pixels, suggestion  # noqa: PLC0415 - loads torch
    from landcover.models import registry  # noqa: PLC0415 - as above

    if options.count < 1:
        raise BadInput("--count is how many windows to name: give 1 or more.")
    among = pixels.paths(options.source)
    model = registry.default().load(options.model or registry.DEFAULT_MODEL, options.device)
    corrected = {one.pixels_sha256 for one in _kept().read()}
    with progress.show() as report:
        named, failed = suggestion.suggest(model, among, corrected, options.count, report)
    for sentence in failed:
        print(one_line(f"error: {sentence}"), file=sys.stderr)
    for line in named:
        print(one_line(line))
    return SOME_FAILED if failed else DONE


def _undo(options: argparse.Namespace) -> int:
    print(f"Removed: {_line(_kept().undo(options.id))}")
    return 0


def _export(options: argparse.Namespace) -> int:
    from landcover.adapt import geojson  # noqa: PLC0415 - slow to import

    output.check(options.file, (".geojson", ".json"), option="FILE")
    geojson.write(_kept().read(), options.file)
    print(output.written(options.file, size=True))
    return 0


def _import(options: argparse.Namespace) -> int:
    from landcover.adapt import geojson  # noqa: PLC0415 - slow to import

    given = geojson.read(options.file)
    added = _kept().add(given)
    print(f"Added {added} of {len(given)} corrections; the others were there already.")
    if added:
        print("Features are not exchanged: `landcover adapt --sources` needs the files once.")
    return 0


def _kept() -> Kept:
    from landcover.adapt.corrections import Kept  # noqa: PLC0415 - slow to import

    return Kept.default()


def _line(one: Correction) -> str:
    when = None if one.acquired is None else one.acquired.isoformat()
    parts = [one.id, place_text(*one.place), time_text(when), one.source]
    for word, names in (
        ("confirmed", one.confirmed),
        ("added", one.added),
        ("struck out", one.struck),
    ):
        if names:
            parts.append(f"{word}: {listed(names)}")
    if one.complete:
        parts.append("complete")
    return one_line(" · ".join(part for part in parts if part))
