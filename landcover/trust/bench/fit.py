"""Fit what ``trust.novelty`` keeps of a model: from training patches, bounds on others.

Distances are fitted on the training split. Their bounds, and which detector looks at the
net's features, are chosen on the validation split and on patches of it that were spoilt.
The test split is not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

import numpy as np
import torch

from landcover.core import progress
from landcover.core.errors import BadInput, ModelMismatch
from landcover.core.raster import FloatArray, Raster
from landcover.datasets import Dataset, Record
from landcover.models.features import features_and_scores
from landcover.models.model import Model
from landcover.trust.bench.synthetic import SPOILERS, made_groups
from landcover.trust.novelty import (
    DETECTORS,
    QUIET,
    Doubles,
    Gauss,
    Novelty,
    Space,
    bound_of,
    logarithms,
)
from landcover.trust.pixel_checks import FEWEST, cells

__all__ = [
    "CHOSEN_ON",
    "MOST_GOOD",
    "MOST_TRAINING",
    "SPOILT",
    "Seen",
    "Watch",
    "fit",
    "look",
    "spread_out",
]

MOST_TRAINING: Final = 3000
MOST_GOOD: Final = 1000
"""Patches looked at, evenly spaced where a data set has more: bounds do not gain from more."""
SPOILT: Final = 24
"""Good patches to spoil for the choice of the detector."""
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
"""Groups for that choice: those that simple checks miss most."""
_BATCH: Final = 8


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was computed of some patches.

    Attributes:
        features: ``(patch, feature)``, or None where the model has none.
        scores: raw, ``(patch, class)``; empty likewise.
        logs: of each patch the log spectra of its cells.
        days: of the year, of those with a date.
    """

    features: FloatArray | None
    scores: FloatArray
    logs: tuple[Doubles, ...]
    days: tuple[int, ...]


def spread_out(records: Sequence[Record], most: int) -> tuple[Record, ...]:
    """At most so many records, evenly spaced over all."""
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
    """Distances, bounds and seasons for one model.

    Args:
        model: for patches of Level-2A.
        dataset: with the splits train and validation.
        report: called with what was done.
        cancel: set to stop.

    Raises:
        BadInput: a split has no patch here, or a patch cannot be read.
        ModelMismatch: the model was not made for such patches.
        Cancelled: ``cancel`` was set.
    """
    training = spread_out(dataset.records("train"), MOST_TRAINING)
    checking = spread_out(dataset.records("validation"), MOST_GOOD)
    watch = Watch(report, cancel, len(training) + len(checking) + SPOILT * len(CHOSEN_ON))
    learnt = look(model, (record.patch() for record in training), watch, "training patches")
    if not learnt.days or not any(len(logs) >= FEWEST for logs in learnt.logs):
        raise BadInput("No training patch has a date and pixels with data: check the data set.")
    means = np.array([logs.mean(axis=0) for logs in learnt.logs if len(logs) >= FEWEST])
    first = Novelty(
        spectrum=Gauss.of(means),
        space=None if learnt.features is None else Space.of(learnt.features),
        detector="residual",
        bounds={"spectrum": 0.0, "features": 0.0},
        days=tuple(sorted(set(learnt.days))),
    )
    good = look(model, (record.patch() for record in checking), watch, "validation patches")
    usual_means = np.array([logs.mean(axis=0) for logs in good.logs if len(logs) >= FEWEST])
    bounds = {"spectrum": bound_of(first.spectrum.squared(usual_means))}
    detector, table = "residual", {}
    if first.space is not None and good.features is not None:
        usual = first.space.distances(good.features, good.scores)
        table = _caught(model, first.space, usual, checking, watch)
        detector = max(table, key=lambda name: table[name]["mean"])
        bounds["features"] = bound_of(usual[detector])
    return Novelty(
        spectrum=first.spectrum,
        space=first.space,
        detector=detector,
        bounds=bounds,
        days=first.days,
        made={
            "dataset": dataset.title,
            "training": len(training),
            "validation": len(checking),
            "quiet": QUIET,
            "chosen_on": f"spoilt validation patches: {', '.join(CHOSEN_ON)}",
            "detectors": table,
        },
    )


class Watch:
    """Counts what is done, and stops when asked to."""

    def __init__(self, report: progress.Report, cancel: Event | None, total: int) -> None:
        self.report, self.cancel, self.total = report, cancel, total
        self.done = 0

    def step(self, what: str, count: int = 1) -> None:
        """Say that so many more patches were looked at.

        Raises:
            Cancelled: the user asked to stop.
        """
        progress.check(self.cancel)
        self.done += count
        self.report(
            progress.Progress(
                what=f"Looking at {what}",
                done=self.done,
                total=self.total,
                unit="patches",
            )
        )


def look(model: Model, patches: Iterable[Raster], watch: Watch, what: str) -> Seen:
    """Features, scores and spectra of patches, a few at a time."""
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
        watch.step(what, len(waiting))
        waiting.clear()

    for patch in patches:
        waiting.append(model.tensor(patch))
        logs.append(logarithms(cells(patch)))
        if patch.acquired is not None:
            days.append(patch.acquired.timetuple().tm_yday)
        if len(waiting) == _BATCH:
            empty()
    empty()
    return Seen(
        features=torch.cat(features).numpy() if has_features and features else None,
        scores=torch.cat(scores).numpy() if scores else np.empty((0, 0), dtype=np.float32),
        logs=tuple(logs),
        days=tuple(days),
    )


def _caught(
    model: Model,
    space: Space,
    usual: dict[str, Doubles],
    checking: Sequence[Record],
    watch: Watch,
) -> dict[str, dict[str, Any]]:
    """Detector → share of each spoilt group beyond the bound of good patches, and their mean."""
    patches = [record.patch() for record in spread_out(checking, SPOILT)]
    found: dict[str, dict[str, Any]] = {name: {} for name in DETECTORS}
    for group in made_groups(patches):
        if group.name not in CHOSEN_ON:
            continue
        seen = look(model, group.patches(), watch, SPOILERS.get(group.name, (group.title,))[0])
        if seen.features is None:
            continue
        for name, values in space.distances(seen.features, seen.scores).items():
            found[name][group.name] = float((values > bound_of(usual[name])).mean())
    for shares in found.values():
        shares["mean"] = float(np.mean(list(shares.values())))
    return found
