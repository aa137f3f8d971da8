"""The log of a server: its form, and when sessions come and go."""

from __future__ import annotations

import streamlit as st
from streamlit import runtime
from streamlit.runtime import Runtime

from landcover.core import logs
from pages.parts.shared import sessions


def start() -> None:
    """Log in the form that the environment asks for; only in a real server, which tests are not.

    Raises:
        BadInput: there is no such form, or a limit in the environment is invalid.
    """
    if runtime.exists() and type(runtime.get_instance()) is Runtime:
        logs.configure()
        sessions.on_leave("log", lambda session: logs.event("session closed", session=session))


def opened() -> None:
    """Log that a session was opened, when its first page is drawn."""
    if "app_page" not in st.session_state:
        logs.event("session opened", session=sessions.current())
