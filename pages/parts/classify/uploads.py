"""Uploaded files: reading every stack, picture and product in them, and switching among these."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
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
from landcover.io.rectangles import Rectangles, stamp_of
from landcover.jobs import queue
from landcover.jobs.job import Job
from pages.parts.shared import choice, holdings, job_bar, sessions, theme, widgets
from pages.parts.shared.holdings import KeptFile, Whole

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

PICTURE: Final = 1000
"""Most pixels along a side of the picture of an image that does not fit into memory."""
SHOWN_FAILURES: Final = 20

QUICK_S: float = 1.5
"""Seconds for which the page waits for the files; then it goes on, and shows the progress."""
_POLL_S: Final = 0.01
JOB: Final = "classify_upload_job"
_GONE: Final = "classify_upload_gone"
"""State key of the titles of images whose files were removed to make room."""

Files = Sequence[tuple[str, KeptFile]]
"""The files by unique names."""


@dataclass(frozen=True)
class _Image:
    """An image that a job found: held before, read now, or not usable."""

    address: str
    key: str | None = None
    raster: Raster | None = None
    whole: Whole | None = None
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


def begin(files: Sequence[UploadedFile], removed: Collection[str] = ()) -> None:
    """Start to read the uploaded files, and take what was read if it did not take long.

    Args:
        files: all files that the user has chosen.
        removed: Streamlit's ids of files that the user has taken back.
    """
    stop()
    held = holdings.now()
    try:
        held.remove_files(removed)
        new = sum(file.size for file in files if file.file_id not in held.files)
        before = dict(held.wholes)
        held.keep_only([file.file_id for file in files], new)
        gone = [one.title for key, one in before.items() if key not in held.wholes]
        st.session_state[_GONE] = gone
        for file in files:
            held.keep_file(file.file_id, file.name, file.getbuffer())
        kept = [held.files[file.file_id] for file in files]
        if not kept:
            return
        job = queue.default().submit(
            queue.FETCH,
            "upload",
            partial(_read_all, list(_unique(kept)), _complete()),
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
                room = left if any(image.raster for image in found) else None
                raster, whole = _read(upload, files, address, room, cancel)
                side = EUROSAT_PIXELS if raster.is_rgb else PATCH_PIXELS
                raster.centre_corner(side)  # a raster that is too small is refused here
                left -= raster.data.nbytes
                if left < 0 and any(image.raster for image in found):
                    raise BadInput(holdings.NO_ROOM.format(raster.provenance.source))
                kind = "picture" if raster.is_rgb else "upload"
                found.append(_Image(address, f"{kind}:{digest}", raster, whole))
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
        if image.whole is not None:
            holdings.now().wholes[image.key] = image.whole
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


def show_failures() -> None:
    """Show what could not be read, if several images were uploaded, and what made room for them."""
    if gone := st.session_state.get(_GONE):
        st.info(
            f"The files of {theme.literal(', '.join(gone))} made room for the new ones: upload "
            "them again to map all of them.",
            icon=":material/delete_sweep:",
        )
    entries = _entries()
    failed = [entry for entry in entries if entry.why]
    if failed and len(entries) > 1:
        lines = [_failure(entry) for entry in failed[:SHOWN_FAILURES]]
        more = len(failed) - SHOWN_FAILURES
        lines += [f"- and {more} more"] * (more > 0)
        st.error(f"{len(failed)} of {len(entries)} could not be used:\n\n" + "\n".join(lines))


def show() -> None:
    """Show what was read and what was not, if several images were uploaded."""
    show_failures()
    read = [entry for entry in _entries() if entry.key in _held()]
    if not read or len(_entries()) < 2:
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


def _complete() -> set[str]:
    """Keys of the images that need not be read again."""
    wholes = holdings.now().wholes
    return {key for key, one in _held().items() if key in wholes or not one.has_place}


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


def _read(
    upload: sources.Upload,
    files: Files,
    address: str,
    room: int | None,
    cancel: threading.Event,
) -> tuple[Raster, Whole | None]:
    """The entire raster; or the square in its middle, and where the rest is read from.

    Args:
        upload: the upload.
        files: its files.
        address: which image.
        room: bytes that are left for it; None for as much as is ever read whole.
        cancel: set to stop.
    """
    try:
        raster = upload.read(address=address, cancel=cancel)
        if raster.is_rgb or room is None or raster.data.nbytes <= room:
            return raster, _in_memory(raster, _own(files, address), address)
    except TooLarge:
        pass
    raster = upload.read(Cut(size=holdings.MIDDLE), address=address, cancel=cancel)
    facts = raster.provenance
    marked = replace(facts, notes=(*facts.notes, holdings.PART))
    whole = None if raster.is_rgb else _whole(facts.source, _own(files, address), address, cancel)
    return replace(raster, provenance=marked), whole


def _in_memory(raster: Raster, files: Files, address: str) -> Whole | None:
    """An image that is in memory, to be mapped together with others."""
    if raster.is_rgb or not raster.has_place or raster.measured is not None:
        return None
    return Whole(
        title=raster.provenance.source,
        files=tuple(files),
        address=address,
        extent=raster.extent,
        picture=None,
    )


def _whole(title: str, files: Files, address: str, cancel: threading.Event) -> Whole | None:
    """An image on disk, of which a map can be made; None if it has no position on Earth."""
    paths = [(name, file.path) for name, file in files]
    stamp = stamp_of([path for _, path in paths])
    source = Rectangles("", stamp=stamp, files=paths, address=address)
    picture = None
    try:
        extent = source.facts(cancel).extent
        with suppress(BadInput):  # the map of a damaged part says so
            picture = source.picture(PICTURE, cancel)
    except BadInput:
        return None
    finally:
        source.close()
    return Whole(title=title, files=tuple(files), address=address, extent=extent, picture=picture)


def _own(files: Files, address: str) -> Files:
    """The files of one image; those of a set of band files belong together."""
    own = [one for one in files if address == one[0] or address.startswith(f"{one[0]}/")]
    return own or files


def _digest(files: Files, address: str) -> str:
    """Digest of the files of one image."""
    digest = hashlib.sha256(address.encode(errors="replace"))
    for _, file in _own(files, address):
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
