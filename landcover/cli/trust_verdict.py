"""The commands ``trust fit`` and ``trust measure``: the checks behind the verdict."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landcover.cli import model_options, output, progress
from landcover.cli.commands import add_command

if TYPE_CHECKING:
    from landcover.datasets import Dataset
    from landcover.models.model import Model
    from landcover.trust.bench.picture_set import PictureSet
    from landcover.trust.novelty import Novelty

__all__ = ["add_fit", "add_measure"]


def add_fit(actions: Any, name: str) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the action ``fit`` of ``landcover trust``."""
    parser = add_command(
        actions, name, "fit the detector of patches that are unlike the training data"
    )
    _add_options(parser)
    parser.set_defaults(command=_fit)


def add_measure(actions: Any, name: str) -> None:  # noqa: ANN401 - as above
    """Add the action ``measure`` of ``landcover trust``."""
    parser = add_command(
        actions, name, "measure false alarms on good patches and detected bad patches"
    )
    _add_options(parser)
    parser.add_argument(
        "--scenes", type=Path, metavar="DIR", help="folder with real bad scenes (see docs/trust.md)"
    )
    parser.add_argument(
        "--sky",
        type=Path,
        metavar="FILE",
        help="real cloudy scene with its mask (see docs/trust.md)",
    )
    parser.add_argument(
        "--test",
        action="store_true",
        help="also measure on good patches of the test split: once, when all bounds are final",
    )
    parser.add_argument(
        "--surfaces",
        action="store_true",
        help="instead count false alarms on water, bare soil, built-up land and snow apart, on "
        "training and validation patches; needs no model",
    )
    parser.add_argument("--markdown", action="store_true", help="print the tables of docs/trust.md")
    parser.set_defaults(command=_measure)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument("--dataset", required=True, help="bigearthnet (v1 or v2 layout) or eurosat")
    model_options.add(parser)
    parser.add_argument("--save", action="store_true", help=model_options.SAVE_HELP)
    parser.add_argument("--json", action="store_true", help="print the metrics as JSON")


def _open(options: argparse.Namespace) -> tuple[Model, str, Dataset | PictureSet]:
    from landcover import datasets  # noqa: PLC0415 - loads torch
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.trust.bench.picture_set import PictureSet  # noqa: PLC0415 - as above

    dataset = datasets.open_any(options.dataset, options.root)
    pictures = isinstance(dataset, datasets.EuroSat)
    name = options.model or (registry.PICTURE_MODEL if pictures else registry.DEFAULT_MODEL)
    model = registry.default().load(name, options.device)
    if isinstance(dataset, datasets.EuroSat):
        return model, name, PictureSet(dataset=dataset)
    return model, name, dataset


def _fitted(model: Model, dataset: Dataset | PictureSet) -> Novelty:
    from landcover.trust.bench import fit, fit_pictures, novelty_by_place  # noqa: PLC0415 - loads torch
    from landcover.trust.bench.picture_set import PictureSet  # noqa: PLC0415 - as above

    with progress.show() as report:
        if isinstance(dataset, PictureSet):
            return fit_pictures.fit_pictures(model, dataset, report=report)
        found = fit.fit(model, dataset, report=report)
    return novelty_by_place.with_severe(found, model)


def _fit(options: argparse.Namespace) -> int:
    from landcover.trust import novelty  # noqa: PLC0415 - loads torch
    from landcover.trust.bench import verdict_text  # noqa: PLC0415 - loads torch

    model, name, dataset = _open(options)
    with output.saving(options, name, novelty.FILE) as folder:
        found = _fitted(model, dataset)
        if folder is not None:
            _print_written(novelty.save(found, folder, model.card.hash))
    record = {
        "model": model.card.name,
        "card_hash": model.card.hash,
        "detector": found.detector,
        "bounds": found.bounds,
        "days": list(found.days),
        **({"severe": found.severe} if found.severe else {}),
        **found.made,
    }
    print(_json(record) if options.json else verdict_text.fit_text(record))
    return 0


def _measure(options: argparse.Namespace) -> int:
    from landcover.core.errors import BadInput  # noqa: PLC0415
    from landcover.trust import novelty  # noqa: PLC0415 - as above
    from landcover.trust.bench import measure, records, verdict_text  # noqa: PLC0415 - as above

    if options.scenes is not None and not options.scenes.is_dir():
        raise BadInput(f"There is no folder '{options.scenes.name}': check --scenes.")
    if options.surfaces:
        return _surfaces(options)
    model, name, dataset = _open(options)
    with output.saving(options, name, novelty.FILE, records.FILE) as folder:
        fitted = None if model.folder is None else novelty.load(model.folder, model.card.hash)
        if fitted is None:
            fitted = _fitted(model, dataset)
            if folder is not None:
                _print_written(novelty.save(fitted, folder, model.card.hash))
        with progress.show() as report:
            found = measure.measure(
                model,
                fitted,
                dataset,
                scenes=options.scenes,
                sky=options.sky,
                test=options.test,
                report=report,
            )
        if folder is not None:
            _print_written(records.save(found, folder, model.card.hash))
    if options.json:
        whose = {"model": model.card.name, "card_hash": model.card.hash}
        print(_json({**whose, **found.as_dict()}))
    elif options.markdown:
        print(verdict_text.as_markdown(found))
    else:
        print(verdict_text.measurement_text(found, model.card.name, model.card.hash))
    return 0


def _surfaces(options: argparse.Namespace) -> int:
    """Print the false alarms of the checks of the pixels for each kind of ground."""
    from landcover import datasets  # noqa: PLC0415 - loads torch
    from landcover.trust.bench import surface_alarms, verdict_text  # noqa: PLC0415 - as above

    dataset = datasets.open_dataset(options.dataset, options.root)
    records = [one for split in ("train", "validation") for one in dataset.records(split)]
    found = surface_alarms.surface_alarms((one.patch(), one.labels) for one in records)
    if options.json:
        print(_json({name: one.as_dict() for name, one in found.items()}))
    else:
        print(verdict_text.surfaces_markdown(found))
    return 0


def _print_written(path: Path) -> None:
    print(output.written(path, size=True), file=sys.stderr)


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False)
