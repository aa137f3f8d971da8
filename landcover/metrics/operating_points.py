"""2 × 2 tables and their metrics as a function of the thresholds.

Everything is vectorised over tables and no ranking is computed, so that results update live
while a slider moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from landcover.core.raster import BoolArray
from landcover.metrics.bootstrap import Interval, interval, mean_of_finite
from landcover.metrics.scores import Counts, Doubles, Floats, confusions, counted_classes

__all__ = ["NAMES", "RESAMPLES", "Average", "Rates", "averages", "intervals", "rates", "sweep"]

RESAMPLES: Final = 300
"""Resamples of the bootstrap over patches: enough for two digits while a slider moves."""
NAMES: Final = ("precision", "recall", "f1", "f2")


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Metrics of 2 × 2 tables, one array per metric; NaN where undefined.

    Attributes:
        precision: share of the calls that are correct; NaN without calls.
        recall: share of the positives that were called; NaN without positives.
        f1, f2: ``(1 + b²) tp / ((1 + b²) tp + b² fn + fp)`` with b = 1 and 2 (van
            Rijsbergen 1979): F2 weighs a missed class four times as much as a false call.
            NaN without positives and calls.
    """

    precision: Doubles
    recall: Doubles
    f1: Doubles
    f2: Doubles


def rates(tables: Counts) -> Rates:
    """Compute the metrics of 2 × 2 tables ``(…, 2, 2)``: rows truth, columns called (no, yes)."""
    counts = tables.astype(np.float64)
    both, missed, wrong = counts[..., 1, 1], counts[..., 1, 0], counts[..., 0, 1]
    return Rates(
        precision=_share(both, both + wrong),
        recall=_share(both, both + missed),
        f1=_share(2 * both, 2 * both + missed + wrong),
        f2=_share(5 * both, 5 * both + 4 * missed + wrong),
    )


def sweep(truth: BoolArray, probability: Floats) -> tuple[Doubles, Counts]:
    """Compute the 2 × 2 tables of every threshold that changes a decision.

    Args:
        truth: bool, any shape.
        probability: in the same shape, 0 to 1.

    Returns:
        The thresholds ``(k,)``, rising: 0 and every distinct probability; and the tables
        ``(k, 2, 2)`` when every forecast that reaches the threshold is called.
    """
    flat, positive = probability.astype(np.float64).ravel(), truth.ravel()
    thresholds = np.union1d([0.0], flat)
    # Forecasts below a threshold are not called; they are counted by their sorted position.
    absent, present = np.sort(flat[~positive]), np.sort(flat[positive])
    neither = np.searchsorted(absent, thresholds, side="left")
    missed = np.searchsorted(present, thresholds, side="left")
    cells = (neither, len(absent) - neither, missed, len(present) - missed)
    tables: Counts = np.stack(cells, axis=-1).reshape(-1, 2, 2).astype(np.int64)
    return thresholds, tables


def intervals(table: Counts, *, resamples: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """Compute 95 % bootstrap intervals of the metrics of one class's table ``(2, 2)``.

    Drawing patches with replacement is the same as drawing the four counts from a multinomial
    distribution, which is done directly.

    Returns:
        An interval for each name of :data:`NAMES`, NaN twice where no resample defines it.
    """
    total = int(table.sum())
    random = np.random.default_rng(seed)
    drawn = random.multinomial(total, table.ravel() / max(total, 1), size=resamples)
    found = rates(drawn.reshape(-1, 2, 2).astype(np.int64))
    return {name: interval(getattr(found, name)) for name in NAMES}


@dataclass(frozen=True, kw_only=True)
class Average:
    """A metric over all classes with its 95 % interval; NaN where undefined."""

    value: float
    interval: Interval


def averages(
    truth: BoolArray, called: BoolArray, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Average]:
    """Compute macro and micro metrics of decisions, with bootstrap intervals over patches.

    They are defined as in :func:`landcover.metrics.scores.overall`: macro metrics average the
    classes with enough positives, with a precision of 0 for a class that was never called;
    micro metrics pool all classes.

    Args:
        truth: bool ``(patch, class)``, at least one patch.
        called: bool in the same shape.
        resamples: number of resamples.
        seed: of the random draws.

    Returns:
        ``macro_precision`` to ``micro_f2``.
    """
    counted = counted_classes(truth)
    value = _averages(confusions(truth, called)[None], counted)
    cells = np.stack([truth & called, truth, called], axis=-1).astype(np.float64)
    flat, size = cells.reshape(len(truth), -1), len(truth)
    random = np.random.default_rng(seed)
    drawn = np.stack(
        [
            np.bincount(random.integers(size, size=size), minlength=size) @ flat
            for _ in range(resamples)
        ]
    ).reshape(resamples, -1, 3)
    both, positive, calls = (np.rint(drawn[..., k]).astype(np.int64) for k in range(3))
    neither = size - positive - calls + both
    tables = np.stack([neither, calls - both, positive - both, both], axis=-1)
    resampled = _averages(tables.reshape(*both.shape, 2, 2), counted)
    return {
        name: Average(value=float(value[name][0]), interval=interval(resampled[name]))
        for name in value
    }


def _averages(tables: Counts, counted: npt.NDArray[np.intp]) -> dict[str, Doubles]:
    """Compute macro and micro metrics ``(resample,)`` of tables ``(resample, class, 2, 2)``."""
    single, pooled = rates(tables[:, counted]), rates(tables.sum(axis=1))
    macro = {f"macro_{name}": mean_of_finite(getattr(single, name)) for name in NAMES}
    if len(counted):
        macro["macro_precision"] = np.nan_to_num(single.precision).mean(axis=-1)
    return {**macro, **{f"micro_{name}": getattr(pooled, name) for name in NAMES}}


def _share(part: Doubles, whole: Doubles) -> Doubles:
    share: Doubles = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return share
