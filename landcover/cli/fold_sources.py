"""What a recipe is compared with by place: another recipe, or predictions of an earlier run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from landcover.core.errors import BadInput
from landcover.core.text import plain

if TYPE_CHECKING:
    from landcover.datasets.folds import Fold
    from landcover.train.recipes.order import Order
    from landcover.train.recipes.out_of_fold import OutOfFold

__all__ = ["finished_or", "order_of", "refuse_twins"]

_Fit = TypeVar("_Fit")


def refuse_twins(name: str, others: Sequence[str]) -> None:
    """Refuse to compare a recipe with itself.

    Raises:
        BadInput: a name occurs twice.
    """
    if len({name, *others}) != 1 + len(others):
        raise BadInput("A recipe is compared with itself: name each one once.")


def finished_or(
    make: Callable[[str], _Fit],
    text: str,
    known: Sequence[str],
    made: Sequence[Fold],
    ids: Sequence[str],
) -> _Fit | OutOfFold:
    """Return the predictions in a folder, or the recipe of that name.

    Args:
        make: makes a recipe by its name.
        text: the name or folder.
        known: names of recipes, even if there is such a folder.
        made: the folds that the predictions must have.
        ids: names of all patches.

    Raises:
        BadInput: the predictions are of other folds, or cannot be read.
    """
    from landcover.train.recipes import out_of_fold  # noqa: PLC0415 - loads torch

    if text in known or not Path(text).is_dir():
        return make(text)
    found = out_of_fold.read(Path(text))
    if not found.has_folds(made, ids):
        raise BadInput(
            f"The predictions in '{plain(text)}' are of other patches or folds: make them with the "
            "same folders, --by and --folds."
        )
    return found


def order_of(options: argparse.Namespace, *, judged: bool) -> Order:
    """The options of a recipe; configuration and epochs are those of the judged one only."""
    from landcover.cli.train import config_path  # noqa: PLC0415 - as the rest
    from landcover.train.recipes.order import Order  # noqa: PLC0415 - loads torch

    file = config_path(options.config) if judged and options.config is not None else None
    return Order(
        config_file=file,
        epochs=options.epochs if judged else None,
        seed=options.seed,
        device=options.device,
        teacher=options.teacher,
        unlabelled=options.unlabelled,
    )
