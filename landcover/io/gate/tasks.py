"""What workers can be asked to do. Nothing else can be called through the gate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from landcover.core.errors import BadInput
from landcover.core.window import Cut, Window
from landcover.io import readers
from landcover.io.band_window import read_band_window
from landcover.io.decoded_cells import DecodedCells
from landcover.io.gate import parcel
from landcover.io.guard import open_raster, shown
from landcover.io.jp2_window import read_jp2_window
from landcover.io.map_layers import Wanted, read_map_layers
from landcover.io.pixel_source import PixelSource

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
    pixels = read_band_window(
        path, Window.from_facts(values["window"]), pixel=values["pixel"], kind=kind
    )
    return parcel.pack_array(pixels, out)


def _jp2_window(values: dict[str, Any], out: Path) -> dict[str, Any]:
    found = read_jp2_window(
        Path(values["path"]),
        values["size"],
        values["here"],
        Window.from_facts(values["window"]),
        pixel=values["pixel"],
        kind=values["kind"],
        bands=values["bands"],
    )
    return {"missing": found} if isinstance(found, int) else parcel.pack_array(found, out)


def _describe(values: dict[str, Any], _: Path) -> dict[str, Any]:
    opened = _opened(values)
    acquired = opened.stack.stated.facts.acquired
    return {
        "extent": asdict(opened.extent),
        "bands": list(opened.stack.order.bands),
        "acquired": None if acquired is None else acquired.isoformat(),
        "classified": opened.classes is not None,
    }


def _rectangle(values: dict[str, Any], out: Path) -> dict[str, Any]:
    return parcel.pack(_opened(values).stored(Window.from_facts(values["window"])), out)


def _picture(values: dict[str, Any], out: Path) -> dict[str, Any]:
    rgba, window = _opened(values).picture(values["side"])
    return {**parcel.pack_array(rgba, out), "window": asdict(window)}


def _classes(values: dict[str, Any], out: Path) -> dict[str, Any] | None:
    classes = _opened(values).scl(Window.from_facts(values["window"]))
    return None if classes is None else parcel.pack_array(classes, out)


def _outline(values: dict[str, Any], _: Path) -> dict[str, Any]:
    # Loaded here, because only areas need shapely.
    from landcover.io.outlines.read import read_outline, read_outline_file  # noqa: PLC0415

    if values["path"] is None:
        found = read_outline(values["text"])
    else:
        found = read_outline_file(Path(values["path"]), values["name"])
    return {"wkb": found.shape.wkb_hex, "name": found.name, "notes": list(found.notes)}


_kept: Final[dict[str, PixelSource]] = {}
"""Sources that this worker opened, by what names them; the last one was used last."""
_MOST_KEPT: Final = 20


def _opened(values: dict[str, Any]) -> PixelSource:
    """A source that is read by rectangles; opened before, unless its files have changed."""
    names = ("source", "files", "address", "folder", "stamp")
    key = json.dumps([values[name] for name in names] + [str(Path.cwd())])
    found, folder = _kept.pop(key, None), Path(values["folder"])
    if found is None:
        if values["files"]:
            found = readers.open_upload(_files(values), folder, values["address"])
        else:
            found = readers.open_file(values["source"], folder)
        if found is None:
            raise BadInput(f"There is no file '{shown(values['source'])}': check its name.")
        if found.packed:
            name = hashlib.sha256(key.encode()).hexdigest()[:16]
            cells = DecodedCells(found.part, found.stack, found.block, folder, name)
            found = replace(found, part=cells)
    while len(_kept) >= _MOST_KEPT:
        del _kept[next(iter(_kept))]
    _kept[key] = found
    return found


def _map_layers(values: dict[str, Any], out: Path) -> dict[str, Any]:
    path, given = Path(values["path"]), values["wanted"]
    lists = {
        name: None if given[name] is None else tuple(given[name]) for name in ("layers", "part")
    }
    found = read_map_layers(path, path.name, Wanted(level=given["level"], **lists))
    facts = {
        "names": list(found.names),
        "tags": found.tags,
        "window": asdict(found.window),
        "nodata": found.nodata,
        "scales": list(found.scales),
        "levels": [list(size) for size in found.levels],
    }
    return {**parcel.pack_array(found.values, out), **facts}


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
    "describe": _describe,
    "rectangle": _rectangle,
    "picture": _picture,
    "classes": _classes,
    "map layers": _map_layers,
    "outline": _outline,
}
"""Name of a task → a function of its values and of the file for its arrays."""
