"""Reading the digital numbers of scenes in a square: from the network, a disk or the cache."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.bands import BAND_NAMES, BANDS
from landcover.core.errors import FetchError
from landcover.core.numpy_files import DAMAGED
from landcover.core.progress import Report
from landcover.core.raster import ByteArray
from landcover.core.window import Window
from landcover.net.cache import Cache
from landcover.net.http import SignatureExpired, Transport
from landcover.stac import cog_reader, file_reader, jp2_reader
from landcover.stac.archives import Catalogue
from landcover.stac.candidates import Candidate
from landcover.stac.scene import Scene
from landcover.stac.signing import sign

__all__ = [
    "Arrays",
    "Numbers",
    "RemoteReader",
    "gather",
    "read_classes",
    "read_local",
    "read_numbers",
    "read_previews",
    "repeated",
]

Arrays = dict[str, npt.NDArray[Any]]

_PIXEL: Final[Mapping[str, int]] = {
    **{band.name: band.resolution_m for band in BANDS},
    "SCL": 20,
    "visual": 10,
}
_KIND: Final[Mapping[str, str]] = {"SCL": "uint8", "visual": "uint8"}


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The digital numbers of one scene in a square.

    Attributes:
        bands: uint16 ``(12, y, x)`` at 10 m, coarse pixels repeated; 0 is no data.
        scl: scene classification uint8 ``(y, x)`` at 10 m, or None.
    """

    bands: npt.NDArray[np.uint16]
    scl: ByteArray | None


@dataclass(frozen=True, kw_only=True)
class RemoteReader:
    """What is needed to read over the network: archive, transport, cache and progress.

    Without ``keep`` pixels are not put into the cache, which large ones would fill.
    """

    row: Catalogue
    transport: Transport
    cache: Cache
    report: Report
    keep: bool = True


async def read_numbers(candidate: Candidate, reader: RemoteReader) -> list[Numbers]:
    """Read the twelve bands and the classification of all scenes of a pass concurrently.

    Raises:
        FetchError: one of them cannot be read.
        Cancelled: the user stopped it.
    """
    names = (*BAND_NAMES, "SCL")
    wanted = [names if scene.scl else BAND_NAMES for scene in candidate.scenes]
    arrays = await _read(candidate, wanted, reader, "Reading bands")
    return [_numbers(parts) for parts in arrays]


async def read_previews(candidate: Candidate, reader: RemoteReader) -> list[Arrays]:
    """Read the classification and, if available, the true-colour image of all scenes."""
    wanted = [
        tuple(name for name, has in (("SCL", scene.scl), ("visual", scene.visual)) if has)
        for scene in candidate.scenes
    ]
    return await _read(candidate, wanted, reader, "Checking dates")


async def read_classes(candidate: Candidate, reader: RemoteReader) -> list[Arrays]:
    """Read the classification of all scenes that have one, at 20 m."""
    wanted: list[tuple[str, ...]] = [("SCL",) if one.scl else () for one in candidate.scenes]
    return await _read(candidate, wanted, reader, "Checking dates")


async def _read(
    candidate: Candidate, wanted: list[tuple[str, ...]], reader: RemoteReader, what: str
) -> list[Arrays]:
    total = sum(len(names) for names in wanted)
    done = 0

    async def one(scene: Scene, name: str) -> npt.NDArray[Any]:
        nonlocal done
        pixels = await _file(scene, name, candidate.target, reader)
        done += 1
        reader.transport.report(reader.report, what, done, total)
        return pixels

    async def scene_arrays(scene: Scene, names: tuple[str, ...]) -> Arrays:
        nonlocal done
        key = f"pixels:{reader.row.endpoint}:{scene.id}:{candidate.target}:{','.join(names)}"
        raw = reader.cache.get(key) if reader.keep else None
        kept = _unpacked(raw, names, candidate.target)
        if kept is not None:
            done += len(names)
            return kept
        found = await gather([lambda n=name: one(scene, n) for name in names])  # type: ignore[misc]
        arrays = dict(zip(names, found, strict=True))
        if reader.keep:
            await asyncio.to_thread(reader.cache.put, key, _packed(arrays))
        return arrays

    reader.transport.report(reader.report, what, 0, total)
    return await gather(
        [
            lambda s=scene, n=names: scene_arrays(s, n)  # type: ignore[misc]
            for scene, names in zip(candidate.scenes, wanted, strict=True)
        ]
    )


async def gather(works: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """Run all concurrently; the first failure stops the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_awaited(work)) for work in works]
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None
    return [task.result() for task in tasks]


async def _awaited(work: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401
    return await work()


async def _file(scene: Scene, name: str, target: Window, reader: RemoteReader) -> npt.NDArray[Any]:
    row, transport = reader.row, reader.transport
    address = {"SCL": scene.scl, "visual": scene.visual}.get(name) or scene.bands[name]
    bands = 3 if name == "visual" else 1
    kind = _KIND.get(name, "uint16")

    async def read(signed: str) -> npt.NDArray[Any]:
        read_window = (
            jp2_reader.read_window if address.lower().endswith(".jp2") else cog_reader.read_window
        )
        return await read_window(
            transport, signed, target, pixel=_PIXEL[name], kind=kind, bands=bands
        )

    signed = await sign(address, row, transport)
    try:
        pixels = await read(signed)
    except SignatureExpired:
        if row.signing == "none":
            raise
        pixels = await read(await sign(address, row, transport, refused=signed))
    return pixels if bands > 1 else pixels[..., 0]


def read_local(scene: Scene, target: Window) -> Numbers:
    """Read the digital numbers of a scene on the user's own disk.

    Raises:
        FetchError: a file is missing or damaged.
    """
    arrays = {}
    for name in (*BAND_NAMES, "SCL"):
        path = scene.scl if name == "SCL" else scene.bands.get(name)
        if path is None and name == "SCL":
            continue
        if path is None:
            raise FetchError(
                f"Scene '{scene.id}' of your catalogue lacks band {name}: choose another date."
            )
        arrays[name] = file_reader.read_window(
            Path(path), target, pixel=_PIXEL[name], kind=_KIND.get(name, "uint16")
        )
    return _numbers(arrays)


def _numbers(arrays: Arrays) -> Numbers:
    bands = np.stack([repeated(arrays[name], _PIXEL[name]) for name in BAND_NAMES])
    scl = repeated(arrays["SCL"], _PIXEL["SCL"]) if "SCL" in arrays else None
    return Numbers(bands=bands, scl=scl)


def repeated(pixels: npt.NDArray[Any], pixel: int) -> npt.NDArray[Any]:
    """Repeat pixels of 10, 20 or 60 m on the 10 m grid, as in training."""
    times = pixel // 10
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _packed(arrays: Arrays) -> bytes:
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def _unpacked(raw: bytes | None, names: tuple[str, ...], target: Window) -> Arrays | None:
    """The packed arrays, or None if they do not have the expected shapes and types."""
    if raw is None:
        return None
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as held:
            arrays = {name: held[name] for name in names}
    except DAMAGED:
        return None
    for name, pixels in arrays.items():
        window = target.with_pixels_of(_PIXEL[name])
        shape = (window.height, window.width, *(3,) * (name == "visual"))
        if pixels.shape != shape or pixels.dtype != np.dtype(_KIND.get(name, "uint16")):
            return None
    return arrays
