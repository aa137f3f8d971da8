"""Distances between splits: patches that show the same ground, touch, or are close.

Neighbouring patches are similar, so a model that was trained on one scores well on the other
without generalising. The names of BigEarthNet v2's patches contain their place: Sentinel-2
tile, column and row. Tiles are squares of the Military Grid Reference System, whose corners
have known coordinates in a UTM zone. Distances are therefore exact within a UTM zone, also
across tiles, which overlap by 10 km. Between neighbouring zones the centres of patches are
projected to the other zone, which is accurate to a few metres. There it is not computed whether
two rotated squares touch at a corner: centres nearer than a patch's diagonal count as touching.
Names of another form (version 1) contain no place. Names of patches of one's own data contain it in
a form of their own (:mod:`landcover.core.patch_place`).

**What is refused.** A split with a patch that shows the same ground as a training patch, on any
date, is not a valid test and is refused. So is a test split with a patch that touches the
training split: in the official split of 480,038 patches, every test patch is at least 12 km
from every training patch, so such a split is not the official one. Official validation patches
do touch both train and test, and a model may be trained on train and validation together. This
is allowed, but reported, and metrics are also computed for the patches that do not touch the
training data. ``strict`` refuses it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from landcover.core.bands import PATCH_M
from landcover.core.errors import BadInput
from landcover.core.patch_place import block_of, corner_in
from landcover.core.projection import project
from landcover.core.raster import BoolArray
from landcover.datasets.bigearthnet import place_of
from landcover.datasets.labelled import ALL, Dataset
from landcover.metrics.scores import Doubles

__all__ = [
    "APART",
    "BLOCK",
    "DIAGONAL_M",
    "Proximity",
    "blocks",
    "corner_of",
    "distance_to_training",
    "proximity",
    "refuse_leaking_splits",
    "refuse_leaks",
    "split_distances",
    "tile_block",
    "tile_corner",
]

BLOCK: Final = 10
"""Patches along a block's side: 12 km."""
DIAGONAL_M: Final = PATCH_M * math.sqrt(2)
"""Two squares whose centres are farther apart cannot touch at any rotation."""
APART: Final = frozenset({"train", "test"})
"""The two splits that do not touch in the official split."""

# Sentinel-2 tiles: one corner of a square of 100 km, snapped outwards to pixels of 60 m.
_SQUARE_M: Final = 100_000
_SNAP_M: Final = 60
_COLUMNS: Final = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")
"""Letters of a square's column from easting 100 km on, by zone modulo 3."""
_ROWS: Final = "ABCDEFGHJKLMNPQRSTUV"
"""Letters of a square's row, repeated every 2000 km; in even zones they begin with F."""
_CYCLE_M: Final = len(_ROWS) * _SQUARE_M
_LOWEST_M: Final = dict(
    zip(
        "CDEFGHJKLMNPQRSTUVWX",
        [
            *(1_100_000, 2_000_000, 2_800_000, 3_700_000, 4_600_000),
            *(5_500_000, 6_400_000, 7_300_000, 8_200_000, 9_100_000),
            *(0, 800_000, 1_700_000, 2_600_000, 3_500_000),
            *(4_400_000, 5_300_000, 6_200_000, 7_000_000, 7_900_000),
        ],
        strict=True,
    )
)
"""Northing at or below the southern edge of each band of latitude (NGA's GEOTRANS)."""


@dataclass(frozen=True, kw_only=True)
class Proximity:
    """The distance of each patch to the nearest of other patches, ``(patch,)``.

    Attributes:
        distance_m: between the centres: the larger of the distances east and north within a
            UTM zone, the straight distance between zones. Infinite if the others have no
            patch in this or a neighbouring zone, NaN if the patch's place is unknown.
        touching: whether the patches touch or overlap.
        overlapping: whether both show some of the same ground.
    """

    distance_m: Doubles
    touching: BoolArray
    overlapping: BoolArray

    @property
    def unknown(self) -> int:
        """Number of patches whose place is unknown."""
        return int(np.isnan(self.distance_m).sum())

    @property
    def nearest_m(self) -> int | None:
        """The least distance in metres; None if no distance is known."""
        known = self.distance_m[np.isfinite(self.distance_m)]
        return int(known.min()) if known.size else None


