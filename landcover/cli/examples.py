"""Actions of ``landcover trust``: the index of training patches, and stability under shifts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import model_options, output, progress
from landcover.cli.commands import add_command
from landcover.core.errors import BadInput

if TYPE_CHECKING:
    from landcover.core.schema import MeasuredOn
    from landcover.datasets import Dataset, Record
    from landcover.datasets.arrays import NativeStore
    from landcover.models.card import Card
    from landcover.models.model import Model

__all__ = [
    "MAX_QUERIES",
    "MAX_RESAMPLES",
    "MIN_PATCHES",
    "MIN_RESAMPLES",
    "SHIFT_M",
    "add_neighbours",
    "add_stability",
]

MIN_RESAMPLES: Final = 100
MAX_RESAMPLES: Final = 100_000
"""Resamples: fewer give no usable interval, more only take time."""
MAX_QUERIES: Final = 2000
"""Patches: more need much memory and hardly narrow the intervals, which depend on blocks."""
MIN_PATCHES: Final = 10
SHIFT_M: Final = 100.0
_BATCH: Final = 64
_SEED: Final = 0


def add_neighbours(actions: Any, name: str) -> None:  # noqa: ANN401 - argparse hides its type
    """Add the action that indexes training patches and measures their similarity to others."""
    parser = add_command(
        actions, name, "index training patches, and measure whether neighbours share classes"
    )
    _add_options(parser)
    parser.set_defaults(command=_neighbours)


def add_stability(actions: Any, name: str) -> None:  # noqa: ANN401 - as above
    """Add the action that measures the stability of predictions under shifts."""
    parser = add_command(actions, name, "measure how stable predictions are when the window moves")
    _add_options(parser)
    parser.add_argument("--shift", type=float, default=SHIFT_M, metavar="M", help="metres")
    parser.add_argument("--patches", type=int, default=MAX_QUERIES, help="maximum number")
    parser.set_defaults(command=_stability)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument("--dataset", required=True, help="bigearthnet (v1 or v2 layout)")
    parser.add_argument("--split", default="test", help="split with the patches to measure on")
    model_options.add(parser)
    parser.add_argument("--bootstraps", type=int, default=1000, help="resamples for intervals")
    parser.add_argument("--save", action="store_true", help=model_options.SAVE_HELP)
    parser.add_argument("--json", action="store_true", help="print the metrics as JSON")


def _neighbours(options: argparse.Namespace) -> int:
    from landcover.evaluate import patches  # noqa: PLC0415 - loads torch
    from landcover.explain import neighbours, neighbours_record  # noqa: PLC0415 - loads torch
    from landcover.explain import neighbours_measure as measuring  # noqa: PLC0415
    from landcover.explain.neighbours_build import MAX_PATCHES  # noqa: PLC0415

    name, model, dataset = _opened(options)
    records = _training_records(model.card, dataset)
    if patches.has_seen(model.card, dataset, options.split):
        raise BadInput(
            f"{model.card.title} was trained on the split '{options.split}', so that its patches "
            "would find themselves: give another split, such as test."
        )
    training = _read(_drawn(records, MAX_PATCHES))
    queries = _read(_drawn(dataset.records(options.split), MAX_QUERIES))
    splits = patches.training_splits(model.card, dataset)
    origin = {"dataset": dataset.title, "splits": list(splits), "drawn_from": len(records)}
    with output.saving(options, name, neighbours.FILE) as folder:
        with progress.show() as report:
            index, found = measuring.measure(
                model, training, queries, origin, resamples=options.bootstraps, report=report
            )
        found = found.with_fields(**_where(options, model.card, dataset))
        if folder is not None:
            for path in (
                neighbours.save(index, folder),
                neighbours_record.save(found, folder, model.card.hash),
            ):
                print(output.written(path), file=sys.stderr)
    _print(options, found, neighbours_record.as_text(found))
    return 0


def _stability(options: argparse.Namespace) -> int:
    from landcover.trust.bench import shift_stability_measure as measuring  # noqa: PLC0415 - loads torch
    from landcover.trust.bench import stability_record  # noqa: PLC0415

    if options.patches < MIN_PATCHES:
        raise BadInput(f"--patches must be at least {MIN_PATCHES}.")
    name, model, dataset = _opened(options)
    records = _drawn(dataset.records(options.split), options.patches)
    with output.saving(options, name, stability_record.FILE) as folder:
        with progress.show() as report:
            found = measuring.measure(
                model, records, options.shift, resamples=options.bootstraps, report=report
            )
        found = found.with_fields(**_where(options, model.card, dataset))
        if folder is not None:
            path = stability_record.save(found, folder, model.card.hash)
            print(output.written(path), file=sys.stderr)
    _print(options, found, stability_record.as_text(found))
    return 0


def _opened(options: argparse.Namespace) -> tuple[str, Model, Dataset]:
    """The model's name or path, the model, and the data set."""
    from landcover import datasets  # noqa: PLC0415 - loads torch
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    if not MIN_RESAMPLES <= options.bootstraps <= MAX_RESAMPLES:
        raise BadInput(f"--bootstraps must be between {MIN_RESAMPLES} and {MAX_RESAMPLES:,}.")
    name = options.model or registry.DEFAULT_MODEL
    dataset = datasets.open_dataset(options.dataset, options.root)
    return name, registry.default().load(name, options.device), dataset


def _where(options: argparse.Namespace, card: Card, dataset: Dataset) -> dict[str, Any]:
    """Facts about the model and the patches it is measured on."""
    from landcover.evaluate.patches import has_seen  # noqa: PLC0415 - loads torch

    return {
        "model": card.name,
        "card_hash": card.hash,
        "dataset": dataset.title,
        "split": options.split,
        "seen_in_training": has_seen(card, dataset, options.split),
    }


def _print(options: argparse.Namespace, found: MeasuredOn, text: str) -> None:
    if options.json:
        print(found.as_json())
        return
    print(f"{found.model} ({found.card_hash}) on {found.dataset}, split {found.split}\n\n{text}")


def _training_records(card: Card, dataset: Dataset) -> list[Record]:
    """The patches of the splits that a model was trained on.

    Raises:
        BadInput: it was trained on another data set.
    """
    from landcover.evaluate.patches import training_splits  # noqa: PLC0415 - loads torch

    splits = training_splits(card, dataset)
    if not splits:
        raise BadInput(
            f"{card.title} was not trained on {dataset.title}, so there are no training patches "
            "to index here: give the data set that its card names."
        )
    return [record for split in splits for record in dataset.records(split)]


def _drawn(records: Sequence[Record], most: int) -> Sequence[Record]:
    """All records, or a random sample of ``most``."""
    import numpy as np  # noqa: PLC0415 - slow to import

    if len(records) <= most:
        return records
    rows = np.random.default_rng(_SEED).permutation(len(records))[:most]
    return [records[row] for row in np.sort(rows)]


def _read(records: Sequence[Record]) -> NativeStore:
    from landcover.datasets.labelled import batches, read_records, store_of  # noqa: PLC0415

    natives = [native for batch in batches(records, _BATCH) for native in read_records(batch)]
    return store_of(records, natives)
