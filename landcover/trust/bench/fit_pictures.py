"""Fit the distances of ``trust.novelty`` for a model of colour pictures, and their bounds.

As in :mod:`landcover.trust.bench.fit`, distances are fitted on the training split, their bounds
are chosen on places that were held out (the validation split), and the test split is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from typing import Final

import numpy as np

from landcover.core import progress
from landcover.core.errors import BadInput
from landcover.models.model import Model
from landcover.trust.bench.fit import ProgressCounter, compute, detector_table
from landcover.trust.bench.picture_set import PictureRecord, PictureSet
from landcover.trust.bench.synthetic_pictures import bad_pictures
from landcover.trust.novelty import Doubles, Gauss, Mixture, Novelty, Space, bound_of
from landcover.trust.picture_statistics import STATISTICS, statistics

__all__ = [
    "CORRUPTED_PICTURES",
    "FEATURE_QUANTILE",
    "MAX_PICTURES",
    "MAX_STATISTICS",
    "PICTURE_QUANTILE",
    "fit_pictures",
]

PICTURE_QUANTILE: Final = 0.975
FEATURE_QUANTILE: Final = 0.99
"""Together they flag about 3.5 % of the pictures of held-out places. The statistics find nearly all
bad pictures, so they get the larger share of the false alarms."""
MAX_PICTURES: Final = 600
"""Largest number of pictures of a split for the features; a net takes about a sixth of a second
for each on one core."""
MAX_STATISTICS: Final = 4000
"""Largest number of training pictures for the statistics, which take a thousandth of a second."""
CORRUPTED_PICTURES: Final = 12
"""Number of good pictures to corrupt for the choice of the detector."""


def fit_pictures(
    model: Model,
    dataset: PictureSet,
    *,
    report: progress.Report = progress.ignore,
    cancel: Event | None = None,
) -> Novelty:
    """Fit distances and bounds for one model of colour pictures.

    Args:
        model: a model for pictures.
        dataset: pictures of the splits train and validation.
        report: progress callback.
        cancel: set to stop.

    Raises:
        BadInput: a split has too few pictures, or one cannot be read.
        ModelMismatch: the model was not made for such pictures.
        Cancelled: ``cancel`` was set.
    """
    training = dataset.records("train", MAX_PICTURES)
    checking = dataset.records("validation", MAX_PICTURES)
    counted = dataset.records("train", MAX_STATISTICS)
    counter = ProgressCounter(report, cancel, len(training) + len(checking))
    known = compute(model, (one.patch() for one in training), counter, "training pictures")
    good = compute(model, (one.patch() for one in checking), counter, "validation pictures")
    mixture = _mixture(counted)
    bounds = {"picture": bound_of(mixture.distance(_statistics(checking)), PICTURE_QUANTILE)}
    space = None if known.features is None else Space.of(known.features)
    detector, table = "residual", {}
    if space is not None and good.features is not None:
        usual = space.distances(good.features, good.scores)
        step = max(1, len(checking) // CORRUPTED_PICTURES)
        groups = bad_pictures([one.patch() for one in checking[::step]])
        table = detector_table(model, space, usual, groups, counter)
        detector = max(table, key=lambda name: table[name]["mean"])
        bounds["features"] = bound_of(usual[detector], FEATURE_QUANTILE)
    return Novelty(
        pictures=mixture,
        space=space,
        detector=detector,
        bounds=bounds,
        made={
            "dataset": dataset.title,
            "training": len(training),
            "training_statistics": len(counted),
            "validation": len(checking),
            "quiet": {"picture": PICTURE_QUANTILE, "features": FEATURE_QUANTILE},
            "chosen_on": "drawn pictures, photographs and altered validation pictures",
            "detectors": table,
        },
    )


def _mixture(training: Sequence[PictureRecord]) -> Mixture:
    """Fit one normal distribution for each class."""
    found = _statistics(training)
    names = np.array([next(iter(one.labels)) for one in training])
    sizes = {name: int((names == name).sum()) for name in sorted(set(names.tolist()))}
    kept = [name for name, size in sizes.items() if size > STATISTICS]
    if not kept:
        raise BadInput(
            f"No class has more than {STATISTICS} training pictures, which the fit needs: use more "
            "of the data set."
        )
    return Mixture(parts=tuple(Gauss.of(found[names == name]) for name in kept))


def _statistics(records: Sequence[PictureRecord]) -> Doubles:
    return np.array([statistics(one.patch()) for one in records])
