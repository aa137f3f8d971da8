"""The command ``train``: train a model, or estimate the costs of training."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import output, runs
from landcover.cli.commands import add_command
from landcover.cli.progress import Display
from landcover.cli.training_bar import Bar
from landcover.core.errors import BadInput, LandcoverError

if TYPE_CHECKING:
    from landcover.train.callbacks import Training
    from landcover.train.recipes.order import Order

__all__ = ["BAD", "DEFAULT", "INTERRUPTED", "add_commands", "add_lessons", "config_path"]

BAD: Final = 2
INTERRUPTED: Final = 130
DEFAULT: Final = "landcover-cnn"

_HELP: Final = """\
train a model on labelled patches

Run the same command again to resume an interrupted run after its last epoch; a finished run is
not repeated. With --queue it is a run of `landcover runs`, which goes on when this program ends.
On several GPUs start one process each; they share every batch:

  torchrun --nproc-per-node 8 -m landcover train … --shards 8

--shards is the number of pieces in which a batch passes through the net. One process with
--shards 8 gets the same weights as eight processes, up to rounding."""


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``train``."""
    train = add_command(
        commands,
        "train",
        "train a model on labelled patches",
        description=_HELP,
    )
    train.add_argument(
        "--dataset",
        required=True,
        help="bigearthnet (folders or a fast store), eurosat, or folder (your own files)",
    )
    train.add_argument("--root", type=Path, metavar="DIR", help="folder of the data set")
    train.add_argument(
        "--model", help=f"what to train (default: {DEFAULT}, or eurosat-rgb for eurosat)"
    )
    train.add_argument("--out", type=Path, metavar="DIR", help="new model folder")
    train.add_argument(
        "--register",
        nargs="?",
        const="",
        metavar="NAME",
        help="add the result to your models under that name (default: the folder's name)",
    )
    train.add_argument(
        "--config",
        metavar="FILE",
        help="a JSON file with settings, or the name of a packaged configuration",
    )
    train.add_argument(
        "--fit",
        choices=("train", "train+validation"),
        default="train",
        help="train: fit on train, choose on validation. train+validation: then fit again on both, "
        "with all choices frozen",
    )
    add_lessons(train)
    train.add_argument(
        "--from-scratch",
        action="store_true",
        help="start from random weights where the model starts from published ones",
    )
    train.add_argument("--epochs", type=int, help="overrides the configuration")
    train.add_argument("--seed", type=int, help="overrides the configuration")
    train.add_argument("--shards", type=int, help="overrides the configuration")
    train.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    train.add_argument(
        "--track",
        action="append",
        default=[],
        metavar="NAME=PLACE",
        help="also record the training elsewhere: tensorboard=DIR, or mlflow=URI with the address "
        "of a server (https://…) or a file (sqlite:///FILE); may be repeated",
    )
    train.add_argument(
        "--tensorboard", type=Path, metavar="DIR", help="the same as --track tensorboard=DIR"
    )
    train.add_argument("--queue", action="store_true", help=runs.QUEUE_HELP.format(what="train"))
    train.add_argument(
        "--cost",
        action="store_true",
        help="do not train: estimate disk space, memory, operations and time of the run",
    )
    train.add_argument("--json", action="store_true", help="print the costs as JSON")
    train.set_defaults(command=_train)


def add_lessons(parser: Any) -> None:  # noqa: ANN401 - a parser or a group of one
    """Add the files that ``landcover-mosaic`` and ``landcover-area`` learn from."""
    parser.add_argument(
        "--teacher",
        type=Path,
        metavar="FILE",
        help="weights of Dynamic World's network (dynamicworld.npz), from whose answers "
        "landcover-mosaic learns",
    )
    parser.add_argument(
        "--unlabelled",
        type=Path,
        metavar="FILE",
        help="pictures without labels, for which landcover-mosaic also learns these answers and "
        "landcover-area the mosaic's: a "
        "GeoTIFF of twelve bands and 64 columns, pictures of 64 rows one below the other",
    )


def _train(options: argparse.Namespace) -> int:
    from landcover.core.freed_memory import keep_freed_memory  # noqa: PLC0415
    from landcover.train import distributed  # noqa: PLC0415 - slow to import

    order = _order(options)
    if options.cost:
        return _cost(options, order)
    if options.queue:
        return _queue(options)
    if options.root is None or options.out is None:
        raise BadInput("Training needs --root, the data set's folder, and --out, the model's.")
    _check_register(options)
    keep_freed_memory()
    group = distributed.requested()
    bar = Bar(Display(sys.stderr))
    try:
        with distributed.joined(options.device), _shown(bar, options, is_main=group.is_main):
            _make(options, order)
    except KeyboardInterrupt:
        if group.is_main:
            print(f"error: {bar.stopped}", file=sys.stderr)
        return INTERRUPTED
    except LandcoverError as error:
        who = f"process {group.rank} of {group.size}: " if group.size > 1 else ""
        print(f"error: {who}{error}", file=sys.stderr)
        return BAD
    if group.is_main:
        print(output.written(options.out))
        _register(options)
    return 0


