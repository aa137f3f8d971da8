"""Searching a user's own catalogue, an untrusted file."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from shapely.affinity import translate
from shapely.geometry import shape as shape_of
from shapely.geometry.base import BaseGeometry

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.regular_file import open_regular
from landcover.io.guard import shown
from landcover.stac.catalog_columns import KINDS, SIDES, readable_columns
from landcover.stac.catalog_items import items_of
from landcover.stac.geoparquet import MAGIC
from landcover.stac.layouts.footprint import Box
from landcover.stac.layouts.found_scene import MEDIA_TYPES, is_odd
from landcover.stac.outline import MAX_REPAIRED

__all__ = [
    "MAX_COLUMNS",
    "MAX_DECODED",
    "MAX_FILE_BYTES",
    "MAX_GROUP",
    "MAX_HREF",
    "MAX_ROWS",
    "MISSING",
    "Float",
    "LocalCatalogue",
]

MAX_FILE_BYTES: Final = 2_000_000_000
MAX_ROWS: Final = 2_000_000
"""All of BigEarthNet has 480,038."""
MAX_DECODED: Final = 8_000_000_000
"""Maximum bytes of all columns: a catalogue of 100,000 patches has 200 MB."""
MAX_GROUP: Final = 500_000_000
"""Maximum bytes of one row group, which is always decoded completely."""
MAX_COLUMNS: Final = 2_000
MISSING: Final = "landcover:missing"
"""Property of an item with missing files: the keys of their assets."""

MAX_HREF: Final = 4_000
_POLYGON: Final = 3
_MULTIPOLYGON: Final = 6
"""Types of geometries in WKB."""
_POINT_BYTES: Final = 16
_HEADER_BYTES: Final = 200


# Also matches GDAL's own notations and drive letters.
_SCHEME: Final = re.compile(r"^[^/]*:")
_DAMAGE: Final = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    MemoryError,
    RuntimeError,
)
"""What PyArrow and shapely raise on damaged files."""

Float = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LocalCatalogue:
    """A stac-geoparquet file of items on the user's own disk.

    Boxes, times and footprints are in memory (some 200 bytes an item); the rest is read for the
    items that a search finds. Several threads can share an object.

    Attributes:
        path: the file.
        count: number of items.
        boxes: float64 ``(item, 4)``: west, south, east, north in degrees.
        times: sensing times in milliseconds since 1970 (UTC); the smallest integer if missing.
        footprints: WKB of each item.
        starts: first row of each row group, then the number of rows.
        columns: columns that are read.
        stamp: size and modification time of the file when it was opened.
    """

    path: Path
    count: int
    boxes: Float
    times: npt.NDArray[np.int64]
    footprints: pa.ChunkedArray
    starts: npt.NDArray[np.int64]
    columns: tuple[str, ...]
    stamp: tuple[int, int]

    @classmethod
    def open(cls, path: Path) -> LocalCatalogue:
        """Open a catalogue made by ``landcover index``.

        Raises:
            BadInput: there is no such file, or it is damaged, too large or not a catalogue.
        """
        stamp = _checked_file(path)
        with _reading(path), pq.ParquetFile(path.resolve()) as file:
            _check_size(file.metadata, path)
            columns = readable_columns(file.schema_arrow, path)
            table = file.read(["bbox", "datetime", "geometry"])
            box = table["bbox"].combine_chunks()
            sides = [box.field(side).cast(pa.float64()) for side in SIDES]
            boxes = np.stack([side.to_numpy(zero_copy_only=False) for side in sides], axis=1)
            times = table["datetime"].cast(pa.timestamp("ms", "UTC"), safe=False).cast(pa.int64())
            groups = range(file.metadata.num_row_groups)
            rows = [file.metadata.row_group(group).num_rows for group in groups]
            return cls(
                path=path.resolve(),
                count=table.num_rows,
                boxes=boxes,
                times=times.fill_null(_NO_TIME).to_numpy(),
                footprints=table["geometry"].cast(pa.binary()),
                starts=np.cumsum([0, *rows]),
                columns=columns,
                stamp=stamp,
            )

    def search(
        self,
        geometry: Mapping[str, Any] | Box | Sequence[Box],
        start: datetime,
        end: datetime,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Find the items at a place, newest first.

        The addresses of their assets become absolute paths of existing files. An asset whose
        file does not exist is left out, and its key is listed in the property
        ``landcover:missing``.

        Args:
            geometry: GeoJSON geometry in longitude and latitude, or boxes (west, south, east,
                north); west may be greater than east across the antimeridian.
            start: earliest sensing time (UTC if it has no time zone).
            end: latest sensing time, inclusive.
            limit: maximum number of items.

        Returns:
            STAC items; they always have the property ``landcover:offset``, None if unknown.

        Raises:
            BadInput: the geometry is not valid, the file has changed since it was opened, or an
                item's address is not the path of a raster file.
        """
        if _checked_file(self.path) != self.stamp:
            raise BadInput(f"'{shown(self.path.name)}' has just been changed: search again.")
        place = _place(geometry)
        with _reading(self.path):
            rows = self._rows(place, _milliseconds(start), _milliseconds(end), limit)
            if not rows.size:
                return []
            items = items_of(self._table(rows))
        return [self._resolved(item) for item in items]

    def _rows(self, place: BaseGeometry, start: int, end: int, limit: int) -> npt.NDArray[np.int64]:
        """Indices of the rows at a place, newest first."""
        near = np.zeros(self.count, dtype=np.bool_)
        for part in shapely.get_parts(place):
            near |= _touching(self.boxes, part.bounds)
        near &= (self.times >= start) & (self.times <= end)
        rows = np.flatnonzero(near)
        rows = rows[np.lexsort((rows, -self.times[rows]))]
        shapely.prepare(place)
        kept: list[npt.NDArray[np.int64]] = []
        # Footprints are parsed only until there are enough results.
        for block in np.array_split(rows, range(1000, rows.size, 1000)):
            wkb = self.footprints.take(pa.array(block)).to_numpy(zero_copy_only=False)
            shapes = _shapes(wkb, self.boxes[block])
            with np.errstate(invalid="ignore"):
                kept.append(block[shapely.intersects(place, shapes)])
            if sum(part.size for part in kept) >= limit:
                break
        return np.concatenate(kept)[: max(0, limit)] if kept else rows

    def _table(self, rows: npt.NDArray[np.int64]) -> pa.Table:
        """Read the columns of some rows, in their order, without columns that are all null."""
        groups = np.searchsorted(self.starts, rows, side="right") - 1
        wanted = np.unique(groups)
        sizes = self.starts[wanted + 1] - self.starts[wanted]
        begin = np.concatenate([[0], np.cumsum(sizes)])[np.searchsorted(wanted, groups)]
        with pq.ParquetFile(self.path) as file:
            table = file.read_row_groups([int(group) for group in wanted], list(self.columns))
        return _plain(table.take(pa.array(begin + rows - self.starts[groups])))

    def _resolved(self, item: dict[str, Any]) -> dict[str, Any]:
        name = item.get("id")
        if not isinstance(name, str) or not name:
            raise _damaged(self.path)
        assets, missing = {}, []
        for key, asset in item["assets"].items():
            file = _file(asset.get("href"), self.path, name)
            if _exists(file):
                assets[key] = asset | {"href": file}
            else:
                missing.append(key)
        properties = {"landcover:offset": None, **item["properties"]}
        if missing:
            properties[MISSING] = missing
        plain = {"bbox": list(item["bbox"]), "assets": assets, "properties": properties}
        return item | plain


