"""The patches that explanations are measured on, with the class explained for each."""

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
"""Number of bootstrap resamples over patches."""
DIGITS: Final = 4
"""Decimals of saved metrics."""

Methods = Mapping[str, Method]
Maps = Mapping[str, FloatArray]
"""Method → attribution ``(y, x)``."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A patch and the class that is explained for it.

    Attributes:
        pixels: input of the model, ``(1, band, y, x)``.
        label: full name of the class.
        target: column of the class.
        start: the baseline of the methods, average land, in the shape of the pixels.
    """

    pixels: Tensor
    label: str
    target: int
    start: Tensor


@dataclass
class Steps:
    """Counts the steps, reports the progress, and stops if the user cancelled."""

    total: int
    report: Report
    cancel: Event | None
    done: int = 0

    def step(self, what: str) -> None:
        """Report that the next step begins.

        Raises:
            Cancelled: the user cancelled.
        """
        check(self.cancel)
        self.report(Progress(what=what, done=self.done, total=self.total, unit="steps"))
        self.done += 1


def usable(model: Model, methods: Methods) -> dict[str, Method]:
    """Select the methods that can explain a model.

    Raises:
        ModelMismatch: none of them can.
    """
    found, why = {}, None
    for name, method in methods.items():
        try:
            explanation.check_explainable(model, method)
        except ModelMismatch as error:
            why = error
        else:
            found[name] = method
    if not found:
        raise why or ModelMismatch(f"No method can explain {model.card.title}.")
    return found


def choose(model: Model, patches: Sequence[Raster]) -> list[Case]:
    """Choose a class for each patch: the predicted one that was chosen least often so far.

    Raises:
        ModelMismatch: the model was not made for one of the patches.
    """
    counts: Counter[str] = Counter()
    cases = []
    for patch in patches:
        label = min(_predicted(model.predict(patch)), key=lambda name: counts[name])
        counts[label] += 1
        cases.append(case(model, model.tensor(patch)[None], label))
    return cases


def case(model: Model, pixels: Tensor, label: str) -> Case:
    """Make a case of pixels ``(1, band, y, x)`` and the class to explain."""
    return Case(
        pixels=pixels,
        label=label,
        target=model.card.classes.index(label),
        start=baselines.baseline(model.card, pixels),
    )


def attribute(model: Model, item: Case, method: Method) -> FloatArray:
    """Compute the attribution of a method, ``(y, x)``."""
    task = AttributionTask(
        model=model, pixels=item.pixels, start=item.start, targets=(item.target,)
    )
    return next(iter(method.compute(task))).pixels


def with_interval(values: Doubles) -> Mean:
    """Compute the mean of one value per patch, with a 95 % bootstrap interval over patches."""
    random = np.random.default_rng(2)
    drawn = random.integers(len(values), size=(RESAMPLES, len(values)))
    low, high = interval(values[drawn].mean(axis=1))
    return Mean(mean=rounded(values.mean()), interval=(rounded(low), rounded(high)))


def rounded(value: float | np.floating[Any]) -> float:
    """Round a metric for saving."""
    return round(float(value), DIGITS)


def _predicted(prediction: Prediction) -> list[str]:
    """List the predicted classes by falling probability, or the most probable if none is."""
    predicted = prediction.predicted or (max(prediction.labels, key=lambda s: s.probability),)
    return [item.label for item in predicted]
