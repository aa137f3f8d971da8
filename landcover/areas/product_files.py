"""The files of a map: their names, the room that they need, and how they take their places.

All files are finished in a hidden folder beside the map first. Renaming that folder decides: before
it there are the old files, after it the new ones. Then each file is renamed to its place. If the
program is killed in between, :func:`settle_finished` goes on, so that files of two maps are never
left together.
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from landcover.areas.layout import COVER, DECISION, PRESENCE, Layer
from landcover.areas.parts import folder_of
from landcover.areas.pyramid import stored_bytes
from landcover.core import disk_errors, files
from landcover.core.errors import BadInput
from landcover.core.regular_file import read_regular
from landcover.core.text import plain
from landcover.core.untrusted_json import parse

__all__ = ["Needed", "Written", "check_space", "finished_folder", "needed", "settle_finished"]

SUFFIXES: Final = (".tif", ".tiff")
_LIST: Final = "files.json"
_OVERHEAD: Final = 1.02
"""Compressed bytes per byte of pixels that cannot be compressed, with the tables of the file."""
_SMALL: Final = 2_000_000
"""Bytes of the files that are no rasters."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """Paths of the files of a map.

    Attributes:
        presence: probabilities for each window.
        item: STAC item.
        table: hectares, or windows with each class, as CSV.
        styles: QGIS styles of the rasters.
        cover: probabilities for each cell of 80 m; None without a cover head.
        decision: most probable cover of each cell; None without a cover head.
    """

    presence: Path
    item: Path
    table: Path
    styles: tuple[Path, ...]
    cover: Path | None = None
    decision: Path | None = None

    @classmethod
    def beside(cls, out: Path, *, cover: bool) -> Written:
        """The files of a map whose presence is ``out``.

        Args:
            out: ends with ``.tif`` or ``.tiff``.
            cover: whether there is a cover.

        Raises:
            BadInput: the name has another ending.
        """
        if out.suffix.lower() not in SUFFIXES or not out.stem:
            raise BadInput(
                f"'{plain(out.name)}' does not name a GeoTIFF file: give the map a name that ends "
                "with .tif, such as valley.tif."
            )
        rasters = [out.with_name(f"{out.stem}{end}{out.suffix}") for end in ("-cover", "-decision")]
        shown = [out, *rasters] if cover else [out]
        return cls(
            presence=out,
            item=out.with_suffix(".json"),
            table=out.with_suffix(".csv"),
            styles=tuple(path.with_suffix(".qml") for path in shown),
            cover=rasters[0] if cover else None,
            decision=rasters[1] if cover else None,
        )

    @property
    def rasters(self) -> dict[str, Path]:
        """Name of a layer → its file."""
        paths = {PRESENCE: self.presence, COVER: self.cover, DECISION: self.decision}
        return {name: path for name, path in paths.items() if path is not None}

    @property
    def all(self) -> tuple[Path, ...]:
        """All files, with the sidecar of the decision that holds the names of its classes."""
        sidecars = () if self.decision is None else (_sidecar(self.decision),)
        return (*self.rasters.values(), *sidecars, self.item, self.table, *self.styles)


@dataclass(frozen=True, kw_only=True)
class Needed:
    """Room that writing a map takes, in bytes.

    Attributes:
        temporary: while it is written, with the finished blocks that are kept until then.
        files: at most, for the files that stay; usually a fraction of it.
    """

    temporary: int
    files: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.temporary + self.files


def needed(layers: Iterable[Layer]) -> Needed:
    """The room that writing these layers takes."""
    every = tuple(layers)
    pixels = sum(map(stored_bytes, every))
    blocks = sum(math.prod(layer.shape) for layer in every)
    return Needed(temporary=pixels + blocks, files=int(pixels * _OVERHEAD) + _SMALL)


def check_space(out: Path, layers: Iterable[Layer]) -> Needed:
    """Check before a map is computed that its files can be written.

    Args:
        out: the file of the presence.
        layers: of the map.

    Returns:
        The room that it takes.

    Raises:
        BadInput: the disk has too little room, something else has the name of a file, or the
            folder does not exist; the message states the numbers.
    """
    wanted = needed(layers)
    with disk_errors.explained(out):
        for path in Written.beside(out, cover=True).all:
            if path.exists() and not path.is_file():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        # Blocks of a map that was stopped take their room already, or are removed.
        there = sum(path.stat().st_size for path in folder_of(out).glob("*.safetensors"))
        free = shutil.disk_usage(out.parent).free + there
    if wanted.total > free:
        raise BadInput(
            f"The map '{plain(out.name)}' needs up to {_gb(wanted.total)} on its disk "
            f"({_gb(wanted.temporary)} of it only while it is written), and {_gb(free)} are free: "
            "free some space, choose a place on another disk, or map a smaller area."
        )
    return wanted


def finished_folder(out: Path) -> Path:
    """Where the files of a map lie until all of them are finished."""
    return out.with_name(f".{out.name}.finished")


def settle_all(folder: Path, out: Path, written: Written) -> None:
    """Bring finished files to the disk, and put all of them in their places.

    Args:
        folder: holds them, under their final names, and nothing else.
        out: the file of the presence.
        written: the places.

    Raises:
        BadInput: the disk is full, or cannot be written to.
    """
    names = [path.name for path in written.all if (folder / path.name).exists()]
    files.write_part(folder / _LIST, json.dumps(names).encode())
    files.settle(folder, finished_folder(out))
    settle_finished(out)


def settle_finished(out: Path) -> bool:
    """Put the files of a map in their places, if a program was killed while it did so.

    Files of an older map of the same name that the new one does not have are removed.

    Args:
        out: the file of the presence.

    Returns:
        Whether there was anything to do. The map is then complete.

    Raises:
        BadInput: the disk cannot be written to.
    """
    folder = finished_folder(out)
    if folder.is_symlink() or not folder.is_dir():
        return False
    with disk_errors.explained(out):
        names = _listed(folder / _LIST)
        if names is not None:
            for path in Written.beside(out, cover=True).all:
                part = folder / path.name
                if path.name in names and part.is_file():
                    files.settle(part, path, durable=False)
                elif path.name not in names:
                    path.unlink(missing_ok=True)
            (folder / _LIST).unlink()
        shutil.rmtree(folder)  # without its list, nothing but leftovers is in it
    return names is not None


def _listed(path: Path) -> set[str] | None:
    """Names of the files of a map that was finished; None if there is no such list."""
    try:
        return set(map(str, parse(read_regular(path, _SMALL))))
    except (BadInput, OSError, TypeError, ValueError):
        return None


def _sidecar(raster: Path) -> Path:
    return raster.with_name(raster.name + ".aux.xml")


def _gb(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 5e7 else f"{size / 1e6:,.1f} MB"
