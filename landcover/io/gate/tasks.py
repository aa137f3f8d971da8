"""What workers can be asked to do. Nothing else can be called through the gate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from landcover.core.window import Cut, Window
from landcover.io import readers
from landcover.io.band_window import read_band_window
from landcover.io.gate import parcel
from landcover.io.guard import open_raster
from landcover.io.jp2_window import read_jp2_window

__all__ = ["TASKS"]


def _read(values: dict[str, Any], out: Path) -> dict[str, Any] | None:
    raster = readers.read_file(values["source"], _cut(values))
    return None if raster is None else parcel.pack(raster, out)


def _read_upload(values: dict[str, Any], out: Path) -> dict[str, Any]:
    return parcel.pack(readers.read_upload(_files(values), _cut(values), values["address"]), out)


def _level(values: dict[str, Any], _: Path) -> str:
    return readers.level_of_file(values["source"])


def _open(values: dict[str, Any], _: Path) -> None:
    with open_raster(Path(values["path"])) as file:
        header = file.header
        header.tags()
        for band in header.indexes:
            header.tags(band)
        facts = "descriptions", "crs", "transform", "nodatavals", "mask_flag_enums"
        for fact in facts:
            getattr(header, fact)


def _band_window(values: dict[str, Any], out: Path) -> dict[str, Any]:
    path, kind = Path(values["path"]), values["kind"]
    pixels = read_band_window(path, _window(values), pixel=values["pixel"], kind=kind)
    return parcel.pack_array(pixels, out)


def _jp2_window(values: dict[str, Any], out: Path) -> dict[str, Any]:
    found = read_jp2_window(
        Path(values["path"]),
        values["size"],
        values["here"],
        _window(values),
        pixel=values["pixel"],
        kind=values["kind"],
        bands=values["bands"],
    )
    return {"missing": found} if isinstance(found, int) else parcel.pack_array(found, out)


def _window(values: dict[str, Any]) -> Window:
    window = values["window"]
    return Window(**{**window, "transform": tuple(window["transform"])})


def _files(values: dict[str, Any]) -> list[tuple[str, Path]]:
    return [(name, Path(path)) for name, path in values["files"]]


def _cut(values: dict[str, Any]) -> Cut | None:
    found = values["cut"]
    if found is None:
        return None
    pairs = {key: tuple(found[key]) for key in ("corner", "place") if found[key] is not None}
    return Cut(size=found["size"], **pairs)


TASKS: Final[dict[str, Callable[[dict[str, Any], Path], Any]]] = {
    "read": _read,
    "read upload": _read_upload,
    "level": _level,
    "open": _open,
    "band window": _band_window,
    "jp2 window": _jp2_window,
}
"""Name of a task → a function of its values and of the file for its arrays."""
