"""A bound on the bytes of uploaded files that Streamlit keeps, of a session and of all.

Streamlit keeps each file that a browser sends until its session ends, whether or not a page ever
reads it.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException

from landcover.core import limits
from pages.parts.shared import sessions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamlit.runtime.uploaded_file_manager import UploadedFileRec

FRESH_S: Final = 60.0
"""Seconds in which a page reads a file that has just arrived; older ones may be dropped."""
FULL: Final = (
    "The server has no room left for this file at the moment: remove files that you uploaded "
    "before, or try again in a minute."
)
_lock = threading.Lock()
_arrived: dict[tuple[str, str], tuple[float, int]] = {}
"""Session and file → when it arrived and its bytes, the oldest first."""


def bound() -> None:
    """Bound the uploaded files of this server, once."""
    server = sessions.server()
    if server is None:
        return
    manager: Any = server.uploaded_file_mgr
    with _lock:
        if "add_file" not in vars(manager):
            manager.add_file = partial(add, manager, manager.add_file)
            sessions.on_leave("uploads", partial(_forget, manager))


def add(manager: Any, keep: Any, session_id: str, file: UploadedFileRec) -> None:  # noqa: ANN401
    """Keep an uploaded file if there is room; first drop older ones that pages have read.

    Args:
        manager: Streamlit's own keeper of uploaded files.
        keep: its method that keeps a file.
        session_id: who sent the file.
        file: the file.

    Raises:
        HTTPException: there is no room; the browser shows it at the file.
    """
    most, now = limits.current(), time.monotonic()
    with _lock:
        known = {key for key in _arrived if key[1] in manager.file_storage.get(key[0], {})}
        for key in _arrived.keys() - known:
            del _arrived[key]
        _make_room(manager, session_id, len(file.data), most.session_upload_bytes, now)
        _make_room(manager, None, len(file.data), most.upload_bytes, now)
        _arrived[session_id, file.file_id] = (now, len(file.data))
        keep(session_id, file)


def _make_room(manager: Any, session: str | None, size: int, most: int, now: float) -> None:  # noqa: ANN401
    counted = {key: one for key, one in _arrived.items() if session in {None, key[0]}}
    total = size + sum(held for _, held in counted.values())
    for key, (when, held) in counted.items():
        if total <= most:
            return
        if now - when > FRESH_S:
            manager.remove_file(*key)
            del _arrived[key]
            total -= held
    if total > most:
        raise HTTPException(status_code=413, detail=FULL)


def empty(file_ids: Iterable[str]) -> None:
    """Drop the bytes of files that this session's page has read; their names stay."""
    session, server = sessions.current(), sessions.server()
    if server is None or not session:
        return
    manager: Any = server.uploaded_file_mgr
    with _lock:
        for file in manager.get_files(session, list(file_ids)):
            # `add_file` of the class: the one of this module would count the file again.
            type(manager).add_file(manager, session, file._replace(data=b""))
            if (key := (session, file.file_id)) in _arrived:
                _arrived[key] = (_arrived[key][0], 0)


def _forget(manager: Any, session: str) -> None:  # noqa: ANN401
    manager.remove_session_files(session)
