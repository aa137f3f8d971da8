"""Probabilities for patches of a data set that the user has from models of their own.

Two forms are read:

- the folder of a recipe that ``landcover evaluate --by`` has written
  (:mod:`landcover.train.recipes.out_of_fold`);
- a CSV file or GeoPackage with a column ``patch``, which has the names of the patches, and a column
  of probabilities for each class, under its full or short name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from landcover.core.classes import cover_of
from landcover.core.errors import BadInput
from landcover.core.patch_place import without_place
from landcover.core.raster import FloatArray
from landcover.core.text import listed, plain
from landcover.datasets.labelled import Record
from landcover.datasets.own_labels import FILE_COLUMNS
from landcover.io.guard import shown
from landcover.io.tables import Table, read_table
from landcover.train.recipes import out_of_fold

__all__ = ["read"]

_NAMED: Final = 3
"""Missing classes that are named in a message."""


def read(
    path: Path, records: Sequence[Record], classes: Sequence[str]
) -> tuple[tuple[Record, ...], FloatArray]:
    """Return the patches of which there are predictions, and their probabilities.

    Args:
        path: the folder or file.
        records: patches, of which some may lack predictions.
        classes: of the patches, in the order of the probabilities' columns.

    Returns:
        the patches, and float32 ``(patch, class)``, 0 to 1.

    Raises:
        BadInput: it cannot be read, lacks a class, has a value that is no probability, or has none
            of these patches.
    """
    if path.is_dir():
        known = _of_recipe(path, classes)
    else:
        known = _of_table(read_table(path, FILE_COLUMNS), classes)
    found = {one: key for one in records if (key := _key(one, known)) is not None}
    if not found:
        raise BadInput(
            f"'{plain(path.name)}' has predictions of {len(known):,} patches, and none of them is "
            f"of this data set, such as {shown(records[0].patch_id)}: give those of its patches."
        )
    return tuple(found), np.stack([known[key] for key in found.values()])


def _key(record: Record, known: dict[str, FloatArray]) -> str | None:
    """The name under which a patch has predictions, with or without the place that we append."""
    names = (record.patch_id, without_place(record.patch_id))
    return next((name for name in names if name in known), None)


def _of_recipe(folder: Path, classes: Sequence[str]) -> dict[str, FloatArray]:
    made = out_of_fold.read(folder)
    if made.logits.shape[1] != len(classes):
        raise BadInput(
            f"'{plain(folder.name)}' has predictions of {made.logits.shape[1]} classes, and this "
            f"data set has {len(classes)}: give predictions of its classes."
        )
    ids = [name for fold in made.folds for name in fold]
    return dict(zip(ids, made.probability(ids), strict=True))


def _of_table(table: Table, classes: Sequence[str]) -> dict[str, FloatArray]:
    lower = [name.lower() for name in table.columns]
    key = next((lower.index(name) for name in FILE_COLUMNS if name in lower), None)
    if key is None:
        raise BadInput(
            f"{shown(table.name)} has no column 'patch': give one with the names of the patches."
        )
    columns = _columns(table, lower, classes)
    found: dict[str, FloatArray] = {}
    for number, row in enumerate(table.rows):
        if row[key] in found:
            raise BadInput(
                f"{table.line(number).capitalize()} of {shown(table.name)} has the patch "
                f"{shown(row[key])} again: give each patch once."
            )
        cells = [row[column] for column in columns]
        values = np.array([_number(cell) for cell in cells], dtype=np.float32)
        bad = ~((values >= 0) & (values <= 1))
        if bad.any():
            first = int(bad.argmax())
            raise BadInput(
                f"{table.line(number).capitalize()} of {shown(table.name)} has "
                f"'{plain(cells[first])[:40]}' for '{plain(classes[first])[:60]}': give "
                "probabilities from 0 to 1."
            )
        found[row[key]] = values
    return found


def _columns(table: Table, lower: Sequence[str], classes: Sequence[str]) -> list[int]:
    """The column of each class."""
    found, missing = [], []
    for name in classes:
        names = (name.lower(), cover_of(name).short.lower())
        at = next((lower.index(one) for one in names if one in lower), None)
        if at is None:
            missing.append(f"'{plain(name)[:60]}'")
        else:
            found.append(at)
    if missing:
        more = len(missing) - _NAMED
        named = [*missing[:_NAMED], *([f"{more} more"] if more > 0 else [])]
        raise BadInput(
            f"{shown(table.name)} has no column for {listed(named)}: give one with probabilities "
            "for each class."
        )
    return found


def _number(text: str) -> float:
    """The value of a cell; NaN if it is no number."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
