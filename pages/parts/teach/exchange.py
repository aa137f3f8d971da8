"""Export of all corrections as one GeoJSON file, and import of such a file."""

from __future__ import annotations

from typing import Final

import streamlit as st

from landcover.adapt import geojson
from landcover.core import limits
from landcover.core.errors import LandcoverError
from pages.parts.shared import elements, taught, theme, upload_memory, widgets

_SEEN: Final = "teach_files_seen"
_OUTCOME: Final = "teach_files_outcome"


def show() -> None:
    """Show the button that exports, and the field that imports."""
    elements.subheading("Export and import")
    made = taught.everything()
    st.download_button(
        "Export all corrections (GeoJSON)",
        geojson.as_text(made),
        "landcover-corrections.geojson",
        "application/geo+json",
        key="teach_export",
        icon=":material/download:",
        on_click="ignore",
        disabled=not made,
    )
    files = widgets.file_uploader(
        "Import corrections (GeoJSON)",
        type=["geojson", "json"],
        key="teach_files",
        max_upload_size=max(1, limits.current().json_bytes // 1_000_000),
        help="A FeatureCollection in WGS 84, from this page, from `landcover corrections export` "
        "or from a GIS. Corrections that are here already are left out.",
    )
    token = [file.file_id for file in files]
    if token != st.session_state.get(_SEEN, []):
        st.session_state[_OUTCOME] = None
        try:
            widgets.check_files(files)
            given = [
                one for file in files for one in geojson.from_bytes(file.getvalue(), file.name)
            ]
            if files:
                st.session_state[_OUTCOME] = (len(given), taught.add(given))
        except LandcoverError as error:
            st.session_state[_OUTCOME] = str(error)
        st.session_state[_SEEN] = token
        upload_memory.empty(token)
        st.rerun()
    _outcome(st.session_state.get(_OUTCOME))


def _outcome(outcome: object) -> None:
    if isinstance(outcome, str):
        st.error(theme.literal(outcome))
    elif isinstance(outcome, tuple):
        given, added = outcome
        there = " The others were here already." if added < given else ""
        st.success(
            f"Added {added} of {given} correction{'s' * (given != 1)}.{there} The file has no "
            "pixels: each correction takes part in an adaptation once its place is open here."
        )
