"""Reading the scenes of a folder for a catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from landcover.core.errors import BadInput
from landcover.core.gdal_errors import GDAL_ERRORS
from landcover.io.guard import shown
from landcover.io.layouts.tree import Disk
from landcover.io.layouts.walk import Find, Unreadable, find
from landcover.stac.layouts.band_set import read_set
from landcover.stac.layouts.bigearthnet_patch import read_patch
from landcover.stac.layouts.found_scene import FoundScene
from landcover.stac.layouts.safe import read_safe
from landcover.stac.layouts.stacked_file import read_stack

__all__ = ["Skipped", "scenes"]


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A file or folder that looks like a scene but is not in the catalogue.

    Attributes:
        path: of the file or folder.
        why: the reason, one sentence.
    """

    path: Path
    why: str


def scenes(folder: Path, date: datetime | None) -> Iterator[FoundScene | Skipped | None]:
    """Yield what is found below a folder, in order of the names, and None after each folder.

    Errors are not raised: a scene that cannot be used is yielded as :class:`Skipped`. Links to
    folders are followed, but no folder is searched twice. Pictures and zips are not scenes.

    Args:
        folder: to search; it may be a scene itself.
        date: sensing time of scenes whose names and metadata have none.
    """
    disk = Disk(folder)
    for found in find(disk):
        if isinstance(found, Unreadable):
            yield Skipped(path=disk.path(found.path), why=found.why)
        elif found is None:
            yield None
        elif found.kind not in {"picture", "zip"}:
            yield from _attempt(disk, found, date)


def _attempt(disk: Disk, found: Find, date: datetime | None) -> Iterator[FoundScene | Skipped]:
    whole = found.kind in {"safe", "patch", "bands"}
    path = disk.path(found.folder) if whole else disk.path(found.folder) / found.file
    try:
        yield from _reading(disk, found, date)()
    except BadInput as error:
        yield Skipped(path=path, why=str(error))
    except OSError:
        yield Skipped(path=path, why=f"'{shown(path.name)}' cannot be read: check its permissions.")
    except GDAL_ERRORS:  # one file must not end the search of a hundred thousand
        yield Skipped(path=path, why=f"'{shown(path.name)}' is damaged: copy or export it again.")


def _reading(disk: Disk, found: Find, date: datetime | None) -> Callable[[], list[FoundScene]]:
    folder = disk.path(found.folder)
    if found.kind == "safe":
        return partial(read_safe, disk, found.folder, found.file)
    if found.kind == "patch":
        return lambda: [read_patch(folder, date)]
    if found.bands is not None:
        bands = found.bands
        return lambda: [read_set(disk, bands, date)]
    return lambda: [read_stack(folder / found.file, date)]
