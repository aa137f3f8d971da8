"""Sources of pixels of any size that are read by rectangles, in worker processes.

A worker remembers how it opened a source and how its numbers are read, which costs a second or two
for a whole scene; what it decides depends on the source alone, so all workers decide the same.
"""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np

from landcover.core import files as temporary
from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.raster import ByteArray, Raster
from landcover.core.window import Window
from landcover.io.gate import parcel, pool
from landcover.io.guard import shown

__all__ = ["Facts", "Rectangles", "stamp_of"]

_MOST_FILES: Final = 10_000
"""Files of a folder whose sizes and times are part of its stamp."""
_MOST_BANDS: Final = 13


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the header of a source states.

    Attributes:
        extent: the grid of 10 m that it covers.
        bands: names of its bands.
        acquired: sensing time, UTC.
        classified: whether it has ESA's scene classification.
    """

    extent: Window
    bands: tuple[str, ...]
    acquired: datetime | None
    classified: bool


class Rectangles:
    """A source on disk, or uploaded files, read by rectangles.

    Args:
        source: path or address as for :func:`landcover.io.sources.read`; empty for an upload.
        files: name and path of each uploaded file.
        address: which source of the upload; None for the only one.
        stamp: of the source, as :func:`stamp_of` gives it; reading fails once it changes.

    Raises:
        BadInput: there is no room for temporary files.
    """

    def __init__(
        self,
        source: str,
        *,
        stamp: str,
        files: Sequence[tuple[str, Path]] = (),
        address: str | None = None,
    ) -> None:
        kept = ExitStack()
        folder = kept.enter_context(temporary.scratch())
        self._finalizer = weakref.finalize(self, kept.close)
        self._paths = [path for _, path in files] or [Path(source)]
        self._stamp = stamp
        self._name = shown(address or source or files[0][0])
        self._values: dict[str, Any] = {
            "source": source,
            "files": [(name, str(path)) for name, path in files],
            "address": address,
            "folder": str(folder),
            "stamp": stamp,
        }

    def facts(self, cancel: Event | None = None) -> Facts:
        """Read the header.

        Raises:
            BadInput: it is no source of reflectance with a position on Earth.
            Cancelled: the user stopped it.
        """
        facts: Facts = self._call("describe", {}, lambda found, _: _facts(found), cancel)
        return facts

    def read(self, window: Window, cancel: Event | None = None) -> Raster:
        """Read a rectangle, as :meth:`landcover.io.pixel_source.PixelSource.read` does.

        One that is larger than a file may be at once is read in several strips.

        Raises:
            BadInput: it cannot be read, or the source has changed.
            Cancelled: the user stopped it.
        """
        strips = [
            self._call("rectangle", {"window": asdict(part)}, parcel.unpack, cancel)
            for part in _strips(window)
        ]
        return strips[0] if len(strips) == 1 else _stacked(strips)

    def picture(self, side: int, cancel: Event | None = None) -> tuple[ByteArray, Window]:
        """Draw all of it in true colour, as :meth:`landcover.io.pixel_source.PixelSource.picture`.

        Args:
            side: most pixels along a side.
            cancel: set to stop.

        Raises:
            BadInput: it cannot be read, or the source has changed.
            Cancelled: the user stopped it.
        """

        def take(found: dict[str, Any], file: Path) -> tuple[ByteArray, Window]:
            return parcel.unpack_array(found, file), Window.from_facts(found["window"])

        picture: tuple[ByteArray, Window] = self._call("picture", {"side": side}, take, cancel)
        return picture

    def classes(self, window: Window, cancel: Event | None = None) -> ByteArray | None:
        """Read the scene classification ``(y, x)``, 0 where there is none; None without one."""

        def take(found: dict[str, Any] | None, file: Path) -> ByteArray | None:
            return None if found is None else parcel.unpack_array(found, file)

        classes: ByteArray | None = self._call("classes", {"window": asdict(window)}, take, cancel)
        return classes

    def close(self) -> None:
        """Remove what was unpacked from a zip."""
        self._finalizer()

    def _call(self, task: str, more: dict[str, Any], take: Any, cancel: Event | None) -> Any:  # noqa: ANN401
        if stamp_of(self._paths) != self._stamp:
            raise BadInput(
                f"'{self._name}' has changed or is gone since the map was begun: begin it again."
            )
        size = limits.current().read_seconds_most * limits.current().read_bytes_a_second
        return pool.call(
            task, {**self._values, **more}, take, name=self._name, size=size, cancel=cancel
        )


def stamp_of(paths: Sequence[Path]) -> str:
    """Sizes and times of files and of those in folders, as a short text.

    It changes when one of them is written, so that it tells whether pixels are still the same.
    """
    found = hashlib.sha256()
    for path in paths:
        # An address can lead into a zip or name a set of files in a folder.
        there = next((one for one in (path, *path.parents) if one.exists()), path)
        for name, size, seconds in _stats(there):
            found.update(f"{name}\0{size}\0{seconds}\0".encode(errors="replace"))
    return found.hexdigest()[:16]


def _stats(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, bytes and whole seconds of a file, or of the files in a folder, in their order."""
    try:
        if not path.is_dir():
            facts = path.stat()
            yield path.name, facts.st_size, int(facts.st_mtime)
            return
    except OSError:  # reading reports it
        return
    count = 0
    for root, folders, names in os.walk(path):
        # A map may be written into the folder that it is made from.
        folders[:] = sorted(each for each in folders if not _of_a_map(each))
        for name in sorted(names):
            if _of_a_map(name):
                continue
            count += 1
            if count > _MOST_FILES:
                return
            yield from _stats(Path(root) / name)


def _of_a_map(name: str) -> bool:
    """Whether a file or folder is one of those of a map in the making."""
    return temporary.is_own(name) or name.endswith(temporary.PARTS)


def _strips(window: Window) -> list[Window]:
    """The window in strips that a worker may read at once."""
    now = limits.current()
    samples = min(now.samples, now.decoded_bytes // 4) // _MOST_BANDS
    rows = max(1, samples // max(1, window.width))
    return [
        window.part(top, 0, min(rows, window.height - top), window.width)
        for top in range(0, window.height, rows)
    ]


def _stacked(strips: list[Raster]) -> Raster:
    """Strips of one window below each other."""
    first = strips[0]
    scl = [strip.scl for strip in strips if strip.scl is not None]
    return Raster(
        data=np.concatenate([strip.data for strip in strips], axis=1),
        valid=np.concatenate([strip.valid for strip in strips]),
        bands=first.bands,
        provenance=first.provenance,
        crs=first.crs,
        transform=first.transform,
        acquired=first.acquired,
        scl=np.concatenate(scl) if scl else None,
    )


def _facts(found: dict[str, Any]) -> Facts:
    acquired = found["acquired"]
    return Facts(
        extent=Window.from_facts(found["extent"]),
        bands=tuple(map(str, found["bands"])),
        acquired=None if acquired is None else datetime.fromisoformat(acquired),
        classified=bool(found["classified"]),
    )
