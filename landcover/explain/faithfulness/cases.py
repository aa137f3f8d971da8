"""The patches that explanations are measured on, and the class explained on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

import numpy as np
from torch import Tensor

from landcover.core.errors import ModelMismatch
from landcover.core.progress import Progress, Report, check
from landcover.core.raster import FloatArray, Raster
from landcover.core.schema import Mean
from landcover.explain import baselines, explanation
from landcover.explain.explanation import Method
from landcover.explain.faithfulness.similarity import Doubles
from landcover.explain.feature_map_methods import AttributionTask
from landcover.metrics.bootstrap import interval
from landcover.models.model import Model, Prediction

__all__ = [
    "DIGITS",
    "RESAMPLES",
    "Case",
    "Maps",
    "Methods",
    "Steps",
    "attribute",
    "case",
    "choose",
    "rounded",
    "usable",
    "with_interval",
]

RESAMPLES: Final = 2000
"""Of the bootstrap over patches."""
DIGITS: Final = 4
"""Of figures that are kept."""

Methods = Mapping[str, Method]
Maps = Mapping[str, FloatArray]
"""Method → attribution ``(y, x)``."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One patch, and the class that is explained on it.

    Attributes:
        pixels: as the model reads them, ``(1, band, y, x)``.
        label: full name of the class.
        target: its column.
        start: the baseline of the methods, average land, in the shape of the pixels.
    """

    pixels: Tensor
    label: str
    target: int
    start: Tensor


@dataclass
class Steps:
    """Counts what is done for who watches, and stops where the user asked for it."""

    total: int
    report: Report
    cancel: Event | None
    done: int = 0

    def step(self, what: str) -> None:
        """Say that one more step begins.

        Raises:
            Cancelled: the user stopped it.
        """
        check(self.cancel)
        self.report(Progress(what=what, done=self.done, total=self.total, unit="steps"))
        self.done += 1


def usable(model: Model, methods: Methods) -> dict[str, Method]:
    """Those of the methods that can explain a model.

    Raises:
        ModelMismatch: none can.
    """
    found, why = {}, None
    for name, way in methods.items():
        try:
            explanation.check_explainable(model, way)
        except ModelMismatch as error:
            why = error
        else:
            found[name] = way
    if not found:
        raise why or ModelMismatch(f"There is no method to explain {model.card.title} with.")
    return found


def choose(model: Model, patches: Sequence[Raster]) -> list[Case]:
    """A class for each patch: of those called there the one that was chosen least so far.

    Raises:
        ModelMismatch: the model was not made for one of the patches.
    """
    seen: Counter[str] = Counter()
    cases = []
    for patch in patches:
        label = min(_called(model.predict(patch)), key=lambda name: seen[name])
        seen[label] += 1
        cases.append(case(model, model.tensor(patch)[None], label))
    return cases


def case(model: Model, pixels: Tensor, label: str) -> Case:
    """Pixels ``(1, band, y, x)`` with the class to explain on them."""
    return Case(
        pixels=pixels,
        label=label,
        target=model.card.classes.index(label),
        start=baselines.baseline(model.card, pixels),
    )


def attribute(model: Model, asked: Case, way: Method) -> FloatArray:
    """What a method attributes to the pixels ``(y, x)``."""
    task = AttributionTask(
        model=model, pixels=asked.pixels, start=asked.start, targets=(asked.target,)
    )
    return next(iter(way.compute(task))).pixels


def with_interval(values: Doubles) -> Mean:
    """Mean of one value a patch, and what holds 95 % of the means of resampled patches."""
    random = np.random.default_rng(2)
    drawn = random.integers(len(values), size=(RESAMPLES, len(values)))
    low, high = interval(values[drawn].mean(axis=1))
    return Mean(mean=rounded(values.mean()), interval=(rounded(low), rounded(high)))


def rounded(value: float | np.floating[Any]) -> float:
    """A figure to keep."""
    return round(float(value), DIGITS)


def _called(prediction: Prediction) -> list[str]:
    """The classes called there, the most probable first; the most probable where none is."""
    called = prediction.predicted or (max(prediction.labels, key=lambda s: s.probability),)
    return [item.label for item in called]
