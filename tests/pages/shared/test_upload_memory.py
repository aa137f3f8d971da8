"""Uploaded files that no page reads are bounded, of a session and of all."""

from __future__ import annotations

import pytest
from starlette.exceptions import HTTPException
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from landcover.core import limits
from pages.parts.shared import upload_memory

SIZE = 1000


class Uploads:
    """Streamlit's own keeper of files, filled as the upload endpoint fills it."""

    def __init__(self) -> None:
        self.manager = MemoryUploadedFileManager("/upload")

    def send(self, session: str, name: str, size: int = SIZE) -> None:
        file = UploadedFileRec(file_id=name, name=name, type="image/tiff", data=bytes(size))
        upload_memory.add(self.manager, self.manager.add_file, session, file)

    def names(self, session: str) -> set[str]:
        return set(self.manager.file_storage.get(session, {}))


@pytest.fixture
def uploads() -> Uploads:
    return Uploads()


def test_a_session_cannot_fill_the_memory(uploads: Uploads) -> None:
    with limits.changed(session_upload_bytes=2 * SIZE):
        uploads.send("a", "1")
        uploads.send("a", "2")
        with pytest.raises(HTTPException, match="no room") as refused:
            uploads.send("a", "3")
        assert refused.value.status_code == 413
        assert uploads.names("a") == {"1", "2"}
        uploads.send("b", "1")  # another session is not affected


def test_all_sessions_together_cannot_fill_the_memory(uploads: Uploads) -> None:
    with limits.changed(upload_bytes=3 * SIZE):
        for session in "abc":
            uploads.send(session, "1")
        with pytest.raises(HTTPException, match="no room"):
            uploads.send("d", "1")
        uploads.manager.remove_session_files("a")
        uploads.send("d", "1")


def test_old_files_make_room(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    with limits.changed(session_upload_bytes=2 * SIZE):
        uploads.send("a", "1")
        uploads.send("a", "2")
        monkeypatch.setattr(upload_memory, "FRESH_S", -1.0)
        uploads.send("a", "3")
        assert uploads.names("a") == {"2", "3"}
