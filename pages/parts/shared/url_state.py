"""The address of the page is its state: reload, back, a second tab and a link show the same.

The app writes the query (:mod:`pages.parts.shared.links`) whenever the choice of a place or of
what is shown of it changes; Streamlit makes each change an entry of the browser's history. The
app reads the query when a session starts (a reload, a second tab, a link) and when the browser
goes back or forward, and at no other time: a rerun that was under way before a change still
carries the old query.

``bind="query-params"`` of Streamlit's widgets does not do this: it writes the text of an option,
which contains probabilities, drops the parameters of other pages, and knows no places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Final, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.parts.shared import choice, links, place_link, shown, widgets
from pages.parts.shared.links import Link

Option = TypeVar("Option")
_NOTICES: Final = "app_url_notices"
_SHOWN: Final = "app_url_shown"
_UNCHECKED: Final = "app_url_unchecked"
_STARTED: Final = "app_url_started"
_SET: Final = "app_url_set"
_OFFERED: Final = "app_url_offered"
_MODELS: Final = frozenset({"model", "other", "first", "second"})
"""Fields that name a model, which another tab or program may remove."""


def begin() -> None:
    """Read the query if the browser brought a new one; otherwise write it.

    The frame calls this before ``st.navigation``, so that a switch of the page, which drops the
    query, makes one entry in the browser's history and not two.
    """
    if _STARTED not in st.session_state or _went_back():
        st.session_state[_STARTED] = True
        restore(*links.read(query()))
    publish()


def query() -> dict[str, list[str]]:
    """Return the query of the address, all values of each parameter."""
    return {name: st.query_params.get_all(name) for name in st.query_params}


def _went_back() -> bool:
    """Return whether the browser's back or forward button caused this run."""
    return bool(getattr(get_script_run_ctx(), "is_history_navigation", False))


def restore(link: Link, problems: Sequence[str] = ()) -> None:
    """Make a link the state of the session.

    Args:
        link: what the address says.
        problems: sentences on what it says wrongly.
    """
    missing = place_link.open_place(link)  # first, because a new place drops the land covers
    kept = place_link.without_place(link)
    st.session_state[shown.KEY] = kept
    st.session_state[_UNCHECKED] = {
        field.name for field in fields(kept) if getattr(kept, field.name) not in {None, ()}
    }
    st.session_state[_NOTICES] = [*problems, *([missing] if missing else [])]


def _link() -> Link:
    return place_link.link_of(choice.current(), shown.now())


def publish() -> None:
    """Write the query, unless the address has it already."""
    wanted = links.write(_link())
    if wanted != {name: values for name, values in query().items() if name in links.NAMES}:
        st.query_params.from_dict(wanted)


def seed(
    key: str,
    field: str,
    options: Sequence[Option],
    default: Option,
    text: Callable[[Option], str] = str,
) -> None:
    """Set the value of a widget that offers one option; call this before the widget.

    Args:
        key: key of the widget.
        field: field of :class:`~pages.parts.shared.links.Link` that the widget shows.
        options: options of the widget.
        default: option to show if the user has chosen none.
        text: text of an option in the address.
    """
    _note_gone(key, field, {text(option) for option in options})
    found = offered(field, options, text)
    set_widget(key, found[0] if found else default)


def seed_several(
    key: str, field: str, options: Sequence[str], default: Sequence[str], most: int
) -> None:
    """Set the values of a widget that offers several options, as :func:`seed` does.

    Args:
        key: key of the widget.
        field: field of :class:`~pages.parts.shared.links.Link` that the widget shows.
        options: options of the widget.
        default: options to show if the user has chosen none.
        most: maximum number of options.
    """
    found = offered(field, options, str)
    set_widget(key, found[:most] or list(default))


def set_widget(key: str, value: object) -> None:
    """Set the value of a widget before it is drawn, and remember it for :func:`changed`."""
    st.session_state[key] = value
    st.session_state.setdefault(_SET, {})[key] = value


