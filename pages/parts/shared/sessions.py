"""The browser sessions of this server: who is connected, and freeing what a session left behind.

Streamlit keeps the state of a session whose browser went away, in case it comes back, and drops it
only when a later session leaves. So the pictures of the last visitor would stay in memory for
ever. A thread looks every few seconds instead: a session that has been away for
``limits.current().away_seconds`` is closed, with its state, its uploads and its jobs.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as TooSlow
from itertools import count
from typing import Any, Final

from streamlit import runtime
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.jobs import queue
from pages.parts.shared import server_speed

SWEEP_S: Final = 5.0
"""Seconds between two looks."""
COLLECT_EVERY: Final = 4
"""Looks after which garbage is collected; Streamlit would do it after every run of a page."""
_PATIENCE_S: Final = 30.0
THREAD: Final = "landcover-sessions"
BUSY: Final = (
    "Too many people use this server at the moment: close other tabs of it, or reload this page in "
    "a few minutes."
)

Leave = Callable[[str], None]
"""Is called with the id of a session that is gone, from the thread that looks after sessions."""

_callbacks: dict[str, Leave] = {"jobs": lambda session: queue.default().forget(session)}
_away: dict[str, float] = {}
"""Session → when it was first seen without a browser, of those that are not gone yet."""
_known: set[str] = set()
_lock = threading.Lock()


def current() -> str:
    """Return the id of the session whose page is being drawn; empty outside of a page."""
    context = get_script_run_ctx(suppress_warning=True)
    return "" if context is None else context.session_id


def server() -> Runtime | None:
    """Return the server that draws the pages; None in a test of a page, which has none."""
    found = runtime.get_instance() if runtime.exists() else None
    return found if type(found) is Runtime else None


def alive(session: str) -> bool:
    """Return whether a session is connected, or has been away for a short time only."""
    with _lock:
        return session in _known


def on_leave(name: str, callback: Leave) -> None:
    """Register what to do when a session is gone; the same name replaces the callback."""
    _callbacks[name] = callback


def enter() -> None:
    """Let in the session whose page is being drawn, and start to look after sessions, once.

    Raises:
        BadInput: too many sessions are open.
    """
    session, most = current(), limits.current().sessions
    with _lock:
        if session and session not in _known:
            if len(_known - _away.keys()) >= most:
                raise BadInput(BUSY)
            _known.add(session)
        running = server()
        if running is None or any(t.name == THREAD for t in threading.enumerate()):
            return
        server_speed.wake_once(running)
        threading.Thread(target=_look_after, args=(running,), name=THREAD, daemon=True).start()


def _look_after(server: Runtime) -> None:
    loop = server._get_async_objs().eventloop  # noqa: SLF001 - Streamlit has no public way
    for turn in count(1):
        time.sleep(SWEEP_S)
        if loop.is_closed():
            return
        if turn % COLLECT_EVERY == 0:
            give_back_memory()
        with _lock:
            before = set(_known)
        try:
            # Streamlit's tables of sessions may only be touched by the thread of its event loop.
            present = asyncio.run_coroutine_threadsafe(_sweep(server), loop).result(_PATIENCE_S)
        except (RuntimeError, CancelledError, TooSlow):  # it is ending, or very busy
            continue
        leave(before - present)


async def _sweep(server: Runtime) -> set[str]:
    """Close sessions that have been away for too long; return those that are still there."""
    manager: Any = server._session_mgr  # noqa: SLF001 - as above
    connected = {info.session.id for info in manager.list_active_sessions()}
    stored = {info.session.id: info.session for info in manager._session_storage.list()}  # noqa: SLF001
    now, most = time.monotonic(), limits.current().away_seconds
    for session in connected:
        _away.pop(session, None)
    for session, state in stored.items():
        if now - _away.setdefault(session, now) >= most:
            manager.close_session(session)
            # Whatever still refers to the session must not keep its pictures.
            state.session_state.clear()
            state._fragment_storage.clear()  # noqa: SLF001
            del _away[session]
    return connected | (stored.keys() & _away.keys())


def leave(gone: set[str]) -> None:
    """Forget sessions that are gone, and call the callbacks for each."""
    with _lock:
        _known.difference_update(gone)
        for session in gone & _away.keys():
            del _away[session]
    for session in gone:
        for name, callback in list(_callbacks.items()):
            try:
                callback(session)
            except Exception:  # one that fails must not keep the others from freeing memory
                logging.getLogger(__name__).exception("%s failed for a session that left", name)
    if gone:
        give_back_memory()


def give_back_memory() -> None:
    """Return freed memory to the operating system, which glibc alone does late or never."""
    gc.collect()
    if sys.platform == "linux":
        try:
            ctypes.CDLL(None).malloc_trim(0)
        except AttributeError:  # another C library
            return
