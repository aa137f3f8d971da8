"""Evaluate models on BigEarthNet's patches, which contain any of 19 classes.

Patches take the same path as a user's: they are read, resampled to 10 m, checked against the
card, and classified. Pixels are read in batches, so a split of any size fits in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import ModelMismatch
from landcover.core.progress import Progress, Report
from landcover.core.raster import FloatArray, Provenance, Raster
from landcover.core.window import grid
from landcover.datasets.labelled import (
    ALL,
    Dataset,
    Record,
    batches,
    read_patches,
    split_name,
    targets_of,
)
from landcover.datasets.own import NAME as OWN
from landcover.datasets.split_distance import (
    Proximity,
    blocks,
    distance_to_training,
    refuse_leaks,
    split_distances,
)
from landcover.decide import conformal_fit
from landcover.evaluate.report import LabelSetCoverage, Origin, PartMetrics, Speed
from landcover.evaluate.report_metrics import Draws, Material, part, thresholds_of
from landcover.evaluate.task import BATCH, in_class_order, timed
from landcover.models import registry
from landcover.models.card import Card
from landcover.models.model import Model

__all__ = ["PatchTask", "has_seen", "material_of", "training_splits"]


@dataclass(frozen=True)
class PatchTask:
    """A data set of patches: a :class:`~landcover.evaluate.task.Task`."""

    dataset: Dataset
    _near: dict[tuple[str, tuple[str, ...]], Proximity | None] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def name(self) -> str:
        """Name of the data set in reports."""
        return self.dataset.name

    @property
    def default_model(self) -> str:
        """The model to evaluate by default."""
        return registry.DEFAULT_MODEL

    def baselines(self, model: Card, folder: Path, device: str = "auto") -> list[Model]:  # noqa: ARG002 - as the protocol has it
        """Load the registered baselines, except the model itself; none for other classes."""
        names = registry.BASELINES if self.dataset.classes == CLASS_NAMES else ()
        return [
            registry.default().load(name, device)
            for name in names
            if name in registry.default().names() and name != model.name
        ]

    def check(self, card: Card) -> None:
        """Check that a model has the classes of the data set.

        Raises:
            ModelMismatch: it does not.
        """
        classes = self.dataset.classes
        if set(card.classes) != set(classes):
            other = len(card.classes) == len(classes)
            raise ModelMismatch(
                f"{card.title} has {len(card.classes)} classes, and this data set "
                f"has {len(classes)}{' others' if other else ''}: evaluate a model with all of "
                "them."
            )

    def refuse_leaks(
        self, card: Card, split: str, *, allow_touching: bool = False, strict: bool = False
    ) -> None:
        """Raise if a split cannot test a model (see ``split_distance.refuse_leaks``).

        Raises:
            BadInput: the split is unknown, or is too close to the training data.
        """
        refuse_leaks(
            self.dataset,
            split_name(split),
            training_splits(card, self.dataset),
            allow_touching=allow_touching,
            strict=strict,
        )

    def material(self, split: str) -> Material:
        """Return the truth, countries and blocks of a split."""
        return material_of(self.dataset.records(split), self.dataset.classes)

    def probabilities(
        self, models: Sequence[Model], split: str, progress: Report | None = None
    ) -> list[FloatArray]:
        """Compute each model's probabilities, float32 ``(patch, class)``, classes in our order."""
        for model in models:
            self.check(model.card)
        records = self.dataset.records(split)
        parts: list[list[FloatArray]] = [[] for _ in models]
        done = 0
        for batch in batches(records, BATCH):
            patches = read_patches(batch)
            for model, own in zip(models, parts, strict=True):
                own.append(_answer(model, patches, self.dataset.classes))
            done += len(batch)
            if progress:
                step = Progress(what="Classifying", done=done, total=len(records), unit="patches")
                progress(step)
        return [np.concatenate(own) for own in parts]

    def has_seen(self, card: Card, split: str) -> bool | None:
        """Whether a model was trained on patches of a split: :func:`has_seen`."""
        return has_seen(card, self.dataset, split)

    def origin(self, card: Card, split: str) -> Origin:
        """Return the card's hash, and the distance of the split to the training data."""
        found = self._nearness(card, split)
        return Origin(
            card_hash=card.hash,
            seen_in_training=self.has_seen(card, split),
            training_splits=tuple(map(str, card.training.get("splits", ()))),
            training_distance_m=None if found is None else found.nearest_m,
        )

    def details(
        self, card: Card, split: str, material: Material, answer: FloatArray, draws: Draws
    ) -> dict[str, Any]:
        """Count patches that touch training patches; add label-set coverage and distances."""
        found = self._nearness(card, split)
        touching, apart = None, None
        if found is not None and not found.unknown:
            touching = int(found.touching.sum())
            apart = _apart(card, material, answer, found, draws)
        return {
            "touching": touching,
            "apart": apart,
            **_label_sets(card, material, answer),
            "split_distances_m": split_distances(self.dataset),
            "own_data": self.dataset.title if self.dataset.name == OWN else "",
            "absent": self.dataset.absent,
            "note": self.dataset.note,
        }

    def speed(self, model: Model, n: int = 15) -> Speed:
        """Measure the median time of one warm classification, with device and threads."""
        shape = (len(BAND_NAMES), model.card.pixels, model.card.pixels)
        pixels = np.full(shape, 0.1, np.float32)
        pixels += np.random.default_rng(0).normal(0, 0.02, shape).astype(np.float32)
        patch = Raster(
            data=pixels,
            valid=np.ones(shape[1:], dtype=bool),
            bands=BAND_NAMES,
            crs="EPSG:32633",
            transform=grid(600_000, 5_300_000),
            provenance=Provenance(source="noise", level=model.card.level),
        )
        return timed(model, lambda: model.predict(patch), n)

    def _nearness(self, card: Card, split: str) -> Proximity | None:
        """Compute the distance of a split to the training data (cached: models often share it)."""
        key = split, training_splits(card, self.dataset)
        if key not in self._near:
            self._near[key] = distance_to_training(self.dataset, *key)
        return self._near[key]


