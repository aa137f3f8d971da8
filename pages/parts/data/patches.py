"""Single patches of a folder: pictures by label combination, and training patches like one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.core.bands import COMPOSITES, PATCH_M
from landcover.core.errors import LandcoverError
from landcover.datasets.labelled import Record
from landcover.datasets.patch_names import season
from landcover.io.names import time_in
from pages.parts.data import combinations
from pages.parts.data.folder import Folder
from pages.parts.explain import neighbours as like
from pages.parts.shared import charts as show
from pages.parts.shared import class_link, elements, loaded_models, patch_link, theme, widgets
from pages.parts.shared.data_folder import Stamp

if TYPE_CHECKING:  # at run time it would load torch before the page is drawn
    from landcover.explain.neighbours import Neighbour

SHOWN: Final = 12
"""Pictures at a time."""
ACROSS: Final = 4
_ALIKE: Final = "data_alike"
"""State key of the patch whose look-alikes are shown."""


@show.section
def render(folder: Folder, limits: dict[str, str]) -> None:
    """Show the patches that have the chosen classes, a few at a time."""
    wanted, exactly = combinations.choose(folder.counts)
    found = matching(folder, tuple(wanted), exactly=exactly, limits=tuple(limits.items()))
    if not found:
        st.info("No patch of this folder has this combination of classes.")
        return
    pages = -(-len(found) // SHOWN)
    page = 1
    if pages > 1:
        with st.columns([1, 3])[0]:
            page = widgets.number_input(
                f"Page, of {pages:,}", min_value=1, max_value=pages, key="data_page"
            )
    counted = "1 patch" if len(found) == 1 else f"{len(found):,} patches"
    st.caption(f"{counted}, in the order of the tables.")
    grid(folder, found[SHOWN * (page - 1) : SHOWN * page], "data_patch", ACROSS)


@lru_cache(maxsize=8)
def matching(
    folder: Folder,
    wanted: tuple[str, ...],
    *,
    exactly: bool = False,
    limits: tuple[tuple[str, str], ...] = (),
) -> tuple[Record, ...]:
    """Return the patches that have the wanted classes, of one split, country or season if limited.

    Args:
        folder: the data set.
        wanted: names of classes; all patches have them if there are none.
        exactly: whether they may have no other class.
        limits: axes of the counts, each with the only value, as
            :func:`pages.parts.data.source.chosen` says.
    """
    labels = frozenset(wanted)
    return tuple(
        one
        for one in folder.dataset.records()
        if (one.labels == labels if exactly and labels else labels <= one.labels)
        and all(_value(one, axis) == value for axis, value in limits)
    )


def _value(record: Record, axis: str) -> str:
    if axis != "season":
        return record.split if axis == "split" else record.country
    taken = time_in(record.patch_id)
    return "" if taken is None else season(taken.month)


def grid(
    folder: Folder, records: Sequence[Record], key: str, across: int, reasons: Sequence[str] = ()
) -> None:
    """Show patches side by side; below the row of the chosen one, training patches like it.

    Args:
        folder: the data set.
        records: the patches.
        key: start of the keys of the buttons.
        across: patches in a row.
        reasons: what stands above each, in Markdown; nothing if empty.
    """
    chosen = st.session_state.get(_ALIKE)
    for start in range(0, len(records), across):
        row = records[start : start + across]
        for number, (column, record) in enumerate(zip(st.columns(across), row, strict=False)):
            with column.container(border=True):
                if reasons:
                    st.markdown(f"**{reasons[start + number]}**")
                _card(folder, record, f"{key}_{start + number}")
        for number, record in enumerate(row):
            if chosen == f"{key}_{start + number}_{record.patch_id}":
                _look_alikes(folder, record, key)


def _card(folder: Folder, record: Record, key: str) -> None:
    """Show one patch: its picture, labels and place, and what can be done with it."""
    picture = _picture(folder, record)
    if isinstance(picture, str):
        st.caption(theme.literal(picture))
    else:
        elements.picture(picture, f"True colours of patch {record.patch_id}")
    labels = [name for name in folder.dataset.classes if name in record.labels]
    st.markdown(class_link.several(labels) or "No label")
    taken = time_in(record.patch_id)
    facts = (record.country, f"{taken:%Y-%m-%d}" if taken else "", record.split)
    st.caption(theme.literal(" · ".join(filter(None, facts))))
    st.caption(theme.literal(record.patch_id))
    widgets.button(
        "Look-alikes",
        key=f"{key}_alike",
        icon=":material/search:",
        on_click=_choose,
        args=(f"{key}_{record.patch_id}",),
    )
    patch_link.button(record.patch_id, folder.root, f"{key}_open", lambda _: record.patch())


def _choose(card: str | None) -> None:
    st.session_state[_ALIKE] = card


def _picture(folder: Folder, record: Record) -> bytes | str:
    """Return a picture as PNG, or why there is none."""
    try:
        return _read(str(folder.root), folder.stamp, record.patch_id, record)
    except LandcoverError as error:
        return str(error)


@st.cache_data(max_entries=128, ttl=3600, show_spinner=False)
def _read(root: str, stamp: Stamp, patch_id: str, _record: Record) -> bytes:  # noqa: ARG001 - the cache's key
    return theme.png(_record.patch().image(COMPOSITES[0]), 2)


def _look_alikes(folder: Folder, record: Record, key: str) -> None:
    """Show the training patches of the usual model that are most similar to one."""
    with st.container(border=True, key=f"{key}_alikes"):
        elements.heading("Look-alikes")
        try:
            with st.spinner("Comparing with the training patches …"):
                title, alike = _similar(str(folder.root), folder.stamp, record.patch_id, record)
        except LandcoverError as error:
            st.info(theme.literal(str(error)))
            return
        from landcover.explain.neighbours import sentence  # noqa: PLC0415 - loads torch

        st.markdown(theme.literal(sentence(alike)))
        st.caption(
            theme.literal(
                f"Training patches that are similar to {record.patch_id} in the features of "
                f"{title}, which may have learnt this patch, too; patches within 1200 m are left "
                "out."
            )
        )
        like.pictures(alike)
        class_link.table(like.table(alike), "Land covers in its label")
        widgets.button("Close", key=f"{key}_close", on_click=_choose, args=(None,))


@st.cache_data(max_entries=32, ttl=3600, show_spinner=False)
def _similar(
    root: str,  # noqa: ARG001 - the cache's key
    stamp: Stamp,  # noqa: ARG001 - as above
    patch_id: str,  # noqa: ARG001 - as above
    _record: Record,
) -> tuple[str, tuple[Neighbour, ...]]:
    from landcover.explain import neighbours  # noqa: PLC0415 - loads torch

    names = loaded_models.for_patches()
    if not names:
        raise LandcoverError("No model is installed, so patches cannot be compared.")
    model = loaded_models.load(names[0])
    index = neighbours.load(model.folder, model.card.hash) if model.folder else None
    if index is None:
        raise LandcoverError("The training patches of the usual model are not indexed.")
    return model.card.title, neighbours.query(index, model, _record.patch(), apart_m=PATCH_M)
