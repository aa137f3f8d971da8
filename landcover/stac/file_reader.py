"""Reading windows of files on the user's own disk, on their native grids."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy.typing as npt

from landcover.core.errors import BadInput, FetchError
from landcover.core.window import Window
from landcover.io.gate import parcel, pool
from landcover.io.guard import shown

__all__ = ["read_window"]


def read_window(path: Path, wanted: Window, *, pixel: int, kind: str) -> npt.NDArray[Any]:
    """Let a worker read the pixels ``(y, x)`` of a band file.

    Arguments as for :func:`landcover.io.band_window.read_band_window`.

    Raises:
        FetchError: the file is missing or damaged, or has another grid or type.
    """
    try:
        return pool.call(
            "band window",
            {"path": str(path), "window": asdict(wanted), "pixel": pixel, "kind": kind},
            parcel.unpack_array,
            name=shown(path.name),
            size=0,
        )
    except BadInput as fault:
        raise FetchError(str(fault)) from None
