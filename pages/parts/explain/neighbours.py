"""The training patches that are most similar to this one in the model's features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from landcover.core.classes import cover_of
from pages.parts.explain import computation
from pages.parts.explain.computation import Failed, Request
from pages.parts.shared import class_link, downloads, elements, patch_link, theme

if TYPE_CHECKING:  # at run time it would load torch before the page is drawn
    from landcover.explain.neighbours import Neighbour
    from landcover.trust.result import Result


@st.fragment
def show(request: Request, result: Result) -> None:
    """Show a sentence, pictures with links, and a table."""
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
    pictures(found)
    class_link.table(table(found), "Land covers in its label")
    downloads.table("Training patches", values(found), "similar", result)
    _names(found)


def table(found: Sequence[Neighbour]) -> pd.DataFrame:
    """Return one row per training patch, the most similar first."""
    rows = {
        str(rank): {
            "Land covers in its label": ", ".join(cover_of(label).short for label in one.labels)
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


def pictures(found: Sequence[Neighbour]) -> None:
    """Show the patches side by side, each with its labels and a button that opens it."""
    folder = patch_link.root()
    with st.container(key="explain_like_pictures"):
        for (rank, one), column in zip(
            enumerate(found, start=1), st.columns(len(found)), strict=True
        ):
            with column:
                picture = patch_link.picture(one.patch_id, folder)
                if picture is not None:
                    elements.picture(picture, f"True colours of training patch {rank}")
                labels = class_link.several(one.labels)
                st.caption(f"**{rank}** · {one.distance:.2f} · {labels}")
                patch_link.button(one.patch_id, folder, f"explain_like_{rank}")


def _names(found: Sequence[Neighbour]) -> None:
    with st.expander("Show the names of these patches in the data set"):
        st.code("\n".join(one.patch_id for one in found), language=None)
        if patch_link.root() is None:
            st.caption(
                f"If the app is started with {patch_link.VARIABLE} set to the folder that holds "
                "BigEarthNet-S2, the pictures are larger and these patches can be explained."
            )
