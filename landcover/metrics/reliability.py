"""Reliability of probabilities: forecasts in bins, compared with how often they came true.

Each class of each patch is one yes-or-no forecast. For each bin, the mean probability is
compared with the share of forecasts that came true (a reliability diagram: DeGroot and Fienberg
1983); on the diagonal they agree. Bins of equal width cover the range of probabilities evenly,
but some are nearly empty; bins of equal mass hold the same number of forecasts each (Nixon et
al., "Measuring Calibration in Deep Learning", 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from landcover.core.raster import BoolArray
from landcover.metrics.bootstrap import interval
from landcover.metrics.intervals import wilson
from landcover.metrics.operating_points import RESAMPLES, Average
from landcover.metrics.scores import ECE_BINS, Counts, Doubles, Floats

__all__ = ["RULES", "Bins", "Rule", "bins", "errors"]

Rule = Literal["equal width", "equal mass"]
RULES: Final[tuple[Rule, ...]] = ("equal width", "equal mass")


@dataclass(frozen=True, kw_only=True)
class Bins:
    """The non-empty bins by rising probability; arrays ``(bin,)``.

    Attributes:
        low, high: the lowest and the highest probability in the bin.
        count: number of forecasts in the bin.
        probability: their mean probability.
        share: the share of them that came true.
        share_low, share_high: Wilson's 95 % interval of that share (Wilson 1927), which
            assumes independent forecasts; those of one patch are not fully independent.
    """

    low: Doubles
    high: Doubles
    count: Counts
    probability: Doubles
    share: Doubles
    share_low: Doubles
    share_high: Doubles

    @property
    def error(self) -> float:
        """Mean absolute difference of probability and share over the forecasts, 0 to 1."""
        gaps = np.abs(self.probability - self.share)
        return float((gaps * self.count).sum() / self.count.sum())


def bins(truth: BoolArray, probability: Floats, rule: Rule, *, count: int = ECE_BINS) -> Bins:
    """Sort forecasts into at most ``count`` bins.

    With "equal width" the bins' error is the expected calibration error of
    :func:`landcover.metrics.scores.calibration_error`. With "equal mass" forecasts are
    sorted and cut into parts of the same size; equal probabilities stay together, in the
    part of the first of them, so that their order does not matter.

    Args:
        truth: bool, any shape, at least one forecast.
        probability: in the same shape, 0 to 1.
        rule: how the bins are made.
        count: number of bins.
    """
    flat, positive = probability.ravel(), truth.ravel().astype(np.float64)
    which = _which(flat, rule, count)
    size = np.bincount(which, minlength=count)
    filled = size > 0
    sums = [np.bincount(which, values, count)[filled] for values in (flat, positive)]
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, which, flat)
    np.maximum.at(high, which, flat)
    size = size[filled]
    share = sums[1] / size
    spans = [wilson(round(hits), int(n)) for hits, n in zip(sums[1], size, strict=True)]
    below, above = np.array(spans).T
    return Bins(
        low=low[filled],
        high=high[filled],
        count=size.astype(np.int64),
        probability=sums[0] / size,
        share=share,
        share_low=below,
        share_high=above,
    )


def errors(
    truth: BoolArray, probability: Floats, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Average]:
    """Compute calibration errors and the Brier score with 95 % bootstrap intervals.

    They are defined as in :mod:`landcover.metrics.scores`, and can be computed for any part of
    a report, also for one class. The resamples use the bins of all patches.

    Args:
        truth: bool ``(patch, class)``, at least one patch.
        probability: in the same shape, 0 to 1.
        resamples: number of resamples.
        seed: of the random draws.

    Returns:
        ``ece``, ``ace`` and ``brier``.
    """
    patches, classes = truth.shape
    gaps = probability.astype(np.float64) - truth
    parts = [(gaps**2).sum(axis=1, keepdims=True)]
    for rule in RULES:
        slots = _which(probability.ravel(), rule, ECE_BINS).reshape(truth.shape)
        slots += np.arange(patches)[:, None] * ECE_BINS
        sums = np.bincount(slots.ravel(), gaps.ravel(), patches * ECE_BINS)
        parts.append(sums.reshape(patches, ECE_BINS))
    cells = np.hstack(parts)
    random = np.random.default_rng(seed)
    drawn = [
        np.bincount(random.integers(patches, size=patches), minlength=patches) @ cells
        for _ in range(resamples)
    ]
    sums = np.abs(np.vstack([cells.sum(axis=0), *drawn])) / (patches * classes)
    columns = {
        "ece": slice(1, ECE_BINS + 1),
        "ace": slice(ECE_BINS + 1, None),
        "brier": slice(0, 1),
    }
    values = {name: sums[:, where].sum(axis=1) for name, where in columns.items()}
    return {
        name: Average(value=float(found[0]), interval=interval(found[1:]))
        for name, found in values.items()
    }


def _which(flat: Floats, rule: Rule, count: int) -> npt.NDArray[np.intp]:
    """Return the bin of each forecast."""
    if rule == "equal width":
        return np.minimum((flat * count).astype(np.intp), count - 1)
    below = np.searchsorted(np.sort(flat), flat, side="left")
    which: npt.NDArray[np.intp] = below * count // len(flat)
    return which
