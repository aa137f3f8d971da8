"""All models that can be trained, by name. To add one, add a line here or to its module."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from landcover.core.errors import BadInput, UnknownName
from landcover.core.progress import Report
from landcover.datasets import Dataset, EuroSat
from landcover.datasets.split_distance import refuse_leaking_splits
from landcover.train import distributed
from landcover.train.recipes import area, bigearthnet, eurosat, mosaic, mosaic_parts
from landcover.train.recipes.build import PatchFit
from landcover.train.recipes.order import Order

__all__ = ["NAMES", "SEVERAL_STEPS", "Make", "make", "patch_fit", "refuse_lessons"]

Make = Callable[[str, Dataset | EuroSat, Path, Order, Report | None], None]

SEVERAL_STEPS: Final[dict[str, Make]] = {
    mosaic_parts.NAME: mosaic.make,
    area.NAME: area.make,
    "eurosat-rgb": eurosat.make,
}
"""Models that need several fits; each has its own module."""
NAMES: Final[tuple[str, ...]] = (*SEVERAL_STEPS, *bigearthnet.RECIPES)


def make(
    name: str, dataset: Dataset | EuroSat, out: Path, order: Order, report: Report | None = None
) -> None:
    """Train a model and write its folder.

    The same call resumes an interrupted run from its checkpoints in ``out/runs``.

    Args:
        name: one of :data:`NAMES`, or ``timm:`` followed by the name of a timm trunk.
        dataset: a data set with train and validation splits.
        out: the folder to write; created if missing.
        order: settings that differ from the configuration.
        report: called after each epoch.

    Raises:
        UnknownName: there is no such model.
        BadInput: configuration, folder, data set or file to learn from cannot be used, another
            run writes to the folder, or the splits overlap on the ground.
    """
    if isinstance(dataset, Dataset):
        refuse_leaking_splits(dataset)
    if name not in NAMES and not name.startswith(bigearthnet.TIMM):
        raise UnknownName("model", name, NAMES)
    refuse_lessons(order, [name])
    with distributed.locked(out):
        SEVERAL_STEPS.get(name, bigearthnet.make)(name, dataset, out, order, report)


def patch_fit(name: str, order: Order) -> PatchFit:
    """Return how a model is fitted to patches once, without validation patches.

    Args:
        name: as for :func:`make`.
        order: settings that differ from the configuration.

    Raises:
        UnknownName: there is no such model.
        BadInput: it is trained on pictures, or its configuration or a file to learn from cannot
            be used.
    """
    if name == "eurosat-rgb":
        raise BadInput("The model 'eurosat-rgb' is trained on pictures: name one for patches.")
    if name not in NAMES and not name.startswith(bigearthnet.TIMM):
        raise UnknownName("model", name, NAMES)
    if name == area.NAME:
        raise BadInput(
            f"The model '{name}' learns from a model that has seen all countries: judge that one."
        )
    make_fit = mosaic.patch_fit if name in SEVERAL_STEPS else bigearthnet.patch_fit
    return make_fit(name, order)


def refuse_lessons(order: Order, names: Collection[str]) -> None:
    """Refuse files to learn from, and random weights to start from, if no recipe can use them.

    Raises:
        BadInput: there are files, and none of the recipes learns from them; or none of them starts
            from weights that it can do without.
    """
    learning = {"teacher": {mosaic_parts.NAME}, "unlabelled": {mosaic_parts.NAME, area.NAME}}
    for option, able in learning.items():
        if getattr(order, option) is not None and not able & set(names):
            which = " and ".join(f"'{name}'" for name in sorted(able))
            verb = "learn" if len(able) > 1 else "learns"
            raise BadInput(f"Only {which} {verb} from --{option}: leave it out.")
    if order.scratch and not any(map(_starts_from_others, names)):
        raise BadInput(
            "Without pre-training only models are trained that start from published weights and "
            "can do without them, such as efficientnet-lite0: leave --from-scratch out."
        )


def _starts_from_others(name: str) -> bool:
    """Whether a model starts from published weights, and can start from random ones.

    Raises:
        UnknownName: no such model can be trained.
    """
    if name in SEVERAL_STEPS:
        return name == "eurosat-rgb"
    return bigearthnet.find(name).initial is not None
