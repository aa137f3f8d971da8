"""``evaluate --by place``: judge a recipe for pictures in cells that it was not fitted to."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from landcover.cli import fold_sources, progress
from landcover.core.errors import BadInput

if TYPE_CHECKING:
    from landcover.evaluate.pictures_by_place import PictureAnswer, PicturesByPlace
    from landcover.evaluate.report_metrics import Draws
    from landcover.train.recipes.out_of_fold import OutOfFold
    from landcover.train.recipes.picture_fits import PictureFit

__all__ = ["NAME", "PLACE", "judge"]

PLACE: Final = "place"
"""The value of ``--by`` for pictures."""
NAME: Final = "eurosat-rgb"
"""The recipe to judge by default."""


def judge(options: argparse.Namespace, draws: Draws, command: str) -> PicturesByPlace:
    """Fit and score.

    Raises:
        BadInput: options do not go together, or a recipe or the data set cannot be used.
    """
    from landcover.datasets import PICTURES, picture_folds  # noqa: PLC0415 - loads torch
    from landcover.evaluate import pictures_by_place  # noqa: PLC0415 - loads torch
    from landcover.train.recipes import out_of_fold, picture_fits  # noqa: PLC0415 - loads torch

    if options.unit is not None:
        raise BadInput("Pictures by place are drawn by cell: leave --unit out.")
    if options.features:
        raise BadInput("Features are kept for patches only: leave --features out.")
    if options.teacher or options.unlabelled:
        raise BadInput(
            "Only landcover-mosaic learns from --teacher and --unlabelled: leave them out."
        )
    if len(options.root) > 1:
        raise BadInput("Pictures are in one folder: give one.")

    def make(text: str) -> PictureFit:
        return picture_fits.picture_fit(text, fold_sources.order_of(options, judged=False))

    name = options.model or NAME
    others = options.against or [one for one in picture_fits.NAMES if one not in (NAME, name)]
    fold_sources.refuse_twins(name, others)
    dataset = PICTURES[options.dataset](options.root[0])
    pictures = picture_folds.pool(dataset)
    ids = [picture.name for picture in pictures]
    made = picture_folds.picture_folds(pictures, options.folds)
    # What can be refused is refused before the first fit.
    sources: list[PictureFit | OutOfFold] = [
        picture_fits.picture_fit(name, fold_sources.order_of(options, judged=True)),
        *(fold_sources.finished_or(make, one, picture_fits.NAMES, made, ids) for one in others),
    ]
    answers: list[PictureAnswer] = []
    with progress.show() as report:
        store = dataset.load_pictures(pictures, report)
        for text, one in zip((name, *others), sources, strict=True):
            if not isinstance(one, out_of_fold.OutOfFold):
                folder = options.out / out_of_fold.folder_name(one.name)
                one = out_of_fold.predict(one, store, made, folder, by=PLACE, progress=report)  # noqa: PLW2901
            answers.append(
                pictures_by_place.PictureAnswer(
                    name=text, settings=one.settings, logits=one.logits_of(ids)
                )
            )
    return pictures_by_place.score(
        pictures,
        made,
        answers[0],
        answers[1:],
        dataset=dataset.name,
        draws=draws,
        command=command,
    )
