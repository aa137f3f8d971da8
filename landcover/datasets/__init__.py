"""Labelled data sets: patches and pictures with known classes.

To add one, add a file and a line to :data:`DATASETS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, UnknownName
from landcover.datasets import bigearthnet, own
from landcover.datasets.eurosat import EuroSat, open_eurosat
from landcover.datasets.labelled import Dataset, Record
from landcover.io.guard import shown

__all__ = [
    "DATASETS",
    "PICTURES",
    "Dataset",
    "EuroSat",
    "Record",
    "open_any",
    "open_dataset",
    "open_patches",
]

DATASETS: Final[dict[str, Callable[[Path], Dataset]]] = {
    "bigearthnet": bigearthnet.open_either,
    "bigearthnet-v1": bigearthnet.open_v1,
    "bigearthnet-v2": bigearthnet.open_v2,
    own.NAME: own.open_own,
}
"""Name → function that opens a data set of patches in a folder."""

PICTURES: Final[dict[str, Callable[[Path], EuroSat]]] = {"eurosat": open_eurosat}
"""Name → function that opens a data set of pictures: red, green and blue, one class each."""


def open_dataset(name: str, root: Path) -> Dataset:
    """Open a data set of patches with BigEarthNet's classes. Reads its tables but no pixels.

    For what works with any classes, use :func:`open_patches` or :func:`open_any`.

    Raises:
        UnknownName: no data set has that name.
        BadInput: the folder does not contain it, its tables cannot be read, or it has classes of
            one's own.
    """
    found = open_patches(name, root)
    if found.classes != CLASS_NAMES:
        raise BadInput(
            f"This needs the {len(CLASS_NAMES)} classes of BigEarthNet, and '{shown(root.name)}' "
            "has classes of its own: train, evaluate and data work with these."
        )
    return found


def open_patches(name: str, root: Path) -> Dataset:
    """Open a data set of patches with any classes. Reads its tables but no pixels.

    Raises:
        UnknownName: no data set of patches has that name.
        BadInput: the folder does not contain it, or its tables cannot be read.
    """
    if name not in DATASETS:
        raise UnknownName("data set", name, DATASETS)
    return DATASETS[name](root)


def open_any(name: str, root: Path) -> Dataset | EuroSat:
    """Open a data set of patches or of pictures by name.

    Raises:
        UnknownName: no data set has that name.
        BadInput: the folder does not contain it, or its tables cannot be read.
    """
    if name in PICTURES:
        return PICTURES[name](root)
    if name not in DATASETS:
        raise UnknownName("data set", name, (*DATASETS, *PICTURES))
    return DATASETS[name](root)
