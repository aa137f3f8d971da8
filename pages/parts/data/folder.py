"""A data set in a folder of this computer, on an app that may read its folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import streamlit as st

from landcover import datasets
from landcover.core.classes import CLASS_NAMES
from landcover.datasets import overview
from landcover.datasets.labelled import Dataset
from landcover.datasets.overview import Counts
from pages.parts.shared import data_folder, theme, training
from pages.parts.shared.data_folder import Stamp

PAGE: Final = "data"


@dataclass(frozen=True, eq=False)
class Folder:
    """A data set that was opened.

    Attributes:
        root: its folder.
        stamp: changes with the tables in the folder.
        dataset: its records.
        counts: of the patches without clouds and snow.
    """

    root: Path
    stamp: Stamp
    dataset: Dataset
    counts: Counts

    @property
    def own_classes(self) -> bool:
        """Whether its classes are those of its user."""
        return self.dataset.classes != CLASS_NAMES


def choose() -> Folder | None:
    """Let the user name a folder; None if none is named, it cannot be read, or it may not be."""
    if not training.is_allowed():
        return None
    with st.expander("A data set on this computer"):
        named = data_folder.choose(
            PAGE,
            list(datasets.DATASETS),
            "Give the folder of a labelled data set: the figures are then of that folder, its "
            "patches can be browsed, and its labels checked for errors.",
        )
    found = None if named is None else data_folder.opened(_read, *named)
    if found is not None:
        said = f"**{theme.literal(found.dataset.title)}**: {found.counts.n:,} patches. "
        st.success(said + theme.literal(found.dataset.note), icon=":material/check:")
    return found


@st.cache_resource(max_entries=2, ttl=3600, show_spinner="Reading the data set's tables …")
def _read(kind: str, root: Path, stamp: Stamp) -> Folder:
    dataset = datasets.open_patches(kind, root)
    return Folder(root, stamp, dataset, overview.of_dataset(dataset))
