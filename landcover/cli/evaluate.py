"""The commands ``evaluate``, for one model, and ``compare``, for two."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import by_place, model_options, output, progress, runs
from landcover.cli.commands import add_command
from landcover.core.errors import BadInput

if TYPE_CHECKING:
    from landcover.evaluate.comparison import Comparison
    from landcover.evaluate.report import Unit
    from landcover.evaluate.report_metrics import Draws

__all__ = ["MAX_RESAMPLES", "MIN_RESAMPLES", "UNITS", "add_commands"]

MIN_RESAMPLES: Final = 100
MAX_RESAMPLES: Final = 100_000
"""Resamples: fewer give no usable interval, more only take longer."""
UNITS: Final = ("patch", "block", "product")
"""The keys of ``report_metrics.UNITS``, which is slow to import."""
_SPLIT: Final = "test"
"""The split that is evaluated if the user names none."""


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the commands ``evaluate`` and ``compare``."""
    evaluate = add_command(
        commands,
        "evaluate",
        "measure a model on labelled patches",
        description=f"Measure a model on labelled patches.\n\n{by_place.DESCRIPTION}",
    )
    evaluate.add_argument(
        "root",
        type=Path,
        metavar="ROOT",
        nargs="+",
        help="folder of the data set; several with --by",
    )
    _add_data_options(evaluate)
    model_options.add(evaluate)
    evaluate.add_argument("--save", action="store_true", help=model_options.SAVE_HELP)
    evaluate.add_argument(
        "--queue", action="store_true", help=runs.QUEUE_HELP.format(what="measure")
    )
    by_place.add_options(evaluate)
    evaluate.set_defaults(command=_evaluate)

    compare = add_command(commands, "compare", "compare two models on the same patches")
    for letter in "AB":
        compare.add_argument(letter.lower(), metavar=letter, help=model_options.HELP)
    compare.add_argument(
        "root",
        type=Path,
        metavar="ROOT",
        nargs="?",
        help="folder of the data set; if left out, saved reports are compared",
    )
    _add_data_options(compare)
    model_options.add_device(compare)
    compare.set_defaults(command=_compare)


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dataset",
        required=True,
        help="bigearthnet (v1 or v2 layout), eurosat, or folder (your own files with labels)",
    )
    parser.add_argument("--split", help="train, validation, test (the default) or all")
    parser.add_argument("--bootstraps", type=int, default=1000, help="resamples for intervals")
    parser.add_argument(
        "--unit",
        choices=UNITS,
        help="what is resampled: patches (the default), or whole blocks of 12 km or products (with "
        "--by the default), whose patches are similar",
    )
    nearness = parser.add_mutually_exclusive_group()
    nearness.add_argument(
        "--allow-touching",
        action="store_true",
        help="accept a test split whose patches touch the training split",
    )
    nearness.add_argument(
        "--strict",
        action="store_true",
        help="refuse any split whose patches touch the training data of the model",
    )
    parser.add_argument("--json", action="store_true", help="print the metrics as JSON")


def _queue(options: argparse.Namespace) -> int:
    """Queue the evaluation; its report is kept in the folder of the run."""
    from landcover import datasets  # noqa: PLC0415 - loads torch
    from landcover.jobs.runs.order import RunOrder  # noqa: PLC0415
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    others = (options.save, options.strict, options.json, by_place.is_wanted(options))
    if any(others) or options.unit not in (None, "patch") or len(options.root) > 1:
        raise BadInput(
            "--queue goes with one ROOT and without --by, --save, --strict, --json and --unit: "
            "leave them out."
        )
    pictures = options.dataset in datasets.PICTURES
    model = options.model or (registry.PICTURE_MODEL if pictures else registry.DEFAULT_MODEL)
    split = options.split or _SPLIT
    return runs.queue(
        RunOrder(
            kind="test",
            dataset=options.dataset,
            root=options.root[0],
            model=model,
            name=runs.usual_name(Path(model).name, options.dataset, split),
            split=split,
            settings={
                "bootstraps": _draws(options).resamples,
                "allow_touching": options.allow_touching,
            },
            device=options.device,
        )
    )


