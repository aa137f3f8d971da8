"""Reading windows of remote JPEG 2000 files: this module fetches bytes, a worker decodes them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy.typing as npt

from landcover.core import files
from landcover.core.errors import BadInput, FetchError
from landcover.core.window import Window
from landcover.io.gate import parcel, pool
from landcover.io.guard import FILE, shown
from landcover.io.jp2_window import CHUNK
from landcover.net.http import Transport

__all__ = ["MAX_CHUNKS", "read_window"]

MAX_CHUNKS: Final = 200
"""Maximum number of chunks: a file that needs more than 50 MB for a 1200 m square is damaged."""
_threads: Final = ThreadPoolExecutor(max_workers=16, thread_name_prefix="landcover-jp2")
"""Separate from the loop's threads, which resolve host names: these threads wait for workers."""


async def read_window(
    transport: Transport, address: str, wanted: Window, *, pixel: int, kind: str, bands: int = 1
) -> npt.NDArray[Any]:
    """As :func:`landcover.stac.cog_reader.read_window`, for a JPEG 2000 file.

    Raises:
        FetchError: the file cannot be read, is damaged, or has another grid or type.
        Cancelled: the user stopped it.
    """
    size = await transport.size(address)
    name = shown(address.partition("?")[0])
    loop = asyncio.get_running_loop()
    values = {"window": asdict(wanted), "pixel": pixel, "kind": kind, "bands": bands, "size": size}
    here: list[int] = []
    with files.scratch() as folder:
        # If another file fails, this coroutine is cancelled and the folder removed while a worker
        # may still read in it; its answer then reaches nobody.
        values["path"] = str(folder / "file")
        _keep(folder / "file", 0, b"")
        while True:
            try:
                found = await loop.run_in_executor(
                    _threads, partial(_decode, {**values, "here": here}, name)
                )
            except BadInput as fault:
                said = str(fault).replace(FILE, f"'{name}' of {transport.title}").rstrip(".")
                raise FetchError(f"{said}: choose another date or catalogue.") from None
            if not isinstance(found, int):
                return found
            if found in here or len(here) >= MAX_CHUNKS:
                raise FetchError(
                    f"'{name}' of {transport.title} cannot be used, because it is damaged: choose "
                    "another date or catalogue."
                )
            start = found * CHUNK
            data = await transport.get(address, start, min(start + CHUNK, size))
            _keep(folder / "file", start, data)
            here.append(found)


def _decode(values: dict[str, Any], name: str) -> npt.NDArray[Any] | int:
    return pool.call("jp2 window", values, _taken, name=name, size=len(values["here"]) * CHUNK)


def _taken(facts: dict[str, Any], file: Path) -> npt.NDArray[Any] | int:
    missing = facts.get("missing")
    return int(missing) if missing is not None else parcel.unpack_array(facts, file)


def _keep(path: Path, start: int, data: bytes) -> None:
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.seek(start)
        file.write(data)
