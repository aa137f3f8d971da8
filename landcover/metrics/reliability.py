"""Does a probability mean what it says: forecasts in bins, beside how often they came true.

Each class of each patch is one yes-or-no forecast. In a bin, the mean probability is set
beside the share of forecasts that came true (a reliability diagram: DeGroot and Fienberg
1983); on the diagonal they agree. Bins of equal width show all probabilities alike but
leave some bins nearly empty; bins of equal mass hold as many forecasts each (Nixon et al.,
"Measuring Calibration in Deep Learning", 2019).
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
    """The bins that hold a forecast, by rising probability; arrays ``(bin,)``.

    Attributes:
        low, high: the least and the greatest probability in the bin.
        count: forecasts in it.
        probability: their mean probability.
        share: the share of them that came true.
        share_low, share_high: Wilson's 95 % interval of that share (Wilson 1927), as if
            the forecasts were independent; those of one patch are not quite.
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
        """Mean distance between probability and share, over forecasts, 0 to 1."""
        gaps = np.abs(self.probability - self.share)
        return float((gaps * self.count).sum() / self.count.sum())


def bins(truth: BoolArray, probability: Floats, rule: Rule, *, count: int = ECE_BINS) -> Bins:
    """Forecasts in at most ``count`` bins.

    With "equal width" the bins' error is the expected calibration error as
    :func:`landcover.metrics.scores.calibration_error` has it. With "equal mass" forecasts are
    sorted and cut into parts of the same size; equal probabilities stay together, in the
    part where the first of them falls, so that their order decides nothing.

    Args:
        truth: bool, any shape, at least one forecast.
        probability: in the same shape, 0 to 1.
        rule: how bins are made.
        count: how many.
    """
    flat, there = probability.ravel(), truth.ravel().astype(np.float64)
    which = _which(flat, rule, count)
    size = np.bincount(which, minlength=count)
    filled = size > 0
    sums = [np.bincount(which, values, count)[filled] for values in (flat, there)]
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
    """Calibration error, adaptive calibration error and Brier score with 95 % intervals.

    What :mod:`landcover.metrics.scores` computes, for any part of a report, also one class. Bins
    stay those of all patches while patches are drawn anew.

    Args:
        truth: bool ``(patch, class)``, at least one patch.
        probability: in the same shape, 0 to 1.
        resamples: how many.
        seed: of the draws.

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
    """The bin of each forecast."""
    if rule == "equal width":
        return np.minimum((flat * count).astype(np.intp), count - 1)
    below = np.searchsorted(np.sort(flat), flat, side="left")
    which: npt.NDArray[np.intp] = below * count // len(flat)
    return which
