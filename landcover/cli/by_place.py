"""``evaluate --by``: judge a recipe at places that it was not fitted to."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from landcover.cli import fold_sources, output, pictures_by_place, progress
from landcover.cli.exit_status import DONE, INTERRUPTED
from landcover.cli.train import add_lessons
from landcover.core import files
from landcover.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from landcover.datasets.folds import Fold, Pool
    from landcover.evaluate.by_place import ByPlace
    from landcover.evaluate.pictures_by_place import PicturesByPlace
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
"""The values of ``folds.BY``, which is slow to import. Pictures have ``place`` only."""
_ONLY_HERE: Final = (
    "folds",
    "out",
    "features",
    "against",
    "config",
    "teacher",
    "unlabelled",
    "epochs",
    "seed",
)
_NOT_HERE: Final = ("split", "save", "strict", "allow_touching")
_REPORT: Final = "report.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--by`` and the options that only it has."""
    group = parser.add_argument_group("by place")
    group.add_argument(
        "--by", choices=(*_BY, pictures_by_place.PLACE), help="what is left out at a time"
    )
    group.add_argument(
        "--folds",
        type=int,
        metavar="N",
        help="leave several places out at a time, in N folds (default: one place a fold; five "
        "for pictures)",
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
        "may be repeated (default: the baselines)",
    )
    group.add_argument(
        "--config", metavar="FILE", help="settings of the recipe, as for `landcover train`"
    )
    add_lessons(group)
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
    from landcover.core.freed_memory import keep_freed_memory  # noqa: PLC0415 - slow to import

    keep_freed_memory()
    try:
        found, text = _judged(options, draws)
    except KeyboardInterrupt:
        print(
            "error: Stopped; finished folds and epochs are kept: run the same command again to "
            "resume.",
            file=sys.stderr,
        )
        return INTERRUPTED
    from landcover.train.recipes.out_of_fold import folder_name  # noqa: PLC0415 - loads torch

    path = options.out / folder_name(found.model) / _REPORT
    files.write_text(path, found.as_json(indent=1) + "\n")
    print(output.written(path), file=sys.stderr)
    print(found.as_json() if options.json else text)
    return DONE


def _judged(options: argparse.Namespace, draws: Draws) -> tuple[ByPlace | PicturesByPlace, str]:
    """Judge patches or pictures; returns the report, and its text."""
    from landcover import datasets  # noqa: PLC0415 - loads torch
    from landcover.evaluate import by_place  # noqa: PLC0415 - loads torch
    from landcover.evaluate import pictures_by_place as pictures  # noqa: PLC0415 - loads torch

    if (options.dataset in datasets.PICTURES) != (options.by == pictures_by_place.PLACE):
        raise BadInput(
            "Patches are judged by country or product, and pictures, such as those of eurosat, by "
            "place: give another --by."
        )
    if options.by != pictures_by_place.PLACE:
        found = _judge(options, draws)
        return found, by_place.as_text(found)
    of_pictures = pictures_by_place.judge(
        options, draws, _command(options, options.model or pictures_by_place.NAME)
    )
    return of_pictures, pictures.as_text(of_pictures)


def _judge(options: argparse.Namespace, draws: Draws) -> ByPlace:
    from landcover.datasets import folds, open_dataset  # noqa: PLC0415 - loads torch
    from landcover.evaluate import by_place  # noqa: PLC0415 - loads torch
    from landcover.evaluate.patches import material_of  # noqa: PLC0415 - loads torch
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.train.recipes import table  # noqa: PLC0415 - loads torch

    def make(text: str) -> PatchFit:
        return table.patch_fit(text, fold_sources.order_of(options, judged=False))

    name = options.model or registry.DEFAULT_MODEL
    others = options.against or [one for one in registry.BASELINES if one != name]
    fold_sources.refuse_twins(name, others)
    order = fold_sources.order_of(options, judged=True)
    table.refuse_lessons(order, [name, *others])
    pool = folds.pool([open_dataset(options.dataset, root) for root in options.root])
    material = material_of(pool.records)
    made = folds.folds(pool.records, options.by, options.folds)
    # What can be refused is refused before the first fit.
    sources: list[PatchFit | OutOfFold] = [
        table.patch_fit(name, order),
        *(fold_sources.finished_or(make, one, table.NAMES, made, material.ids) for one in others),
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


def _command(options: argparse.Namespace, name: str) -> str:
    """The command that repeats the measurement, without the paths of this machine."""
    given = {
        "dataset": options.dataset,
        "by": options.by,
        "folds": options.folds,
        "model": name,
        "config": options.config and Path(options.config).name,
        "teacher": options.teacher and options.teacher.name,
        "unlabelled": options.unlabelled and options.unlabelled.name,
        "epochs": options.epochs,
        "seed": options.seed,
        "unit": options.unit,
        "bootstraps": options.bootstraps,
    }
    values = [f"--{key} {shlex.quote(str(value))}" for key, value in given.items() if value]
    against = [f"--against {shlex.quote(Path(one).name)}" for one in options.against or ()]
    roots = " ".join(["ROOT", *(f"ROOT{k}" for k in range(2, len(options.root) + 1))])
    return " ".join(["landcover evaluate", roots, *values, *against, "--out OUT"])
