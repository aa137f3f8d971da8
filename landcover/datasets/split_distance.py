"""How far splits lie apart: patches that show the same ground, touch, or lie nearer than that.

Neighbouring patches are alike, so a model that has learnt one answers well on the other
without having understood anything. Where BigEarthNet v2's patches lie is told by their
names: Sentinel-2 tile, column and row; tiles are squares of the Military Grid Reference
System, whose corners are at known metres of a UTM zone. So distances are exact within a
UTM zone, across tiles too, which overlap by 10 km. Between neighbouring zones the middles
of patches are projected into the other's zone, which is good to some metres; whether two
tilted squares touch at a corner is not worked out there: middles nearer than a patch's
diagonal count as touching. Names of another form (version 1) tell no place.

**What is refused.** A split of which a patch shows the same ground as one that the model
has learnt from, on whatever date, is no test, and is refused. So is a test split of which a
patch touches one of the training split: of the 480,038 patches of the official split, not
one of test lies nearer than 12 km to one of train, so that such a split is another's work.
Official validation patches do touch both train and test, and a model may be fitted to train
and validation together. That is honoured, said aloud, and the figures are also given for
the patches that touch nothing learnt. ``strict`` refuses it.
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
from rasterio.warp import transform
from scipy.spatial import KDTree

from landcover.core.bands import PATCH_M
from landcover.core.errors import BadInput
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
    "distance_to_training",
    "proximity",
    "refuse_leaking_splits",
    "refuse_leaks",
    "split_distances",
    "tile_corner",
]

BLOCK: Final = 10
"""Patches along a block's side: 12 km."""
DIAGONAL_M: Final = PATCH_M * math.sqrt(2)
"""Two squares whose middles lie farther apart cannot touch, however they are turned."""
APART: Final = frozenset({"train", "test"})
"""The two splits that the official split keeps apart."""

# Sentinel-2 tiles: one corner of a square of 100 km, snapped outwards to pixels of 60 m.
_SQUARE_M: Final = 100_000
_SNAP_M: Final = 60
_COLUMNS: Final = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")
"""Letters of a square's column from easting 100 km on, by zone modulo 3."""
_ROWS: Final = "ABCDEFGHJKLMNPQRSTUV"
"""Letters of its row, repeated every 2000 km; in even zones they begin with F."""
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
    """How near each of some patches comes to the nearest of others, ``(patch,)``.

    Attributes:
        distance_m: between the middles: the larger of the ways east and north within a
            UTM zone, the straight way between zones. Infinite where the others have no
            patch in this or a neighbouring zone, NaN where the patch's place is not known.
        touching: whether edges or corners meet, or more than that.
        overlapping: whether both show some of the same ground.
    """

    distance_m: Doubles
    touching: BoolArray
    overlapping: BoolArray

    @property
    def unknown(self) -> int:
        """Of how many patches the place is not known."""
        return int(np.isnan(self.distance_m).sum())

    @property
    def nearest_m(self) -> int | None:
        """The least distance in metres; None where there is none."""
        known = self.distance_m[np.isfinite(self.distance_m)]
        return int(known.min()) if known.size else None


def proximity(some: Sequence[str], others: Sequence[str]) -> Proximity:
    """How near patches come to others, by their names."""
    mine, theirs = _by_zone(some), _by_zone(others)
    distance = np.full(len(some), np.nan)
    touching, overlapping = np.zeros((2, len(some)), dtype=bool)
    for zone, (rows, corners) in mine.items():
        distance[rows] = np.inf
        for other, between in _near_zones(zone, theirs):
            if other == zone:
                found = _nearest(corners, between, np.inf)
                touches = found <= PATCH_M
            else:
                found = _nearest(_into(corners, zone, other), _middles(between), 2.0)
                touches = found <= DIAGONAL_M
            distance[rows] = np.minimum(distance[rows], found)
            touching[rows] |= touches
            # Circles inscribed in two squares meet where their middles are nearer than a side.
            overlapping[rows] |= found < PATCH_M
    return Proximity(distance_m=distance, touching=touching, overlapping=overlapping)


def split_distances(dataset: Dataset) -> dict[str, int | None]:
    """How near each two splits come, ``{"train-test": metres, …}``; None where it is not known."""
    return {
        f"{a}-{b}": proximity(_ids(dataset, a), _ids(dataset, b)).nearest_m
        for a, b in combinations(dataset.splits, 2)
    }


def distance_to_training(dataset: Dataset, split: str, learnt: Iterable[str]) -> Proximity | None:
    """How near a split's patches come to those of the splits that a model has learnt from.

    None where none of these is here.
    """
    here = [name for name in learnt if name in dataset.splits]
    others = [patch for name in here for patch in _ids(dataset, name)]
    return proximity(_ids(dataset, split), others) if others else None