def _shapes(wkb: Sequence[bytes | None], boxes: Float) -> npt.NDArray[np.object_]:
    """Footprints of items, which need not cost more than real ones do; None for no polygon.

    One with more points than any real outline, or one that crosses itself too often to be
    repaired, is replaced by its box; what is wrong with it is said when the scene is read.
    """
    most = _POINT_BYTES * limits.current().footprint_points + _HEADER_BYTES
    polygons = [shape if shape is not None and _is_polygon(shape) else None for shape in wkb]
    long = np.array([shape is not None and len(shape) > most for shape in polygons], dtype=np.bool_)
    short = [None if cut else shape for shape, cut in zip(polygons, long, strict=True)]
    with np.errstate(invalid="ignore"):  # coordinates that are no numbers
        shapes: npt.NDArray[np.object_] = shapely.from_wkb(short, on_invalid="ignore")
    crossing = ~(shapely.is_valid(shapes) | shapely.is_missing(shapes))
    few = crossing & (shapely.get_num_coordinates(shapes) <= MAX_REPAIRED)
    shapes[few] = shapely.make_valid(shapes[few])
    boxed = long | (crossing & ~few)
    west, south, east, north = boxes[boxed].T
    shapes[boxed] = shapely.box(west, south, np.where(west > east, 180, east), north)
    return shapes


def _is_polygon(wkb: bytes) -> bool:
    """Whether WKB is a polygon or several, by its header: collections can be nested without end."""
    order: Literal["little", "big"] = "little" if wkb[:1] == b"\1" else "big"
    kind = int.from_bytes(wkb[1:5], order) % 1000
    first = int.from_bytes(wkb[10:14], "little" if wkb[9:10] == b"\1" else "big") % 1000
    return kind == _POLYGON or (kind == _MULTIPOLYGON and (len(wkb) <= 9 or first == _POLYGON))


def _plain(table: pa.Table) -> pa.Table:
    """Convert the columns to their known types and validate them.

    So other details of the file's types (time zones, names of list items) do not matter, and texts
    that are not UTF-8 are refused.
    """
    assets = table.schema.field("assets").type
    kinds = [pa.struct([(part.name, KINDS[part.name]) for part in asset.type]) for asset in assets]
    known = {
        **KINDS,
        "assets": pa.struct([(a.name, kind) for a, kind in zip(assets, kinds, strict=True)]),
    }
    schema = pa.schema([(name, known[name]) for name in table.schema.names])
    columns = [column.cast(kind.type) for column, kind in zip(table.columns, schema, strict=True)]
    plain = pa.table(columns, schema=schema)
    plain.validate(full=True)
    return plain


