"""Measure whether similar patches have the same labels, compared with statistics and chance.

The Jaccard index of two label sets is the number of common labels divided by the number of labels
in either, 0 to 1. It is averaged over the nearest training patch, and over the five nearest, of
each query patch. Three ways to choose the neighbours are compared on the same patches:

- the net's features, as in the index of :mod:`landcover.explain.neighbours`;
- statistics of the bands, which need no net: the logarithms of
  :func:`~landcover.nets.reference.band_statistics`, standardised, on 32 principal axes, each
  divided by the square root of its standard deviation; the best of 54 variants on validation
  patches;
- random training patches, which is chance.

Patches from the same Sentinel-2 product share weather, season and processing, so the results are
also given for neighbours from *other* products. Intervals are 95 % bootstrap intervals over
blocks of 12 km, since patches of a block are similar.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from landcover.core import progress
from landcover.core.raster import BoolArray, FloatArray
from landcover.datasets.arrays import NativeStore
from landcover.datasets.split_distance import blocks
from landcover.explain.neighbours import FAR, Index, distances
from landcover.explain.neighbours_build import build, features_of
from landcover.explain.neighbours_record import NeighbourRow, NeighboursMeasurement
from landcover.metrics.bootstrap import Groups, interval
from landcover.metrics.crossfit import places
from landcover.metrics.scores import Doubles
from landcover.models.features import BATCH_SIZE
from landcover.models.model import Model
from landcover.nets.reference import band_statistics
from landcover.nets.reflectance import log_reflectance

__all__ = ["COUNTS", "RESAMPLES", "jaccard", "measure"]

COUNTS: Final = (1, 5)
"""Numbers of neighbours that are averaged."""
RESAMPLES: Final = 1000
_AXES: Final = 32
_SMALL: Final = 1e-6
"""Avoids divisions by 0."""


def measure(
    model: Model,
    training: NativeStore,
    queries: NativeStore,
    origin: dict[str, Any],
    *,
    resamples: int = RESAMPLES,
    report: progress.Report = progress.ignore,
    cancel: Event | None = None,
) -> tuple[Index, NeighboursMeasurement]:
    """Build the index of a model's training patches and measure it on other patches.

    Args:
        model: the model whose features are used.
        training: patches that it was trained on.
        queries: patches that it was not trained on.
        origin: see :func:`landcover.explain.neighbours_build.build`.
        resamples: number of bootstrap resamples for the intervals.
        report: called with the number of patches done.
        cancel: set to stop.

    Raises:
        ModelMismatch: the model has no features, or takes pictures as input.
        ValueError: there are too few or too many patches for an index.
        Cancelled: ``cancel`` was set.
    """
    index = build(model, training, origin, report=report, cancel=cancel)
    found = index.embed(features_of(model, queries, range(len(queries)), report, cancel))
    pairs = {
        "features": distances(found, index.vectors).numpy(),
        "statistics": _by_statistics(training, index, queries),
    }
    same = places(queries.ids)[:, None] == places(index.ids)[None]
    agreement = jaccard(queries.targets > 0, index.labels)
    where = blocks(queries.ids)
    drawn = _multiplicities(where, resamples)
    rows = tuple(
        NeighbourRow(
            k=k, other_products=other, **_metrics(pairs, agreement, same & other, k, drawn)
        )
        for other in (False, True)
        for k in COUNTS
    )
    nearest = pairs["features"].min(axis=1)
    shares = [index.percentile(float(distance)) for distance in nearest]
    known = [share for share in shares if share is not None]
    return index, NeighboursMeasurement(
        version=1,
        n=len(queries),
        blocks=len(np.unique(where)),
        learnt=len(index),
        rows=rows,
        far=float(np.mean([share >= FAR for share in known])) if known else None,
    )


def jaccard(some: Tensor, others: Tensor) -> Doubles:
    """Compute the Jaccard index of label sets ``(n, class)`` and ``(m, class)``: ``(n, m)``."""
    one, other = some.double(), others.double()
    both = one @ other.T
    either = one.sum(dim=1)[:, None] + other.sum(dim=1)[None] - both
    share: Doubles = (both / either.clamp(min=1.0)).numpy()
    return share


def _metrics(
    pairs: dict[str, FloatArray], agreement: Doubles, excluded: BoolArray, k: int, drawn: Doubles
) -> dict[str, Any]:
    """Compute the fields of a row of ``k`` neighbours, without the excluded pairs."""
    each: dict[str, Doubles] = {}
    for selection, distance in pairs.items():
        allowed = np.where(excluded, np.inf, distance)
        nearest = np.argsort(allowed, axis=1, kind="stable")[:, :k]
        each[selection] = np.take_along_axis(agreement, nearest, axis=1).mean(axis=1)
    count = (~excluded).sum(axis=1)
    each["chance"] = np.where(excluded, 0.0, agreement).sum(axis=1) / np.maximum(count, 1)
    each["gain"] = each["features"] - each["statistics"]
    # Patches with fewer than k allowed neighbours would otherwise include excluded ones.
    enough = count >= k
    row: dict[str, Any] = {"n": int(enough.sum())}
    if not enough.any():
        return row
    weights = drawn[:, enough]
    total = weights.sum(axis=1)
    for name, values in each.items():
        kept = values[enough]
        means = np.divide(weights @ kept, total, out=np.full(len(total), np.nan), where=total > 0)
        row[name] = float(kept.mean())
        row[f"{name}_interval"] = interval(means)
    return row


def _multiplicities(where: Groups, resamples: int) -> Doubles:
    """Count how often each patch is drawn if entire blocks are drawn: ``(resample, patch)``."""
    _, block = np.unique(where, return_inverse=True)
    count = int(block.max()) + 1
    random = np.random.default_rng(0)
    draws = [
        np.bincount(random.integers(count, size=count), minlength=count)[block]
        for _ in range(resamples)
    ]
    return np.stack(draws).astype(np.float64)


def _by_statistics(training: NativeStore, index: Index, queries: NativeStore) -> FloatArray:
    """Compute distances ``(query, index's patch)`` between band statistics; see the module."""
    rows = {name: row for row, name in enumerate(training.ids)}
    known = _statistics(training, [rows[name] for name in index.ids])
    new = _statistics(queries, range(len(queries)))
    mean, spread = known.mean(dim=0), known.std(dim=0) + _SMALL
    known, new = (known - mean) / spread, (new - mean) / spread
    axes = torch.linalg.svd(known, full_matrices=False).Vh[:_AXES].T
    scale = (known @ axes).std(dim=0).sqrt() + _SMALL
    pairs: FloatArray = torch.cdist(new @ axes / scale, known @ axes / scale).numpy()
    return pairs


def _statistics(store: NativeStore, rows: Sequence[int]) -> Tensor:
    """Compute the logarithms of the band statistics, ``(row, statistic)``."""
    parts = []
    for start in range(0, len(rows), BATCH_SIZE):
        pixels = store.pixels(rows[start : start + BATCH_SIZE])
        parts.append(log_reflectance(band_statistics(pixels)))
    return torch.cat(parts)
