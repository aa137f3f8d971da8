"""What the fuzzer calls: each parser of files and texts from outside, with bytes.

A target may raise :class:`LandcoverError`; anything else is a fault.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from landcover.core.errors import LandcoverError
from landcover.core.place import parse_place
from landcover.core.raster import Raster
from landcover.core.window import Cut
from landcover.io import band_names, names
from landcover.io.archive import Zip
from landcover.io.images import read_picture
from landcover.io.layouts.band_set import band_file
from landcover.io.layouts.safe import product_file, read_product
from landcover.io.layouts.tree import Uploaded
from landcover.io.sidecars import names_beside
from landcover.io.stack import read_stack
from landcover.io.tiff_metadata import check_tiff
from landcover.stac.archives import CATALOGUES
from landcover.stac.passes import passes
from landcover.stac.scene import scene_of
from tools.hostile.corpus.messages import message_fault

__all__ = ["SEED_KINDS", "TARGETS", "once"]

Target = Callable[[bytes], object]

SEED_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "stack": ("flips: GeoTIFF", "TIFF: ", "pixels: types"),
    "picture": ("PNG", "JPEG", "flips: PNG", "flips: JPEG"),
    "tiff_metadata": ("flips: GeoTIFF", "flips: BigTIFF", "TIFF: "),
    "zip": ("flips: zip", "zips: "),
    "item": ("answers: ",),
    "card": ("cards",),
}
"""Target → starts of the kinds of the corpus whose files it begins with."""


def once(target: Target, data: bytes) -> None:
    """Call a target.

    Raises:
        Exception: whatever is not an error for the user of one printable line.
    """
    try:
        target(data)
    except LandcoverError as error:
        if fault := message_fault(str(error)):
            raise AssertionError(fault) from error


def _written(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


def _finite(raster: Raster) -> None:
    assert np.isfinite(raster.data).all(), "pixels that are no numbers"


def _stack(data: bytes) -> None:
    _finite(read_stack(_written("a.tif", data), "a.tif", Cut(size=64)))


def _picture(data: bytes) -> None:
    _finite(read_picture(_written("a.png", data), "a.png"))


def _zip(data: bytes) -> None:
    archive = Zip(_written("a.zip", data), "a.zip")
    folders = [""]
    for folder in folders[:50]:
        listing = archive.listing(folder)
        folders += [f"{folder}/{name}".strip("/") for name in listing.folders]
        for name in listing.files[:5]:
            archive.read(f"{folder}/{name}".strip("/"), 1_000_000)


def _safe(data: bytes) -> None:
    for name in ("MTD_MSIL2A.xml", "MTD_MSIL1C.xml"):
        assert product_file([name]) == name
        read_product(_Product([(name, _written(name, data))]), "", name)


class _Product(Uploaded):
    """A product all of whose files have the same bytes."""

    def listing(self, folder: str) -> Any:  # noqa: ANN401 - the type of a listing
        parts = {"GRANULE": ((), ("L2A",)), "GRANULE/L2A": (("MTD_TL.xml",), ("IMG_DATA",))}
        files, folders = parts.get(folder, ((), ()))
        found = super().listing("")
        return type(found)(files, folders)

    def read(self, file: str, limit: int) -> bytes:  # noqa: ARG002 - all are the same
        return super().read(self.files[0][0], limit)


def _sidecar(data: bytes) -> None:
    path = _written("a.tif.aux.xml", data)
    header = SimpleNamespace(name=str(path).removesuffix(".aux.xml"), count=12)
    names_beside(header)


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="landcover-fuzz-"))


def _texts(data: bytes) -> None:
    text = data.decode("utf-8", "surrogatepass" if data[:1] == b"\0" else "replace")
    parts: list[str | None] = [*text.split("\n")[:20]]
    band_names.identify(parts)
    for part in parts:
        band_names.band_of(part)
        names.band_of_file(part or "")
        names.time_in(part or "")
        names.level_in(part or "")
        names.baseline_in(part or "")
        band_file(part or "")
        parse_place(part or "")


def _item(data: bytes) -> None:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return
    row = CATALOGUES["earth-search"]
    features = values.get("features") if isinstance(values, dict) else None
    scenes, faults = [], []
    for item in [values, *(features if isinstance(features, list) else [])][:20]:
        try:
            scenes.append(scene_of(item, row))
        except LandcoverError as error:
            faults.append(message_fault(str(error)))
    assert not any(faults), faults
    passes(scenes, 48.1, 12.8)


def _card(data: bytes) -> None:
    from landcover.models.card import CARD_FILE, read_card  # noqa: PLC0415 - takes a second

    read_card(_written(CARD_FILE, data).parent)


TARGETS: Final[Mapping[str, Target]] = {
    "stack": _stack,
    "picture": _picture,
    "tiff_metadata": lambda data: check_tiff(_written("a.tif", data)),
    "zip": _zip,
    "safe": _safe,
    "sidecar": _sidecar,
    "texts": _texts,
    "item": _item,
    "card": _card,
}
"""Name → function of bytes."""
