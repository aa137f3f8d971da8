"""``evaluate --by``: judge a recipe at places that it was not fitted to."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from landcover.cli import output, progress
from landcover.cli.exit_status import DONE, INTERRUPTED
from landcover.core import files
from landcover.core.errors import BadInput
from landcover.core.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from landcover.datasets.folds import Fold, Pool
    from landcover.evaluate.by_place import ByPlace
    from landcover.evaluate.report_metrics import Draws
    from landcover.train.recipes.build import PatchFit
    from landcover.train.recipes.out_of_fold import OutOfFold

__all__ = ["DESCRIPTION", "add_options", "evaluate", "is_wanted"]

DESCRIPTION: Final = """\
With --by, a recipe is judged instead of a trained model: it is fitted to all training and
validation patches but those of one place, predicts these, and so on for every place. --model is
then a name that `landcover train` knows. The test split is not read. Run the same command again
to resume an interrupted run."""

_BY: Final = ("country", "product")
"""The values of ``folds.BY``, which is slow to import."""
_ONLY_HERE: Final = ("folds", "out", "features", "against", "config", "epochs", "seed")
_NOT_HERE: Final = ("split", "save", "strict", "allow_touching")
_REPORT: Final = "report.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--by`` and the options that only it has."""
    group = parser.add_argument_group("by place")
    group.add_argument("--by", choices=_BY, help="what is left out at a time")
    group.add_argument(
        "--folds",
        type=int,
        metavar="N",
        help="leave several places out at a time, in N folds (default: one place a fold)",
    )
    group.add_argument("--out", type=Path, metavar="DIR", help="folder for predictions and runs")
    group.add_argument(
        "--features",
        action="store_true",
        help="also keep the features of nets, with which `landcover trust by-place` measures how "
        "unlike left-out places are",
    )
    group.add_argument(
        "--against",
        action="append",
        metavar="RECIPE",
        help="another recipe to compare with, or the folder of one in the --out of another run; "
        "may be repeated (default: the three baselines)",
    )
    group.add_argument(
        "--config", metavar="FILE", help="settings of the recipe, as for `landcover train`"
    )
    group.add_argument("--epochs", type=int, help="overrides the configuration")
    group.add_argument("--seed", type=int, help="of all recipes; overrides the configuration")


def is_wanted(options: argparse.Namespace) -> bool:
    """Whether the evaluation is by place.

    Raises:
        BadInput: options do not go together.
    """
    wanted = options.by is not None
    if len(options.root) > 1 and not wanted:
        raise BadInput("Several folders are evaluated by place only: give --by, or one folder.")
    for name in _NOT_HERE if wanted else _ONLY_HERE:
        given = getattr(options, name)
        if given is not None and given is not False:
            option = "--" + name.replace("_", "-")
            rule = "cannot be used with" if wanted else "needs"
            raise BadInput(f"{option} {rule} --by; see `landcover evaluate --help`.")
    if wanted and options.out is None:
        raise BadInput("Give --out, a folder for the predictions of each fold.")
    return wanted


def evaluate(options: argparse.Namespace, draws: Draws) -> int:
    """Fit and score, and print the result."""
    try:
        found = _judge(options, draws)
    except KeyboardInterrupt:
        print(
            "error: Stopped; finished folds and epochs are kept: run the same command again to "
            "resume.",
            file=sys.stderr,
        )
        return INTERRUPTED
    from landcover.evaluate import by_place  # noqa: PLC0415 - loads torch
    from landcover.train.recipes.out_of_fold import folder_name  # noqa: PLC0415 - loads torch

    path = options.out / folder_name(found.model) / _REPORT
    files.write_text(path, found.as_json(indent=1) + "\n")
    print(output.written(path), file=sys.stderr)
    print(found.as_json() if options.json else by_place.as_text(found))
    return DONE


