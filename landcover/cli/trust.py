"""The command ``trust``: measure how reliable predictions and explanations are.

To add an action, write a function that adds its parser, and add it to ``ACTIONS``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import (
    examples,
    model_options,
    output,
    progress,
    trust_by_place,
    trust_verdict,
)
from landcover.cli.commands import add_command
from landcover.core.errors import BadInput, CorruptModel

if TYPE_CHECKING:
    from landcover.core.raster import Raster
    from landcover.datasets import Dataset, EuroSat
    from landcover.explain.faithfulness.ratings import Faithfulness

__all__ = ["ACTIONS", "MAX_PATCHES", "PATCHES", "SPLITS", "add_commands"]

PATCHES: Final = 12
MAX_PATCHES: Final = 500
SPLITS: Final = ("train", "validation")
"""The test split is only for the final evaluation of a model, not for choosing methods."""
_SEED: Final = 0


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``trust`` with its actions."""
    actions = add_command(
        commands, "trust", "measure how reliable predictions and explanations are"
    ).add_subparsers(required=True, metavar="ACTION")
    for name, add in ACTIONS:
        add(actions, name)


def _add_faithfulness(actions: Any, name: str) -> None:  # noqa: ANN401 - as above
    parser = add_command(actions, name, "measure the faithfulness of explanations")
    parser.add_argument(
        "root",
        type=Path,
        metavar="ROOT",
        nargs="?",
        help="folder of the data set; if left out, saved ratings are printed",
    )
    parser.add_argument("--dataset", default="bigearthnet", help="bigearthnet (default) or eurosat")
    parser.add_argument("--split", default="validation", help="train or validation")
    parser.add_argument(
        "--maps", type=Path, metavar="DIR", help="folder with S2L2A and LULC of the same places"
    )
    parser.add_argument("--patches", type=int, default=PATCHES, help="number of random patches")
    model_options.add(parser)
    parser.add_argument("--save", action="store_true", help=model_options.SAVE_HELP)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print the metrics as JSON")
    how.add_argument("--markdown", action="store_true", help="print a Markdown table")
    parser.set_defaults(command=_faithfulness)


def _add_scales(actions: Any, name: str) -> None:  # noqa: ANN401 - as above
    parser = add_command(
        actions, name, "measure the attribution that is drawn in full colour, for each method"
    )
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument("--dataset", default="bigearthnet", help="bigearthnet (default) or eurosat")
    model_options.add(parser)
    parser.add_argument(
        "--save",
        action="store_true",
        help="write them to the card, whose hash changes: files in trust/ and evaluation/ must "
        "be made again",
    )
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    parser.set_defaults(command=_scales)


ACTIONS: Final[tuple[tuple[str, Callable[[Any, str], None]], ...]] = (
    ("scales", _add_scales),
    ("faithfulness", _add_faithfulness),
    ("neighbours", examples.add_neighbours),
    ("stability", examples.add_stability),
    ("fit", trust_verdict.add_fit),
    ("measure", trust_verdict.add_measure),
    ("by-place", trust_by_place.add),
)
"""Name of an action → function that adds its parser."""


def _faithfulness(options: argparse.Namespace) -> int:
    found = _saved(options) if options.root is None else [_measure_faithfulness(options)]
    if options.json:
        for one in found:
            print(one.as_json())
        return 0
    from landcover.explain.faithfulness import faithfulness_text  # noqa: PLC0415 - `landcover --help` must not wait

    write = faithfulness_text.as_markdown if options.markdown else faithfulness_text.as_text
    print("\n\n\n".join(write(one) for one in found))
    return 0


def _scales(options: argparse.Namespace) -> int:
    from landcover import datasets  # noqa: PLC0415
    from landcover.explain import explanation  # noqa: PLC0415
    from landcover.models import registry  # noqa: PLC0415
    from landcover.models.card import CARD_FILE  # noqa: PLC0415
    from landcover.train.recipes import eurosat_folder, model_folder  # noqa: PLC0415

    dataset = datasets.open_any(options.dataset, options.root)
    pictures = isinstance(dataset, datasets.EuroSat)
    default = registry.PICTURE_MODEL if pictures else registry.DEFAULT_MODEL
    name = options.model or default
    with output.saving_card(options, name) as folder:  # before the work, so that it can be saved
        model = registry.default().load(name, options.device)
        rasters: Sequence[Raster] = (
            eurosat_folder.some_pictures(dataset)
            if isinstance(dataset, datasets.EuroSat)
            else model_folder.some_patches(dataset)
        )
        with progress.show() as report:
            scales = explanation.explanation_scales(model, rasters, report)
        card = model.card.with_fields(explanation_scales=scales)
        if folder is not None:
            card.write(folder)
            print(output.written(folder / CARD_FILE), file=sys.stderr)
    before = model.card.explanation_scales
    if options.json:
        record = {"model": card.name, "card_hash": card.hash, "scales": card.explanation_scales}
        print(json.dumps(record, allow_nan=False))
        return 0
    for name, scale in card.explanation_scales.items():
        was = f" (the card had {before[name]:.6g})" if name in before else ""
        print(f"{name}: {scale:.6g} {explanation.METHODS[name].unit}{was}")
    return 0