def changed(key: str) -> bool:
    """Return whether the user has changed a widget whose ``on_change`` was called.

    Streamlit also calls it for a widget that the last run no longer drew, if the browser acts
    again before it has removed the widget.
    """
    known = st.session_state.get(_SET, {})
    return key in st.session_state and bool(st.session_state[key] != known.get(key))


def drop_change(key: str) -> None:
    """Ignore a change of a widget in this run, because one that the user changed later decides.

    Two changes that follow each other quickly arrive together, and their callbacks are called in
    the order of the page.
    """
    if key in st.session_state:
        st.session_state.setdefault(_SET, {})[key] = st.session_state[key]


def offered(field: str, options: Sequence[Option], text: Callable[[Option], str]) -> list[Option]:
    """Return the options that the user or the address chose; note those that do not exist.

    Args:
        field: field of :class:`~pages.parts.shared.links.Link`.
        options: what is offered.
        text: text of an option in the address.
    """
    value = getattr(shown.now(), field)
    wanted = list(value) if isinstance(value, tuple) else [value] * (value is not None)
    by_text = {text(option): option for option in options}
    unchecked = st.session_state.get(_UNCHECKED, set())
    if field in unchecked:
        unchecked.discard(field)
        absent = [one for one in wanted if one not in by_text]
        if absent:
            note(
                f"The address of this page names {links.TITLES[field]} “{absent[0]}”, which is "
                "not offered here, so the usual one is shown."
            )
            kept = [one for one in wanted if one in by_text]
            shown.keep(**{field: tuple(kept) if isinstance(value, tuple) else None})
    return [by_text[one] for one in wanted if one in by_text]


def take(key: str, field: str, text: Callable[[Any], str] = str) -> None:
    """Keep the value of a widget that the user has changed; the widget's ``on_change``.

    Args:
        key: key of the widget.
        field: field of :class:`~pages.parts.shared.links.Link` that the widget shows.
        text: text of an option in the address.
    """
    # Streamlit compares the labels of options, and passes a label on that changed in the meantime.
    if changed(key) and widgets.is_offered(key):
        keep(field, widgets.value(key), text)


def keep(field: str, value: Any, text: Callable[[Any], str] = str) -> None:  # noqa: ANN401 - any option
    """Keep what the user chose, and write it to the address.

    Args:
        field: field of :class:`~pages.parts.shared.links.Link`.
        value: an option, or a list of options if the field has several.
        text: text of an option in the address.
    """
    several = isinstance(getattr(Link(), field), tuple)
    values = tuple(map(text, value if isinstance(value, list) else [value]))
    if value is None:
        shown.keep(**{field: () if several else None})
    else:
        shown.keep(**{field: values if several else values[0]})
    # Here too, because a fragment reruns without the frame.
    publish()


def _note_gone(key: str, field: str, options: set[str]) -> None:
    """Note that the model which a widget showed was removed or renamed meanwhile."""
    known: dict[str, set[str]] = st.session_state.setdefault(_OFFERED, {})
    before, known[key] = known.get(key, set()), options
    value = getattr(shown.now(), field)
    if field in _MODELS and value in before - options:
        note(
            f"{links.TITLES[field].capitalize()} “{value}” is no longer here: it was removed, "
            "renamed, or does not suit what is shown. The usual one is used."
        )


def note(sentence: str) -> None:
    """Show a sentence on what could not be taken from the address."""
    st.session_state.setdefault(_NOTICES, []).append(sentence)


def notices(page: str) -> tuple[str, ...]:
    """Return what could not be taken from the address, a sentence each.

    They stay until the user chooses something else or goes to another page.

    Args:
        page: title of the page.
    """
    now, new = (page, _link()), tuple(st.session_state.pop(_NOTICES, ()))
    before, old = st.session_state.get(_SHOWN, (None, ()))
    st.session_state[_SHOWN] = (now, (*old, *new) if before == now else new)
    return st.session_state[_SHOWN][1]  # type: ignore[no-any-return]  # just put there