def proximity(some: Sequence[str], others: Sequence[str]) -> Proximity:
    """Compute the distance of patches to other patches, by their names."""
    own_zones, other_zones = _by_zone(some), _by_zone(others)
    distance = np.full(len(some), np.nan)
    touching, overlapping = np.zeros((2, len(some)), dtype=bool)
    for zone, (rows, corners) in own_zones.items():
        distance[rows] = np.inf
        for other, between in _near_zones(zone, other_zones):
            if other == zone:
                found = _nearest(corners, between, np.inf)
                touches = found <= PATCH_M
            else:
                found = _nearest(_into(corners, zone, other), _centres(between), 2.0)
                touches = found <= DIAGONAL_M
            distance[rows] = np.minimum(distance[rows], found)
            touching[rows] |= touches
            # The inscribed circles of two squares overlap if their centres are within a side.
            overlapping[rows] |= found < PATCH_M
    return Proximity(distance_m=distance, touching=touching, overlapping=overlapping)


def split_distances(dataset: Dataset) -> dict[str, int | None]:
    """Compute the distance of each two splits, ``{"train-test": metres, …}``; None if unknown."""
    return {
        f"{a}-{b}": proximity(_ids(dataset, a), _ids(dataset, b)).nearest_m
        for a, b in combinations(dataset.splits, 2)
    }


def distance_to_training(
    dataset: Dataset, split: str, trained_on: Iterable[str]
) -> Proximity | None:
    """Compute the distance of a split to the splits that a model was trained on.

    None if the data set has none of these splits.
    """
    here = [name for name in trained_on if name in dataset.splits]
    others = [patch for name in here for patch in _ids(dataset, name)]
    return proximity(_ids(dataset, split), others) if others else None


def refuse_leaks(
    dataset: Dataset,
    split: str,
    trained_on: Iterable[str],
    *,
    allow_touching: bool = False,
    strict: bool = False,
) -> None:
    """Raise an error if a split is not a valid test of a model that was trained on others.

    Args:
        dataset: the patches.
        split: the split to evaluate; a split that the model was trained on is not refused,
            since its report states this.
        trained_on: the splits that the model was trained on.
        allow_touching: whether a test split may touch the training split.
        strict: whether to refuse any split that touches the training data.

    Raises:
        BadInput: the split shows the same ground as the training data, or touches it although
            this is not allowed.
    """
    names = [name for name in trained_on if name in dataset.splits]
    if split == ALL or split in names:
        return
    for name in names:
        found = proximity(_ids(dataset, split), _ids(dataset, name))
        share = f"of the {len(found.touching):,} patches of the split '{split}'"
        if found.overlapping.any():
            raise BadInput(
                f"{found.overlapping.sum():,} {share} show the same ground as patches of "
                f"'{name}', which the model was trained on: put them into the same split."
            )
        apart = {split, name} == APART and not allow_touching
        if found.touching.any() and (strict or apart):
            remedy = "omit --strict" if strict else "use --allow-touching"
            raise BadInput(
                f"{found.touching.sum():,} {share} touch patches of '{name}', which the model "
                f"was trained on, and neighbours are similar: split by place, or {remedy}."
            )


def refuse_leaking_splits(dataset: Dataset) -> None:
    """Raise an error if a model trained on a data set could not be tested on it.

    Raises:
        BadInput: patches of two splits show the same ground, or test touches train.
    """
    for name, split in combinations(dataset.splits, 2):
        refuse_leaks(dataset, split, [name])


def blocks(ids: Sequence[str]) -> npt.NDArray[Any]:
    """Return the block of 12 km that contains each patch, as text ``(patch,)``.

    A block has ten by ten patches of one Sentinel-2 tile, of any date. A patch whose name
    contains no place is its own block.
    """
    return np.array([tile_block(name) or block_of(name) or name for name in ids])


