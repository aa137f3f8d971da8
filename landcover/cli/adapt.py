"""The command ``adapt``: fit a model to corrections, say whether that helps, and keep it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import model_options, output, progress
from landcover.cli.commands import add_command
from landcover.cli.exit_status import DONE, SOME_FAILED
from landcover.core.errors import BadInput
from landcover.core.text import one_line

if TYPE_CHECKING:
    from landcover.adapt.adaptation import Adaptation
    from landcover.adapt.corrections import Correction

__all__ = ["add_commands"]

_HELP: Final = """\
adapt a model to corrections of its answers

The nets of the model stay as they are; a correction of its scores is fitted in seconds. Each
corrected place is left out once to measure whether this helps. Without --out or --register nothing
is written; with them, a model that is not shown to help is only written with --anyway."""


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``adapt``."""
    adapt = add_command(
        commands, "adapt", "adapt a model to corrections of its answers", description=_HELP
    )
    adapt.add_argument(
        "corrections",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="a GeoJSON file of corrections (default: those of `landcover corrections`)",
    )
    adapt.add_argument(
        "--sources",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="files that were corrected, folders or zips of them, or names of samples; only for "
        "corrections whose features are not kept for the model",
    )
    adapt.add_argument("--out", type=Path, metavar="DIR", help="new model folder")
    adapt.add_argument(
        "--register", metavar="NAME", help="add the result to your models under that name"
    )
    adapt.add_argument(
        "--anyway", action="store_true", help="keep the model even if it is not shown to help"
    )
    adapt.add_argument("--json", action="store_true", help="print the figures as JSON")
    model_options.add(adapt, "landcover-mosaic")
    adapt.set_defaults(command=_adapt)


def _adapt(options: argparse.Namespace) -> int:
    from landcover.adapt import adaptation, evidence, pixels  # noqa: PLC0415 - loads torch
    from landcover.adapt.corrections import Kept  # noqa: PLC0415 - as above
    from landcover.models import registry, store  # noqa: PLC0415 - as above

    models = registry.default()
    if options.register is not None:
        store.check_new(models, options.register)
    _check_out(options.out)
    corrections = _corrections(options.corrections)
    among = pixels.paths(options.sources)
    model = models.load(options.model or registry.DEFAULT_MODEL, options.device)
    with progress.show() as report:
        found, lost = evidence.gather(Kept.default(), corrections, model, among, report)
        for sentence in lost:
            print(one_line(f"error: {sentence}"), file=sys.stderr)
        made = adaptation.adapt_from(model, found, _name(options, model.card.name), report)
    kept = made.judgement.helps or options.anyway
    _show(options, made, written=kept)
    if not kept and (options.out or options.register):
        raise BadInput(
            "The adapted model was not kept, because it is not shown to help: correct more places, "
            "or give --anyway."
        )
    _keep(options, made)
    return SOME_FAILED if lost else DONE


def _check_out(out: Path | None) -> None:
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"'{out.name}' exists and is not an empty folder: name another for --out.")


def _corrections(file: Path | None) -> tuple[Correction, ...]:
    from landcover.adapt import corrections, geojson  # noqa: PLC0415 - slow to import

    given = corrections.Kept.default().read() if file is None else geojson.read(file)
    if not given:
        raise BadInput(
            "There are no corrections: make some with `landcover corrections add`, or give a "
            "GeoJSON file."
        )
    return corrections.current(given)


def _name(options: argparse.Namespace, base: str) -> str:
    if options.register is not None:
        return str(options.register)
    return f"{base}-adapted" if options.out is None else options.out.resolve().name[:100]


def _show(options: argparse.Namespace, made: Adaptation, *, written: bool) -> None:
    from landcover.adapt import judgement  # noqa: PLC0415 - loads torch
    from landcover.adapt.lineage import ADAPTATION  # noqa: PLC0415 - as above

    if not options.json:
        print(judgement.as_text(made.judgement))
        print(f"\n{made.decisions.reason}")
        return
    kept = written and bool(options.out or options.register)
    values = {"model": made.model.card.name, "kept": kept}
    print(json.dumps({**values, **made.model.card.training[ADAPTATION]}, ensure_ascii=False))


def _keep(options: argparse.Namespace, made: Adaptation) -> None:
    from landcover.cli.models import print_added  # noqa: PLC0415 - loads torch
    from landcover.core import files  # noqa: PLC0415
    from landcover.models import registry, store  # noqa: PLC0415 - loads torch

    say = sys.stderr if options.json else sys.stdout
    if options.out is not None:
        with files.lock(options.out):
            made.save(options.out)
        print(output.written(options.out), file=say)
    if options.register is not None:
        with files.scratch() as folder:
            made.save(folder / "model")
            store.add(registry.default(), folder / "model", options.register)
        if not options.json:
            print_added(options.register)
