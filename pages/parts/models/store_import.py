"""Import of a model's archive, which is untrusted until the store has checked it."""

from __future__ import annotations

from typing import Final

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from landcover.core import files
from landcover.core.errors import BadInput, LandcoverError
from landcover.models import registry, store
from pages.parts.shared import elements, theme, upload_memory, widgets

_LETTERS: Final = 60
"""Of a file's name; no disk takes more than 255 bytes."""
_SEEN: Final = "models_import_seen"
_OUTCOME: Final = "models_import_outcome"
_FREE: Final = "models_import_free"
"""State key of a free name, if the archive's name is taken."""


def show() -> None:
    """Show the field that imports an archive, and what became of it."""
    elements.subheading("Import a model")
    found = widgets.file_uploader(
        "Archive of a model (zip)",
        type=["zip"],
        key="models_import",
        help="Written by this page or by `landcover models export`, here or on another computer. "
        "It is checked before anything is added. Larger archives: `landcover models import`.",
    )
    token = [file.file_id for file in found]
    if token != st.session_state.get(_SEEN, []):
        st.session_state[_SEEN] = token
        st.session_state[_OUTCOME] = st.session_state[_FREE] = None
        if found:
            _add(found, None)
        st.rerun()
    outcome = st.session_state.get(_OUTCOME)
    if outcome is not None:
        said, failed = outcome
        (st.error if failed else st.success)(theme.literal(said))
    if found and (free := st.session_state.get(_FREE)):
        _ask_for_a_name(found, free)


def _ask_for_a_name(found: list[UploadedFile], free: str) -> None:
    with st.form("models_import_form", border=False):
        name = widgets.text_input("Another name", free, key="models_import_name", max_chars=64)
        if widgets.form_submit_button("Import it under this name", type="primary"):
            _add(found, name.strip())
            st.rerun()


def _add(found: list[UploadedFile], name: str | None) -> None:
    """Add the model of an archive, and note what became of it."""
    st.session_state[_FREE] = None
    try:
        if len(found) > 1:
            raise BadInput("Import one archive at a time: leave one file in the list.")
        widgets.check_files(found)
        with st.spinner("Checking the model …"), files.scratch() as folder:
            path = folder / found[0].name[-_LETTERS:].encode("utf-8", "replace").decode()
            files.write_bytes(path, found[0].getvalue(), durable=False)
            added = store.import_archive(registry.default(), path, name)
        outcome = (f"{added} is among your models now.", False)
    except store.NameTaken as error:
        st.session_state[_FREE] = error.free
        outcome = (str(error), True)
    except LandcoverError as error:
        outcome = (str(error), True)
    st.session_state[_OUTCOME] = outcome
    if st.session_state[_FREE] is None:
        upload_memory.empty([file.file_id for file in found])
