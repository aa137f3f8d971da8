"""Changes to Streamlit's server with which many visitors are served at once.

All pages are drawn by threads of one process, and only one of them runs Python at a time. Each
question to the system lets go of the interpreter's lock: a page then waits until another thread
has used up its switch interval. With 50 visitors (``python -m tools.hostile load``) this waiting
was most of the time of a page. So pages take turns, ask once for facts about files, and threads
switch more often.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

from landcover.core import once
from landcover.jobs.turns import Turns

__all__ = ["SWITCH_S", "install", "wake_once"]

SWITCH_S: Final = 0.001
"""Seconds after which a thread that computes lets another one run; Python's own 5 ms suit programs
with one thread."""
_DONE: Final = "landcover_speed"


def install() -> None:
    """Make the changes; a second call changes nothing."""
    if hasattr(ScriptRunner, _DONE):
        return
    setattr(ScriptRunner, _DONE, True)
    sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))
    runner: Any = ScriptRunner
    run: Callable[..., None] = runner._run_script  # noqa: SLF001 - Streamlit has no public way

    turns = Turns()

    def run_in_turn(*given: object, **named: object) -> None:
        with turns.turn(), once.block():
            run(*given, **named)

    runner._run_script = run_in_turn  # noqa: SLF001 - as above


def wake_once(server: Runtime) -> None:
    """Let a page wake the thread that sends once for many elements, not once for each.

    Each time both threads wait for each other: an eighth of the time of a page.
    """
    waiting = server._get_async_objs()  # noqa: SLF001 - Streamlit has no public way
    wake = server._enqueued_some_message  # noqa: SLF001 - as above
    manager: Any = server._session_mgr  # noqa: SLF001 - as above

    def wake_unless_awake() -> None:
        # Whoever sends clears the event first and empties the queues of messages afterwards.
        if not waiting.need_send_data.is_set():
            wake()

    manager._message_enqueued_callback = wake_unless_awake  # noqa: SLF001 - as above
    for info in manager.list_active_sessions():
        info.session._message_enqueued_callback = wake_unless_awake  # noqa: SLF001 - as above
