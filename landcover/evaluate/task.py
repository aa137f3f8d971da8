"""What an evaluation needs to know of a data set: the one place where kinds of data differ.

:class:`~landcover.evaluate.patches.PatchTask` is for patches that show several of 19 classes,
:class:`~landcover.evaluate.pictures.PictureTask` for pictures that show exactly one of ten.
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

__all__ = ["BATCH", "Task", "in_order", "timed"]

BATCH: Final = 32
"""Patches or pictures that are scored at a time."""


class Task(Protocol):
    """One labelled data set, as far as :func:`landcover.evaluate.run.evaluate` needs it."""

    @property
    def name(self) -> str:
        """Of the data set, as reports call it."""

    @property
    def default_model(self) -> str:
        """The model that is measured unless another is named."""

    def baselines(self, model: Card, folder: Path, device: str = "auto") -> list[Model]:
        """What is measured beside a model.

        Args:
            model: its card.
            folder: where it lies.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

        Raises:
            CorruptModel: one of them cannot be trusted.
        """

    def check(self, card: Card) -> None:
        """Raise unless a model knows this data set's classes.

        Raises:
            ModelMismatch: it does not.
        """

    def refuse_leaks(
        self, card: Card, split: str, *, allow_touching: bool = False, strict: bool = False
    ) -> None:
        """Raise if a split lies too near to what a model was trained on.

        Raises:
            BadInput: it does, or there is no such split.
        """

    def material(self, split: str) -> Material:
        """Truth and places of a split.

        Raises:
            BadInput: the split is unknown or empty.
        """

    def probabilities(
        self, models: Sequence[Model], split: str, progress: Report | None = None
    ) -> list[FloatArray]:
        """Each model's probabilities on a split, float32 ``(patch, class)``.

        Classes are in the order of the material.

        Raises:
            BadInput: the split is unknown or empty, or its pixels cannot be read.
            ModelMismatch: a model was not made for these pixels or classes.
            CorruptModel: a model answers with NaN or infinity.
        """

    def has_seen(self, card: Card, split: str) -> bool | None:
        """Whether a model was trained on some of a split; None where that is unknown."""

    def origin(self, card: Card, split: str) -> Origin:
        """Which weights these are, and how far from the split they were trained."""

    def details(
        self, card: Card, split: str, material: Material, answer: FloatArray, draws: Draws
    ) -> dict[str, Any]:
        """The fields of the report that only this kind of data has."""

    def speed(self, model: Model) -> Speed:
        """Median time of one warm classification."""


def in_order(model: Model, answer: FloatArray, classes: Sequence[str]) -> FloatArray:
    """A model's probabilities ``(n, class)`` in the order of ``classes``.

    Raises:
        CorruptModel: one of them is NaN or infinite.
    """
    if not np.isfinite(answer).all():
        raise CorruptModel(
            f"{model.card.title} answers with something that is no number: train it again."
        )
    return answer[:, [model.card.classes.index(name) for name in classes]]


def timed(model: Model, classify: Callable[[], object], n: int) -> Speed:
    """Median time of ``n`` calls after two to warm up, with what it was measured on."""
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
