"""What the pages show of a place, as the user chose it: model, land covers, method, view.

It is kept in ``st.session_state``, so it survives a visit to another page. A field of which the
user has chosen nothing is empty, and the page takes its default.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import streamlit as st

from pages.parts.shared.links import Link

KEY: Final = "app_shown"


def now() -> Link:
    """Return what the user chose; the fields of the place are empty."""
    found = st.session_state.get(KEY)
    return found if isinstance(found, Link) else Link()


def keep(**changes: Any) -> None:  # noqa: ANN401 - the fields of a link
    """Keep what the user chose."""
    st.session_state[KEY] = replace(now(), **changes)
