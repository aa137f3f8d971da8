"""Actions of ``landcover trust``: the index of training patches, and stability under shifts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import model_options, progress
from landcover.core.errors import BadInput

if TYPE_CHECKING:
    from landcover.core.schema import MeasuredOn
    from landcover.datasets import Dataset, Record
    from landcover.datasets.arrays import NativeStore
    from landcover.models.card import Card
    from landcover.models.model import Model

__all__ = [
    "FEWEST",
    "FEWEST_PATCHES",
    "MOST",
    "MOST_ASKED",
    "SHIFT_M",
    "add_neighbours",
    "add_stability",
]

FEWEST: Final = 100
MOST: Final = 100_000
"""Resamples: fewer give no usable interval, more only take time."""
MOST_ASKED: Final = 2000
"""Patches: more would not make an interval narrower that blocks decide, and fill memory."""
FEWEST_PATCHES: Final = 10
SHIFT_M: Final = 100.0
_BATCH: Final = 64
_SEED: Final = 0


def add_neighbours(actions: Any, name: str) -> None:  # noqa: ANN401 - argparse hides its type
    """The action that indexes training patches and measures whether alike is alike."""
    parser = actions.add_parser(
        name, help="index a model's training patches, and measure whether alike is alike"
    )
    _add_options(parser)
    parser.set_defaults(command=_neighbours)


def add_stability(actions: Any, name: str) -> None:  # noqa: ANN401 - as above
    """The action that moves windows and measures how far answers stay."""
    parser = actions.add_parser(name, help="measure how far answers stay where a window moves")
    _add_options(parser)
    parser.add_argument("--shift", type=float, default=SHIFT_M, metavar="M", help="metres")
    parser.add_argument("--patches", type=int, default=MOST_ASKED, help="how many at most")
    parser.set_defaults(command=_stability)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument("--dataset", required=True, help="bigearthnet (v1 or v2 layout)")
    parser.add_argument("--split", default="test", help="whose patches are asked about")
    model_options.add(parser)
    parser.add_argument("--bootstraps", type=int, default=1000, help="resamples for intervals")
    parser.add_argument("--save", action="store_true", help=model_options.SAVE_HELP)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def _neighbours(options: argparse.Namespace) -> int:
    from landcover.evaluate import patches  # noqa: PLC0415 - loads torch
    from landcover.explain import neighbours, neighbours_record  # noqa: PLC0415 - loads torch
    from landcover.explain import neighbours_measure as measuring  # noqa: PLC0415
    from landcover.explain.neighbours_build import MAX_PATCHES  # noqa: PLC0415
    from landcover.models import registry  # noqa: PLC0415

    name, model, dataset = _opened(options)
    records = _learnt(model.card, dataset)
    if patches.has_seen(model.card, dataset, options.split):
        raise BadInput(
            f"{model.card.title} has learnt from the split '{options.split}', so that its patches "
            "would find themselves: ask about another one, such as test."
        )
    learnt = _read(_drawn(records, MAX_PATCHES))
    asked = _read(_drawn(dataset.records(options.split), MOST_ASKED))
    splits = patches.training_splits(model.card, dataset)
    origin = {"dataset": dataset.title, "splits": list(splits), "drawn_from": len(records)}
    with progress.shown() as report:
        index, found = measuring.measure(
            model, learnt, asked, origin, resamples=options.bootstraps, report=report
        )
    found = found.with_fields(**_where(options, model.card, dataset))
    if options.save:
        folder = registry.default().saves_to(name)
        for path in (
            neighbours.save(index, folder),
            neighbours_record.save(found, folder, model.card.hash),
        ):
            print(f"Written: {path}", file=sys.stderr)
    _print(options, found, neighbours_record.as_text(found))
    return 0


def _stability(options: argparse.Namespace) -> int:
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.trust.bench import shift_stability_measure as measuring  # noqa: PLC0415 - loads torch
    from landcover.trust.bench import stability_record  # noqa: PLC0415

    if options.patches < FEWEST_PATCHES:
        raise BadInput(f"--patches must be at least {FEWEST_PATCHES}.")
    name, model, dataset = _opened(options)
    records = _drawn(dataset.records(options.split), options.patches)
    with progress.shown() as report:
        found = measuring.measure(
            model, records, options.shift, resamples=options.bootstraps, report=report
        )
    found = found.with_fields(**_where(options, model.card, dataset))
    if options.save:
        folder = registry.default().saves_to(name)
        path = stability_record.save(found, folder, model.card.hash)
        print(f"Written: {path}", file=sys.stderr)
    _print(options, found, stability_record.as_text(found))
    return 0


def _opened(options: argparse.Namespace) -> tuple[str, Model, Dataset]:
    """Name or path of the model that was asked for, the model, and the data set."""
    from landcover import datasets  # noqa: PLC0415 - loads torch
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    if not FEWEST <= options.bootstraps <= MOST:
        raise BadInput(f"--bootstraps must be between {FEWEST} and {MOST:,}.")
    name = options.model or registry.DEFAULT_MODEL
    dataset = datasets.open_dataset(options.dataset, options.root)
    return name, registry.default().load(name, options.device), dataset


def _where(options: argparse.Namespace, card: Card, dataset: Dataset) -> dict[str, Any]:
    """The model and the patches that are measured."""
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


def _learnt(card: Card, dataset: Dataset) -> list[Record]:
    """The patches of the splits that a model has learnt from.

    Raises:
        BadInput: it has learnt from another data set.
    """
    from landcover.evaluate.patches import training_splits  # noqa: PLC0415 - loads torch

    splits = training_splits(card, dataset)
    if not splits:
        raise BadInput(
            f"{card.title} has not learnt from {dataset.title}, so there are no training patches "
            "to index here: give the data set that its card names."
        )
    return [record for split in splits for record in dataset.records(split)]


def _drawn(records: Sequence[Record], most: int) -> Sequence[Record]:
    """All, or as many drawn without looking."""
    import numpy as np  # noqa: PLC0415 - see the top of cli.py

    if len(records) <= most:
        return records
    rows = np.random.default_rng(_SEED).permutation(len(records))[:most]
    return [records[row] for row in np.sort(rows)]


def _read(records: Sequence[Record]) -> NativeStore:
    from landcover.datasets.labelled import batches, read_records, store_of  # noqa: PLC0415

    natives = [native for batch in batches(records, _BATCH) for native in read_records(batch)]
    return store_of(records, natives)
