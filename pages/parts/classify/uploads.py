"""Uploaded files: reading every stack, picture and product in them, and switching among these."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Final

import streamlit as st

from landcover.core.bands import EUROSAT_PIXELS, PATCH_PIXELS
from landcover.core.errors import BadInput, LandcoverError, TooLarge
from landcover.core.raster import Raster
from landcover.core.window import Cut
from landcover.io import sources
from pages.parts.shared import choice, holdings, theme

MIDDLE: Final = 1200
"""Pixels along a side of the square that is kept of a raster that does not fit into memory."""
SHOWN_FAILURES: Final = 20

Files = Sequence[tuple[str, memoryview]]
"""Name and bytes of each file."""


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


def add(files: Files) -> None:
    """Read uploaded files, and choose the first image that was not there before.

    Raises:
        LandcoverError: nothing in them can be used.
    """
    files = list(_unique(files))
    before = set(_held())
    entries: list[Entry] = []
    with sources.Upload(files) as upload:
        addresses = upload.expand()
        bar = st.progress(0.0, text="Reading the files …") if len(addresses) > 1 else st.empty()
        for done, address in enumerate(addresses):
            if len(addresses) > 1:
                bar.progress(done / len(addresses), text=f"Reading {theme.literal(address)} …")
            digest = _digest(files, address)
            entries.append(_entry(upload, address, digest, {entry.key for entry in entries}))
        bar.empty()
    st.session_state["classify_upload_entries"] = (choice.form_round(), entries)
    read = [entry for entry in entries if entry.key]
    if not read and len(entries) == 1:
        raise BadInput(entries[0].why)
    if read:
        _choose_first(read, before)


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
    st.selectbox(
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
    key = st.session_state["classify_upload_shown"]
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


def _entry(upload: sources.Upload, address: str, digest: str, kept: set[str | None]) -> Entry:
    """Read one image and hold it."""
    for key in (f"upload:{digest}", f"picture:{digest}"):
        if key in _held():
            return Entry(address, key)
    try:
        raster = _read(upload, address)
        side = EUROSAT_PIXELS if raster.is_rgb else PATCH_PIXELS
        raster.centre_corner(side)  # a raster that is too small is refused here
        key = f"{'picture' if raster.is_rgb else 'upload'}:{digest}"
        holdings.now().make_room(raster, kept)
        (choice.pictures() if raster.is_rgb else choice.uploads())[key] = raster
    except LandcoverError as error:
        return Entry(address, why=str(error))
    return Entry(address, key)


def _read(upload: sources.Upload, address: str) -> Raster:
    """The entire raster, or the square in its middle if it does not fit into memory."""
    try:
        return upload.read(address=address)
    except TooLarge:
        raster = upload.read(Cut(size=MIDDLE), address=address)
    note = (
        f"only the {MIDDLE} × {MIDDLE} pixels in the middle were read, because the entire image "
        "does not fit into memory"
    )
    facts = raster.provenance
    return replace(raster, provenance=replace(facts, notes=(*facts.notes, note)))


def _digest(files: Files, address: str) -> str:
    """Digest of the files of one image; those of a set of band files count together."""
    own = [(n, data) for n, data in files if address == n or address.startswith(f"{n}/")]
    digest = hashlib.sha256(address.encode())
    for name, data in own or files:
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()[:16]


def _unique(files: Files) -> Iterator[tuple[str, memoryview]]:
    """The files, with numbers in names that are given twice."""
    counts: dict[str, int] = {}
    for name, data in files:
        counts[name] = counts.get(name, 0) + 1
        path = PurePath(name)
        yield (name if counts[name] == 1 else f"{path.stem} ({counts[name]}){path.suffix}"), data
