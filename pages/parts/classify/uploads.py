"""Uploaded files: reading every stack, picture and product in them, and switching among these."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.core import limits, logs
from landcover.core.bands import EUROSAT_PIXELS, PATCH_PIXELS
from landcover.core.errors import BadInput, Cancelled, LandcoverError, TooLarge
from landcover.core.progress import Progress, Report
from landcover.core.raster import Raster
from landcover.core.window import Cut
from landcover.io import sources
from landcover.jobs import queue
from landcover.jobs.job import Job
from pages.parts.shared import choice, holdings, job_bar, sessions, theme, widgets
from pages.parts.shared.holdings import KeptFile

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

MIDDLE: Final = 1200
"""Pixels along a side of the square that is kept of a raster that does not fit into memory."""
SHOWN_FAILURES: Final = 20

QUICK_S: float = 1.5
"""Seconds for which the page waits for the files; then it goes on, and shows the progress."""
_POLL_S: Final = 0.01
JOB: Final = "classify_upload_job"

Files = Sequence[tuple[str, KeptFile]]
"""The files by unique names."""


@dataclass(frozen=True)
class _Image:
    """An image that a job found: held before, read now, or not usable."""

    address: str
    key: str | None = None
    raster: Raster | None = None
    why: str = ""


@dataclass(frozen=True)
class Entry:
    """A stack, picture or product in an upload.

    Attributes:
        name: of its file, or its path in a zip.
        key: of the raster that is held; None if it cannot be used.
        why: why it cannot be used, one sentence.
    """

    name: str
    key: str | None = None
    why: str = ""


def begin(files: Sequence[UploadedFile]) -> None:
    """Start to read the uploaded files, and take what was read if it did not take long."""
    stop()
    held = holdings.now()
    try:
        held.keep_only([file.file_id for file in files])
        for file in files:
            held.keep_file(file.file_id, file.name, file.getbuffer())
        kept = [held.files[file.file_id] for file in files]
        if not kept:
            return
        job = queue.default().submit(
            queue.FETCH,
            "upload",
            partial(_read_all, list(_unique(kept)), set(_held())),
            owner=sessions.current(),
        )
    except LandcoverError as error:
        choice.fail(str(error))
        return
    until = time.monotonic() + QUICK_S
    while not job.done and time.monotonic() < until:
        time.sleep(_POLL_S)
    if job.done:
        collect(job)
    else:
        st.session_state[JOB] = job


def running() -> Job | None:
    """Return the job that reads the files, or None."""
    job = st.session_state.get(JOB)
    return job if isinstance(job, Job) else None


def stop() -> None:
    """Stop reading, if files are being read."""
    job = running()
    if job is not None:
        job.cancel()
    st.session_state[JOB] = None
    st.session_state["classify_upload_stopped"] = False


def collect(job: Job) -> None:
    """Hold what a job has read, and choose the first image that was not there before."""
    st.session_state[JOB] = None
    st.session_state["classify_upload_stopped"] = job.cancelled
    if not isinstance(job.result, list):
        choice.fail(job.error)
        return
    before = set(_held())
    entries: list[Entry] = []
    for image in job.result:
        entries.append(_hold(image, {entry.key for entry in entries}))
    st.session_state["classify_upload_entries"] = (choice.form_round(), entries)
    read = [entry for entry in entries if entry.key]
    if not read and len(entries) == 1:
        choice.fail(entries[0].why)
    if read:
        _choose_first(read, before)


def _read_all(
    files: Files, known: set[str], report: Report, cancel: threading.Event
) -> list[_Image]:
    """Read every image in the files that is not held already."""
    found: list[_Image] = []
    left = limits.current().session_bytes
    with sources.Upload([(name, file.path) for name, file in files]) as upload:
        addresses = upload.expand()
        for done, address in enumerate(addresses):
            what = f"Reading {address.rsplit('/', 1)[-1]}"
            report(Progress(what=what, done=done, total=len(addresses), unit="images"))
            digest = _digest(files, address)
            key = next((k for k in (f"upload:{digest}", f"picture:{digest}") if k in known), None)
            if key is not None:
                found.append(_Image(address, key))
                continue
            try:
                raster = _read(upload, address, cancel)
                side = EUROSAT_PIXELS if raster.is_rgb else PATCH_PIXELS
                raster.centre_corner(side)  # a raster that is too small is refused here
                left -= raster.data.nbytes
                if left < 0 and any(image.raster for image in found):
                    raise BadInput(holdings.NO_ROOM.format(raster.provenance.source))
                kind = "picture" if raster.is_rgb else "upload"
                found.append(_Image(address, f"{kind}:{digest}", raster))
            except Cancelled:
                raise
            except LandcoverError as error:
                logs.event("upload refused", error=error)
                found.append(_Image(address, why=str(error)))
    return found


def _hold(image: _Image, kept: set[str | None]) -> Entry:
    """Hold one image that was read."""
    raster = image.raster
    if raster is not None and image.key is not None:
        try:
            holdings.now().make_room(raster, kept)
        except BadInput as error:
            return Entry(image.address, why=str(error))
        (choice.pictures() if raster.is_rgb else choice.uploads())[image.key] = raster
    return Entry(image.address, image.key, image.why)


def show_progress() -> bool:
    """Show the reading of files, or that it was stopped; return whether files are being read."""
    if running() is not None:
        job_bar.watch(running, collect, "classify_upload_cancel")
        return True
    if st.session_state.get("classify_upload_stopped"):
        st.info("Reading was stopped.", icon=":material/cancel:")
        widgets.button(
            "Read the files again",
            key="classify_upload_again",
            icon=":material/refresh:",
            on_click=st.session_state.pop,
            args=("classify_files_seen", None),
        )
    return False


def show() -> None:
    """Show what was read and what was not, if several images were uploaded."""
    entries = _entries()
    read = [entry for entry in entries if entry.key in _held()]
    failed = [entry for entry in entries if entry.why]
    if len(read) + len(failed) < 2:
        return
    if failed:
        lines = [_failure(entry) for entry in failed[:SHOWN_FAILURES]]
        more = len(failed) - SHOWN_FAILURES
        lines += [f"- and {more} more"] * (more > 0)
        st.error(f"{len(failed)} of {len(entries)} could not be used:\n\n" + "\n".join(lines))
    if not read:
        return
    keys = [entry.key or "" for entry in read]
    names = {entry.key: entry.name for entry in read}
    chosen = choice.current()
    here = (chosen.upload or chosen.colours) if chosen else None
    # State may only be set before its widget.
    st.session_state["classify_upload_shown"] = here if here in names else None
    widgets.selectbox(
        f"Show one of {len(read)} uploaded images",
        keys,
        index=0 if here in names else None,
        format_func=lambda key: names.get(key, ""),
        placeholder="Choose an image",
        key="classify_upload_shown",
        on_change=_shown_chosen,
    )


def _failure(entry: Entry) -> str:
    sentence = theme.literal(entry.why)
    last = entry.name.rsplit("/", 1)[-1]
    return f"- {sentence}" if last in entry.why else f"- {theme.literal(entry.name)}: {sentence}"


def _entries() -> list[Entry]:
    """The entries of the newest upload, unless everything was cleared since."""
    turn, entries = st.session_state.get("classify_upload_entries", (-1, []))
    return list(entries) if turn == choice.form_round() else []


def _shown_chosen() -> None:
    key = widgets.value("classify_upload_shown")
    if key in _held():
        choice.choose(_middle_of(key))


def _held() -> dict[str, Raster]:
    return {**choice.uploads(), **choice.pictures()}


def _middle_of(key: str, window: tuple[int, int] | None = None) -> choice.Chosen:
    raster = _held()[key]
    side = EUROSAT_PIXELS if raster.is_rgb else PATCH_PIXELS
    return choice.window_of(key, raster, side, window)


def _choose_first(read: Sequence[Entry], before: set[str]) -> None:
    """Choose the file that the address asks for, else the first new one."""
    current = choice.current()
    held = _held()
    for entry in read:
        if (
            current is not None
            and entry.key
            and current.missing == choice.file_name(held[entry.key])
        ):
            choice.choose(_middle_of(entry.key, current.missing_window))
            return
    here = (current.upload or current.colours) if current else None
    keys = [entry.key for entry in read if entry.key]
    fresh = [key for key in keys if key not in before]
    if fresh or here not in keys:
        choice.choose(_middle_of((fresh or keys)[0]))


def _read(upload: sources.Upload, address: str, cancel: threading.Event) -> Raster:
    """The entire raster, or the square in its middle if it does not fit into memory."""
    try:
        return upload.read(address=address, cancel=cancel)
    except TooLarge:
        raster = upload.read(Cut(size=MIDDLE), address=address, cancel=cancel)
    note = (
        f"only the {MIDDLE} × {MIDDLE} pixels in the middle were read, because the entire image "
        "does not fit into memory"
    )
    facts = raster.provenance
    return replace(raster, provenance=replace(facts, notes=(*facts.notes, note)))


def _digest(files: Files, address: str) -> str:
    """Digest of the files of one image; those of a set of band files count together."""
    own = [file for name, file in files if address == name or address.startswith(f"{name}/")]
    digest = hashlib.sha256(address.encode(errors="replace"))
    for file in own or [file for _, file in files]:
        digest.update(file.digest.encode())
    return digest.hexdigest()[:16]


def _unique(files: Sequence[KeptFile]) -> Iterator[tuple[str, KeptFile]]:
    """The files by name, with numbers in names that are given twice."""
    counts: dict[str, int] = {}
    for file in files:
        name = file.name
        counts[name] = counts.get(name, 0) + 1
        path = PurePath(name)
        yield (name if counts[name] == 1 else f"{path.stem} ({counts[name]}){path.suffix}"), file
