"""The adapted models of the user: use one on Classify, remove one, and bring it back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from landcover.core.errors import LandcoverError
from pages.parts.shared import elements, taught, theme, url_state, widgets

if TYPE_CHECKING:  # at run time it would load torch before the page is drawn
    from landcover.models.registry import Registry

PAGES: Final = Path(__file__).parents[2]
_REMOVED: Final = "teach_model_removed"


def show() -> None:
    """Show the adapted models, and the one that was removed last."""
    own, removed = mine(), st.session_state.get(_REMOVED)
    if not own and not removed:
        return
    elements.heading("Your adapted models")
    if removed:
        st.info(f"{theme.literal(removed)} was removed.")
        if widgets.button("Bring it back", key="teach_model_back", icon=":material/undo:"):
            _change("restore", removed)
            st.session_state[_REMOVED] = None
            st.rerun()
    for number, (name, lineage) in enumerate(own.items(), start=1):
        _row(number, name, lineage)


def mine() -> dict[str, dict[str, Any]]:
    """Return the adapted models that this user may remove, with what their cards say of it."""
    from landcover.adapt.lineage import lineage, parent  # noqa: PLC0415 - loads torch

    registry = _registry()
    if registry is None:
        return {}
    found = dict[str, dict[str, Any]]()
    for name in registry.user_names():
        with suppress(LandcoverError):
            card = registry.card(name)
            if (said := lineage(card)) is not None:
                found[name] = {**said, "parent": parent(card, registry)}
    return found


def _registry() -> Registry | None:
    """Models of the user: on a server those of this session alone."""
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    return registry.default() if taught.is_personal() else taught.own_registry()


def _row(number: int, name: str, lineage: dict[str, Any]) -> None:
    with st.container(border=True, key=f"teach_model_{number}"):
        st.markdown(f"**{theme.literal(name)}**")
        st.caption(
            theme.literal(
                f"Adapted from {lineage.get('parent')} to {lineage.get('corrections')} corrections "
                f"on {lineage.get('date')}"
            )
        )
        with st.container(horizontal=True):
            if widgets.button(f"Use {name} on Classify", key=f"teach_model_use_{number}"):
                url_state.keep("model", name)
                st.switch_page(PAGES / "classify.py")
            if widgets.button(f"Remove {name}", key=f"teach_model_remove_{number}"):
                _change("remove", name)
                st.session_state[_REMOVED] = name
                st.rerun()


def _change(what: str, name: str) -> None:
    """Remove or restore a model.

    Raises:
        LandcoverError: it cannot be moved.
    """
    from landcover.models import store  # noqa: PLC0415 - loads torch

    registry = _registry()
    if registry is not None:
        (store.remove if what == "remove" else store.restore)(registry, name)
