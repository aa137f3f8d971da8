"""What a data set contains: classes by split and country, label combinations, seasons, places.

:func:`shipped` has the counts of all of BigEarthNet v2, :func:`of_dataset` counts a folder, and
:mod:`landcover.datasets.overview.figures` computes figures of either.
"""

from __future__ import annotations

from landcover.datasets.overview.counts import Axis, Counts, Entry, Integers, count
from landcover.datasets.overview.figures import (
    Together,
    as_dict,
    combinations,
    labels_per_patch,
    together,
)
from landcover.datasets.overview.folder import of_dataset
from landcover.datasets.overview.shipped import shipped

__all__ = [
    "Axis",
    "Counts",
    "Entry",
    "Integers",
    "Together",
    "as_dict",
    "combinations",
    "count",
    "labels_per_patch",
    "of_dataset",
    "shipped",
    "together",
]
