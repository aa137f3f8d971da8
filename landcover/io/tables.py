"""Tables of texts from outside: CSV in any usual form, and the attributes of a GeoPackage."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.io.guard import read_file
from landcover.io.messages import FILE, named
from landcover.io.outlines.geopackage import MAGIC, opened, quoted

__all__ = ["SUFFIXES", "Table", "read_table"]

SUFFIXES: Final = (".csv", ".gpkg")
_MARKS: Final = ("\t", ",", ";")
"""What separates columns: the first of these that the header has."""
_MOST_COLUMNS: Final = 2_000
_LONGEST: Final = 20_000
"""Most characters of a cell."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of texts.

    Attributes:
        name: of the file, for messages.
        columns: names of the columns, without blanks at their ends.
        rows: cells of each row, without blanks at their ends, as many as columns.
        first: number of the first row in messages; the header of a CSV file is line 1.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    first: int = 2

    def line(self, row: int) -> str:
        """A row in a message."""
        return f"line {row + self.first}" if self.first == 2 else f"row {row + self.first}"


def read_table(path: Path, wanted: Collection[str] = ()) -> Table:
    """Read a CSV file, or one layer or table of attributes of a GeoPackage.

    Args:
        path: of the file, which is recognised by its content.
        wanted: names of columns in lower case; of several tables in a GeoPackage, the first one
            with one of these is read.

    Raises:
        BadInput: it is neither, is damaged or too large, or has no rows.
    """
    with named(path.name):
        data = read_file(path, limits.current().table_bytes)
        found = _geopackage(path, wanted) if data.startswith(MAGIC) else _csv(path.name, data)
        if not found.rows:
            raise BadInput(f"{FILE} has no rows: give a table with one row a patch.")
        return found


def _csv(name: str, data: bytes) -> Table:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{FILE} is not a text in UTF-8: save it as CSV (UTF-8).") from None
    head = text.partition("\n")[0]
    mark = next((mark for mark in _MARKS if mark in head), ",")
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
        columns = tuple(cell.strip() for cell in next(lines, []))
        _check_columns(columns)
        rows = tuple(_bounded(_cells(lines, len(columns))))
    except csv.Error:
        raise BadInput(f"{FILE} is damaged or no CSV: save it again.") from None
    return Table(name=name, columns=columns, rows=rows)


def _cells(lines: Iterator[list[str]], width: int) -> Iterator[tuple[str, ...]]:
    for number, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != width:
            raise BadInput(
                f"Line {number} of {FILE} has {len(cells)} cells and the first one {width}: put "
                "texts that contain the separator into quotes."
            )
        yield tuple(cell.strip() for cell in cells)


def _geopackage(path: Path, wanted: Collection[str]) -> Table:
    with opened(path) as base:
        tables = [
            row[0]
            for row in base.execute(
                "SELECT table_name FROM gpkg_contents JOIN sqlite_master ON table_name = name "
                "WHERE data_type IN ('features', 'attributes') AND type = 'table' LIMIT 1000"
            )
        ]
        every = {table: _texts(base, table) for table in tables if isinstance(table, str)}
        names = [t for t, columns in every.items() if {c.lower() for c in columns} & set(wanted)]
        table = next(iter(names or every), None)
        if table is None:
            raise BadInput(f"{FILE} has no layer or table: export it again.")
        columns = every[table]
        _check_columns(columns)
        query = f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(table)}"  # noqa: S608 - quoted
        cells = (tuple(map(_text, row)) for row in base.execute(query))
        return Table(name=path.name, columns=columns, rows=tuple(_bounded(cells)), first=1)


def _texts(base: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """Names of the columns of a table that are no geometries."""
    shapes: set[str] = set()
    # A GeoPackage with tables of attributes alone need not have this table.
    if base.execute("SELECT 1 FROM sqlite_master WHERE name = 'gpkg_geometry_columns'").fetchone():
        query = "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?"
        shapes = {row[0] for row in base.execute(query, (table,))}
    info = base.execute(f"PRAGMA table_info({quoted(table)})")
    return tuple(row[1] for row in info if row[1] not in shapes and "BLOB" not in row[2].upper())


def _text(value: Any) -> str:  # noqa: ANN401 - untrusted
    if value is None or isinstance(value, bytes):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _check_columns(columns: tuple[str, ...]) -> None:
    if len(columns) > _MOST_COLUMNS:
        raise BadInput(f"{FILE} has more than {_MOST_COLUMNS:,} columns: leave out some.")
    lower = [name.lower() for name in columns if name]
    if len(set(lower)) < len(lower):
        raise BadInput(f"{FILE} has two columns of the same name: rename one.")


def _bounded(rows: Iterator[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    most = limits.current().table_rows
    for number, row in enumerate(islice(rows, most + 1)):
        if number == most:
            raise BadInput(f"{FILE} has more than {most:,} rows: split the data set.")
        if any(len(cell) > _LONGEST for cell in row):
            raise BadInput(f"{FILE} has a cell of more than {_LONGEST:,} characters: shorten it.")
        yield row
