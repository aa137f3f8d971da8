"""The command ``classify``: predict the land covers of sources, one after another."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import exit_status, output, progress, source_options
from landcover.cli.commands import add_command
from landcover.core import files
from landcover.core.errors import LandcoverError
from landcover.core.progress import Progress
from landcover.core.text import plain

# Commands import torch when they run, so that `landcover --help` is fast.
if TYPE_CHECKING:
    from landcover.core.progress import Report
    from landcover.models.model import Model
    from landcover.report.classification import ClassificationReport

__all__ = ["add_commands"]

_SUFFIXES: Final = (".csv", ".json", ".jsonl", ".txt")


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``classify``."""
    parser = add_command(
        commands,
        "classify",
        "predict the land covers of each source",
        description="Predict which land covers each source shows, and whether to rely on it.",
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=source_options.SOURCE_HELP)
    source_options.add(parser)
    parser.add_argument(
        "--aim",
        default="f1",
        help="what the thresholds optimise: f1 (default), f2 (miss fewer), precision=P or "
        "recall=R with 0.5 to 0.95",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="print one JSON object a line for each source"
    )
    form.add_argument(
        "--csv", action="store_true", help="print one table with a row for each source and class"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write all results to a file: .csv for a table, .json for a list, .jsonl for one "
        "object a line, .txt for text; one line a source is then printed",
    )
    parser.set_defaults(command=_classify)


def _classify(options: argparse.Namespace) -> int:
    if options.out is not None:
        output.check(options.out, _SUFFIXES)
    sources = source_options.expand(options.sources)
    reports: list[ClassificationReport] = []
    try:
        failed = _all(sources, options, reports)
    finally:
        # What was classified before an interruption is not lost.
        if options.out is not None and reports:
            files.write_bytes(options.out, _content(options.out, reports).encode())
            print(output.written(options.out), file=sys.stderr)
    if len(sources) > 1:
        print(_summary(reports, failed), file=sys.stderr)
    if failed == len(sources):
        return exit_status.BAD
    return exit_status.SOME_FAILED if failed else exit_status.DONE


def _all(
    sources: Sequence[str], options: argparse.Namespace, reports: list[ClassificationReport]
) -> int:
    """Classify all sources, append their reports and return the number of those that failed."""
    models: dict[str, tuple[Model, str]] = {}
    failed = 0
    with progress.show() as display:
        for number, source in enumerate(sources):
            level = source_options.level_of(source)
            if level not in models:
                models[level] = _model_and_aim(options, level)
            if len(sources) > 1:
                total = len(sources)
                display(Progress(what="Classifying", done=number, total=total, unit="sources"))
            try:
                report = _one(source, level, options, models[level], display)
            except LandcoverError as error:
                failed += 1
                display.pause()
                print(f"error: {plain(source)}: {error}", file=sys.stderr)
                continue
            display.pause()
            _print(report, options, first=not reports)
            reports.append(report)
    return failed


def _one(
    source: str,
    level: str,
    options: argparse.Namespace,
    chosen: tuple[Model, str],
    report: Report,
) -> ClassificationReport:
    from landcover.trust.result import predict  # noqa: PLC0415

    usual, aim = chosen
    pixels = source_options.read(source, options, usual.card.pixels, level=level, report=report)
    model = source_options.model_for(usual, pixels.raster, options, named=options.model)
    result = predict(model, pixels.raster, aim)
    return source_options.report_of(model, result, pixels, options)


def _print(report: ClassificationReport, options: argparse.Namespace, *, first: bool) -> None:
    from landcover.report.classification_table import as_csv  # noqa: PLC0415 - loads torch

    if options.json:
        print(report.as_json(), flush=True)
    elif options.csv:
        print(as_csv([report], header=first), end="", flush=True)
    elif options.out is not None:
        print(f"{report.source}: {report.headline}", flush=True)
    else:
        print(report.as_text(), flush=True)


def _content(path: Path, reports: Sequence[ClassificationReport]) -> str:
    """The content of an output file, in the form that its suffix names."""
    from landcover.report.classification_table import as_csv  # noqa: PLC0415 - loads torch

    suffix = path.suffix.lower()
    if suffix == ".csv":
        return as_csv(reports)
    if suffix == ".txt":
        return "\n".join(report.as_text() for report in reports)
    if suffix == ".jsonl":
        return "".join(f"{report.as_json()}\n" for report in reports)
    records = [report.as_dict() for report in reports]
    return json.dumps(records, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _summary(reports: Sequence[ClassificationReport], failed: int) -> str:
    """Such as ``12 sources: 9 "Looks reliable", 2 "Check this", 1 failed``."""
    from landcover.trust.verdict import LABELS  # noqa: PLC0415 - most commands need it not

    counts = Counter(report.verdict.label for report in reports)
    parts = [f"{counts[words]} “{words}”" for words in LABELS if counts[words]]
    parts += [f"{failed} failed"] * bool(failed)
    return f"{len(reports) + failed} sources: {', '.join(parts)}"


def _model_and_aim(options: argparse.Namespace, level: str) -> tuple[Model, str]:
    """The model for pixels of a level, and the full name of the aim."""
    from landcover.models import registry, thresholds  # noqa: PLC0415

    models = registry.default()
    model = models.load(options.model or models.usual(level), options.device)
    return model, thresholds.thresholds_for(model.card, options.aim).aim