def _queue(options: argparse.Namespace) -> int:
    """Queue the training; its result is added to the user's models."""
    from landcover.jobs.runs.order import RunOrder  # noqa: PLC0415

    if options.root is None or options.out is not None:
        raise BadInput(
            "A queued training needs --root, and has a folder of its own: give --root, and "
            "--register with the model's name instead of --out."
        )
    model = _model(options)
    file = config_path(options.config) if options.config is not None else None
    return runs.queue(
        RunOrder(
            kind="train",
            dataset=options.dataset,
            root=options.root,
            model=model,
            name=options.register or runs.usual_name(model),
            fit=options.fit,
            configuration=runs.configuration(file),
            settings={"start": "random"} if options.from_scratch else {},
            epochs=options.epochs,
            seed=options.seed,
            shards=options.shards,
            device=options.device,
            trackers=_trackers(options),
            teacher=options.teacher and options.teacher.absolute(),
            unlabelled=options.unlabelled and options.unlabelled.absolute(),
        )
    )


def _check_register(options: argparse.Namespace) -> None:
    """Refuse an unusable name before hours of training."""
    from landcover.models import registry, store  # noqa: PLC0415

    if options.register is not None and not _registered(options):
        store.check_new(registry.default(), _name(options))


def _register(options: argparse.Namespace) -> None:
    from landcover.cli.models import print_added  # noqa: PLC0415
    from landcover.models import registry, store  # noqa: PLC0415

    if options.register is None:
        return
    if not _registered(options):
        store.add(registry.default(), options.out, _name(options))
    print_added(_name(options))


def _registered(options: argparse.Namespace) -> bool:
    """Whether this result was already added by an earlier run of the same command."""
    from landcover.models import registry, store  # noqa: PLC0415

    return store.holds(registry.default(), _name(options), options.out)


def _name(options: argparse.Namespace) -> str:
    return options.register or str(options.out.resolve().name)


def _model(options: argparse.Namespace) -> str:
    """The model to train: the user's choice, or the usual one for the data set."""
    from landcover import datasets  # noqa: PLC0415
    from landcover.models import registry  # noqa: PLC0415

    pictures = options.dataset in datasets.PICTURES
    return options.model or (registry.PICTURE_MODEL if pictures else DEFAULT)


def _make(options: argparse.Namespace, order: Order) -> None:
    from landcover import datasets  # noqa: PLC0415
    from landcover.models import registry  # noqa: PLC0415
    from landcover.train.recipes import table  # noqa: PLC0415

    name = _model(options)
    if options.dataset in datasets.PICTURES and name != registry.PICTURE_MODEL:
        raise BadInput(
            f"The model '{name}' is not trained on pictures: leave --model out, or give "
            "--dataset bigearthnet."
        )
    # The recipe checks whether the data set holds patches or pictures.
    dataset: Any = datasets.open_any(options.dataset, options.root)
    table.make(name, dataset, options.out, order)


@contextmanager
def _shown(bar: Bar, options: argparse.Namespace, *, is_main: bool) -> Iterator[None]:
    """Show progress, in the first process only."""
    from landcover.train import trackers  # noqa: PLC0415
    from landcover.train.callbacks import use_callbacks  # noqa: PLC0415

    if not is_main:
        yield
        return
    try:
        with trackers.tracking(_trackers(options), _training(options)), use_callbacks(bar):
            yield
    finally:
        bar.display.close()


def _trackers(options: argparse.Namespace) -> dict[str, str]:
    """Name of each tracker → its place."""
    from landcover.train import trackers  # noqa: PLC0415

    board = [] if options.tensorboard is None else [f"tensorboard={options.tensorboard}"]
    return trackers.named([*board, *options.track])


def _training(options: argparse.Namespace) -> Training:
    from landcover.train.callbacks import Training  # noqa: PLC0415

    settings = {
        "dataset": options.dataset,
        "model": _model(options),
        "fit": options.fit,
        "configuration": options.config or "",
        "device": options.device,
    }
    return Training(name=options.out.resolve().name, folder=options.out, settings=settings)


def _order(options: argparse.Namespace) -> Order:
    from landcover.train.recipes.order import Order  # noqa: PLC0415

    return Order(
        config_file=config_path(options.config) if options.config is not None else None,
        fit=options.fit,
        epochs=options.epochs,
        seed=options.seed,
        shards=options.shards,
        device=options.device,
        teacher=options.teacher,
        unlabelled=options.unlabelled,
        scratch=options.from_scratch,
    )


def config_path(name: str) -> Path:
    """The file of that name, or the packaged configuration if there is no such file."""
    packaged = Path(__file__).parents[1] / "train" / "configs" / f"{Path(name).name}.json"
    return packaged if not Path(name).exists() and packaged.is_file() else Path(name)


def _cost(options: argparse.Namespace, order: Order) -> int:
    from landcover import datasets  # noqa: PLC0415
    from landcover.train import costs  # noqa: PLC0415
    from landcover.train.recipes import bigearthnet, table  # noqa: PLC0415

    if options.dataset not in datasets.DATASETS:
        raise BadInput(
            "--cost works for patches only: give --dataset bigearthnet, or folder with --root."
        )
    name = options.model or DEFAULT
    if name in table.SEVERAL_STEPS:
        raise BadInput(
            f"--cost works for models of one net, but '{name}' is trained in several steps: give "
            "another one, such as --model landcover-cnn."
        )
    config = bigearthnet.configuration(name, order)
    patches = costs.counts(options.dataset, options.root)
    record = costs.cost(config, patches, fits=2 if options.fit == "train+validation" else 1)
    print(
        json.dumps(record, ensure_ascii=False, allow_nan=False)
        if options.json
        else costs.as_text(record)
    )
    return 0
