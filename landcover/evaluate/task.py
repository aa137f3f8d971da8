"""The interface between an evaluation and a data set; only this differs between kinds of data.

:class:`~landcover.evaluate.patches.PatchTask` is for patches with several of 19 classes,
:class:`~landcover.evaluate.pictures.PictureTask` for pictures with exactly one of ten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, Protocol

import numpy as np
import torch

from landcover.core.errors import CorruptModel
from landcover.core.progress import Report
from landcover.core.raster import FloatArray
from landcover.evaluate.report import Origin, Speed
from landcover.evaluate.report_metrics import Draws, Material
from landcover.models.card import Card
from landcover.models.model import Model

__all__ = ["BATCH", "Task", "in_class_order", "timed"]

BATCH: Final = 32
"""Number of patches or pictures per batch."""


class Task(Protocol):
    """A labelled data set for :func:`landcover.evaluate.run.evaluate`."""

    @property
    def name(self) -> str:
        """Name of the data set in reports."""

    @property
    def default_model(self) -> str:
        """The model to evaluate by default."""

    def baselines(self, model: Card, folder: Path, device: str = "auto") -> list[Model]:
        """Load the baselines to evaluate together with a model.

        Args:
            model: the model's card.
            folder: the model folder.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

        Raises:
            CorruptModel: one of them is damaged.
        """

    def check(self, card: Card) -> None:
        """Check that a model has this data set's classes.

        Raises:
            ModelMismatch: it does not.
        """

    def refuse_leaks(
        self, card: Card, split: str, *, allow_touching: bool = False, strict: bool = False
    ) -> None:
        """Raise if a split is too close to a model's training data.

        Raises:
            BadInput: it does, or there is no such split.
        """

    def material(self, split: str) -> Material:
        """Return the truth and places of a split.

        Raises:
            BadInput: the split is unknown or empty.
        """

    def probabilities(
        self, models: Sequence[Model], split: str, progress: Report | None = None
    ) -> list[FloatArray]:
        """Compute each model's probabilities on a split, float32 ``(patch, class)``.

        Classes are in the order of the material.

        Raises:
            BadInput: the split is unknown or empty, or its pixels cannot be read.
            ModelMismatch: a model was not made for these pixels or classes.
            CorruptModel: a model returns NaN or infinity.
        """

    def has_seen(self, card: Card, split: str) -> bool | None:
        """Whether a model was trained on some of a split; None if unknown."""

    def origin(self, card: Card, split: str) -> Origin:
        """Return the card's hash, and the distance of the split to the training data."""

    def details(
        self, card: Card, split: str, material: Material, answer: FloatArray, draws: Draws
    ) -> dict[str, Any]:
        """Return the report fields that only this kind of data has."""

    def speed(self, model: Model) -> Speed:
        """Measure the median time of one warm classification."""


def in_class_order(model: Model, answer: FloatArray, classes: Sequence[str]) -> FloatArray:
    """Reorder a model's probabilities ``(n, class)`` to the order of ``classes``.

    Raises:
        CorruptModel: one of them is NaN or infinite.
    """
    if not np.isfinite(answer).all():
        raise CorruptModel(
            f"{model.card.title} gave a probability that is not a finite number: train it again."
        )
    return answer[:, [model.card.classes.index(name) for name in classes]]


def timed(model: Model, classify: Callable[[], object], n: int) -> Speed:
    """Measure the median time of ``n`` calls after two warm-up calls, with device and threads."""
    times = []
    for _ in range(n + 2):
        begin = time.perf_counter()
        classify()
        times.append(1000 * (time.perf_counter() - begin))
    return Speed(
        milliseconds_per_patch=round(median(times[2:]), 2),
        runs=n,
        device=model.device.type,
        threads=torch.get_num_threads(),
    )
