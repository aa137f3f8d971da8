"""The commands ``bands``: the model for some bands, and how its values were obtained."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from landcover.cli import model_options, output, progress
from landcover.cli.commands import add_command
from landcover.core import files
from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput

__all__ = ["add_commands"]

_ALSO: Final = ("landcover-cnn", "landcover-cnn-rgbn", "landcover-cnn-rgb", "class-prior")
"""Models that are compared with the default model, if they are there, and a baseline."""


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``bands`` with its actions."""
    bands = add_command(commands, "bands", "name the model for some bands; measure models")
    actions = bands.add_subparsers(metavar="ACTION", required=True)

    best = add_command(
        actions, "best", "name the model for some bands and what the missing ones cost"
    )
    best.add_argument("bands", metavar="BANDS", help="such as B02,B03,B04,B08")
    best.add_argument("--json", action="store_true", help="print the choice as JSON")
    best.set_defaults(command=_best)

    fit = add_command(actions, "fit", "fit the distribution from which bands are estimated")
    _add_data(fit, "train")
    fit.add_argument("--components", type=int, help="number of Gaussians (default: 8)")
    fit.add_argument("--seed", type=int, default=0, help="of the pixels that are drawn")
    fit.add_argument("--save", action="store_true", help="replace the shipped distribution")
    fit.set_defaults(command=_fit)

    measure = add_command(actions, "measure", "measure models with subsets of the bands")
    _add_data(measure, "test")
    measure.add_argument(
        "--save",
        action="store_true",
        help="replace the shipped table, which the program quotes for sources with fewer bands",
    )
    measure.add_argument(
        "--all", action="store_true", help="measure other models and a baseline, too"
    )
    measure.add_argument("--json", action="store_true", help="print all values as JSON")
    model_options.add_device(measure)
    measure.set_defaults(command=_measure)


def _add_data(parser: argparse.ArgumentParser, split: str) -> None:
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument("--dataset", required=True, help="bigearthnet (v1 or v2 layout)")
    parser.add_argument("--split", default=split, help="train, validation, test or all")


def _best(options: argparse.Namespace) -> int:
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    given = [name.strip().upper() for name in options.bands.split(",")]
    if unknown := [name for name in given if name not in BAND_NAMES]:
        raise BadInput(
            f"'{unknown[0][:20]}' is not a band of Level-2A: give some of {', '.join(BAND_NAMES)}."
        )
    found = registry.default().best_for(given, "L2A")
    if options.json:
        print(json.dumps(vars(found), ensure_ascii=False))
    else:
        print("\n".join([found.name, *([f"  {found.sentence}"] if found.sentence else [])]))
    return 0


def _fit(options: argparse.Namespace) -> int:
    from landcover import datasets  # noqa: PLC0415 - loads torch
    from landcover.models import band_mixture  # noqa: PLC0415
    from landcover.train import band_mixture_fit  # noqa: PLC0415

    dataset = datasets.open_dataset(options.dataset, options.root)
    with progress.show() as report:
        found = band_mixture_fit.fit(
            dataset,
            options.split,
            components=options.components or band_mixture_fit.COMPONENTS,
            seed=options.seed,
            progress=report,
        )
    _write(band_mixture.FILE if options.save else None, found.as_json())
    print(json.dumps({"hash": found.hash, **found.fitted}, ensure_ascii=False, indent=1))
    return 0


def _measure(options: argparse.Namespace) -> int:
    from landcover import datasets  # noqa: PLC0415 - loads torch
    from landcover.evaluate import band_subsets  # noqa: PLC0415
    from landcover.models import band_choice, registry  # noqa: PLC0415

    models = registry.default()
    also = [name for name in _ALSO if name in models.names()] if options.all else []
    reference, *others = (
        models.load(name, options.device) for name in (registry.DEFAULT_MODEL, *also)
    )
    candidates = dict.fromkeys(band_subsets.SUBSETS, (reference, *others))
    dataset = datasets.open_dataset(options.dataset, options.root)
    with progress.show() as report:
        found = band_subsets.measure(
            dataset, options.split, candidates, reference, baseline=options.all, progress=report
        )
    if options.save:
        _write(band_choice.FILE, band_choice.SubsetTable(test=found).as_json(indent=1))
    print(found.as_json() if options.json else band_subsets.as_text(found))
    return 0


def _write(path: Path | None, text: str) -> None:
    if path is None:
        return
    files.write_text(path, text + "\n")
    print(output.written(path), file=sys.stderr)
