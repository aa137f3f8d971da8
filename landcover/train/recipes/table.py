"""All models that can be trained, by name: adding one is adding a line here or to its module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from landcover.core.errors import UnknownName
from landcover.core.progress import Report
from landcover.datasets import Dataset, EuroSat
from landcover.datasets.split_distance import refuse_leaking_splits
from landcover.train.recipes import bigearthnet, eurosat, mosaic
from landcover.train.recipes.order import Order

__all__ = ["NAMES", "SEVERAL_STEPS", "Make", "make"]

Make = Callable[[str, Dataset | EuroSat, Path, Order, Report | None], None]

SEVERAL_STEPS: Final[dict[str, Make]] = {
    "landcover-mosaic": mosaic.make,
    "eurosat-rgb": eurosat.make,
}
"""Models of several fits, each with a module of its own."""
NAMES: Final[tuple[str, ...]] = (*SEVERAL_STEPS, *bigearthnet.RECIPES)


def make(
    name: str, dataset: Dataset | EuroSat, out: Path, order: Order, report: Report | None = None
) -> None:
    """Train a model and write its folder.

    A run that was interrupted is resumed when the same call is made again, from its
    checkpoints in ``out/runs``.

    Args:
        name: one of :data:`NAMES`, or ``timm:`` and the name of a trunk of timm.
        dataset: a data set with train and validation splits.
        out: the folder to write; made where absent.
        order: settings that differ from the configuration.
        report: called after each epoch.

    Raises:
        UnknownName: there is no such model.
        BadInput: configuration, folder or data set cannot be used, or the splits show the same
            ground.
    """
    if isinstance(dataset, Dataset):
        refuse_leaking_splits(dataset)
    if name not in NAMES and not name.startswith(bigearthnet.TIMM):
        raise UnknownName("model", name, NAMES)
    SEVERAL_STEPS.get(name, bigearthnet.make)(name, dataset, out, order, report)
