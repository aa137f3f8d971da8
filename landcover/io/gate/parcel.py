"""Rasters on their way from a worker: their facts as JSON, their arrays in a file.

The file is mapped into memory, not read, so that pixels which nobody looks at need no memory.
Digital numbers are handed over as they are stored, and become reflectance in the program: they are
half as large, and a worker would fill new memory with reflectance only to write it to a file. The
program does not trust what a worker states: shapes and the file's size must agree.
"""

from __future__ import annotations

import math
import mmap
import weakref
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.raster import Provenance, Raster
from landcover.io.scaling import Scaling
from landcover.io.stored import Stored

__all__ = ["MAPPED_FROM", "held_bytes", "pack", "pack_array", "unpack", "unpack_array"]

MAPPED_FROM: Final = 4_000_000
"""Bytes from which arrays stay in their file; smaller ones are copied into memory."""
_LAYERS: Final = ("valid", "scl", "measured")
_REFLECTANCE: Final = np.dtype("<f4")

_held = 0
_lock: Final = RLock()  # a finaliser may run inside _reserve


def held_bytes() -> int:
    """Bytes of all arrays from workers that are still in use."""
    return _held


def pack(raster: Raster | Stored, file: Path) -> dict[str, Any]:
    """Write a raster's arrays to a file, and give its facts as JSON-ready values."""
    layers = {name: getattr(raster, name, None) for name in _LAYERS}
    pixels = raster.numbers if isinstance(raster, Stored) else raster.data
    with file.open("wb") as out:
        for band in pixels:
            out.write(np.ascontiguousarray(band).data.cast("B"))
        for layer in layers.values():
            if layer is not None:
                out.write(np.ascontiguousarray(layer).view(np.uint8).data.cast("B"))
    return {
        "shape": list(pixels.shape),
        "type": pixels.dtype.str,
        "scaling": asdict(raster.scaling) if isinstance(raster, Stored) else None,
        "layers": [name for name, layer in layers.items() if layer is not None],
        "bands": list(raster.bands),
        "provenance": asdict(raster.provenance),
        "crs": raster.crs,
        "transform": None if raster.transform is None else list(raster.transform),
        "pixel_m": raster.pixel_m,
        "acquired": None if raster.acquired is None else raster.acquired.isoformat(),
    }


def unpack(facts: dict[str, Any], file: Path) -> Raster:
    """The raster that :func:`pack` wrote.

    Raises:
        BadInput: the program holds too many pixels already.
        ValueError, TypeError, KeyError: facts and file do not belong together.
    """
    shape = tuple(int(n) for n in facts["shape"])
    bands, rows, cols = shape
    names = [str(name) for name in facts["layers"] if name in _LAYERS]
    kind = _kind(facts)
    pixels = bands * rows * cols * kind.itemsize
    data = _bytes_of(file, pixels + len(names) * rows * cols)
    layers: dict[str, Any] = {}
    for number, name in enumerate(names):
        start = pixels + number * rows * cols
        layer = data[start : start + rows * cols].reshape(rows, cols)
        layers[name] = layer if name == "scl" else layer.view(np.bool_)
    facts_of = facts["provenance"]
    listed = {name: tuple(facts_of[name]) for name in ("missing_bands", "notes")}
    acquired = facts["acquired"]
    transform = facts["transform"]
    numbers = data[:pixels].view(kind).reshape(shape)
    if facts["scaling"] is not None:
        numbers = _reflectance(numbers, layers["valid"], facts["scaling"])
        # Views would keep all of the file mapped.
        layers = {name: layer.copy() for name, layer in layers.items()}
    elif kind != _REFLECTANCE:
        raise TypeError(kind)
    return Raster(
        data=numbers,
        bands=tuple(map(str, facts["bands"])),
        provenance=Provenance(**{**facts_of, **listed}),
        crs=facts["crs"],
        transform=None if transform is None else tuple(map(float, transform)),  # type: ignore[arg-type]
        pixel_m=facts["pixel_m"],
        acquired=None if acquired is None else datetime.fromisoformat(acquired),
        **layers,
    )


def pack_array(values: npt.NDArray[Any], file: Path) -> dict[str, Any]:
    """Write an array to a file, and give its facts as JSON-ready values."""
    whole = np.ascontiguousarray(values)
    file.write_bytes(whole.tobytes())
    return {"shape": list(whole.shape), "type": whole.dtype.str}


def unpack_array(facts: dict[str, Any], file: Path) -> npt.NDArray[Any]:
    """The array that :func:`pack_array` wrote; raises as :func:`unpack`."""
    kind = _kind(facts)
    shape = tuple(int(n) for n in facts["shape"])
    return _bytes_of(file, math.prod(shape) * kind.itemsize).view(kind).reshape(shape)


def _kind(facts: dict[str, Any]) -> np.dtype[Any]:
    kind = np.dtype(str(facts["type"]))
    if kind.hasobject:
        raise TypeError(kind)
    return kind


def _reflectance(
    numbers: npt.NDArray[Any], valid: npt.NDArray[np.bool_], stated: dict[str, Any]
) -> npt.NDArray[np.float32]:
    """Numbers as reflectance; it counts as held, as it would if it stayed in the file."""
    scaling = Scaling(float(stated["scale"]), float(stated["offset"]), "")
    if numbers.dtype.kind not in "iuf":
        raise TypeError(numbers.dtype)
    size = numbers.size * _REFLECTANCE.itemsize
    if size < MAPPED_FROM:
        return scaling.apply(numbers, valid)
    _reserve(size)
    try:
        found = scaling.apply(numbers, valid)
    except BaseException:
        _release(size)
        raise
    owner: Any = found
    while isinstance(owner.base, np.ndarray):  # views of the result keep this one
        owner = owner.base
    weakref.finalize(owner, _release, size)
    return found


def _bytes_of(file: Path, size: int) -> npt.NDArray[np.uint8]:
    """The bytes of a file of a known size, mapped if they are many."""
    if file.stat().st_size != size:
        raise ValueError(size)
    if size < MAPPED_FROM:
        return np.frombuffer(file.read_bytes(), dtype=np.uint8)
    _reserve(size)
    try:
        with file.open("rb") as opened:
            mapped = mmap.mmap(opened.fileno(), size, access=mmap.ACCESS_READ)
    except BaseException:
        _release(size)
        raise
    weakref.finalize(mapped, _release, size)
    return np.frombuffer(mapped, dtype=np.uint8)


def _reserve(size: int) -> None:
    global _held  # noqa: PLW0603 - one count for the process
    with _lock:
        if _held + size > limits.current().held_bytes:
            raise BadInput(
                "All the pictures that are open at the moment fill the space for pictures: close "
                "some, or try again in a few minutes."
            )
        _held += size


def _release(size: int) -> None:
    global _held  # noqa: PLW0603 - as above
    with _lock:
        _held -= size
