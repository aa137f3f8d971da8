"""A BigEarthNet patch that a page names: its picture, and a button that opens it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import streamlit as st

from landcover.core.bands import COMPOSITES
from landcover.core.errors import LandcoverError
from landcover.core.raster import Raster
from landcover.datasets import album
from landcover.datasets.patch_names import load_from_disk, place
from pages.parts.shared import choice, theme, widgets

VARIABLE: Final = "LANDCOVER_DATA"
"""Environment variable with the folder of the data sets, or of one of them."""
ABOVE: Final = {"bigearthnet-v2": "bigearthnet", "eurosat": "eurosat"}
"""Folder of each data set in the folder of all."""
PAGES: Final = Path(__file__).parents[2]


def root() -> Path | None:
    """Return the folder of the data sets from the environment; None if not set."""
    named = os.environ.get(VARIABLE, "").strip()
    return Path(named).expanduser() if named else None


def folders(dataset: str) -> tuple[Path, ...]:
    """Return where a data set may lie; empty if the environment names no folder."""
    named = root()
    return () if named is None else (named, named / ABOVE.get(dataset, dataset))


def read(patch_id: str, folder: Path | None) -> Raster | None:
    """Return a patch from the folder of the data set; None if it is not there."""
    for above in () if folder is None else (folder, folder / ABOVE["bigearthnet-v2"]):
        try:
            patch = load_from_disk(above, patch_id)
        except LandcoverError:
            continue
        if patch is not None:
            return patch
    return None


@st.cache_data(max_entries=64, show_spinner=False)
def picture(patch_id: str, folder: Path | None) -> bytes | None:
    """Return a patch as PNG, from the folder or else small from the album; None without either."""
    patch = read(patch_id, folder)
    if patch is not None:
        return theme.png(patch.image(COMPOSITES[0]), 2)
    small = album.picture(patch_id)
    return None if small is None else theme.png(small, 4)


def button(
    patch_id: str,
    folder: Path | None,
    key: str,
    reader: Callable[[str], Raster | None] | None = None,
) -> None:
    """Show a button that opens the patch on Explain, or its place on Classify.

    Explain needs the pixels, so it is offered only if they can be read.

    Args:
        patch_id: name of the patch; of one without place and reader no button is shown.
        folder: folder of BigEarthNet v2, if it is there.
        key: key of the button.
        reader: reads the patch of any data set; None returned if it is not there.
    """
    where = place(patch_id)
    if where is None and reader is None:
        return
    if folder is None and reader is None:
        assert where is not None
        if widgets.button("Go to this place", key=key, icon=":material/map:"):
            choice.choose_place(*where)
            choice.move_map(where, choice.CLOSE_ZOOM)
            st.switch_page(PAGES / "classify.py")
    elif widgets.button("Explain this patch", key=key, icon=":material/search_insights:"):
        patch = read(patch_id, folder) if reader is None else reader(patch_id)
        if patch is None:
            st.caption("This patch is not in the given folder of the data set.")
            return
        choice.open_patch(patch_id, patch)
        st.switch_page(PAGES / "explain.py")
