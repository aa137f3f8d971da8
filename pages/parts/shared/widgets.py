"""Streamlit's widgets, whose values are checked on the server before any code sees them.

A browser offers the options of a select box and the range of a slider, but what it sends is its
own: Streamlit passes on any text as the value of a select box or of a row of options, and raises
an error on a value of another type. Pages therefore use these functions in place of Streamlit's
own, with the same arguments. Each notes what its widget offers, and

* it returns the default in place of a value that the widget does not offer;
* :func:`value` does the same for what callbacks read of a widget, by its key;
* :mod:`pages.parts.shared.wire` drops such a value before callbacks are called.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeVar

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from landcover.core import limits
from landcover.core.errors import BadInput

Option = TypeVar("Option")
Given = Any
"""Further arguments of Streamlit's own function."""
OFFERS: Final = "app_widgets"
"""State key of what each widget offers, by the widget's key."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a widget offers.

    Attributes:
        allows: whether a value is among it.
        default: what is used in place of a value that is not.
    """

    allows: Callable[[Any], bool]
    default: Any = None


def value(key: str) -> Any:  # noqa: ANN401 - each widget has its own type
    """Return the value of a widget by its key, or its default if it does not offer that value.

    None for a widget that was never shown.
    """
    offer = _offers().get(key)
    if offer is None:
        return None
    found = st.session_state.get(key, offer.default)
    return found if offer.allows(found) else offer.default


def is_offered(key: str) -> bool:
    """Return whether a widget has a value, and offers it."""
    offer = _offers().get(key)
    return offer is not None and key in st.session_state and offer.allows(st.session_state[key])


def forget(start: str) -> None:
    """Forget what widgets offer whose keys begin with a text: they are no longer shown."""
    for key in [key for key in _offers() if key.startswith(start)]:
        del _offers()[key]


def selectbox(
    label: str, options: Sequence[Option], index: int | None = 0, **more: Given
) -> Option | None:
    """Show ``st.selectbox``; the value is one of the options, or None if ``index`` is None."""
    key = more.get("key")
    empty = index is None or (key is not None and st.session_state.get(key, "") is None)
    default = None if index is None or not options else options[index]
    offer = Offer(
        allows=lambda one: (one is None and empty) or _among(one, options), default=default
    )
    return _checked(offer, more, lambda: st.selectbox(label, options, index, **more))  # type: ignore[no-any-return]  # an option


def multiselect(
    label: str, options: Sequence[Option], default: Sequence[Option] | None = None, **more: Given
) -> list[Option]:
    """Show ``st.multiselect``; the value has only options, each once, and not too many."""
    most = more.get("max_selections") or len(options)

    def allows(values: object) -> bool:
        return (
            isinstance(values, list | tuple)
            and len(values) <= most
            and all(_among(one, options) for one in values)
            and all(one not in values[:place] for place, one in enumerate(values))
        )

    offer = Offer(allows=allows, default=list(default or ()))
    return list(_checked(offer, more, lambda: st.multiselect(label, options, default, **more)))


def segmented_control(label: str, options: Sequence[Option], **more: Given) -> Option | None:
    """Show ``st.segmented_control`` for one option; None only if it is not ``required``."""
    default = more.get("default")
    required = bool(more.get("required"))
    if required and default is None and options:
        default = options[0]
    offer = Offer(
        allows=lambda one: (one is None and not required) or _among(one, options), default=default
    )
    return _checked(offer, more, lambda: st.segmented_control(label, options, **more))  # type: ignore[no-any-return]  # an option


def slider(
    label: str,
    min_value: float,
    max_value: float,
    value: float | None = None,
    step: float | None = None,
    **more: Given,
) -> Any:  # noqa: ANN401 - int or float, as its bounds
    """Show ``st.slider`` for one number; whole numbers lie on its steps."""
    whole = all(isinstance(one, int) for one in (min_value, max_value))
    offer = Offer(
        allows=lambda one: _is_number(one, min_value, max_value, int(step or 1) if whole else None),
        default=min_value if value is None else value,
    )
    return _checked(
        offer, more, lambda: st.slider(label, min_value, max_value, value, step, **more)
    )


def select_slider(label: str, options: Sequence[Option], **more: Given) -> Option:
    """Show ``st.select_slider`` for one option."""
    offer = Offer(
        allows=lambda one: _among(one, options), default=more.get("value", next(iter(options)))
    )
    return _checked(offer, more, lambda: st.select_slider(label, options, **more))  # type: ignore[no-any-return]  # an option


