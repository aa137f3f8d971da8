"""Confidence intervals of shares."""

from __future__ import annotations

from scipy.stats import binomtest

__all__ = ["CONFIDENCE", "wilson"]

CONFIDENCE = 0.95


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Compute Wilson's 95 % interval of the share ``hits / count`` (Wilson 1927), 0 to 1.

    Trials are assumed to be independent. The interval is (0, 1) if ``count`` is 0.
    """
    if not count:
        return 0.0, 1.0
    found = binomtest(hits, count).proportion_ci(CONFIDENCE, method="wilson")
    # Rounding must not exclude the share itself.
    share = hits / count
    return min(float(found.low), share), max(float(found.high), share)
