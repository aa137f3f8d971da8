"""Fit the joint distribution of the bands (:mod:`landcover.models.band_mixture`).

Pixels are log-reflectance on the 20 m grid: 10 m bands are averaged and 60 m bands repeated.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report
from landcover.datasets.arrays import NativeStore
from landcover.datasets.labelled import Dataset, read_records, store_of
from landcover.datasets.statistics import band_statistics
from landcover.models.band_mixture import BandMixture
from landcover.nets.reflectance import log_reflectance

__all__ = ["COMPONENTS", "MAX_PATCHES", "PIXELS_PER_PATCH", "fit"]

COMPONENTS: Final = 8
"""Chosen before the comparison of models: between 4 and 12, which gave nearly the same."""
PIXELS_PER_PATCH: Final = 400
"""Pixels of 20 m drawn from each patch, of 3,600: neighbours are similar."""
MAX_PATCHES: Final = 2000
"""Patches of a larger split that are drawn: they fit in memory, and a mixture needs no more."""
_LEAST: Final = 1e-5
"""Added to the variances, in log-reflectance: keeps components of flat water invertible."""
_BATCH: Final = 64
_DIGITS: Final = 9


def fit(
    dataset: Dataset,
    split: str = "train",
    *,
    components: int = COMPONENTS,
    seed: int = 0,
    progress: Report | None = None,
) -> BandMixture:
    """Fit a mixture to the pixels of a split.

    Args:
        dataset: patches of twelve bands.
        split: ``train``, so that validation and test patches stay unknown to it.
        components: number of Gaussians.
        seed: of the drawn pixels and of the first components.
        progress: progress callback.

    Raises:
        BadInput: the split is unknown or empty, or a patch cannot be read.
    """
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415 - slow to import

    if components < 1:
        raise BadInput("A mixture has at least one component: give --components 1 or more.")
    random = np.random.default_rng(seed)
    records = dataset.records(split)
    if len(records) > MAX_PATCHES:
        drawn = random.choice(len(records), MAX_PATCHES, replace=False)
        records = tuple(records[k] for k in drawn)
    store = store_of(records, read_records(records))
    values = _pixels(store, random, progress)
    found = GaussianMixture(components, reg_covar=_LEAST, max_iter=200, random_state=seed)
    found.fit(values)
    mean, std = band_statistics([store])
    origin = {
        "dataset": dataset.title,
        "splits": [split],
        **store.origin(),
        "pixels": len(values),
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"landcover bands fit ROOT --dataset {dataset.name} --split {split} "
        f"--components {components} --seed {seed}",
    }
    return BandMixture(
        weights=_rounded(found.weights_),
        means=_rounded(found.means_),
        covariances=_rounded(found.covariances_),
        mean=mean,
        std=std,
        fitted=origin,
    )


def _pixels(
    store: NativeStore, random: np.random.Generator, progress: Report | None
) -> npt.NDArray[np.float64]:
    """Draw pixels of each patch, log-reflectance ``(pixel, 12)`` on the 20 m grid."""
    parts = []
    for start in range(0, len(store), _BATCH):
        rows = range(start, min(start + _BATCH, len(store)))
        logs = log_reflectance(F.avg_pool2d(store.pixels(rows), 2))
        values = logs.permute(0, 2, 3, 1).flatten(1, 2)
        drawn = random.choice(values.shape[1], PIXELS_PER_PATCH, replace=False)
        parts.append(values[:, torch.from_numpy(drawn)].flatten(0, 1).numpy())
        if progress:
            step = Progress(what="Reading", done=rows.stop, total=len(store), unit="patches")
            progress(step)
    return np.concatenate(parts).astype(np.float64)


def _rounded(values: npt.NDArray[np.float64]) -> Any:  # noqa: ANN401 - nested lists of any depth
    return np.round(values, _DIGITS).tolist()