def _saved(options: argparse.Namespace) -> list[Faithfulness]:
    """The saved ratings of one model, or of all registered models that have some."""
    from landcover.explain.faithfulness import ratings  # noqa: PLC0415 - as above
    from landcover.models import registry  # noqa: PLC0415 - as above

    if options.model is not None:
        only = ratings.load(registry.default().folder(options.model))
        found = [] if only is None else [only]
    else:
        found = []
        for name in registry.default().names():
            try:
                one = ratings.load(registry.default().folder(name))
            except CorruptModel as error:
                print(f"error: {error}", file=sys.stderr)
                continue
            found += [] if one is None else [one]
    if not found:
        raise BadInput(
            "There are no saved ratings: give ROOT to measure them, and --save to save them."
        )
    return found


def _measure_faithfulness(options: argparse.Namespace) -> Faithfulness:
    from landcover import datasets  # noqa: PLC0415 - as above
    from landcover.evaluate.patches import has_seen  # noqa: PLC0415 - as above
    from landcover.explain.faithfulness import protocol, ratings  # noqa: PLC0415 - as above
    from landcover.explain.faithfulness.pointing import read_scenes  # noqa: PLC0415
    from landcover.models import registry  # noqa: PLC0415 - as above

    if not 4 <= options.patches <= MAX_PATCHES:
        raise BadInput(f"--patches must be between 4 and {MAX_PATCHES}.")
    if options.split not in SPLITS:
        raise BadInput(
            f"Explanations are measured on the split {' or '.join(SPLITS)}, not on "
            f"'{options.split[:60]}', which is only for the final evaluation of a model."
        )
    dataset = datasets.open_any(options.dataset, options.root)
    pictures = isinstance(dataset, datasets.EuroSat)
    default = registry.PICTURE_MODEL if pictures else registry.DEFAULT_MODEL
    name = options.model or default
    model = registry.default().load(name, options.device)
    seen = (
        None
        if isinstance(dataset, datasets.EuroSat)
        else has_seen(model.card, dataset, options.split)
    )
    patches, names = chosen_patches(dataset, options)
    scenes = None if options.maps is None else read_scenes(options.maps)
    measured_on = ratings.Patches(
        dataset=dataset.title,
        split=options.split,
        drawn_from=len(dataset.records(options.split)),
        seen_in_training=seen,
        patches=tuple(names),
        maps=() if scenes is None else tuple(scene.name for scene in scenes),
    )
    with output.saving(options, name, ratings.FILE) as folder:
        with progress.show() as report:
            measured = protocol.measure(model, patches, scenes, report)
        found = measured.with_fields(measured_on=measured_on)
        if folder is not None:
            print(output.written(ratings.save(found, folder)), file=sys.stderr)
    return found


def chosen_patches(
    dataset: Dataset | EuroSat, options: argparse.Namespace
) -> tuple[Sequence[Raster], list[str]]:
    """Patches drawn from a split, and their names."""
    import numpy as np  # noqa: PLC0415 - `landcover --help` must not wait

    from landcover import datasets  # noqa: PLC0415

    total = len(dataset.records(options.split))
    drawn = np.random.default_rng(_SEED).permutation(total)[: options.patches].tolist()
    if not isinstance(dataset, datasets.EuroSat):
        records = [dataset.records(options.split)[index] for index in drawn]
        return [record.patch() for record in records], [record.patch_id for record in records]
    from landcover.core.bands import RGB_BANDS  # noqa: PLC0415
    from landcover.core.raster import Provenance, Raster  # noqa: PLC0415

    store = dataset.load_pictures([dataset.records(options.split)[index] for index in drawn])
    found = [
        Raster(
            data=store.pixels([k])[0].numpy(),
            valid=np.ones(store.bytes.shape[1:3], dtype=bool),
            bands=RGB_BANDS,
            provenance=Provenance(source=name, level="RGB"),
        )
        for k, name in enumerate(store.ids)
    ]
    return found, list(store.ids)
