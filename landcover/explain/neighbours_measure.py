"""Do patches that a net sees as alike have the same covers? Against chance and plain statistics.

The Jaccard index of two label sets is the share of the covers of either that both have, 0
to 1. It is averaged over the nearest training patch, and over the five nearest, of each
patch asked about. Three ways to choose them are compared on the same patches:

- the net's own features, as the index of :mod:`landcover.explain.neighbours` has them;
- statistics of the bands, which need no net: the logarithms of
  :func:`~landcover.nets.reference.band_statistics`, standardised, on 32 principal axes each
  divided by the root of its spread; the best on validation patches of 54 preparations;
- any training patch, which is chance.

Patches that were cut from the same Sentinel-2 product share weather, season and processing,
so all is also given for neighbours of *other* products. Intervals hold 95 % of resamples of
blocks of 12 km, since patches of a block are alike.
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
from landcover.models.features import AT_ONCE
from landcover.models.model import Model
from landcover.nets.reference import band_statistics
from landcover.nets.reflectance import log_reflectance

__all__ = ["COUNTS", "RESAMPLES", "jaccard", "measure"]

COUNTS: Final = (1, 5)
"""How many neighbours are asked."""
RESAMPLES: Final = 1000
_AXES: Final = 32
_SMALL: Final = 1e-6
"""Keeps quotients finite."""


def measure(
    model: Model,
    learnt: NativeStore,
    asked: NativeStore,
    origin: dict[str, Any],
    *,
    resamples: int = RESAMPLES,
    report: progress.Report = progress.ignore,
    cancel: Event | None = None,
) -> tuple[Index, NeighboursMeasurement]:
    """Build the index of a model's training patches and ask it about others.

    Args:
        model: whose net looks.
        learnt: patches that it has learnt from.
        asked: patches that it has not.
        origin: see :func:`landcover.explain.neighbours_build.build`.
        resamples: how many the intervals rest on.
        report: called with patches done.
        cancel: set to stop.

    Raises:
        ModelMismatch: the model has no features, or looks at pictures.
        ValueError: the index cannot hold that many patches.
        Cancelled: ``cancel`` was set.
    """
    index = build(model, learnt, origin, report=report, cancel=cancel)
    found = index.embed(features_of(model, asked, range(len(asked)), report, cancel))
    away = {
        "features": distances(found, index.vectors).numpy(),
        "statistics": _by_statistics(learnt, index, asked),
    }
    same = places(asked.ids)[:, None] == places(index.ids)[None]
    agree = jaccard(asked.targets > 0, index.labels)
    where = blocks(asked.ids)
    drawn = _multiplicities(where, resamples)
    rows = tuple(
        NeighbourRow(k=k, other_products=other, **_metrics(away, agree, same & other, k, drawn))
        for other in (False, True)
        for k in COUNTS
    )
    nearest = away["features"].min(axis=1)
    shares = [index.percentile(float(distance)) for distance in nearest]
    known = [share for share in shares if share is not None]
    return index, NeighboursMeasurement(
        version=1,
        n=len(asked),
        blocks=len(np.unique(where)),
        learnt=len(index),
        rows=rows,
        far=float(np.mean([share >= FAR for share in known])) if known else None,
    )


def jaccard(some: Tensor, others: Tensor) -> Doubles:
    """Jaccard index of label sets ``(n, class)`` and ``(m, class)``, ``(n, m)``, 0 to 1."""
    one, other = some.double(), others.double()
    both = one @ other.T
    either = one.sum(dim=1)[:, None] + other.sum(dim=1)[None] - both
    share: Doubles = (both / either.clamp(min=1.0)).numpy()
    return share


def _metrics(
    away: dict[str, FloatArray], agree: Doubles, barred: BoolArray, k: int, drawn: Doubles
) -> dict[str, Any]:
    """Fields of a row of ``k`` neighbours; pairs that are barred are none."""
    each: dict[str, Doubles] = {}
    for way, distance in away.items():
        allowed = np.where(barred, np.inf, distance)
        nearest = np.argsort(allowed, axis=1, kind="stable")[:, :k]
        each[way] = np.take_along_axis(agree, nearest, axis=1).mean(axis=1)
    count = (~barred).sum(axis=1)
    each["chance"] = np.where(barred, 0.0, agree).sum(axis=1) / np.maximum(count, 1)
    each["gain"] = each["features"] - each["statistics"]
    # Whoever has fewer neighbours than are asked for would count some that are barred.
    enough = count >= k
    row: dict[str, Any] = {"n": int(enough.sum())}
    if not enough.any():
        return row
    weights = drawn[:, enough]
    total = weights.sum(axis=1)
    for name, values in each.items():
        mine = values[enough]
        means = np.divide(weights @ mine, total, out=np.full(len(total), np.nan), where=total > 0)
        row[name] = float(mine.mean())
        row[f"{name}_interval"] = interval(means)
    return row


def _multiplicities(where: Groups, resamples: int) -> Doubles:
    """How often each patch is drawn where whole blocks are, ``(resample, patch)``."""
    _, block = np.unique(where, return_inverse=True)
    count = int(block.max()) + 1
    random = np.random.default_rng(0)
    draws = [
        np.bincount(random.integers(count, size=count), minlength=count)[block]
        for _ in range(resamples)
    ]
    return np.stack(draws).astype(np.float64)


def _by_statistics(learnt: NativeStore, index: Index, asked: NativeStore) -> FloatArray:
    """Distances ``(asked, index's patch)`` between plain statistics; see the module."""
    rows = {name: row for row, name in enumerate(learnt.ids)}
    theirs = _statistics(learnt, [rows[name] for name in index.ids])
    mine = _statistics(asked, range(len(asked)))
    middle, spread = theirs.mean(dim=0), theirs.std(dim=0) + _SMALL
    theirs, mine = (theirs - middle) / spread, (mine - middle) / spread
    axes = torch.linalg.svd(theirs, full_matrices=False).Vh[:_AXES].T
    scale = (theirs @ axes).std(dim=0).sqrt() + _SMALL
    away: FloatArray = torch.cdist(mine @ axes / scale, theirs @ axes / scale).numpy()
    return away


def _statistics(store: NativeStore, rows: Sequence[int]) -> Tensor:
    """Logarithms of the bands' statistics, ``(row, statistic)``."""
    parts = []
    for start in range(0, len(rows), AT_ONCE):
        pixels = store.pixels(rows[start : start + AT_ONCE])
        parts.append(log_reflectance(band_statistics(pixels)))
    return torch.cat(parts)
