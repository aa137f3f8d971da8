"""The command ``train``: what it shows while it runs, what it costs, and how it is stopped."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli.progress import Display
from landcover.cli.training_bar import Bar
from landcover.core.errors import BadInput, LandcoverError

if TYPE_CHECKING:
    from landcover.train.recipes.order import Order

__all__ = ["BAD", "DEFAULT", "INTERRUPTED", "add_commands"]

BAD: Final = 2
INTERRUPTED: Final = 130
DEFAULT: Final = "landcover-cnn"

_HELP: Final = """\
train a model on labelled patches

A run that was cut off goes on after its last epoch when the same command is given again; one
that is done is not trained again. On several GPUs, one process each, which share every batch:

  torchrun --nproc-per-node 8 -m landcover train … --shards 8

--shards says in how many pieces a batch goes through the net. One process with --shards 8
learns the same, to rounding, as eight."""


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """The command ``train``."""
    train = commands.add_parser(
        "train",
        help="train a model on labelled patches",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_argument(
        "--dataset", required=True, help="bigearthnet (folders or a fast store) or eurosat"
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
        help="add the result to your own models under that name, or under the folder's",
    )
    train.add_argument(
        "--config", metavar="FILE", help="a run's settings as JSON, or the name of a packaged one"
    )
    train.add_argument(
        "--fit",
        choices=("train", "train+validation"),
        default="train",
        help="train: fit on train, choose on validation. train+validation: then fit again on both, "
        "with every choice frozen",
    )
    train.add_argument("--epochs", type=int, help="instead of the configuration's")
    train.add_argument("--seed", type=int, help="instead of the configuration's")
    train.add_argument("--shards", type=int, help="instead of the configuration's")
    train.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    train.add_argument(
        "--tensorboard", type=Path, metavar="DIR", help="write curves for TensorBoard too"
    )
    train.add_argument(
        "--cost",
        action="store_true",
        help="train nothing: say what the run would cost in disk, memory, arithmetic and time",
    )
    train.add_argument("--json", action="store_true", help="print the cost as JSON")
    train.set_defaults(command=_train)


def _train(options: argparse.Namespace) -> int:
    from landcover.train import distributed  # noqa: PLC0415 - it loads what most commands do not need

    order = _order(options)
    if options.cost:
        return _cost(options, order)
    if options.root is None or options.out is None:
        raise BadInput("Training needs --root, the data set's folder, and --out, the model's.")
    _check_register(options)
    group = distributed.requested()
    bar = Bar(Display(sys.stderr))
    try:
        with distributed.joined(options.device), _shown(bar, options, is_main=group.is_main):
            _make(options, order)
    except KeyboardInterrupt:
        if group.is_main:
            print(f"error: {_stopped(bar)}", file=sys.stderr)
        return INTERRUPTED
    except LandcoverError as error:
        who = f"process {group.rank} of {group.size}: " if group.size > 1 else ""
        print(f"error: {who}{error}", file=sys.stderr)
        return BAD
    if group.is_main:
        print(f"Written: {options.out}")
        _register(options)
    return 0


def _check_register(options: argparse.Namespace) -> None:
    """Refuse a name that cannot be given before hours of training."""
    from landcover.models import registry, store  # noqa: PLC0415

    if options.register is not None and not _registered(options):
        store.check_new(registry.default(), _name(options))


def _register(options: argparse.Namespace) -> None:
    from landcover.cli.models import told_added  # noqa: PLC0415
    from landcover.models import registry, store  # noqa: PLC0415

    if options.register is None:
        return
    if not _registered(options):
        store.add(registry.default(), options.out, _name(options))
    told_added(_name(options))


def _registered(options: argparse.Namespace) -> bool:
    """Whether this very result was added before, when the same command was given."""
    from landcover.models import registry  # noqa: PLC0415

    known = registry.default()
    try:
        result = known.card(options.out)
        return known.card(known.user_folder(_name(options))).weights_sha256 == result.weights_sha256
    except LandcoverError:
        return False


def _name(options: argparse.Namespace) -> str:
    return options.register or str(options.out.resolve().name)


def _make(options: argparse.Namespace, order: Order) -> None:
    from landcover import datasets  # noqa: PLC0415
    from landcover.models import registry  # noqa: PLC0415
    from landcover.train.recipes import table  # noqa: PLC0415

    pictures = options.dataset in datasets.PICTURES
    name = options.model or (registry.PICTURE_MODEL if pictures else DEFAULT)
    if pictures and name != registry.PICTURE_MODEL:
        raise BadInput(
            f"The model '{name}' is not trained on pictures: leave --model out, or give "
            "--dataset bigearthnet."
        )
    # Its recipe says what a model is trained on: patches, or pictures.
    dataset: Any = datasets.open_any(options.dataset, options.root)
    table.make(name, dataset, options.out, order)


def _stopped(bar: Bar) -> str:
    if not bar.kept:
        return "Stopped before an epoch was over: run the same command again to go on."
    return (
        f"Stopped; {bar.kept} of {bar.epochs} epochs of the fit '{bar.run}' are kept: run the same "
        "command again to go on."
    )


@contextmanager
def _shown(bar: Bar, options: argparse.Namespace, *, is_main: bool) -> Iterator[None]:
    """Show how it goes, in the first process."""
    from landcover.train.callbacks import use_callbacks  # noqa: PLC0415
    from landcover.train.tensorboard_log import TensorBoardLog  # noqa: PLC0415

    if not is_main:
        yield
        return
    log = TensorBoardLog(options.tensorboard) if options.tensorboard is not None else None
    try:
        with use_callbacks(bar, *([log] if log else [])):
            yield
    finally:
        bar.display.close()
        if log:
            log.close()


def _order(options: argparse.Namespace) -> Order:
    from landcover.train.recipes.order import Order  # noqa: PLC0415

    return Order(
        config_file=config_path(options.config) if options.config is not None else None,
        fit=options.fit,
        epochs=options.epochs,
        seed=options.seed,
        shards=options.shards,
        device=options.device,
    )


def config_path(name: str) -> Path:
    """The file, or the packaged configuration of that name where no such file is."""
    packaged = Path(__file__).parents[1] / "train" / "configs" / f"{Path(name).name}.json"
    return packaged if not Path(name).exists() and packaged.is_file() else Path(name)


def _cost(options: argparse.Namespace, order: Order) -> int:
    from landcover.train import costs  # noqa: PLC0415
    from landcover.train.recipes import bigearthnet, table  # noqa: PLC0415

    if not options.dataset.startswith("bigearthnet"):
        raise BadInput("--cost knows the sizes of bigearthnet alone: give --dataset bigearthnet.")
    name = options.model or DEFAULT
    if name in table.SEVERAL_STEPS:
        raise BadInput(
            f"--cost computes the fits of one net, and '{name}' is made in several steps: ask for "
            "that of --model landcover-cnn."
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
