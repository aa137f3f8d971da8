"""Figures of an overview: how many labels patches have, which classes occur together, and where."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from landcover.core.bands import PATCH_M
from landcover.core.json_numbers import none_if_nan
from landcover.core.projection import project
from landcover.core.window import WGS84
from landcover.datasets.overview.counts import UNKNOWN, Counts, Integers
from landcover.datasets.split_distance import BLOCK, tile_corner
from landcover.metrics.scores import Doubles

__all__ = [
    "RARE",
    "Together",
    "as_dict",
    "centres",
    "combinations",
    "labels_per_patch",
    "together",
]

RARE: Final = 5
"""A lift whose expected number of patches is below this says little: one patch changes it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Together:
    """How often classes occur together; all arrays are ``(class, class)``.

    Attributes:
        both: number of patches with the row's and the column's class; the diagonal is the number
            with the class.
        conditional: of the patches with the row's class, the share that have the column's class;
            NaN if there is none.
        expected: number of patches with both if the classes were independent.
        lift: ``both / expected``: above 1, they occur together more often than by chance; NaN if
            a class does not occur.
    """

    both: Integers
    conditional: Doubles
    expected: Doubles
    lift: Doubles


def together(counts: Counts) -> Together:
    """Compute how often classes occur together."""
    marks = counts.combinations.astype(np.int64)
    both: Integers = (marks * counts.of_combinations()[:, None]).T @ marks
    support = np.diagonal(both).astype(np.float64)
    expected: Doubles = support[:, None] * support[None] / max(counts.n, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        conditional: Doubles = np.where(support[:, None] > 0, both / support[:, None], np.nan)
        lift: Doubles = np.where(expected > 0, both / expected, np.nan)
    return Together(both=both, conditional=conditional, expected=expected, lift=lift)


def labels_per_patch(counts: Counts) -> dict[int, int]:
    """Return the number of patches with each number of labels, from the fewest labels on."""
    found = np.bincount(counts.combinations.sum(axis=1), counts.of_combinations())
    return {labels: int(n) for labels, n in enumerate(found) if n}


def combinations(counts: Counts, most: int | None = None) -> list[tuple[tuple[str, ...], int]]:
    """Return label combinations with their number of patches, the most frequent first.

    Args:
        counts: the patches.
        most: maximum number of combinations.
    """
    found = counts.of_combinations()
    # Equal numbers keep the order of the classes, so that the result is always the same.
    order = [k for k in np.argsort(-found, kind="stable").tolist() if found[k]]
    names = np.array(counts.classes, dtype=object)
    return [(tuple(names[counts.combinations[k]]), int(found[k])) for k in order[:most]]


def centres(places: list[str]) -> Doubles:
    """Return latitude and longitude of tiles or blocks ``(place, 2)``, NaN if unknown.

    Args:
        places: tiles such as ``33UUP``, or blocks such as ``33UUP_2_5``.
    """
    found = np.full((len(places), 2), np.nan)
    zones: dict[int, list[tuple[int, float, float]]] = defaultdict(list)
    for number, place in enumerate(places):
        tile, _, cell = place.partition("_")
        corner = tile_corner(tile) if tile else None
        if corner is not None:
            # A tile has nine blocks and a tenth of one along its side.
            column, row = (
                (float(part) + 0.5 for part in cell.split("_")) if cell else (4.575, 4.575)
            )
            side = PATCH_M * BLOCK
            zones[corner[0]].append((number, corner[1] + side * column, corner[2] - side * row))
    for epsg, rows in zones.items():
        numbers, east, north = zip(*rows, strict=True)
        longitude, latitude = project(f"EPSG:{epsg}", WGS84, east, north)
        found[list(numbers)] = np.column_stack([latitude, longitude])
    return found


def as_dict(counts: Counts, most_combinations: int = 100) -> dict[str, Any]:
    """Return all figures, JSON-ready.

    Args:
        counts: the patches.
        most_combinations: number of label combinations to list, the most frequent first.
    """
    pairs, per_patch = together(counts), labels_per_patch(counts)
    tiles = counts.totals("tile")
    found = zip(tiles.items(), centres(list(tiles)).tolist(), strict=True)
    return {
        "title": counts.title,
        "n": counts.n,
        "splits": counts.totals("split"),
        "countries": {
            name: {"n": n, "splits": counts.where("country", name).totals("split")}
            for name, n in counts.totals("country").items()
        },
        "classes": _classes(counts),
        "labels_per_patch": {str(labels): n for labels, n in per_patch.items()},
        "mean_labels": sum(k * n for k, n in per_patch.items()) / max(counts.n, 1),
        "co_occurrence": {
            "classes": list(counts.classes),
            "both": pairs.both.tolist(),
            "conditional": _json(pairs.conditional),
            "lift": _json(pairs.lift),
        },
        "days": counts.totals("day"),
        "months": counts.totals("month"),
        "seasons": counts.totals("season"),
        "tiles": {
            tile: {"n": n, "latitude": none_if_nan(centre[0]), "longitude": none_if_nan(centre[1])}
            for (tile, n), centre in found
        },
        "blocks": len(set(counts.totals("place")) - {UNKNOWN}),
        "combinations": int(np.count_nonzero(counts.of_combinations())),
        "most_frequent_combinations": [
            {"labels": list(labels), "n": n}
            for labels, n in combinations(counts, most_combinations)
        ],
    }


def _classes(counts: Counts) -> dict[str, Any]:
    tables = {axis: counts.by_class(axis) for axis in ("split", "country", "month", "season")}
    support = np.diagonal(together(counts).both)
    return {
        name: {
            "n": int(support[k]),
            "share": float(support[k] / max(counts.n, 1)),
            **{
                title: {value: int(row[k]) for value, row in tables[axis].items() if row[k]}
                for axis, title in _TITLES.items()
            },
        }
        for k, name in enumerate(counts.classes)
    }


_TITLES: Final = {
    "split": "splits",
    "country": "countries",
    "month": "months",
    "season": "seasons",
}


def _json(values: Doubles) -> list[list[float | None]]:
    return [[none_if_nan(value) for value in row] for row in values.tolist()]