def training_splits(card: Card, dataset: Dataset) -> tuple[str, ...]:
    """Return the splits on which a model was trained; none if it used another data set."""
    if card.training.get("dataset") != dataset.title:
        return ()
    return tuple(str(name) for name in card.training.get("splits", ()))


def has_seen(card: Card, dataset: Dataset, split: str) -> bool | None:
    """Whether a model was trained on patches of a split; None if it used another data set.

    Other data sets may contain the same places, so "no" would not be certain.
    """
    if card.training.get("dataset") != dataset.title:
        return None
    names = training_splits(card, dataset)
    return split == ALL or bool({split, ALL} & set(names))


def material_of(records: Sequence[Record], classes: tuple[str, ...] = CLASS_NAMES) -> Material:
    """Return truth, countries and blocks of patches."""
    return Material(
        ids=tuple(record.patch_id for record in records),
        classes=classes,
        truth=targets_of(records, classes).numpy().astype(bool),
        countries=tuple(record.country for record in records),
        places=blocks([record.patch_id for record in records]),
    )


def _answer(model: Model, patches: Sequence[Raster], classes: Sequence[str]) -> FloatArray:
    with torch.inference_mode():
        scores = model.scores(torch.stack([model.tensor(patch) for patch in patches])).float()
        answer: FloatArray = model.probabilities(scores).cpu().numpy()
    return in_class_order(model, answer, classes)


def _apart(
    card: Card, material: Material, answer: FloatArray, found: Proximity, draws: Draws
) -> PartMetrics | None:
    """Compute metrics of the patches that touch no training patch; None if all or none touch."""
    touching = found.touching
    if touching.all() or not touching.any():
        return None
    return part(material, ~touching, answer, thresholds_of(card, material.classes), draws)


def _label_sets(card: Card, material: Material, answer: FloatArray) -> dict[str, Any]:
    """Measure the coverage of the card's label sets; empty if it has none."""
    if card.label_sets is None:
        return {}
    observed = conformal_fit.observe(
        card.label_sets, answer, material.truth, material.countries, material.classes
    )
    return {"label_set_coverage": LabelSetCoverage.model_validate(observed)}