def _evaluate(options: argparse.Namespace) -> int:
    if options.queue:
        return _queue(options)
    if by_place.is_wanted(options):
        return by_place.evaluate(options, _draws(options, unit="product"))
    from landcover import datasets  # noqa: PLC0415 - loads torch
    from landcover.evaluate import report_files, report_text, run  # noqa: PLC0415 - loads torch
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    draws, split = _draws(options), options.split or _SPLIT
    dataset = datasets.open_any(options.dataset, options.root[0])
    task = run.task_of(dataset)
    name = options.model or task.default_model
    folder = registry.default().folder(name)
    model = registry.default().load(name, options.device)
    baselines = task.baselines(model.card, folder, options.device)
    with ExitStack() as stack:
        if options.save:  # before the work, so that its result can be saved
            target = registry.default().saves_to(name)
            stack.enter_context(report_files.writing(target, task.name, split))
        report = stack.enter_context(progress.show())
        result = run.evaluate(
            model,
            dataset,
            split,
            baselines,
            draws=draws,
            allow_touching=options.allow_touching,
            strict=options.strict,
            progress=report,
        )
        if options.save:
            for path in report_files.write_report(result, target):
                print(output.written(path), file=sys.stderr)
    print(result.metrics.as_json() if options.json else report_text.as_text(result))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from landcover.evaluate import comparison  # noqa: PLC0415 - loads torch

    draws = _draws(options)
    measured = _of_saved_reports if options.root is None else _of_predictions
    found = measured(options, draws)
    print(found.as_json() if options.json else comparison.as_text(found))
    return 0


def _of_saved_reports(options: argparse.Namespace, draws: Draws) -> Comparison:
    """Compare two saved reports."""
    from landcover.evaluate import comparison  # noqa: PLC0415 - loads torch
    from landcover.evaluate.report_files import read_report, report_name  # noqa: PLC0415
    from landcover.models import registry  # noqa: PLC0415
    from landcover.models.card import read_card  # noqa: PLC0415

    reports = []
    for folder in [registry.default().folder(name) for name in (options.a, options.b)]:
        split = options.split or _SPLIT
        report = read_report(folder, report_name(folder, options.dataset), split)
        if report.metrics.card_hash != read_card(folder).hash:
            raise BadInput(
                f"The report of '{folder.name}' was made with another card or other weights: "
                "repeat `landcover evaluate --save`, or give ROOT."
            )
        reports.append(report)
    return comparison.compare(reports[0], reports[1], draws=draws)


def _of_predictions(options: argparse.Namespace, draws: Draws) -> Comparison:
    """Run both models, then compare them."""
    from landcover import datasets  # noqa: PLC0415 - loads torch
    from landcover.evaluate import comparison, run  # noqa: PLC0415 - loads torch
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    dataset = datasets.open_any(options.dataset, options.root)
    split = options.split or _SPLIT
    task = run.task_of(dataset)
    models = [registry.default().load(name, options.device) for name in (options.a, options.b)]
    for model in models:
        task.check(model.card)
        task.refuse_leaks(
            model.card,
            split,
            allow_touching=options.allow_touching,
            strict=options.strict,
        )
    with progress.show() as report:
        probabilities = task.probabilities(models, split, report)
    material = task.material(split)
    first, second = (
        comparison.side_of(
            model.card, found, material.classes, seen=task.has_seen(model.card, split)
        )
        for model, found in zip(models, probabilities, strict=True)
    )
    return comparison.compare_sides(
        material, first, second, dataset=dataset.name, split=split, draws=draws
    )


def _draws(options: argparse.Namespace, unit: Unit = "patch") -> Draws:
    """The settings of the bootstrap; ``unit`` is drawn if the user names nothing else."""
    from landcover.evaluate.report_metrics import Draws  # noqa: PLC0415 - loads scikit-learn

    if options.bootstraps < MIN_RESAMPLES:
        raise BadInput(
            f"--bootstraps must be at least {MIN_RESAMPLES}: fewer give no usable interval."
        )
    if options.bootstraps > MAX_RESAMPLES:
        raise BadInput(
            f"--bootstraps must be at most {MAX_RESAMPLES:,}: more do not change an interval."
        )
    return Draws(resamples=options.bootstraps, unit=options.unit or unit)