def _judge(options: argparse.Namespace, draws: Draws) -> ByPlace:
    from landcover.datasets import folds, open_dataset  # noqa: PLC0415 - loads torch
    from landcover.evaluate import by_place  # noqa: PLC0415 - loads torch
    from landcover.evaluate.patches import material_of  # noqa: PLC0415 - loads torch
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    name = options.model or registry.DEFAULT_MODEL
    others = options.against or [one for one in registry.BASELINES if one != name]
    if len({name, *others}) != 1 + len(others):
        raise BadInput("A recipe is compared with itself: name each one once.")
    pool = folds.pool([open_dataset(options.dataset, root) for root in options.root])
    material = material_of(pool.records)
    made = folds.folds(pool.records, options.by, options.folds)
    # What can be refused is refused before the first fit.
    sources: list[PatchFit | OutOfFold] = [
        _recipe(name, options),
        *(_source(one, options, made, material.ids) for one in others),
    ]
    answers = [
        by_place.Answer(
            name=text, settings=each.settings, probability=each.probability(material.ids)
        )
        for text, each in zip(
            (name, *others), _predictions(sources, pool, made, options), strict=True
        )
    ]
    return by_place.score(
        material,
        made,
        options.by,
        answers[0],
        answers[1:],
        dataset=pool.name,
        draws=draws,
        command=_command(options, name),
    )


def _predictions(
    sources: Sequence[PatchFit | OutOfFold],
    pool: Pool,
    made: Sequence[Fold],
    options: argparse.Namespace,
) -> list[OutOfFold]:
    """Predict with each recipe, and keep what another run has predicted."""
    from landcover.train.recipes import out_of_fold  # noqa: PLC0415 - loads torch

    with progress.show() as report:
        store = pool.load(report)
        return [
            one
            if isinstance(one, out_of_fold.OutOfFold)
            else out_of_fold.predict(
                one,
                store,
                made,
                options.out / out_of_fold.folder_name(one.name),
                by=options.by,
                features=options.features and k == 0,
                progress=report,
            )
            for k, one in enumerate(sources)
        ]


def _source(
    text: str, options: argparse.Namespace, made: Sequence[Fold], ids: Sequence[str]
) -> PatchFit | OutOfFold:
    """A recipe to compare with, by its name, or the predictions in a folder."""
    from landcover.train.recipes import out_of_fold, table  # noqa: PLC0415 - loads torch

    if text in table.NAMES or not Path(text).is_dir():
        return _recipe(text, options, judged=False)
    found = out_of_fold.read(Path(text))
    if not found.has_folds(made, ids):
        raise BadInput(
            f"The predictions in '{plain(text)}' are of other patches or folds: make them with the "
            "same folders, --by and --folds."
        )
    return found


def _recipe(name: str, options: argparse.Namespace, *, judged: bool = True) -> PatchFit:
    """A recipe by its name; configuration and epochs are those of the judged one only."""
    from landcover.cli.train import config_path  # noqa: PLC0415 - as the rest
    from landcover.train.recipes import table  # noqa: PLC0415 - loads torch
    from landcover.train.recipes.order import Order  # noqa: PLC0415 - loads torch

    file = config_path(options.config) if judged and options.config is not None else None
    order = Order(
        config_file=file,
        epochs=options.epochs if judged else None,
        seed=options.seed,
        device=options.device,
    )
    return table.patch_fit(name, order)


def _command(options: argparse.Namespace, name: str) -> str:
    """The command that repeats the measurement, without the paths of this machine."""
    given = {
        "dataset": options.dataset,
        "by": options.by,
        "folds": options.folds,
        "model": name,
        "config": options.config and Path(options.config).name,
        "epochs": options.epochs,
        "seed": options.seed,
        "unit": options.unit,
        "bootstraps": options.bootstraps,
    }
    values = [f"--{key} {shlex.quote(str(value))}" for key, value in given.items() if value]
    against = [f"--against {shlex.quote(Path(one).name)}" for one in options.against or ()]
    roots = " ".join(["ROOT", *(f"ROOT{k}" for k in range(2, len(options.root) + 1))])
    return " ".join(["landcover evaluate", roots, *values, *against, "--out OUT"])
