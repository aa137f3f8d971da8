"""Evaluate models on EuroSAT's pictures, which contain exactly one of ten classes.

Pictures take the same path as a user's: they are decoded, checked, and classified as floats
between 0 and 1. The baselines in the model's folder are evaluated as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from landcover.core.bands import RGB_BANDS
from landcover.core.classes import EUROSAT_CLASSES
from landcover.core.errors import ModelMismatch
from landcover.core.progress import Progress, Report
from landcover.core.raster import BoolArray, FloatArray
from landcover.datasets.eurosat import EuroSat, EuroSatRecord, are_packed, distance_km
from landcover.datasets.eurosat_store import RgbStore
from landcover.evaluate.report import Origin, PartMetrics, Speed
from landcover.evaluate.report_metrics import Draws, Material, part, thresholds_of
from landcover.evaluate.task import BATCH, in_class_order, timed
from landcover.models import registry
from landcover.models.card import CARD_FILE, RGB, Card
from landcover.models.inference import Scorer
from landcover.models.model import Model, load_model

__all__ = ["BASELINES", "PictureTask", "baselines_in", "material_of", "probabilities_of"]

BASELINES: Final = "baselines"
"""Folder of the baselines in a model folder."""
BLOCK_KM: Final = 12.0
_DEGREE_KM: Final = 6371.0 * math.pi / 180
_RULE: Final = "by the names of the pictures"
_UNSEEN_RULE: Final = "pictures whose names are not among those that the card was fitted to"


@dataclass(frozen=True)
class PictureTask:
    """A data set of pictures: a :class:`~landcover.evaluate.task.Task`."""

    dataset: EuroSat

    @property
    def name(self) -> str:
        """Name of the data set in reports."""
        return self.dataset.name

    @property
    def default_model(self) -> str:
        """The model to evaluate by default."""
        return registry.PICTURE_MODEL

    def baselines(self, model: Card, folder: Path, device: str = "auto") -> list[Model]:  # noqa: ARG002 - as the protocol has it
        """Load the baselines in the model's folder with :func:`baselines_in`."""
        return baselines_in(folder, device)

    def check(self, card: Card) -> None:
        """Check that a card's model is for EuroSAT's pictures.

        Raises:
            ModelMismatch: it has another level or other classes.
        """
        if card.level != RGB or set(card.classes) != set(EUROSAT_CLASSES):
            raise ModelMismatch(
                f"{card.title} was not made for EuroSAT: it takes {card.level} as input and has "
                f"{len(card.classes)} classes; evaluate eurosat-rgb instead."
            )

    def refuse_leaks(
        self, card: Card, split: str, *, allow_touching: bool = False, strict: bool = False
    ) -> None:
        """Do nothing: the report gives separate metrics of pictures not used for training."""

    def material(self, split: str) -> Material:
        """Return the truth and blocks of a split."""
        return material_of(self.dataset.records(split))

    def probabilities(
        self, models: Sequence[Model], split: str, progress: Report | None = None
    ) -> list[FloatArray]:
        """Compute each model's probabilities, float32 ``(picture, class)``, in EuroSAT's order."""
        for model in models:
            self.check(model.card)
        return probabilities_of(models, self.dataset.load(split, progress), progress)

    def has_seen(self, card: Card, split: str) -> bool | None:
        """Whether a model was trained on some of a split's pictures, by their names."""
        known = _trained_on(card, [record.name for record in self.dataset.records(split)])
        return None if known is None else bool(known.any())

    def origin(self, card: Card, split: str) -> Origin:
        """Return the card's hash, and the distance of the split to the training data."""
        records = self.dataset.records(split)
        splits = tuple(map(str, card.training.get("splits", ())))
        known = _trained_on(card, [record.name for record in records])
        near: list[float] = []
        for name in splits if known is not None else ():
            if name in self.dataset.splits:
                found = distance_km(self.dataset.records(name), records)
                near += [] if found is None else [found]
        return Origin(
            card_hash=card.hash,
            seen_in_training=None if known is None else bool(known.any()),
            learnt=None if known is None else int(known.sum()),
            learnt_rule=_RULE,
            training_splits=splits,
            training_distance_m=round(1000 * min(near)) if near else None,
        )

    def details(
        self, card: Card, split: str, material: Material, answer: FloatArray, draws: Draws
    ) -> dict[str, Any]:
        """Add metrics of pictures not used for training, and notes on training and places."""
        known = _trained_on(card, material.ids)
        found: dict[str, Any] = {}
        notes: list[str] = []
        if known is not None and known.any() and not known.all():
            limits = thresholds_of(card, material.classes)
            rest = part(material, ~known, answer, limits, draws)
            found = {"unseen": rest, "unseen_rule": _UNSEEN_RULE}
            notes = _training_notes(int(known.sum()), len(known), rest)
        notes += _place_notes(self.dataset.records(split))
        return {**found, "absent": 0, "note": " ".join(notes)}

    def speed(self, model: Model, n: int = 9) -> Speed:
        """Measure the median time of one warm classification, with device and threads."""
        side = model.card.pixels
        pixels = torch.from_numpy(np.random.default_rng(0).random((1, 3, side, side), np.float32))
        return timed(model, lambda: model.predict_pixels(pixels), n)


