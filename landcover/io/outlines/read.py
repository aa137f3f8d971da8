"""Reading the outline of an area from a text or a file of any kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.text import plain
from landcover.io.archive import is_zip
from landcover.io.guard import read_file
from landcover.io.messages import FILE, named, shown
from landcover.io.outlines.drawn import Drawn
from landcover.io.outlines.earth import Outline, outline_of
from landcover.io.outlines.geojson import read_geojson
from landcover.io.outlines.geopackage import MAGIC, read_geopackage
from landcover.io.outlines.kml import read_kml, read_kmz
from landcover.io.outlines.written import is_box, is_wkt, read_box, read_wkt

__all__ = ["read_outline", "read_outline_file"]

_GIVE: Final = "give west,south,east,north in degrees, or GeoJSON, GeoPackage, KML or WKT."
_SHAPEFILE: Final = b"\0\0\x27\x0a"


def read_outline(text: str) -> Outline:
    """Read an area from a text: a bounding box, WKT, GeoJSON or KML.

    Raises:
        BadInput: it is none of these, or the area cannot be used.
    """
    with named("the area"), _within_memory():
        data = text.encode(errors="replace")
        _check_size(len(data))
        drawn = _text(data)
        if drawn is None:
            named_file = plain(text.strip())[:80]
            nothing = f"There is no file '{named_file}', and it" if named_file else "An empty text"
            raise BadInput(f"{nothing} is no area: {_GIVE}")
        return outline_of(drawn)


def read_outline_file(path: Path, name: str) -> Outline:
    """Read an area from a file.

    Args:
        path: of the file.
        name: for messages, and of the area if it has none.

    Raises:
        BadInput: it is no file of outlines, or the area cannot be used.
    """
    with named(name), _within_memory():
        _check_size(path.stat().st_size if path.is_file() else 0)
        if path.is_file() and is_zip(path):
            drawn = read_kmz(path, name)
        else:
            data = read_file(path, limits.current().area_bytes)
            if not data.strip():
                raise BadInput(f"{FILE} is empty: give an area with a polygon.")
            found = read_geopackage(path) if data.startswith(MAGIC) else _text(data)
            if found is None:
                raise BadInput(f"{FILE} is no area: {_GIVE}")
            drawn = found
        drawn.name = drawn.name or Path(shown(name)).stem
        return outline_of(drawn)


@contextmanager
def _within_memory() -> Iterator[None]:
    try:
        yield
    except (MemoryError, RecursionError):
        raise BadInput(
            f"{FILE} needs more memory than an area may take: simplify its outlines."
        ) from None


def _check_size(size: int) -> None:
    most = limits.current().area_bytes
    if size > most:
        raise BadInput(
            f"{FILE} is larger than {most / 1e6:,.0f} MB: simplify its outlines, or export the "
            "area alone."
        )


def _text(data: bytes) -> Drawn | None:
    """What a text of any kind holds; None if it is of none."""
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"{":
        return read_geojson(data)
    if start == b"<":
        return read_kml(data)
    text = data.decode("utf-8-sig", errors="replace")
    if is_box(text):
        return read_box(text)
    if is_wkt(text):
        return read_wkt(text)
    if data.startswith(_SHAPEFILE):
        raise BadInput(f"{FILE} is a Shapefile: export the area as GeoPackage or GeoJSON.")
    return None
