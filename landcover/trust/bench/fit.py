"""Fit the distances of ``trust.novelty`` for a model on training patches, and their bounds.

Distances are fitted on the training split. Their bounds and the detector for the
net's features are chosen on the validation split and on corrupted patches of it.
The test split is not used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import torch

from landcover.core import progress
from landcover.core.errors import BadInput, ModelMismatch
from landcover.core.raster import FloatArray, Raster
from landcover.datasets import Dataset
from landcover.models.features import features_and_scores
from landcover.models.model import Model
from landcover.trust.bench.synthetic import CORRUPTIONS, Group, made_groups
from landcover.trust.novelty import (
    BOUND_QUANTILE,
    DETECTORS,
    Doubles,
    Gauss,
    Novelty,
    Space,
    bound_of,
    logarithms,
)
from landcover.trust.pixel_checks import MIN_CELLS, cells

__all__ = [
    "CHOSEN_ON",
    "CORRUPTED_PATCHES",
    "MAX_GOOD",
    "MAX_TRAINING",
    "LabelledPatch",
    "PatchArrays",
    "ProgressCounter",
    "compute",
    "detector_table",
    "evenly_spaced",
    "fit",
]

MAX_TRAINING: Final = 3000
MAX_GOOD: Final = 1000
"""Largest number of patches used, evenly spaced; more do not improve the bounds."""
CORRUPTED_PATCHES: Final = 24
"""Number of good patches to corrupt for the choice of the detector."""
CHOSEN_ON: Final = (
    "matched-noise",
    "shuffled",
    "red-blue",
    "nir-swir",
    "times-2.75",
    "band-lost",
    "painted-cloud",
    "photograph-grey",
    "photograph-red",
)
"""Groups for that choice: those that simple checks miss most often."""
_BATCH: Final = 8


@dataclass(frozen=True, kw_only=True)
class PatchArrays:
    """Values computed for some patches.

    Attributes:
        features: ``(patch, feature)``, or None if the model has no features.
        scores: raw scores ``(patch, class)``; empty if the model has no features.
        logs: log spectra of each patch's cells.
        days: days of the year of the patches with a date.
    """

    features: FloatArray | None
    scores: FloatArray
    logs: tuple[Doubles, ...]
    days: tuple[int, ...]


_One = TypeVar("_One")


class LabelledPatch(Protocol):
    """A record of a data set: a patch or picture whose classes are known."""

    @property
    def patch_id(self) -> str:
        """Its name."""

    @property
    def labels(self) -> frozenset[str]:
        """Its classes."""

    def patch(self) -> Raster:
        """Read its pixels."""


def evenly_spaced(records: Sequence[_One], most: int) -> tuple[_One, ...]:
    """Return at most ``most`` records, evenly spaced."""
    if len(records) <= most:
        return tuple(records)
    return tuple(records[k * len(records) // most] for k in range(most))


def fit(
    model: Model,
    dataset: Dataset,
    *,
    report: progress.Report = progress.ignore,
    cancel: Event | None = None,
) -> Novelty:
    """Fit distances, bounds and seasons for one model.

    Args:
        model: a model for Level-2A patches.
        dataset: a data set with the splits train and validation.
        report: progress callback.
        cancel: set to stop.

    Raises:
        BadInput: a split has no patch on disk, or a patch cannot be read.
        ModelMismatch: the model was not made for such patches.
        Cancelled: ``cancel`` was set.
    """
    training = evenly_spaced(dataset.records("train"), MAX_TRAINING)
    checking = evenly_spaced(dataset.records("validation"), MAX_GOOD)
    counter = ProgressCounter(
        report, cancel, len(training) + len(checking) + CORRUPTED_PATCHES * len(CHOSEN_ON)
    )
    training_values = compute(
        model, (record.patch() for record in training), counter, "training patches"
    )
    if not training_values.days or not any(len(logs) >= MIN_CELLS for logs in training_values.logs):
        raise BadInput("No training patch has a date and pixels with data: check the data set.")
    means = np.array([logs.mean(axis=0) for logs in training_values.logs if len(logs) >= MIN_CELLS])
    spectrum = Gauss.of(means)
    space = None if training_values.features is None else Space.of(training_values.features)
    good = compute(model, (record.patch() for record in checking), counter, "validation patches")
    usual_means = np.array([logs.mean(axis=0) for logs in good.logs if len(logs) >= MIN_CELLS])
    bounds = {"spectrum": bound_of(spectrum.squared(usual_means))}
    detector, table = "residual", {}
    if space is not None and good.features is not None:
        usual = space.distances(good.features, good.scores)
        patches = [record.patch() for record in evenly_spaced(checking, CORRUPTED_PATCHES)]
        groups = [group for group in made_groups(patches) if group.name in CHOSEN_ON]
        table = detector_table(model, space, usual, groups, counter)
        detector = max(table, key=lambda name: table[name]["mean"])
        bounds["features"] = bound_of(usual[detector])
    return Novelty(
        spectrum=spectrum,
        space=space,
        detector=detector,
        bounds=bounds,
        days=tuple(sorted(set(training_values.days))),
        made={
            "dataset": dataset.title,
            "training": len(training),
            "validation": len(checking),
            "quiet": BOUND_QUANTILE,
            "chosen_on": f"corrupted validation patches: {', '.join(CHOSEN_ON)}",
            "detectors": table,
        },
    )


class ProgressCounter:
    """Count processed patches, report progress, and stop on request."""

    def __init__(self, report: progress.Report, cancel: Event | None, total: int) -> None:
        self.report, self.cancel, self.total = report, cancel, total
        self.done = 0

    def step(self, what: str, count: int = 1) -> None:
        """Report that ``count`` more patches were processed.

        Raises:
            Cancelled: the user stopped it.
        """
        progress.check(self.cancel)
        self.done += count
        self.report(
            progress.Progress(
                what=f"Processing {what}",
                done=self.done,
                total=self.total,
                unit="patches",
            )
        )


def compute(
    model: Model, patches: Iterable[Raster], counter: ProgressCounter, what: str
) -> PatchArrays:
    """Compute features, scores and spectra of patches, in small batches."""
    features: list[torch.Tensor] = []
    scores: list[torch.Tensor] = []
    logs: list[Doubles] = []
    days: list[int] = []
    waiting: list[torch.Tensor] = []
    has_features = True

    def empty() -> None:
        nonlocal has_features
        if waiting and has_features:
            try:
                seen, score = features_and_scores(model, torch.stack(waiting))
                features.append(seen)
                scores.append(score)
            except ModelMismatch:
                has_features = False
        counter.step(what, len(waiting))
        waiting.clear()

    for patch in patches:
        waiting.append(model.tensor(patch))
        logs.append(logarithms(cells(patch)))
        if patch.acquired is not None:
            days.append(patch.acquired.timetuple().tm_yday)
        if len(waiting) == _BATCH:
            empty()
    empty()
    return PatchArrays(
        features=torch.cat(features).numpy() if has_features and features else None,
        scores=torch.cat(scores).numpy() if scores else np.empty((0, 0), dtype=np.float32),
        logs=tuple(logs),
        days=tuple(days),
    )


def detector_table(
    model: Model,
    space: Space,
    usual: dict[str, Doubles],
    groups: Iterable[Group],
    counter: ProgressCounter,
) -> dict[str, dict[str, Any]]:
    """Return detector → share of each bad group above the bound of the good ones, and the mean.

    Args:
        model: the model whose features are used.
        space: the components of its features.
        usual: detector → values of good patches, from which the bound is taken.
        groups: bad patches.
        counter: counts the patches.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in DETECTORS}
    for group in groups:
        seen = compute(
            model, group.patches(), counter, CORRUPTIONS.get(group.name, (group.title,))[0]
        )
        if seen.features is None:
            continue
        for name, values in space.distances(seen.features, seen.scores).items():
            found[name][group.name] = float((values > bound_of(usual[name])).mean())
    for shares in found.values():
        shares["mean"] = float(np.mean(list(shares.values())))
    return found