def number_input(label: str, *, min_value: int, max_value: int, **more: Given) -> int:
    """Show ``st.number_input`` for a whole number."""
    offer = Offer(
        allows=lambda one: _is_number(one, min_value, max_value, 1),
        default=more.get("value", min_value),
    )
    return int(
        _checked(
            offer,
            more,
            lambda: st.number_input(label, min_value=min_value, max_value=max_value, **more),
        )
    )


def text_input(label: str, value: str = "", **more: Given) -> str:
    """Show ``st.text_input`` for one line without control characters, of limited length."""
    most = more.setdefault("max_chars", limits.current().text_letters)

    def allows(text: object) -> bool:
        return (
            isinstance(text, str)
            and len(text) <= most
            and not any(unicodedata.category(letter) == "Cc" for letter in text)
        )

    offer = Offer(allows=allows, default=value)
    return str(_checked(offer, more, lambda: st.text_input(label, value, **more)))


def date_span(
    label: str, value: tuple[date, date], *, min_value: date, max_value: date, **more: Given
) -> tuple[date, ...]:
    """Show ``st.date_input`` for the first and last day; the last one may still be missing."""

    def allows(days: object) -> bool:
        return (
            isinstance(days, tuple)
            and len(days) <= 2
            and all(isinstance(day, date) and min_value <= day <= max_value for day in days)
            and list(days) == sorted(days)
        )

    offer = Offer(allows=allows, default=value)
    return tuple(
        _checked(
            offer,
            more,
            lambda: st.date_input(label, value, min_value=min_value, max_value=max_value, **more),
        )
    )


def checkbox(label: str, *, value: bool = False, **more: Given) -> bool:
    """Show ``st.checkbox``."""
    offer = Offer(allows=lambda one: isinstance(one, bool), default=value)
    return bool(_checked(offer, more, lambda: st.checkbox(label, value, **more)))


def button(label: str, **more: Given) -> bool:
    """Show ``st.button``; return whether it was pressed."""
    return st.button(label, **more) is True


def form_submit_button(label: str, **more: Given) -> bool:
    """Show ``st.form_submit_button``; return whether it was pressed."""
    return st.form_submit_button(label, **more) is True


def file_uploader(label: str, **more: Given) -> list[UploadedFile]:
    """Show ``st.file_uploader`` for several files, each once; their names are without folders."""
    found = st.file_uploader(label, accept_multiple_files=True, **more)
    files = list({file.file_id: file for file in found}.values())
    for file in files:
        file.name = _file_name(file.name)
    return files


def check_files(files: Sequence[UploadedFile]) -> None:
    """Check how many files were uploaded together, and their size.

    Raises:
        BadInput: they are too many, or too large together.
    """
    most, largest = limits.current().upload_files, limits.current().session_upload_bytes
    if len(files) > most:
        raise BadInput(
            f"These are {len(files)} files, and at most {most} are read at a time: put them into "
            "a zip, or upload fewer."
        )
    if sum(file.size for file in files) > largest:
        raise BadInput(
            f"These files have more than {largest / 1e6:.0f} MB together: upload fewer at a time."
        )


def _file_name(sent: str) -> str:
    """Return the name of a file without folders and control characters: a client sends any text."""
    last = sent.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(letter for letter in last if unicodedata.category(letter) not in {"Cc", "Cf"})
    return kept.strip(" .")[-limits.current().text_letters :] or "file"


def _offers() -> dict[str, Offer]:
    return st.session_state.setdefault(OFFERS, {})  # type: ignore[no-any-return]  # our own key


def _checked(offer: Offer, more: dict[str, Any], show: Callable[[], Any]) -> Any:  # noqa: ANN401 - each widget has its own type
    """Note what a widget offers, show it, and return its value or the default."""
    if (key := more.get("key")) is not None:
        _offers()[key] = offer
    found = show()
    return found if offer.allows(found) else offer.default


def _among(one: object, options: Sequence[Any]) -> bool:
    """Return whether a value is one of the options; 1, 1.0 and True are three values."""
    return any(type(one) is type(option) and one == option for option in options)


def _is_number(one: object, low: float, high: float, step: int | None) -> bool:
    """Return whether a value is a number between two others; a whole one on a step if given."""
    if isinstance(one, bool) or not isinstance(one, int if step else int | float):
        return False
    if not low <= one <= high:  # as NaN and infinity are not
        return False
    return step is None or (one - low) % step == 0
