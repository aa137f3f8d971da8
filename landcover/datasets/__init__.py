"""Labelled data sets: where patches with known covers come from.

Adding one is adding a file and a line to :data:`DATASETS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from landcover.datasets import bigearthnet
from landcover.datasets.labelled import Dataset, Record
from landcover.errors import UnknownName

__all__ = ["DATASETS", "Dataset", "Record", "open_dataset"]

DATASETS: Final[dict[str, Callable[[Path], Dataset]]] = {
    "bigearthnet": bigearthnet.open_either,
    "bigearthnet-v1": bigearthnet.open_v1,
    "bigearthnet-v2": bigearthnet.open_v2,
}
"""Name → what opens the data set in a folder."""


def open_dataset(name: str, root: Path) -> Dataset:
    """The data set of that name in a folder. Reads its tables and no pixels.

    Raises:
        UnknownName: no data set has that name.
        BadInput: the folder does not hold it, or its tables cannot be read.
    """
    if name not in DATASETS:
        raise UnknownName("data set", name, DATASETS)
    return DATASETS[name](root)
