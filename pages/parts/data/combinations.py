"""How many labels patches have, and which combinations of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.datasets.overview import Counts, combinations, labels_per_patch
from pages.parts.data.classes import short
from pages.parts.shared import charts as show
from pages.parts.shared import class_link, elements, widgets

FIRST: Final = 15
"""Combinations whose classes are links."""
LISTED: Final = 200
MATCHES: Final = ("At least these", "Exactly these")


@show.section
def render(part: Counts) -> None:
    """Show labels per patch, and the most frequent combinations that have the chosen classes."""
    found = labels_per_patch(part)
    table = pd.DataFrame({"Labels": list(found), "Patches": list(found.values())})
    table["Share"] = table["Patches"] / part.n
    elements.heading("Labels per patch")
    show.chart(_bars(table), table, "labels-per-patch", "Number of patches by number of labels")
    elements.heading("Label combinations")
    wanted, exactly = choose(part)
    chosen = part.with_classes(wanted, exactly=exactly) if wanted else part
    listed = combinations(chosen)
    if not listed:
        st.info("No patch has this combination of classes.")
        return
    several = "combination" if len(listed) == 1 else "combinations"
    st.caption(
        f"{chosen.n:,} of {part.n:,} patches in {len(listed):,} {several}"
        + (f"; the {FIRST} most frequent are:" if len(listed) > FIRST else ":")
    )
    _tables(listed, part.n)


def _tables(listed: Sequence[tuple[tuple[str, ...], int]], n: int) -> None:
    """Show the first combinations with links to what their classes mean, and more of them."""
    rows = pd.DataFrame(
        {
            "Patches": [count for _, count in listed],
            "Share": [count / n for _, count in listed],
            "Labels": [len(labels) for labels, _ in listed],
            "Combination": [", ".join(map(short, labels)) or "No label" for labels, _ in listed],
        }
    )
    first = rows.head(FIRST)
    readable = first.assign(
        Patches=[f"{count:,}" for count in first["Patches"]],
        Share=[f"{share:.2%}" for share in first["Share"]],
        Labels=first["Labels"].astype(str),
    )
    class_link.table(readable, "Combination", hide_index=True)
    if len(listed) > FIRST:
        with st.expander(f"Show the {min(len(listed), LISTED)} most frequent"):
            alt = "Label combinations, the most frequent first"
            show.numbers(rows.head(LISTED), "combinations", alt)
    show.download(rows, "combinations")


def choose(part: Counts) -> tuple[list[str], bool]:
    """Let the user choose classes, and whether patches may have others besides."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        wanted = widgets.multiselect(
            "Patches that have",
            part.classes,
            format_func=short,
            key="data_combination",
            placeholder="Any classes",
            persist_state="session",
        )
    with right:
        match = show.switch("Match", MATCHES, "data_match")
    return wanted, match == MATCHES[1]


def _bars(table: pd.DataFrame) -> go.Figure:
    figure = go.Figure()
    figure.add_bar(
        x=table["Labels"],
        y=table["Patches"],
        marker={"color": show.POSITIVE},
        customdata=table["Share"],
        hovertemplate="%{x} labels: %{y:,} patches (%{customdata:.1%})<extra></extra>",
    )
    show.set_layout(figure, 260, showlegend=False)
    figure.update_xaxes(title="Labels of a patch", dtick=1, showgrid=False)
    figure.update_yaxes(title="Patches")
    return figure
