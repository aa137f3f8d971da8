"""The user's models on the Models page: rename, remove and bring back, download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import streamlit as st

from landcover.core import limits
from landcover.core.errors import LandcoverError
from landcover.jobs.runs import models as of_runs
from landcover.models import registry, store
from landcover.models.card import Card
from pages.parts.models import archive, store_import
from pages.parts.shared import elements, shown, taught, theme, url_state, widgets
from pages.parts.shared.links import Link

PAGES: Final = Path(__file__).parents[2]
REFUSED: Final = (
    "This server is shared, so models are not renamed, removed or imported here. Run the app on "
    "your own computer with `make run`, or use `landcover models`."
)
_RENAMING: Final = "models_store_renaming"
_NOT_RENAMED: Final = "models_store_not_renamed"
_OUTCOME: Final = "models_store_outcome"
_MODELS: Final = ("model", "other", "first", "second")
"""Fields of the address that name a model."""


def render() -> None:
    """Show the user's models, those that were removed, and the field that imports one."""
    elements.heading("Your models")
    if not taught.is_personal():
        st.info(REFUSED, icon=":material/lock:")
        return
    store.tidy(registry.default())
    _outcome()
    left, right = st.columns([3, 2], gap="large")
    with left:
        _models()
    with right:
        store_import.show()
        _removed()
        _shipped()


def _outcome() -> None:
    """Say what the last change did, or why it was not possible."""
    said, failed = st.session_state.pop(_OUTCOME, ("", False))
    if said:
        (st.error if failed else st.success)(theme.literal(said))


def _attempt(change: Callable[[], str]) -> None:
    """Make a change; the callback of a button. Say what it did, or why it was not possible."""
    try:
        st.session_state[_OUTCOME] = (change(), False)
    except LandcoverError as error:
        st.session_state[_OUTCOME] = (str(error), True)


def _models() -> None:
    names = registry.default().user_names()
    if not names:
        st.info(
            "You have no models of your own yet: train one, adapt one to your corrections, or "
            "import one."
        )
        with st.container(horizontal=True):
            for page, title, icon in (
                ("train", "Train a model", "model_training"),
                ("teach", "Adapt one on Teach", "school"),
            ):
                if widgets.button(title, key=f"models_store_{page}", icon=f":material/{icon}:"):
                    st.switch_page(PAGES / f"{page}.py")
    for number, name in enumerate(names):
        with st.container(border=True, key=f"models_store_{number}"):
            _row(number, name)


def _row(number: int, name: str) -> None:
    elements.subheading(name)
    shipped = name in registry.default().shipped_names()
    try:
        card = registry.default().card(name)
    except LandcoverError as error:
        card = None
        st.error(theme.literal(str(error)))
    if card is not None:
        st.caption(theme.literal(_facts(card, copy=shipped)))
    with st.container(horizontal=True):
        if card is not None:
            if widgets.button(
                f"Use {name} on Classify", key=f"models_store_use_{number}", icon=":material/map:"
            ):
                url_state.keep("model", name)
                st.switch_page(PAGES / "classify.py")
            _download(name, f"models_store_zip_{number}")
            if registry.default().origin(name) == "user":
                widgets.button(
                    f"Rename {name}",
                    key=f"models_store_rename_{number}",
                    icon=":material/edit:",
                    on_click=partial(st.session_state.__setitem__, _RENAMING, name),
                )
        widgets.button(
            f"Remove {name}",
            key=f"models_store_remove_{number}",
            icon=":material/delete:",
            on_click=_attempt,
            args=(partial(_remove, name),),
        )
    if st.session_state.get(_RENAMING) == name:
        _rename_form(name)


def _facts(card: Card, *, copy: bool) -> str:
    training = card.training
    trained = " ".join(
        str(part) for part in (training.get("dataset", ""), training.get("date", "")) if part
    )
    facts = (
        "A copy of the shipped model, with reports of yours" if copy else card.title,
        f"{len(card.classes)} classes",
        f"{card.parameters:,} parameters",
        f"trained on {trained}" if trained else "",
        f"called {card.former[-1].name} before" if card.former else "",
    )
    return "; ".join(fact for fact in facts if fact)


def _rename_form(name: str) -> None:
    if failed := st.session_state.pop(_NOT_RENAMED, ""):
        st.error(theme.literal(failed))
    with st.form("models_store_rename", border=False):
        widgets.text_input("New name", name, key=f"models_store_name_{name}", max_chars=64)
        with st.container(horizontal=True):
            widgets.form_submit_button(
                "Save the name", type="primary", on_click=_rename, args=(name,)
            )
            widgets.form_submit_button("Keep the old name", on_click=_keep_name)


def _keep_name() -> None:
    st.session_state.pop(_RENAMING, None)


def _rename(old: str) -> None:
    new = widgets.value(f"models_store_name_{old}").strip()

    try:
        of_runs.rename(old, new)
    except LandcoverError as error:
        st.session_state[_NOT_RENAMED] = str(error)
        return
    _keep_name()
    _replace(old, new)
    st.session_state[_OUTCOME] = (f"{old} is called {new} now.", False)


def _remove(name: str) -> str:
    chosen = name in {getattr(shown.now(), field) for field in _MODELS}
    store.remove(registry.default(), name)
    _replace(name, None)
    usual = " It was chosen on other pages, which use the usual model now." if chosen else ""
    return f"{name} was removed. It can be brought back under Removed models.{usual}"


def _replace(old: str, new: str | None) -> None:
    """Replace a model's name in what the pages show."""
    now: Link = shown.now()
    shown.keep(
        **{
            field.name: new
            for field in fields(now)
            if field.name in _MODELS and getattr(now, field.name) == old
        }
    )


def _download(name: str, key: str) -> None:
    st.download_button(
        f"Download {name} (zip)",
        partial(archive.content, name),
        archive.file_name(name),
        "application/zip",
        key=key,
        icon=":material/download:",
        on_click=_check,
        args=(name,),
    )


def _check(name: str) -> None:
    """Say why a model cannot be downloaded: the browser only sees that there is no file."""
    try:
        registry.default().folder(name)
    except LandcoverError as error:
        st.session_state[_OUTCOME] = (str(error), True)


def _removed() -> None:
    found = store.removed(registry.default())
    if not found:
        return
    elements.subheading("Removed models")
    most = limits.current().models_removed
    st.caption(f"The last {most} removed models are kept on this computer.")
    for number, one in enumerate(found):
        when = "" if one.when is None else f", removed {_ago(one.when)}"
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(theme.literal(f"{one.name}{when}"))
            widgets.button(
                f"Bring back {one.name}",
                key=f"models_store_back_{number}",
                icon=":material/undo:",
                on_click=_attempt,
                args=(partial(_restore, one.id),),
            )


def _ago(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _restore(which: str) -> str:
    return f"{store.restore(registry.default(), which)} is back."


def _shipped() -> None:
    elements.subheading("Shipped models")
    st.caption("Card, weights and reports of a model that comes with landcover.")
    shipped = registry.default().shipped_names()
    name = widgets.selectbox(
        "Shipped model",
        [name for name in registry.default().names() if name in shipped],
        format_func=registry.default().title,
        key="models_store_shipped",
    )
    if name is not None:
        _download(name, "models_store_shipped_zip")
