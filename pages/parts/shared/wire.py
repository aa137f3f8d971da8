"""Checks of what a browser sends that Streamlit does not make itself.

Anybody can open a connection and send any message. :func:`install` changes three functions of the
version of Streamlit that ``requirements.txt`` names; a test with a hostile client shows that they
work.

* Only messages that the pages need are handled. Others clear the caches of all users, or tell of
  the repository that the app runs from.
* A widget's value is dropped if the session has no such widget, if it is of another type or cannot
  be read, or if the widget does not offer it (:mod:`pages.parts.shared.widgets`). Streamlit would
  raise an error, again in each later run of the session, or call a callback with it.
* Addresses of pictures and downloads contain a secret: they are made of the content, and whoever
  can compute the content could ask whether somebody else has it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime import memory_media_file_storage as media
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.state.common import (
    WidgetMetadata,
    unpack_widget_state_value,
    user_key_from_element_id,
)
from streamlit.runtime.state.session_state import SessionState

from pages.parts.shared import widgets

NEEDED: Final = frozenset(
    {
        "rerun_script",
        "stop_script",
        "app_heartbeat",
        "file_urls_request",
        "backend_operation_request",  # makes a file when its download button is pressed
    }
)
"""Kinds of messages that the pages need."""
_NUMBERS: Final = frozenset({"int_value", "double_value"})
_SALT: Final = secrets.token_hex()
_DONE: Final = "landcover_checks"


def install() -> None:
    """Make the checks; a second call changes nothing."""
    if hasattr(SessionState, _DONE):
        return
    setattr(SessionState, _DONE, True)
    _around(AppSession, "handle_backmsg", _handle)
    _around(SessionState, "set_widgets_from_proto", _set_widgets)
    _around(media, "_calculate_file_id", _file_id)


def _around(owner: Any, name: str, check: Callable[..., Any]) -> None:  # noqa: ANN401 - a class or module
    """Replace a function by a check that gets it as its first argument."""
    original = getattr(owner, name)
    setattr(owner, name, lambda *given, **named: check(original, *given, **named))


def _handle(original: Callable[..., None], session: AppSession, message: BackMsg) -> None:
    if message.WhichOneof("type") in NEEDED:
        original(session, message)


def _set_widgets(original: Callable[..., None], state: SessionState, sent: WidgetStates) -> None:
    known = state._new_widget_state.widget_metadata  # noqa: SLF001 - it has no other name
    offers = state[widgets.OFFERS] if widgets.OFFERS in state else {}  # noqa: SIM401 - it has no get()
    kept = WidgetStates()
    kept.widgets.extend(one for one in sent.widgets if _fits(one, known.get(one.id), offers))
    original(state, kept)


def _fits(
    sent: WidgetState, known: WidgetMetadata[Any] | None, offers: dict[str, widgets.Offer]
) -> bool:
    """Return whether a value is one of a widget that the session has shown."""
    if known is None:
        return False
    kind = sent.WhichOneof("value")
    expected = _NUMBERS if known.value_type in _NUMBERS else {known.value_type}
    if kind is not None and known.value_type is not None and kind not in expected:
        return False
    try:
        found = known.deserializer(unpack_widget_state_value(sent))
        offer = offers.get(user_key_from_element_id(sent.id) or "")
        return offer is None or offer.allows(found)
    except Exception:  # noqa: BLE001 - a widget's reader raises anything on what it does not expect
        return False


def _file_id(
    original: Callable[..., str], data: bytes, mimetype: str, filename: str | None = None
) -> str:
    return original(data, mimetype, f"{_SALT}{filename or ''}")
