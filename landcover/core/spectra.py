"""What the classes reflect in each band, as measured on labelled patches and packaged as a table.

A patch of 1200 m holds several classes, so a spectrum of the patches *with* a class is that of the
class and its neighbours. Where patches have the class *alone*, their spectrum is given too. The
spectrum of all patches together is the one to compare with.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from landcover.core import files
from landcover.core.bands import BAND_NAMES

__all__ = [
    "ALL_PATCHES",
    "ALONE",
    "TABLE",
    "WITH",
    "Spectrum",
    "all_of",
    "load",
    "of_class",
    "write",
]

TABLE: Final = Path(__file__).with_name("spectra.csv")
"""Spectra of BigEarthNet's labelled training and validation patches; ``tools/class_spectra.py``
made it."""
ALL_PATCHES: Final = ""
"""In place of the name of a class: all patches together."""
WITH: Final = "with"
"""Patches that have the class, whatever else they have."""
ALONE: Final = "alone"
"""Patches that have the class and no other."""
_COLUMNS: Final = ("class", "group", "patches", "classes", "band", "mean", "p10", "p90")


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """What a group of patches reflects in each of the twelve bands.

    Attributes:
        name: the class, or :data:`ALL_PATCHES`.
        group: which patches of the class, :data:`WITH` or :data:`ALONE`.
        patches: number of patches.
        classes: mean number of classes in these patches.
        mean: mean reflectance of their pixels, in the order of ``BAND_NAMES``.
        p10: reflectance below which 10 % of their pixels lie.
        p90: reflectance below which 90 % of their pixels lie.
    """

    name: str
    group: str
    patches: int
    classes: float
    mean: tuple[float, ...]
    p10: tuple[float, ...]
    p90: tuple[float, ...]


@cache
def load(path: Path = TABLE) -> tuple[Spectrum, ...]:
    """Read the packaged spectra: of all patches first, then of the classes in their order."""
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows.setdefault((row["class"], row["group"]), []).append(row)
    return tuple(
        Spectrum(
            name=name,
            group=group,
            patches=int(found[0]["patches"]),
            classes=float(found[0]["classes"]),
            **{key: tuple(float(row[key]) for row in found) for key in ("mean", "p10", "p90")},
        )
        for (name, group), found in rows.items()
    )


def of_class(name: str, group: str = WITH) -> Spectrum | None:
    """Return the packaged spectrum of a class; None if no such patch was measured."""
    return next((one for one in all_of(name) if one.group == group), None)


def all_of(name: str) -> tuple[Spectrum, ...]:
    """Return the packaged spectra of a class: of all its patches, then of those with it alone."""
    return tuple(one for one in load() if one.name == name)


def write(path: Path, spectra: Iterable[Spectrum]) -> None:
    """Write spectra as a table with a row for each band.

    Raises:
        BadInput: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in spectra:
        head = (one.name, one.group, one.patches, f"{one.classes:.2f}")
        for band, *values in zip(BAND_NAMES, one.mean, one.p10, one.p90, strict=True):
            writer.writerow([*head, band, *(f"{value:.4f}" for value in values)])
    files.write_text(path, text.getvalue())
