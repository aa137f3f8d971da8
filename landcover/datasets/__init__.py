"""Labelled data sets: patches and pictures with known classes.

To add one, add a file and a line to :data:`DATASETS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from landcover.core.errors import UnknownName
from landcover.datasets import bigearthnet
from landcover.datasets.eurosat import EuroSat, open_eurosat
from landcover.datasets.labelled import Dataset, Record

__all__ = [
    "DATASETS",
    "PICTURES",
    "Dataset",
    "EuroSat",
    "Record",
    "open_any",
    "open_dataset",
]

DATASETS: Final[dict[str, Callable[[Path], Dataset]]] = {
    "bigearthnet": bigearthnet.open_either,
    "bigearthnet-v1": bigearthnet.open_v1,
    "bigearthnet-v2": bigearthnet.open_v2,
}
"""Name → function that opens a data set of patches in a folder."""

PICTURES: Final[dict[str, Callable[[Path], EuroSat]]] = {"eurosat": open_eurosat}
"""Name → function that opens a data set of pictures: red, green and blue, one class each."""


def open_dataset(name: str, root: Path) -> Dataset:
    """Open a data set of patches by name. Reads its tables but no pixels.

    Raises:
        UnknownName: no data set has that name.
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
    return open_dataset(name, root)
