"""The training patches that are most similar to this one in the model's features."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd
import streamlit as st

from landcover.core.bands import COMPOSITES
from landcover.core.classes import BY_NAME
from landcover.core.errors import LandcoverError
from landcover.datasets.patch_names import load_from_disk
from pages.parts.explain import computation
from pages.parts.explain.computation import Failed, Request
from pages.parts.shared import downloads, elements, theme

if TYPE_CHECKING:  # at run time it would load torch before the page is drawn
    from landcover.explain.neighbours import Neighbour
    from landcover.trust.result import Result

VARIABLE: Final = "LANDCOVER_DATA"
"""Environment variable with the folder of the data set, or the folder above it."""
FOLDER: Final = "explain_data"
ABOVE: Final = "bigearthnet"


@st.fragment
def show(request: Request, result: Result) -> None:
    """Show a sentence, a table, and images if the data set is on this computer."""
    elements.heading("Which training patches are similar?")
    piece = computation.store().get(request)
    if piece is None:
        st.caption("The training patches are being compared …")
        return
    if isinstance(piece, Failed):
        st.info(theme.literal(piece.sentence))
        return
    from landcover.explain.neighbours import sentence  # noqa: PLC0415 - loads torch

    origin, found = piece
    st.markdown(theme.literal(sentence(found)))
    if not found:
        return
    splits = ", ".join(origin.get("splits", ()))
    st.caption(
        theme.literal(
            f"Similar in the features of the model. From {origin.get('dataset', '?')}, split "
            f"{splits}; patches within 1200 m of this one are left out. Distance: 0 is equal, 2 is "
            "opposite. In brackets: the percentage of training patches whose nearest neighbour "
            "from another place is closer than that."
        )
    )
    _pictures(found)
    st.table(table(found), border="horizontal")
    downloads.table("Training patches", values(found), "similar", result)
    _folder(found)


def table(found: Sequence[Neighbour]) -> pd.DataFrame:
    """Return one row per training patch, the most similar first."""
    rows = {
        str(rank): {
            "Land covers in its label": ", ".join(BY_NAME[label].short for label in one.labels)
            or "–",
            "Distance": _apart(one),
            "Where and when": _where(one),
        }
        for rank, one in enumerate(found, start=1)
    }
    out = pd.DataFrame.from_dict(rows, orient="index")
    out.index.name = "Rank"
    return out


def values(found: Sequence[Neighbour]) -> pd.DataFrame:
    """Return the same as numbers, for a file."""
    return pd.DataFrame(
        {
            "rank": rank,
            "patch_id": one.patch_id,
            "labels": "; ".join(one.labels),
            "distance": one.distance,
            "percent_closer": one.percentile,
            "country": one.country,
            "season": one.season,
            "acquired": one.acquired.isoformat() if one.acquired else "",
            "latitude": None if one.centre is None else one.centre[0],
            "longitude": None if one.centre is None else one.centre[1],
        }
        for rank, one in enumerate(found, start=1)
    )


def _apart(one: Neighbour) -> str:
    closer = "" if one.percentile is None else f" ({one.percentile:.0f} % closer)"
    return f"{one.distance:.2f}{closer}"


def _where(one: Neighbour) -> str:
    parts = [
        one.country,
        f"{one.season}, {one.acquired:%Y-%m-%d}" if one.acquired else "",
        "" if one.centre is None else theme.place_text(*one.centre),
    ]
    return " · ".join(filter(None, parts)) or "–"


def root() -> Path | None:
    """Return the folder of the data set from the user or the environment; None if not set."""
    named = str(st.session_state.get(FOLDER) or os.environ.get(VARIABLE, "")).strip()
    return Path(named).expanduser() if named else None


def _pictures(found: Sequence[Neighbour]) -> None:
    folder = root()
    if folder is None:
        return
    shown = [(rank, picture) for rank, one in enumerate(found, start=1)
             if (picture := thumbnail(folder, one.patch_id)) is not None]  # fmt: skip
    if not shown:
        st.caption("None of these patches is in the given folder of the data set.")
        return
    with st.container(key="explain_like_pictures"):
        for (rank, picture), column in zip(shown, st.columns(len(found)), strict=False):
            with column:
                elements.picture(picture, f"True colours of training patch {rank}")
                one = found[rank - 1]
                labels = ", ".join(BY_NAME[label].short for label in one.labels)
                st.caption(f"**{rank}** · {one.distance:.2f} · {labels}")


@st.cache_data(max_entries=64, show_spinner=False)
def thumbnail(folder: Path, patch_id: str) -> bytes | None:
    """Return a training patch as PNG; None if it is not in the folder."""
    for place in (folder, folder / ABOVE):
        try:
            patch = load_from_disk(place, patch_id)
        except LandcoverError:
            continue
        if patch is not None:
            return theme.png(patch.image(COMPOSITES[0]), 2)
    return None


def _folder(found: Sequence[Neighbour]) -> None:
    with st.expander("Show images from a BigEarthNet folder on this computer"):
        st.text_input(
            "Folder that holds BigEarthNet-S2",
            os.environ.get(VARIABLE, ""),
            key=FOLDER,
            persist_state="session",
            help=f"The folder is only read. Set {VARIABLE} to keep it.",
        )
        st.caption("The index contains no pixels. Names of the patches in the data set:")
        st.code("\n".join(one.patch_id for one in found), language=None)