@lru_cache(maxsize=2000)
def tile_corner(tile: str) -> tuple[int, int, int] | None:
    """Return EPSG code, easting and northing (metres) of a Sentinel-2 tile's upper left corner.

    None if there is no such tile.

    Args:
        tile: such as ``33UUP``: UTM zone, band of latitude, column and row of the square.
    """
    try:
        zone, lowest = int(tile[:2]), _LOWEST_M[tile[2]]
        column, row = _COLUMNS[zone % 3].index(tile[3]), _ROWS.index(tile[4])
    except (ValueError, KeyError):
        return None
    if not 1 <= zone <= 60:
        return None
    south = (row - (0 if zone % 2 else 5)) % len(_ROWS) * _SQUARE_M
    # Of the squares with that letter, choose the one in the band of latitude.
    south += max(0, math.ceil((lowest - south) / _CYCLE_M)) * _CYCLE_M
    west, north = _SQUARE_M * (column + 1), south + _SQUARE_M
    epsg = (32600 if tile[2] >= "N" else 32700) + zone
    return epsg, west // _SNAP_M * _SNAP_M, -(-north // _SNAP_M) * _SNAP_M


def corner_of(name: str) -> tuple[int, int, int] | None:
    """Return EPSG code, easting and northing (metres) of a patch's upper left corner, by its name.

    None if the name does not state a place.
    """
    place = place_of(name)
    if place is None:
        return corner_in(name)
    tile = tile_corner(place[0])
    if tile is None:
        return None
    return tile[0], tile[1] + PATCH_M * place[1], tile[2] - PATCH_M * place[2]


def tile_block(name: str) -> str | None:
    """Return the block of a patch of a Sentinel-2 tile, such as ``33UUP_2_5``, by its name.

    None if the name does not state a tile.
    """
    place = place_of(name)
    if place is None:
        return None
    return f"{place[0]}_{place[1] // BLOCK}_{place[2] // BLOCK}"


def _ids(dataset: Dataset, split: str) -> list[str]:
    """Return the names of a split's patches without clouds and snow; only these train models."""
    return [
        record.patch_id
        for record in dataset.all_records
        if not (record.cloudy or record.snowy) and split in (ALL, record.split)
    ]


def _by_zone(ids: Sequence[str]) -> dict[int, tuple[npt.NDArray[np.intp], Doubles]]:
    """Return EPSG code → indices of the patches in the zone, and their upper left corners."""
    zones: dict[int, tuple[list[int], list[tuple[int, int]]]] = {}
    for index, corner in enumerate(map(corner_of, ids)):
        if corner is None:
            continue
        rows, corners = zones.setdefault(corner[0], ([], []))
        rows.append(index)
        corners.append(corner[1:])
    return {
        epsg: (np.array(rows), np.array(corners, dtype=np.float64))
        for epsg, (rows, corners) in zones.items()
    }


def _near_zones(
    zone: int, zones: dict[int, tuple[npt.NDArray[np.intp], Doubles]]
) -> Iterator[tuple[int, Doubles]]:
    for other, (_, corners) in zones.items():
        # Zone 60 is next to zone 1; the last two digits are the zone's number.
        if (other % 100 - zone % 100) % 60 in (0, 1, 59):
            yield other, corners


def _centres(corners: Doubles) -> Doubles:
    centres: Doubles = corners + np.array([PATCH_M / 2, -PATCH_M / 2])
    return centres


def _into(corners: Doubles, zone: int, other: int) -> Doubles:
    """Project the centres of patches to another zone."""
    east, north = _centres(corners).T
    projected: Doubles = np.column_stack(
        project(f"EPSG:{zone}", f"EPSG:{other}", east.tolist(), north.tolist())
    )
    return projected


def _nearest(some: Doubles, others: Doubles, norm: float) -> Doubles:
    found: Doubles = KDTree(others).query(some, p=norm)[0]
    return found