def refuse_leaks(
    dataset: Dataset,
    split: str,
    learnt: Iterable[str],
    *,
    allow_touching: bool = False,
    strict: bool = False,
) -> None:
    """Raise if figures on a split would be no test of a model that has learnt from others.

    Args:
        dataset: the patches.
        split: what is evaluated; a split that the model has learnt from is not refused,
            for its report says so.
        learnt: the splits that the model has learnt from.
        allow_touching: let a test split touch the training split.
        strict: refuse any split that touches what was learnt.

    Raises:
        BadInput: the split shows ground that was learnt, or touches it where it must not.
    """
    names = [name for name in learnt if name in dataset.splits]
    if split == ALL or split in names:
        return
    for name in names:
        found = proximity(_ids(dataset, split), _ids(dataset, name))
        about = f"of the {len(found.touching):,} patches of the split '{split}'"
        if found.overlapping.any():
            raise BadInput(
                f"{found.overlapping.sum():,} {about} show the same ground as patches of "
                f"'{name}', from which the model has learnt: put them into the same split."
            )
        apart = {split, name} == APART and not allow_touching
        if found.touching.any() and (strict or apart):
            way = "leave --strict out" if strict else "give --allow-touching"
            raise BadInput(
                f"{found.touching.sum():,} {about} touch patches of '{name}', from which the "
                f"model has learnt, and neighbours are alike: split by place, or {way}."
            )


def refuse_leaking_splits(dataset: Dataset) -> None:
    """Raise if what is learnt from a data set could not be judged on it.

    Raises:
        BadInput: patches of two splits show the same ground, or test touches train.
    """
    for name, split in combinations(dataset.splits, 2):
        refuse_leaks(dataset, split, [name])


def blocks(ids: Sequence[str]) -> npt.NDArray[Any]:
    """The block of 12 km that each patch lies in, as text ``(patch,)``.

    Ten by ten patches of one Sentinel-2 tile, whatever the date. A patch whose name does
    not say where it is, is a block of its own.
    """
    found = []
    for name in ids:
        place = place_of(name)
        found.append(
            name if place is None else f"{place[0]}_{place[1] // BLOCK}_{place[2] // BLOCK}"
        )
    return np.array(found)


@lru_cache(maxsize=2000)
def tile_corner(tile: str) -> tuple[int, int, int] | None:
    """EPSG code, easting and northing (metres) of a Sentinel-2 tile's upper left corner.

    None where there is no such tile.

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
    # Of the squares of that letter, the one that lies in the band.
    south += max(0, math.ceil((lowest - south) / _CYCLE_M)) * _CYCLE_M
    west, north = _SQUARE_M * (column + 1), south + _SQUARE_M
    epsg = (32600 if tile[2] >= "N" else 32700) + zone
    return epsg, west // _SNAP_M * _SNAP_M, -(-north // _SNAP_M) * _SNAP_M


def _ids(dataset: Dataset, split: str) -> list[str]:
    """Names of a split's patches without clouds and snow, which no model learns from."""
    return [
        record.patch_id
        for record in dataset.all_records
        if not (record.cloudy or record.snowy) and split in (ALL, record.split)
    ]


def _by_zone(ids: Sequence[str]) -> dict[int, tuple[npt.NDArray[np.intp], Doubles]]:
    """EPSG code → which patches lie in the zone, and their upper left corners ``(patch, 2)``."""
    zones: dict[int, tuple[list[int], list[tuple[int, int]]]] = {}
    for index, place in enumerate(map(place_of, ids)):
        corner = None if place is None else tile_corner(place[0])
        if place is None or corner is None:
            continue
        rows, corners = zones.setdefault(corner[0], ([], []))
        rows.append(index)
        corners.append((corner[1] + PATCH_M * place[1], corner[2] - PATCH_M * place[2]))
    return {
        epsg: (np.array(rows), np.array(corners, dtype=np.float64))
        for epsg, (rows, corners) in zones.items()
    }


def _near_zones(
    zone: int, zones: dict[int, tuple[npt.NDArray[np.intp], Doubles]]
) -> Iterator[tuple[int, Doubles]]:
    for other, (_, corners) in zones.items():
        # Zone 60 lies beside zone 1; the last two digits are the zone's number.
        if (other % 100 - zone % 100) % 60 in (0, 1, 59):
            yield other, corners


def _middles(corners: Doubles) -> Doubles:
    middles: Doubles = corners + np.array([PATCH_M / 2, -PATCH_M / 2])
    return middles


def _into(corners: Doubles, zone: int, other: int) -> Doubles:
    """Middles of patches in the coordinates of another zone."""
    east, north = _middles(corners).T
    projected: Doubles = np.column_stack(
        transform(f"EPSG:{zone}", f"EPSG:{other}", east.tolist(), north.tolist())
    )
    return projected


def _nearest(some: Doubles, others: Doubles, norm: float) -> Doubles:
    found: Doubles = KDTree(others).query(some, p=norm)[0]
    return found
