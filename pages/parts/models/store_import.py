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
_TAKEN: Final = "models_import_taken"
"""State key of the file whose model's name is taken, and a free name."""
_COUNT: Final = "models_import_count"


def show() -> None:
    """Show the field that imports an archive, and what became of it."""
    elements.subheading("Import a model")
    found = widgets.file_uploader(
        "Archive of a model (zip)",
        type=["zip"],
        key=f"models_import_{st.session_state.setdefault(_COUNT, 0)}",
        help="Written by this page or by `landcover models export`, here or on another computer. "
        "It is checked before anything is added. Larger archives: `landcover models import`.",
    )
    seen = st.session_state.get(_SEEN, [])
    st.session_state[_SEEN] = [file.file_id for file in found]
    if new := [file for file in found if file.file_id not in seen]:
        _add(new, None)
        st.rerun()
    taken, free = st.session_state.get(_TAKEN, ("", ""))
    waits = [file for file in found if file.file_id == taken]
    said, failed = st.session_state.get(_OUTCOME, ("", False))
    if said:
        (st.error if failed else st.success)(theme.literal(said))
    if waits:
        _ask_for_a_name(waits, free)
    else:  # said once, since the model may be renamed or removed next
        st.session_state.pop(_OUTCOME, None)


def _ask_for_a_name(found: list[UploadedFile], free: str) -> None:
    with st.form("models_import_form", border=False):
        name = widgets.text_input("Another name", free, key="models_import_name", max_chars=64)
        if widgets.form_submit_button("Import it under this name", type="primary"):
            _add(found, name.strip())
            st.rerun()


def _add(given: list[UploadedFile], name: str | None) -> None:
    """Add the model of an archive, and note what became of it."""
    st.session_state[_TAKEN] = ("", "")
    try:
        if len(given) > 1:
            raise BadInput("These are several files: import one archive at a time.")
        widgets.check_files(given)
        with st.spinner("Checking the model …"), files.scratch() as folder:
            path = folder / given[0].name[-_LETTERS:].encode("utf-8", "replace").decode()
            files.write_bytes(path, given[0].getvalue(), durable=False)
            added = store.import_archive(registry.default(), path, name)
    except store.NameTaken as error:
        st.session_state[_TAKEN] = (given[0].file_id, error.free)
        st.session_state[_OUTCOME] = (str(error), True)
        return
    except LandcoverError as error:
        st.session_state[_OUTCOME] = (str(error), True)
    else:
        st.session_state[_OUTCOME] = (f"{added} is among your models now.", False)
        st.session_state[_COUNT] += 1  # an empty field for the next one
    upload_memory.empty([file.file_id for file in given])
