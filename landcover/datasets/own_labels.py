"""The tables of a data set of one's own: labels of patches, and the list of classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from landcover.core.classes import BY_NAME
from landcover.core.errors import BadInput, LandcoverError, UnknownName
from landcover.core.own_classes import ClassLook, check_names, colours, made_up
from landcover.core.text import plain
from landcover.datasets.labelled import SPLITS
from landcover.io.guard import shown
from landcover.io.tables import SUFFIXES, Table, read_table

__all__ = [
    "CLASSES",
    "FILE_COLUMNS",
    "LABELS",
    "ClassList",
    "Labelled",
    "labels_of",
    "read_classes",
]

LABELS: Final = "labels"
"""Name without suffix of the table of labels; any name will do if there is only one table."""
CLASSES: Final = "classes.csv"
FILE_COLUMNS: Final = ("file", "patch", "path", "filename", "image", "patch_id", "name")
_LABEL_COLUMNS: Final = ("labels", "label", "classes", "class")
_SPLIT_COLUMNS: Final = ("split", "subset")
_PLACE_COLUMNS: Final = ("country", "place", "region", "site")
_NO_CLASS: Final = frozenset(
    (
        *("fid", "id", "ogc_fid", "objectid", "index", "row", "col", "x", "y", "area"),
        *("lat", "lon", "lng", "latitude", "longitude"),
    )
)
"""Columns of numbers that are never taken for classes."""
_SPLITS: Final = {
    **{name: name for name in SPLITS},
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "testing": "test",
}
_YES: Final = frozenset({"1", "1.0", "true", "yes"})
_NO: Final = frozenset({"0", "0.0", "false", "no"})
_MOSTLY: Final = 0.9
"""Share of cells with 0 or 1 from which a column is taken for that of a class."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What the table says of one patch; ``split`` is empty if the table has none."""

    file: str
    labels: frozenset[str]
    split: str
    country: str


@dataclass(frozen=True, kw_only=True)
class ClassList:
    """Names of classes in order, and the looks of those that are in no class set.

    ``made`` is when the table that states them was last changed, in ISO 8601.
    """

    names: tuple[str, ...]
    looks: dict[str, ClassLook]
    made: str = ""


def read_classes(path: Path) -> ClassList:
    """Read a list of classes: columns name, and optionally short, colour and description.

    Raises:
        BadInput: it cannot be read, or a name, short name, colour or description cannot be used.
    """
    table = read_table(path)
    lower = [name.lower() for name in table.columns]
    column = {name: lower.index(name) for name in lower}
    key = next((name for name in ("name", "class") if name in column), None)
    if key is None:
        raise BadInput(f"{shown(table.name)} has no column 'name': give one with the classes.")
    names = tuple(row[column[key]] for row in table.rows)
    check_names(names)
    looks = {}
    for number, (row, name, usual) in enumerate(
        zip(table.rows, names, colours(len(names)), strict=True)
    ):
        given = {
            "short": _cell(row, column, "short") or made_up(name).short,
            "colour": _cell(row, column, "colour") or _cell(row, column, "color") or usual,
            "description": _cell(row, column, "description"),
        }
        if name not in BY_NAME:
            looks[name] = _look(given, f"{table.line(number)} of {shown(table.name)}")
    return ClassList(names=names, looks=looks, made=_changed(path))


def labels_of(root: Path) -> tuple[list[Labelled], ClassList]:
    """Read the labels of the patches in a folder, and their classes.

    Raises:
        BadInput: there is no table or there are several, or it cannot be used.
        UnknownName: a label is none of the list of classes.
    """
    path = _table_in(root)
    table = read_table(path, FILE_COLUMNS)
    listed = read_classes(root / CLASSES) if (root / CLASSES).is_file() else None
    column = _columns(table)
    if column["labels"] is not None:
        labels = list(_written(table, column["labels"]))
    else:
        labels = list(_marked(table, column, listed))
    found = sorted({name for names in labels for name in names}, key=lambda n: (n.casefold(), n))
    classes = listed or _found_classes(found, _changed(path))
    for number, names in enumerate(labels):
        for name in names - set(classes.names):
            raise UnknownName(f"class ({table.line(number)})", name, classes.names)
    return _joined(table, column, labels), classes


