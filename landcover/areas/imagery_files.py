"""Imagery in one source: a raster in memory, a file, a product or a set of band files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Final
from weakref import WeakValueDictionary

import numpy as np

from landcover.areas.imagery_base import Imagery
from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.core.window import Window
from landcover.io.placing import on_grid
from landcover.io.rectangles import Rectangles, stamp_of
from landcover.io.regrid import Raw

__all__ = ["FileSpec", "RasterSpec"]


@dataclass(frozen=True)
class RasterSpec:
    """A raster in memory: a sample, or an upload that was read already.

    Raises:
        BadInput: it is a colour picture, or has no position on Earth.
    """

    raster: Raster

    def __post_init__(self) -> None:
        if self.raster.is_rgb:
            raise BadInput(
                f"'{self.raster.provenance.source}' is a colour picture, of which no map can be "
                "made: give reflectance, such as a GeoTIFF stack, band files or a SAFE product."
            )
        self.raster.georeference  # noqa: B018 - reports a missing position

    @cached_property
    def identity(self) -> str:
        """As :attr:`ImagerySpec.identity`: a digest of the pixels."""
        raster, found = self.raster, hashlib.sha256()
        for layer in (raster.data, raster.valid, raster.scl, raster.measured):
            found.update(b"-" if layer is None else np.ascontiguousarray(layer).data)
        where = f"{raster.georeference}{raster.bands}{raster.acquired}{raster.provenance}"
        return f"raster:{found.hexdigest()}:{where}"

    def open(self, *, cancel: Event | None = None) -> Imagery:
        """As :meth:`ImagerySpec.open`."""
        del cancel
        return _RasterImagery(self.raster)


class _RasterImagery:
    """See :class:`Imagery`."""

    def __init__(self, raster: Raster) -> None:
        self._raster = raster
        self.bands = raster.bands
        self.level = raster.level
        self.acquired = raster.acquired
        self.provenance = raster.provenance
        self.extent = raster.extent
        self.grids = (self.extent,)

    def read(self, window: Window, *, cancel: Event | None = None) -> Raster:
        del cancel
        raster, where = self._raster, self.extent
        # Reflections of other pixels are nothing that was seen there.
        valid = raster.valid if raster.measured is None else raster.valid & raster.measured
        raw = on_grid(Raw(raster.data, valid, where), window)
        scl = None
        if raster.scl is not None:
            scl = on_grid(Raw(raster.scl[None], valid, where), window).numbers[0]
        return replace(
            raster,
            data=np.where(raw.valid, raw.numbers, np.float32(0)),
            valid=raw.valid,
            scl=scl,
            measured=None,
            crs=window.crs,
            transform=window.transform,
            provenance=replace(raster.provenance, padded_fraction=0.0),
        )


@dataclass(frozen=True, kw_only=True)
class FileSpec:
    """A stack, SAFE product or set of band files on disk, also in a zip, or uploaded files.

    Attributes:
        source: path or address, as for :func:`landcover.io.sources.read`; empty for an upload.
        stamp: of its files, as :func:`landcover.io.rectangles.stamp_of` gives it.
        files: name and path of each uploaded file.
        address: which source of an upload; None for the only one.
    """

    source: str = ""
    stamp: str
    files: tuple[tuple[str, Path], ...] = ()
    address: str | None = None

    @classmethod
    def of(cls, source: str | Path) -> FileSpec:
        """The spec of a source on disk as it is now."""
        path = Path(source).absolute()
        return cls(source=str(path), stamp=stamp_of([path]))

    @classmethod
    def of_upload(cls, files: tuple[tuple[str, Path], ...], address: str | None = None) -> FileSpec:
        """The spec of uploaded files, which must stay where they are.

        Args:
            files: the name that the user gave, and the path, of each.
            address: which source in them; None for the only one.
        """
        return cls(stamp=stamp_of([path for _, path in files]), files=files, address=address)

    @property
    def name(self) -> str:
        """Its name without folders, for people."""
        return Path(self.source or self.address or self.files[0][0]).name

    @property
    def identity(self) -> str:
        """As :attr:`ImagerySpec.identity`: path, and size and time of the files."""
        where = self.source or [name for name, _ in self.files]
        return f"file:{where}:{self.address}:{self.stamp}"

    def open(self, *, cancel: Event | None = None) -> Imagery:
        """As :meth:`ImagerySpec.open`; decides how all of its numbers are read.

        Imagery that is open already is shared, with all that was unpacked and decoded.
        """
        found = _opened.get(self.identity)
        if found is None:
            found = _opened[self.identity] = _FileImagery(self.rectangles(), cancel)
        return found

    def rectangles(self) -> Rectangles:
        """The source, before anything of it is read."""
        return Rectangles(self.source, stamp=self.stamp, files=self.files, address=self.address)


class _FileImagery:
    """See :class:`Imagery`."""

    def __init__(self, rectangles: Rectangles, cancel: Event | None) -> None:
        self._rectangles = rectangles
        self.extent = rectangles.facts(cancel).extent
        self.grids = (self.extent,)
        first = rectangles.read(self.extent.part(0, 0, 1, 1), cancel)
        self.bands = first.bands
        self.level = first.level
        self.acquired = first.acquired
        self.provenance = first.provenance

    def read(self, window: Window, *, cancel: Event | None = None) -> Raster:
        return self._rectangles.read(window, cancel)


_opened: Final[WeakValueDictionary[str, _FileImagery]] = WeakValueDictionary()
"""Open imagery by its identity, as long as somebody uses it."""
