"""Counting the labelled patches of a folder."""

from __future__ import annotations

from landcover.datasets.labelled import Dataset
from landcover.datasets.overview.counts import Counts, Entry, count

__all__ = ["of_dataset"]


def of_dataset(dataset: Dataset) -> Counts:
    """Count the patches of a data set, without those that it lists as cloudy or snowy.

    Raises:
        BadInput: there is none.
    """
    records = dataset.records()
    return count(
        dataset.title,
        dataset.classes,
        (Entry(one.patch_id, one.labels, one.split, one.country) for one in records),
    )
