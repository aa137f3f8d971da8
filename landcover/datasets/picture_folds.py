"""Folds by place for EuroSAT: cells of two degrees are left out in turn.

The split of EuroSAT (:mod:`landcover.datasets.eurosat`) draws blocks of half a degree, so that
nearly every test picture has training pictures in the next block: of the same landscape, and of
the same satellite pass. Here a fold leaves out whole cells of two degrees, about 220 × 160 km,
and the pictures of other cells within ten kilometres of them. Whoever uses a model is at such a
place.

Pictures of the test split never enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from sklearn.neighbors import BallTree

from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray
from landcover.datasets.eurosat import EARTH_KM, EuroSat, EuroSatRecord
from landcover.datasets.eurosat_files import LOCATIONS
from landcover.datasets.folds import SPLITS, Fold
from landcover.metrics.crossfit import FOLDS, Groups, held_out

__all__ = ["CELL_DEGREES", "GAP_KM", "cells_of", "picture_folds", "pool"]

CELL_DEGREES: Final = 2.0
GAP_KM: Final = 10.0
"""Pictures of other cells that are closer than this to a left-out one are left out, too."""


def pool(dataset: EuroSat) -> tuple[EuroSatRecord, ...]:
    """Return the training and validation pictures.

    Raises:
        BadInput: there are none, since the places of the pictures are not known.
    """
    found = tuple(picture for picture in dataset.pictures if picture.split in SPLITS)
    if not found:
        raise BadInput(
            f"{dataset.title} has no picture of the training or validation split here: folds by "
            f"place are made of these, and they need {LOCATIONS} in the folder of the data set."
        )
    return found


def cells_of(pictures: Sequence[EuroSatRecord]) -> Groups:
    """Return the cell of each picture, ``(picture,)``: its south-western corner, as ``44,-2``."""
    where = np.array([(picture.latitude, picture.longitude) for picture in pictures])
    corners = (np.floor(where / CELL_DEGREES) * CELL_DEGREES).astype(int)
    return np.array([f"{south},{west}" for south, west in corners])


def picture_folds(pictures: Sequence[EuroSatRecord], count: int | None = None) -> tuple[Fold, ...]:
    """Make folds of entire cells, with similar numbers of pictures.

    Args:
        pictures: training and validation pictures.
        count: number of folds; None for five.

    Raises:
        BadInput: a picture is of another split, there are fewer cells than folds, or nothing is
            left to fit to.
    """
    if any(picture.split not in SPLITS for picture in pictures):
        raise BadInput(
            "Folds by place are made of training and validation pictures only, so that the test "
            "split stays unread."
        )
    groups = cells_of(pictures)
    cells = len(np.unique(groups))
    wanted = FOLDS if count is None else count
    if not 2 <= wanted <= cells:
        raise BadInput(
            f"{wanted} folds cannot be made of pictures in {cells} cells of {CELL_DEGREES:g} "
            "degrees: give another --folds, at least 2, or pictures of more places."
        )
    made = []
    for mask in held_out(groups, wanted):
        others = np.flatnonzero(~mask)
        close = _near(pictures, others, mask)
        if close.all():
            raise BadInput(
                f"All other pictures are within {GAP_KM:g} km of left-out ones, so that nothing is "
                "left to fit to: give pictures of more places."
            )
        made.append(
            Fold(
                name=f"{len(np.unique(groups[mask]))} cells",
                held_out=tuple(np.flatnonzero(mask).tolist()),
                fitted=tuple(others[~close].tolist()),
                near=int(close.sum()),
            )
        )
    return tuple(made)


def _near(pictures: Sequence[EuroSatRecord], others: Groups, mask: BoolArray) -> BoolArray:
    """Whether each of ``others`` is close to a picture of the mask, ``(len(others),)``."""
    where = np.radians([(picture.latitude, picture.longitude) for picture in pictures])
    tree = BallTree(where[mask], metric="haversine")
    nearest = tree.query(where[others])[0][:, 0]
    found: BoolArray = nearest * EARTH_KM < GAP_KM
    return found