def _file(href: object, index: Path, name: str) -> str:
    """The absolute path for an address in an index.

    Raises:
        BadInput: it is not a relative path of a raster file.
    """
    text = href if isinstance(href, str) else ""
    odd = _SCHEME.match(text) or text.startswith(("/", "\\")) or is_odd(text)
    if odd or Path(text).suffix.lower() not in MEDIA_TYPES or len(text) > MAX_HREF:
        words = "".join(c for c in text[:80] if c.isprintable())
        raise BadInput(
            f"'{shown(index.name)}' gives scene '{shown(name)}' the address '{words}', "
            "which is not a relative path of a raster file: make it again with landcover index."
        )
    return os.path.normpath(index.parent / text)


def _exists(file: str) -> bool:
    try:
        return Path(file).is_file()
    except (OSError, ValueError):  # a name that is too long, or a folder without permission
        return False


def _place(geometry: Mapping[str, Any] | Box | Sequence[Box]) -> BaseGeometry:
    """Convert a geometry to a shape within -180 … 180 degrees.

    Raises:
        BadInput: it is not a geometry on Earth.
    """
    try:
        shapes = [shape_of(dict(geometry))] if isinstance(geometry, Mapping) else _boxes(geometry)
        pieces = [
            translate(shapely.make_valid(one), xoff=turn).intersection(_EARTH)
            for one in shapes
            for turn in (-360, 0, 360)
        ]
    except (shapely.errors.ShapelyError, ValueError, TypeError, LookupError, AttributeError):
        raise _no_place() from None
    place = shapely.union_all([piece for piece in pieces if not piece.is_empty])
    if place.is_empty:
        raise _no_place()
    return place


def _boxes(boxes: Any) -> list[BaseGeometry]:  # noqa: ANN401  (one box or several)
    several = boxes if len(boxes) and not isinstance(boxes[0], int | float) else [boxes]
    shapes = []
    for sides in several:
        # Rounded to a tenth of a millimetre; otherwise a box can be too thin for a shape.
        west, south, east, north = (round(side, 9) for side in sides)
        if not (south <= north and all(map(math.isfinite, (west, south, east, north)))):
            raise ValueError
        corners = [(west, south), (east if west <= east else east + 360, north)]
        shapes.append(shapely.MultiPoint(corners).envelope)
    return shapes


def _no_place() -> BadInput:
    return BadInput(
        "The place to search is not a geometry on Earth: give longitudes and latitudes in degrees."
    )


def _touching(boxes: Float, bounds: tuple[float, float, float, float]) -> npt.NDArray[np.bool_]:
    """Which boxes touch a box that does not cross the antimeridian."""
    west, south, east, north = bounds
    w, s, e, n = boxes.T
    across = w > e
    columns = np.where(across, (w <= east) | (e >= west), (w <= east) & (e >= west))
    rows: npt.NDArray[np.bool_] = columns & (s <= north) & (n >= south)
    return rows


def _milliseconds(time: datetime) -> int:
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def _checked_file(path: Path) -> tuple[int, int]:
    """Size and modification time of a file that may be a catalogue.

    Raises:
        BadInput: there is no such file, or it is too large or not a Parquet file.
    """
    name = shown(path.name)
    try:
        if not path.is_file():
            raise BadInput(
                f"There is no catalogue '{name}': make it with landcover index FOLDER --out FILE."
            )
        facts = path.stat()
        with open_regular(path) as file:
            magic = file.read(len(MAGIC))
    except (OSError, ValueError):
        raise BadInput(f"'{name}' cannot be read: check its permissions.") from None
    if magic != MAGIC:
        raise BadInput(
            f"'{name}' is not a catalogue: make one with landcover index FOLDER --out FILE."
        )
    if facts.st_size > MAX_FILE_BYTES:
        raise BadInput(
            f"'{name}' is larger than {MAX_FILE_BYTES / 1e9:g} GB: index fewer scenes at a time."
        )
    return facts.st_size, facts.st_mtime_ns


def _check_size(meta: pq.FileMetaData, path: Path) -> None:
    groups = [meta.row_group(i).total_byte_size for i in range(meta.num_row_groups)]
    fits = meta.num_rows <= MAX_ROWS and meta.num_columns <= MAX_COLUMNS
    if not fits or sum(groups) > MAX_DECODED or max(groups, default=0) > MAX_GROUP:
        raise BadInput(
            f"'{shown(path.name)}' states {meta.num_rows:,} scenes in {meta.num_columns:,} columns "
            f"of {sum(groups) / 1e9:.1f} GB, more than can be read: index fewer scenes at a time."
        )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE:
        raise _damaged(path) from None


def _damaged(path: Path) -> BadInput:
    return BadInput(f"'{shown(path.name)}' is damaged: make it again with landcover index.")


_NO_TIME: Final = np.iinfo(np.int64).min
_EARTH: Final = shapely.box(-180, -90, 180, 90)