def _changed(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()


def _found_classes(names: Sequence[str], made: str) -> ClassList:
    check_names(names)
    looks = {
        name: ClassLook(short=made_up(name).short, colour=colour)
        for name, colour in zip(names, colours(len(names)), strict=True)
        if name not in BY_NAME
    }
    return ClassList(names=tuple(names), looks=looks, made=made)


def _table_in(root: Path) -> Path:
    for suffix in SUFFIXES:
        if (root / f"{LABELS}{suffix}").is_file():
            return root / f"{LABELS}{suffix}"
    found = sorted(
        path
        for path in root.iterdir()
        if path.suffix.lower() in SUFFIXES and path.name != CLASSES and path.is_file()
    )
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInput(
            f"'{shown(root.name)}' has {len(found)} tables, such as {shown(found[0].name)}: name "
            f"the one with the labels {LABELS}{SUFFIXES[0]}."
        )
    raise BadInput(
        f"'{shown(root.name)}' has no table of labels: put a {LABELS}.csv or {LABELS}.gpkg with "
        "the columns file and labels beside the files."
    )


def _columns(table: Table) -> dict[str, int | None]:
    """Where the table has file, labels, split and place."""
    lower = [name.lower() for name in table.columns]

    def first(names: Sequence[str]) -> int | None:
        return next((lower.index(name) for name in names if name in lower), None)

    found = {
        "file": first(FILE_COLUMNS),
        "labels": first(_LABEL_COLUMNS),
        "split": first(_SPLIT_COLUMNS),
        "place": first(_PLACE_COLUMNS),
    }
    if found["file"] is None:
        raise BadInput(
            f"{shown(table.name)} has no column 'file': give one that names the file of each patch."
        )
    return found


def _written(table: Table, column: int) -> Iterator[frozenset[str]]:
    """Labels that are written in one cell, separated by semicolons or bars."""
    for row in table.rows:
        parts = row[column].replace("|", ";").split(";")
        yield frozenset(part.strip() for part in parts if part.strip())


def _marked(
    table: Table, column: dict[str, int | None], listed: ClassList | None
) -> Iterator[frozenset[str]]:
    """Labels that are 1 in a column a class."""
    marked = _class_columns(table, column, listed)
    if not marked:
        raise BadInput(
            f"{shown(table.name)} has no labels: give a column 'labels' with names separated by "
            "semicolons, or a column of 0 and 1 for each class."
        )
    for number, row in enumerate(table.rows):
        for name, at in marked.items():
            if row[at].lower() not in _YES | _NO:
                raise BadInput(
                    f"{table.line(number).capitalize()} of {shown(table.name)} has "
                    f"'{plain(row[at])[:40]}' in the column '{plain(name)[:60]}': give 0 or 1."
                )
        yield frozenset(name for name, at in marked.items() if row[at].lower() in _YES)


def _class_columns(
    table: Table, column: dict[str, int | None], listed: ClassList | None
) -> dict[str, int]:
    """Class → its column: those of the list of classes, or all columns of 0 and 1."""
    if listed is not None:
        return {name: table.columns.index(name) for name in listed.names if name in table.columns}
    found = {}
    for at, name in enumerate(table.columns):
        if at in column.values() or name.lower() in _NO_CLASS or not name:
            continue
        fits = sum(row[at].lower() in _YES | _NO for row in table.rows)
        if fits >= _MOSTLY * len(table.rows):
            found[name] = at
    return found


def _joined(
    table: Table, column: dict[str, int | None], labels: Sequence[frozenset[str]]
) -> list[Labelled]:
    """One entry a patch; a patch with several rows has the labels of all of them."""
    found: dict[str, Labelled] = {}
    for number, (row, names) in enumerate(zip(table.rows, labels, strict=True)):
        where = f"{table.line(number)} of {shown(table.name)}"
        file = row[column["file"] or 0]
        if not file:
            raise BadInput(f"{where.capitalize()} names no file: give each patch's.")
        entry = Labelled(
            file=file,
            labels=names,
            split=_split(row[column["split"]], where) if column["split"] is not None else "",
            country=plain(row[column["place"]])[:60] if column["place"] is not None else "",
        )
        before = found.get(file)
        if before is not None and before.split != entry.split:
            raise BadInput(
                f"{where.capitalize()} puts {shown(file)} into another split than a line above: "
                "put each patch into one."
            )
        if before is not None:
            entry = Labelled(
                file=file,
                labels=before.labels | names,
                split=entry.split,
                country=entry.country or before.country,
            )
        found[file] = entry
    return list(found.values())


def _split(text: str, where: str) -> str:
    if text.lower() not in _SPLITS:
        raise BadInput(
            f"{where.capitalize()} has the split '{plain(text)[:40]}': give train, validation or "
            "test, or leave the column out to split by place."
        )
    return _SPLITS[text.lower()]


def _cell(row: Sequence[str], column: dict[str, int], name: str) -> str:
    return row[column[name]] if name in column else ""


def _look(given: dict[str, str], where: str) -> ClassLook:
    try:
        return ClassLook(**given)
    except ValueError as error:
        if isinstance(error, LandcoverError):
            raise
        raise BadInput(
            f"{where.capitalize()} has a short name of more than 30 characters or with signs, a "
            "colour that is not like #1f77b4, or a description of more than 500 characters or "
            "several lines: correct it."
        ) from None
