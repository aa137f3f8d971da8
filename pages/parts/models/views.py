"""The views of one model's report, by name, for the Models page and for tests of any model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from landcover.evaluate.report import Evaluation
from pages.parts.models import (
    classes,
    data,
    failures,
    places,
    reliability,
    thresholds,
)
from pages.parts.models import selective_risk as selective

__all__ = ["OF_REPORT", "SEVERAL_LABELS"]

OF_REPORT: Final[dict[str, Callable[[data.Row, Evaluation], None]]] = {
    "Classes": classes.metrics,
    "Confusion": classes.confusions,
    "Co-occurrence": classes.co_occurrence,
    "Thresholds": thresholds.render,
    "Reliability": reliability.render,
    "Label sets": places.label_sets,
    "Risk and coverage": selective.render,
    "Failures": failures.render,
    "Countries": places.countries,
}
"""Name of a view → what shows it."""
SEVERAL_LABELS: Final = frozenset({"Thresholds", "Co-occurrence", "Label sets"})
"""These make no sense if each patch has exactly one class."""
