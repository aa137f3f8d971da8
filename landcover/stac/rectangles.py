"""Rectangles of any size from scenes of an archive, for maps of areas.

Whether a scene's numbers contain +1000 is decided once for the scene, where its metadata are known
to be wrong at times: by the dark pixels of one square of it, so that all rectangles are read in the
same way.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from threading import Event
from typing import Final

import numpy as np

from landcover.core import limits, progress
from landcover.core.errors import BadInput
from landcover.core.raster import ByteArray, Raster
from landcover.core.window import Window
from landcover.io.placing import on_grid
from landcover.io.regrid import Raw, needed
from landcover.net import cache
from landcover.net.http import Transport
from landcover.net.waiting import T, run
from landcover.stac.archives import Catalogue
from landcover.stac.candidates import Candidate
from landcover.stac.harmonise import RULES, OffsetDecision
from landcover.stac.joining import decided, joined
from landcover.stac.pixels import RemoteReader, read_classes, read_numbers, repeated
from landcover.stac.scene import Scene

__all__ = ["decision_of", "read_pass", "read_pass_classes"]

_LATTICE: Final = 6
"""Pixels of 10 m between the corners of pixels of 60 m."""
_KEPT: Final = 250_000
"""Pixels of a rectangle up to which it is cached on disk."""


def decision_of(
    scene: Scene, row: Catalogue, probe: Window, *, cancel: Event | None = None
) -> OffsetDecision:
    """Decide how the numbers of a scene are read.

    Args:
        scene: the scene.
        row: its archive.
        probe: a square of it whose dark pixels decide if the metadata can be wrong, on the 60 m
            lattice.
        cancel: set to stop.

    Raises:
        FetchError: the square cannot be read.
        Cancelled: the user stopped it.
    """
    stated = RULES[row.offset](scene.claims)
    if stated.trusted:
        return stated
    square = Candidate(scenes=(scene,), target=probe)
    (numbers,) = _fetched(square, row, read_numbers, cancel)
    return decided(scene, numbers, row.offset)


def read_pass(
    scenes: Sequence[Scene],
    decisions: Sequence[OffsetDecision],
    row: Catalogue,
    window: Window,
    *,
    cancel: Event | None = None,
) -> Raster:
    """Read a rectangle of scenes of one pass and one UTM zone; the first with data is used.

    Args:
        scenes: of one zone.
        decisions: how each is read.
        row: their archive.
        window: north-up, 10 m, in any CRS; nearest pixels are taken if it is another grid.
        cancel: set to stop.

    Returns:
        The rectangle; not valid where no scene has data or clouds hide the ground.

    Raises:
        FetchError: the pixels cannot be read.
        Cancelled: the user stopped it.
    """
    target = _target(scenes[0], window)
    candidate = Candidate(scenes=tuple(scenes), target=target)
    parts = _fetched(candidate, row, read_numbers, cancel)
    found = joined(candidate, parts, decisions, title=row.title, attribution=row.attribution)
    if target == window:
        return found
    raw = on_grid(Raw(found.data, found.valid, target), window)
    scl = None
    if found.scl is not None:
        scl = on_grid(Raw(found.scl[None], found.valid, target), window).numbers[0]
    return Raster(
        data=raw.numbers,
        valid=raw.valid,
        bands=found.bands,
        crs=window.crs,
        transform=window.transform,
        acquired=found.acquired,
        scl=scl,
        provenance=found.provenance,
    )


def read_pass_classes(
    scenes: Sequence[Scene], row: Catalogue, window: Window, *, cancel: Event | None = None
) -> ByteArray | None:
    """Read the scene classification ``(y, x)`` of a rectangle; None if a scene has none.

    Arguments and errors as for :func:`read_pass`.
    """
    if not all(scene.scl for scene in scenes):
        return None
    target = _target(scenes[0], window)
    candidate = Candidate(scenes=tuple(scenes), target=target)
    classes = np.zeros((target.height, target.width), dtype=np.uint8)
    for arrays in _fetched(candidate, row, read_classes, cancel):
        here = repeated(arrays["SCL"], 20)
        np.copyto(classes, here, where=classes == 0)
    known = np.ones(classes.shape, dtype=np.bool_)
    found: ByteArray = on_grid(Raw(classes[None], known, target), window).numbers[0]
    return found


def _target(scene: Scene, window: Window) -> Window:
    """The rectangle to fetch in a scene's zone, on the 60 m lattice.

    Raises:
        BadInput: the scene states no zone.
    """
    if scene.crs is None:
        raise BadInput(
            f"Scene '{scene.id}' states no UTM zone, so that no map can be made of it: choose "
            "other dates."
        )
    anchor = Window.around(*window.centre, pixels=_LATTICE, crs=scene.crs)
    whole = anchor.part(0, 0, 1, 1)
    if window.crs == scene.crs:
        ((top, left),) = whole.pixels_of([window.west], [window.north])
        bottom, right = top + window.height, left + window.width
    else:
        # A grid that is large enough to contain the window, for the part that is needed.
        far = 4 * max(window.height, window.width) + 1_000
        around = whole.part(-far, -far, 2 * far, 2 * far)
        row, col, height, width = needed(around, window)
        top, left = float(row - far), float(col - far)
        bottom, right = top + height, left + width
    row, col = math.floor(top / _LATTICE) * _LATTICE, math.floor(left / _LATTICE) * _LATTICE
    height = math.ceil((bottom - row) / _LATTICE) * _LATTICE
    width = math.ceil((right - col) / _LATTICE) * _LATTICE
    return whole.part(row, col, height, width)


def _fetched(
    candidate: Candidate,
    row: Catalogue,
    read: Callable[[Candidate, RemoteReader], Awaitable[T]],
    cancel: Event | None,
) -> T:
    """Read over the network, with as many times the limits of a square as there are squares."""
    target = candidate.target
    pixels = target.height * target.width

    async def work() -> T:
        async with Transport(
            row.title, row.hosts, cache=cache.default(), cancel=cancel, deadline_s=_seconds(pixels)
        ) as transport:
            reader = RemoteReader(
                row=row,
                transport=transport,
                cache=cache.default(),
                report=progress.ignore,
                keep=pixels <= _KEPT,
            )
            return await read(candidate, reader)

    return run(work)


def _seconds(pixels: int) -> float:
    return limits.current().imagery_seconds * max(1.0, pixels / 2_000_000)
