"""The command ``cover``: fit and measure the head that tells the cover of each cell of 80 m."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from landcover.cli import model_options, output, progress
from landcover.cli.commands import add_command
from landcover.core.errors import BadInput

__all__ = ["add_commands"]

FIT: Final = """\
Fit the head that tells the cover of each cell of 80 m to the labels of patches (training and
validation), and measure it in countries that were left out. Hectares of area maps are corrected by
what is measured."""
MEASURE: Final = """\
Print what `landcover cover fit` measured, and compare the map of the model with land-cover maps of
the same places."""


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``cover`` with its actions."""
    what = "fit and measure the map of covers at 80 m"
    actions = add_command(commands, "cover", what).add_subparsers(required=True, metavar="ACTION")
    fit = add_command(actions, "fit", "fit the map of covers to labels of patches", FIT)
    fit.add_argument("root", type=Path, metavar="ROOT", nargs="+", help="folders of the data set")
    fit.add_argument("--dataset", default="bigearthnet", help="bigearthnet (default)")
    model_options.add(fit)
    fit.add_argument("--save", action="store_true", help=model_options.SAVE_HELP)
    fit.set_defaults(command=_fit)
    measure = add_command(actions, "measure", "print how good the map of covers is", MEASURE)
    measure.add_argument(
        "--maps", type=Path, metavar="DIR", help="folder with S2L2A and LULC of the same places"
    )
    model_options.add(measure)
    measure.set_defaults(command=_measure)
    for parser in (fit, measure):
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--json", action="store_true", help="print the figures as JSON")
        how.add_argument("--markdown", action="store_true", help="print Markdown tables")


def _fit(options: argparse.Namespace) -> int:
    from landcover.datasets import folds, open_dataset  # noqa: PLC0415 - loads torch
    from landcover.models import cover, registry  # noqa: PLC0415
    from landcover.train import cover_cells, cover_fit, cover_measure, cover_text  # noqa: PLC0415

    pool = folds.pool([open_dataset(options.dataset, root) for root in options.root])
    name = options.model or registry.DEFAULT_MODEL
    folder = registry.default().saves_to(name) if options.save else None
    model = registry.default().load(name, options.device)
    with progress.show() as report:
        cells = cover_cells.gather(model.net, pool.load(report), report)
        found = cover_measure.measure(cells, pool.records, dataset=pool.name, report=report)
        head = cover_fit.fit(cells, range(len(cells)), report=report)
    if folder is not None:
        for path in cover.save_cover(folder, model.card.hash, head, found):
            print(output.written(path, size=True), file=sys.stderr)
    if options.json:
        print(found.as_json())
    else:
        print(cover_text.as_text(found, markdown=options.markdown))
    return 0


def _measure(options: argparse.Namespace) -> int:
    from landcover.explain.faithfulness.pointing import read_scenes  # noqa: PLC0415 - loads torch
    from landcover.models import cover, registry  # noqa: PLC0415
    from landcover.train import cover_maps, cover_text  # noqa: PLC0415

    model = registry.default().load(options.model or registry.DEFAULT_MODEL, options.device)
    head = cover.load_cover(model)
    if head is None:
        raise BadInput(
            f"{model.card.title} has no map of covers: make one with `{cover.COMMAND} ROOT --save`."
        )
    record = cover.load_record(model.folder, model.card.hash)
    found = (
        () if options.maps is None else cover_maps.compare(model, head, read_scenes(options.maps))
    )
    if options.json:
        measured = None if record is None else record.as_dict()
        print(json.dumps({"measured": measured, "maps": [vars(one) for one in found]}))
        return 0
    parts = [] if record is None else [cover_text.as_text(record, markdown=options.markdown)]
    parts += [cover_text.maps_text(found, markdown=options.markdown)] if found else []
    print("\n\n".join(parts) or "Nothing was measured: fit the head again with --save.")
    return 0