def baselines_in(folder: Path, device: str = "auto") -> list[Model]:
    """Load the baselines in a model folder, in reverse order of their names; there may be none.

    Raises:
        CorruptModel: one of them is damaged.
    """
    cards = sorted((folder / BASELINES).glob(f"*/{CARD_FILE}"))
    return [load_model(path.parent, device) for path in reversed(cards)]


def material_of(records: Sequence[EuroSatRecord]) -> Material:
    """Return truth and blocks of EuroSAT pictures."""
    column = [EUROSAT_CLASSES.index(record.label) for record in records]
    return Material(
        ids=tuple(record.name for record in records),
        classes=EUROSAT_CLASSES,
        truth=np.eye(len(EUROSAT_CLASSES), dtype=bool)[column],
        countries=("",) * len(records),
        places=np.unique([_block(record) for record in records], return_inverse=True)[1],
        exclusive=True,
    )


def probabilities_of(
    models: Sequence[Model], store: RgbStore, progress: Report | None = None
) -> list[FloatArray]:
    """Compute each model's probabilities, float32 ``(picture, class)``, in EuroSAT's order.

    Raises:
        CorruptModel: a model returns NaN or infinity.
    """
    answers = [np.empty((len(store), len(EUROSAT_CLASSES)), dtype=np.float32) for _ in models]
    few = store.pixels(range(min(2, len(store))))
    # In float32, so that the metrics of a card can be reproduced on another machine.
    scorers = [Scorer(model.net, _bands(model, few), "float32") for model in models]
    for start in range(0, len(store), BATCH):
        rows = range(start, min(start + BATCH, len(store)))
        pixels = store.pixels(rows)
        for model, scorer, answer in zip(models, scorers, answers, strict=True):
            found = model.probabilities(scorer(_bands(model, pixels))).numpy()
            answer[rows.start : rows.stop] = in_class_order(model, found, EUROSAT_CLASSES)
        if progress:
            done, total = rows.stop, len(store)
            progress(Progress(what="Classifying", done=done, total=total, unit="pictures"))
    return answers


def _block(record: EuroSatRecord) -> str:
    """Return the 12 km block of a picture; a picture without a place is its own block."""
    if math.isnan(record.latitude):
        return record.name
    row = math.floor(record.latitude * _DEGREE_KM / BLOCK_KM)
    narrow = math.cos(math.radians(row * BLOCK_KM / _DEGREE_KM))
    return f"{row},{math.floor(record.longitude * _DEGREE_KM * narrow / BLOCK_KM)}"


def _bands(model: Model, pixels: Tensor) -> Tensor:
    """Red, green and blue in the order of the model's card."""
    return pixels[:, [RGB_BANDS.index(band) for band in model.card.bands]]


def _trained_on(card: Card, names: Sequence[str]) -> BoolArray | None:
    """Which pictures a model was trained on, by their names; None if its card has no names."""
    if card.training.get("dataset") != EuroSat.title:
        return None
    return are_packed(names, card.training.get("names"))


def _training_notes(trained: int, n: int, rest: PartMetrics) -> list[str]:
    note = f"It was trained on {trained:,} of these {n:,} pictures."
    span = rest.interval("accuracy")
    if rest.accuracy is None or span is None:
        return [note]
    accuracy = f"{rest.accuracy:.4f} [{span[0]:.4f}, {span[1]:.4f}]"
    return [note, f"Its accuracy on the other {rest.n:,} is {accuracy}."]


def _place_notes(records: Sequence[EuroSatRecord]) -> list[str]:
    unplaced = sum(math.isnan(record.latitude) for record in records)
    if not unplaced:
        return []
    note = (
        f"{unplaced:,} of these {len(records):,} pictures have no place, so their distance to the "
        "training pictures is unknown."
    )
    return [note]
