"""Outlines in a GeoPackage, which is a SQLite database, without GDAL.

Only tables are read, never views, and with SQLite's own limits: a database from outside can hold
views that compute for ever, and triggers. GDAL would open what it refers to.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import shapely

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.projection import crs_of, text_of
from landcover.core.window import WGS84
from landcover.io.messages import FILE
from landcover.io.outlines.drawn import Drawn, curved

__all__ = ["MAGIC", "opened", "quoted", "read_geopackage"]

MAGIC: Final = b"SQLite format 3\0"
_ENVELOPES: Final = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
"""Kind of envelope in the header of a geometry → its bytes."""
_MOST_VALUE: Final = 50_000_000
"""Bytes of a value of the database, or of a command."""
_STEPS: Final = 100_000
"""Instructions of SQLite between two looks at the clock."""


def read_geopackage(path: Path) -> Drawn:
    """Read the polygons of all layers.

    Raises:
        BadInput: it is damaged, has no layer, or layers in several or unknown CRSs.
    """
    with opened(path) as base:
        return _layers(base)


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a GeoPackage to read from it, with limits on what its content can cause.

    Raises:
        BadInput: it is damaged, also while it is read, or reading takes too long.
    """
    end = time.monotonic() + limits.current().read_seconds_most
    try:
        # Immutable: no journal next to the file is applied, and no lock is made.
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as base:
            base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_VALUE)
            base.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            base.execute("PRAGMA trusted_schema = OFF")
            base.execute("PRAGMA query_only = ON")
            base.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
            yield base
    except (sqlite3.Error, ValueError, OverflowError, UnicodeError):
        raise BadInput(f"{FILE} is damaged or no GeoPackage: export it again.") from None


def _layers(base: sqlite3.Connection) -> Drawn:
    tables = {row[0] for row in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"gpkg_geometry_columns", "gpkg_spatial_ref_sys"} <= tables:
        raise BadInput(f"{FILE} has no layer of outlines: give a GeoPackage with polygons.")
    rows = base.execute(
        "SELECT table_name, column_name, srs_id FROM gpkg_geometry_columns LIMIT 1000"
    ).fetchall()
    found: Drawn | None = None
    for table, column, srs in rows:
        if table not in tables or not isinstance(column, str):
            continue
        layer = Drawn(name=str(table))
        _read(base, layer, str(table), column)
        if not layer.polygons:
            if found is None:
                found = layer
            continue
        layer.crs = _crs(base, srs)
        if found is not None and found.polygons:
            if found.crs != layer.crs:
                raise BadInput(
                    f"{FILE} has layers in several coordinate reference systems, such as "
                    f"{found.crs[:40]} and {layer.crs[:40]}: export one of them."
                )
            for polygon in layer.polygons:
                found.add_shape(polygon)
        else:
            layer.others += 0 if found is None else found.others
            found = layer
    if found is None:
        raise BadInput(f"{FILE} has no layer of outlines: give a GeoPackage with polygons.")
    return found


def _read(base: sqlite3.Connection, found: Drawn, table: str, column: str) -> None:
    columns = {row[1] for row in base.execute(f"PRAGMA table_info({quoted(table)})")}
    if column not in columns:
        raise ValueError(column)
    query = f"SELECT {quoted(column)} FROM {quoted(table)}"  # noqa: S608 - both are quoted
    for (value,) in base.execute(query):
        if isinstance(value, bytes):
            found.add_shape(_geometry(value))
    if len(found.polygons) == 1 and "name" in columns:
        query = f"SELECT name FROM {quoted(table)} LIMIT 1"  # noqa: S608 - as above
        (name,) = base.execute(query).fetchone()
        found.name = name if isinstance(name, str) and name.strip() else found.name


def _geometry(value: bytes) -> shapely.geometry.base.BaseGeometry | None:
    """The geometry after a GeoPackage header; None if it is empty.

    Raises:
        ValueError: it is none.
    """
    if value[:2] != b"GP" or len(value) < 8:
        raise ValueError(value[:2])
    flags = value[3]
    if flags & 0b10000:  # declared empty
        return None
    start = 8 + _ENVELOPES[flags >> 1 & 0b111] if flags >> 1 & 0b111 in _ENVELOPES else len(value)
    if len(value) - start > 16 * limits.current().area_points * 2:
        raise BadInput(f"{FILE} holds an outline of too many points: simplify it to some 10 m.")
    try:
        return shapely.from_wkb(value[start:])
    except NotImplementedError:
        raise curved() from None
    except shapely.errors.GEOSException:
        raise ValueError(start) from None


def _crs(base: sqlite3.Connection, srs: Any) -> str:  # noqa: ANN401 - untrusted
    if srs in (-1, 0) or not isinstance(srs, int):
        raise BadInput(
            f"{FILE} does not say in which coordinate reference system its coordinates are (srs_id "
            f"{str(srs)[:10]}): set the layer's CRS and export it again."
        )
    row = base.execute(
        "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys "
        "WHERE srs_id = ?",
        (srs,),
    ).fetchone()
    organization, code, definition = row or ("", None, "")
    if str(organization).upper() == "EPSG" and isinstance(code, int):
        return WGS84 if code == 4326 else text_of(crs_of(f"EPSG:{code}"))
    if isinstance(definition, str) and definition.strip().lower() not in ("", "undefined"):
        return text_of(crs_of(definition))
    raise BadInput(
        f"{FILE} does not say in which coordinate reference system its coordinates are (srs_id "
        f"{srs}): set the layer's CRS and export it again."
    )


def quoted(name: str) -> str:
    """A name of a table or column in a command."""
    return '"' + name.replace('"', '""') + '"'
