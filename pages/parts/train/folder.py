"""Choosing a labelled data set in a folder of this computer: it is checked at once and counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd
import streamlit as st

from landcover import datasets
from landcover.core.classes import CLASS_NAMES, cover_of
from landcover.core.text import listed
from landcover.datasets.labelled import ALL, SPLITS
from pages.parts.shared import class_link, data_folder, elements, theme
from pages.parts.shared.data_folder import Stamp

PAGE: Final = "train"


@dataclass(frozen=True, kw_only=True)
class Data:
    """A data set that was opened and counted.

    Attributes:
        name: as ``--dataset`` takes it.
        root: its folder.
        title: the name that people read.
        counts: split → patches or pictures without clouds and snow.
        classes: class → split → how many have it.
        pictures: whether it holds pictures, not patches.
        notes: what else is to be said of it, a sentence each.
    """

    name: str
    root: Path
    title: str
    counts: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]
    pictures: bool
    notes: tuple[str, ...]

    @property
    def own_classes(self) -> bool:
        """Whether its classes are those of its user, not of BigEarthNet or EuroSAT."""
        return not self.pictures and tuple(self.classes) != CLASS_NAMES

    @property
    def unit(self) -> str:
        """What is counted, in the plural."""
        return "pictures" if self.pictures else "patches"

    def count(self, split: str) -> int:
        """Return how many patches or pictures a split has."""
        return self.counts.get(split, 0)


def choose() -> Data | None:
    """Let the user choose a data set and its folder; None until there is one that opens."""
    elements.heading("Data")
    named = data_folder.choose(
        PAGE,
        [*datasets.DATASETS, *datasets.PICTURES],
        "Give the folder of a labelled data set. To see how it works, take the six labelled "
        "places that come with the program: they are too few to learn anything from, but a "
        "model is trained on them in seconds.",
    )
    found = None if named is None else data_folder.opened(_read, *named)
    if found is not None:
        _counts(found)
    return found


@st.cache_data(max_entries=4, ttl=3600, show_spinner="Reading the data set's tables …")
def _read(kind: str, root: Path, stamp: Stamp) -> Data:  # noqa: ARG001 - part of the cache's key
    dataset = datasets.open_any(kind, root)
    said = dataset.describe()
    notes = [said["note"]] if said.get("note") else []
    if flawed := said.get("flawed", 0):
        verb = "is" if flawed == 1 else "are"
        notes.append(f"{flawed:,} with clouds, shadows or snow {verb} left out.")
    if unplaced := said.get("unplaced", 0):
        notes.append(f"{unplaced:,} without a place in locations.csv belong to no split.")
    return Data(
        name=kind,
        root=root,
        title=str(said["title"]),
        counts={**said["splits"], ALL: len(dataset.records())},
        classes=said["classes"],
        pictures=kind in datasets.PICTURES,
        notes=tuple(notes),
    )


def _counts(data: Data) -> None:
    """Show how many patches each split has, and how many each class."""
    parts = [f"{data.count(split):,} {split}" for split in SPLITS if data.count(split)]
    counted = f"{listed(parts)} {data.unit}" if parts else f"{data.count(ALL):,} {data.unit}"
    st.success(
        f"**{theme.literal(data.title)}**: {counted}{'' if parts else ' without a split'}. "
        + theme.literal(" ".join(data.notes)),
        icon=":material/check:",
    )
    with st.expander("How many have each class"):
        table, columns = class_link.in_frame(_table(data))
        st.dataframe(
            table,
            hide_index=True,
            column_config=columns,
            key="train_classes",
            alt="In how many patches of each split each class is",
        )


def _table(data: Data) -> pd.DataFrame:
    """Return one row per class: in how many patches of each split it is."""
    splits = [split for split in SPLITS if data.count(split)]
    rows = [
        {
            "Class": cover_of(label).short,
            **{split: counts.get(split, 0) for split in splits or counts},
        }
        for label, counts in data.classes.items()
    ]
    return pd.DataFrame(rows)
