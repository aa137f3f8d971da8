"""The command line, a public contract: see the README for each command and its JSON.

Exit status 0: done. 1: done, but some sources failed, each named on stderr.
2: bad input or usage, one line ``error: …`` on stderr. 130: interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from landcover import __version__, cli_live
from landcover.errors import BadInput, LandcoverError
from landcover.threads import wait_politely

# What the commands do is imported when a command runs: `landcover --help` must not
# wait for torch.
if TYPE_CHECKING:
    from landcover.model import Model
    from landcover.patch import Patch

DONE: Final = 0
SOME_FAILED: Final = 1
BAD: Final = 2
INTERRUPTED: Final = 130

_NEGATIVE_PLACE: Final = re.compile(r"^-\d+(\.\d*)?\s*,")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error does."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    wait_politely()
    arguments = list(sys.argv[1:] if argv is None else argv)
    # A southern latitude would be taken for an option; a leading blank makes it a value.
    arguments = [f" {a}" if _NEGATIVE_PLACE.match(a) else a for a in arguments]
    try:
        options = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except LandcoverError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD
    except KeyboardInterrupt:
        print("error: Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left, as `head` does; nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _parser() -> _Parser:
    parser = _Parser(
        prog="landcover", description="Which land covers does a Sentinel-2 patch show?"
    )
    parser.add_argument("--version", action="version", version=f"landcover {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    classify = commands.add_parser("classify", help="say which land covers each source shows")
    classify.add_argument("sources", nargs="+", metavar="SOURCE", help=_SOURCE_HELP)
    _add_model_options(classify)
    _add_window_options(classify)
    cli_live.add_place_options(classify)
    classify.add_argument(
        "--json", action="store_true", help="one JSON object a source, a line each"
    )
    classify.set_defaults(command=_classify)

    explain = commands.add_parser("explain", help="draw which pixels speak for and against a class")
    explain.add_argument("source", metavar="SOURCE", help=_SOURCE_HELP)
    explain.add_argument("--label", required=True, help="a class, by its full or short name")
    explain.add_argument("--method", default="integrated-gradients", help="attribution method")
    explain.add_argument("--out", required=True, type=Path, metavar="FILE.png")
    _add_model_options(explain)
    _add_window_options(explain)
    cli_live.add_place_options(explain)
    explain.add_argument("--json", action="store_true", help="print the figures as JSON")
    explain.set_defaults(command=_explain)

    evaluate = commands.add_parser("evaluate", help="measure a model on labelled patches")
    evaluate.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    evaluate.add_argument("--dataset", required=True, help="bigearthnet (v1 or v2 layout)")
    evaluate.add_argument("--split", default="test", help="train, validation, test or all")
    which = evaluate.add_mutually_exclusive_group()
    which.add_argument("--model", help="a registered model (see `landcover models`)")
    which.add_argument("--card", type=Path, metavar="DIR", help="a model folder of your own")
    _add_device_option(evaluate)
    evaluate.add_argument("--bootstraps", type=int, default=1000, help="resamples for intervals")
    evaluate.add_argument("--save", action="store_true", help="keep the report in the model folder")
    evaluate.add_argument("--json", action="store_true", help="print the report as JSON")
    evaluate.set_defaults(command=_evaluate)

    _add_train(commands)
    cli_live.add_commands(commands)

    models = commands.add_parser("models", help="list the registered models")
    models.add_argument("--json", action="store_true")
    models.set_defaults(command=_models)

    data = commands.add_parser("data", help="look at a data set").add_subparsers(
        required=True, metavar="ACTION", parser_class=_Parser
    )
    describe = data.add_parser("describe", help="count patches by split, class and country")
    describe.add_argument("root", type=Path, metavar="ROOT")
    describe.add_argument("--dataset", default="bigearthnet")
    describe.add_argument("--json", action="store_true")
    describe.set_defaults(command=_describe)
    return parser


_SOURCE_HELP: Final = "a GeoTIFF or JP2 stack, a folder of band files, a sample's name, or LAT,LON"


def _add_device_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="a registered model (see `landcover models`)")
    _add_device_option(parser)


def _add_window_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--at", metavar="LAT,LON", help="the 1200 m window around that place")
    group.add_argument("--window", metavar="ROW,COL", help="the window with that upper left pixel")


def _add_train(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    train = commands.add_parser("train", help="train a model on labelled patches")
    train.add_argument("--dataset", required=True, help="bigearthnet (v2 layout)")
    train.add_argument("--root", required=True, type=Path, metavar="DIR")
    train.add_argument("--model", default="landcover-cnn", help="what to train")
    train.add_argument("--out", required=True, type=Path, metavar="DIR", help="new model folder")
    train.add_argument("--config", type=Path, metavar="FILE", help="a run's settings as JSON")
    train.add_argument(
        "--fit",
        choices=("train", "train+validation"),
        default="train",
        help="train: fit on train, choose on validation. train+validation: then fit again on both, "
        "with every choice frozen",
    )
    train.add_argument("--epochs", type=int, help="instead of the configuration's")
    train.add_argument("--seed", type=int, help="instead of the configuration's")
    _add_device_option(train)
    train.set_defaults(command=_train)


def _load(options: argparse.Namespace) -> Model:
    from landcover import registry  # noqa: PLC0415 - see the top of the file

    return registry.load(options.model or registry.DEFAULT_MODEL, options.device)


def _read(source: str, options: argparse.Namespace) -> Patch:
    """Read a source and cut the window that was asked for, else the middle one."""
    from landcover import sources  # noqa: PLC0415

    place = sources.parse_place(source.strip())
    asked = options.date is not None or options.catalog is not None
    if place is not None and (asked or sources.sample_at(*place) is None):
        return cli_live.fetch_place(place, options)
    if asked:
        raise BadInput(
            f"--date and --catalog find imagery of a place, but '{source.strip()[:60]}' is none: "
            "give LAT,LON such as 48.21,16.37."
        )
    patch = sources.read(source.strip())
    if options.at is not None:
        place = sources.parse_place(options.at)
        if place is None:
            raise BadInput(f"'{options.at}' is not a place: give LAT,LON such as 48.21,16.37.")
        return patch.window_around(*place)
    if options.window is not None:
        match = re.fullmatch(r"\s*(\d{1,6})\s*,\s*(\d{1,6})\s*", options.window)
        if match is None:
            raise BadInput(f"'{options.window}' is not a window: give ROW,COL such as 120,60.")
        return patch.window(int(match[1]), int(match[2]))
    return patch.centre_window()


def _classify(options: argparse.Namespace) -> int:
    from landcover import quality, report  # noqa: PLC0415

    model = _load(options)
    failed = 0
    for source in options.sources:
        try:
            patch = _read(source, options)
            prediction = model.predict(patch)
        except LandcoverError as error:
            failed += 1
            print(f"error: {source.strip()}: {error}", file=sys.stderr)
            continue
        record = report.as_record(patch, prediction, quality.assess(patch), source.strip())
        print(_json_line(record) if options.json else report.as_text(record), flush=True)
    if failed == len(options.sources):
        return BAD
    return SOME_FAILED if failed else DONE


def _explain(options: argparse.Namespace) -> int:
    from landcover import explain, quality, report  # noqa: PLC0415
    from landcover.nomenclature import resolve  # noqa: PLC0415

    label = resolve(options.label).name
    explain.resolve_method(options.method)
    _check_writable(options.out)
    model = _load(options)
    patch = _read(options.source, options)
    prediction = model.predict(patch)
    explanation = explain.explain(model, patch, label, options.method)
    options.out.write_bytes(report.as_png(patch, prediction, explanation))
    record = {
        **report.as_record(patch, prediction, quality.assess(patch), options.source.strip()),
        "explanation": {**report.explanation_record(explanation), "file": str(options.out)},
    }
    if options.json:
        print(_json_line(record))
    else:
        print(report.explanation_text(explanation))
        print(f"Written: {options.out}")
    return DONE


def _check_writable(path: Path) -> None:
    if path.suffix.lower() != ".png":
        raise BadInput(f"--out must name a .png file, not '{path.name}'.")
    if not path.parent.is_dir():
        raise BadInput(f"The folder '{path.parent}' does not exist: make it, or name another.")


def _evaluate(options: argparse.Namespace) -> int:
    from landcover import datasets, evaluation, registry  # noqa: PLC0415
    from landcover.model import load_model  # noqa: PLC0415

    if options.bootstraps < 100:
        raise BadInput("--bootstraps must be at least 100: fewer give no usable interval.")
    dataset = datasets.open_dataset(options.dataset, options.root)
    name = options.model or registry.DEFAULT_MODEL
    folder = options.card if options.card is not None else registry.folder(name)
    model = load_model(folder, options.device)
    baselines = [
        registry.load(other, options.device)
        for other in registry.BASELINES
        if other in registry.names() and other != model.card.name
    ]
    result = evaluation.evaluate(
        model,
        dataset,
        options.split,
        baselines,
        bootstraps=options.bootstraps,
        progress=_progress("evaluating"),
    )
    if options.save:
        for path in evaluation.write_report(result, folder):
            print(f"Written: {path}", file=sys.stderr)
    print(_json_line(result.as_dict()) if options.json else evaluation.as_text(result))
    return DONE


def _train(options: argparse.Namespace) -> int:
    from landcover import datasets, recipes  # noqa: PLC0415

    dataset = datasets.open_dataset(options.dataset, options.root)
    order = recipes.Order(
        config_file=options.config,
        fit=options.fit,
        epochs=options.epochs,
        seed=options.seed,
        device=options.device,
    )
    recipes.make(options.model, dataset, options.out, order, _progress("training"))
    print(f"Written: {options.out}")
    return DONE


def _models(options: argparse.Namespace) -> int:
    from landcover import evaluation, registry, report  # noqa: PLC0415

    rows = [evaluation.describe(registry.folder(name)) for name in registry.names()]
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, allow_nan=False))
    else:
        print(report.models_text(rows))
    return DONE


def _describe(options: argparse.Namespace) -> int:
    from landcover import datasets  # noqa: PLC0415

    description = datasets.open_dataset(options.dataset, options.root).describe()
    if options.json:
        print(_json_line(description))
    else:
        print(json.dumps(description, indent=2, ensure_ascii=False))
    return DONE


def _json_line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def _progress(what: str) -> Callable[[int, int, str], None] | None:
    """A line on stderr that counts up, where somebody is looking at it."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int, note: str = "") -> None:
        end = "\n" if done >= total else ""
        print(f"\r{what} {done}/{total} {note}\033[K", end=end, file=sys.stderr, flush=True)

    return show
