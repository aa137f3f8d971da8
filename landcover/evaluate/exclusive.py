"""How good a model of pictures is on EuroSAT: accuracy, and all figures that other reports have.

Pictures go through the same door as a user's: decoded, checked, classified as floats
between 0 and 1. The floors that lie in the model's folder are measured beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from landcover import __version__
from landcover.core.bands import RGB_BANDS
from landcover.core.classes import EUROSAT_CLASSES
from landcover.core.errors import ModelMismatch
from landcover.core.raster import BoolArray, FloatArray
from landcover.datasets.eurosat import EuroSat, EuroSatRecord, RgbStore, distance_km, is_named
from landcover.datasets.labelled import split_name
from landcover.evaluate.report_metrics import Draws, Material, measure, part, thresholds_of
from landcover.evaluate.run import Evaluation, Predictions, in_order, timed
from landcover.metrics.scores import ACCURACY
from landcover.models.card import CARD_FILE, RGB, Card
from landcover.models.inference import Scorer
from landcover.models.model import Model, load_model

Progress = Callable[[int, int, str], None]

BASELINES: Final = "baselines"
"""Folder of the floors in a model's folder."""
BATCH: Final = 32
BLOCK_KM: Final = 12.0
_DEGREE_KM: Final = 6371.0 * math.pi / 180


def floors(folder: Path, device: str = "auto") -> list[Model]:
    """The floors in a model's folder, in the order of their names; none where there is none.

    Raises:
        CorruptModel: one of them cannot be trusted.
    """
    cards = sorted((folder / BASELINES).glob(f"*/{CARD_FILE}"))
    return [load_model(path.parent, device) for path in reversed(cards)]


def evaluate(
    model: Model,
    dataset: EuroSat,
    split: str,
    baselines: Sequence[Model] = (),
    *,
    draws: Draws | None = None,
    progress: Progress | None = None,
    which: str = "--card DIR",
) -> Evaluation:
    """Measure a model of pictures, and floors beside it, on one split.

    Beside the figures of other reports there are ``accuracy``, ``learnt`` (of how many of
    these pictures the model has learnt, by their names; None where its card does not tell)
    and, where it has learnt of some but not of all, ``unseen``: the figures without these.

    Args:
        model: what is measured.
        dataset: labelled pictures.
        split: ``train``, ``validation``, ``test`` or ``all``.
        baselines: measured on the same pictures.
        draws: how intervals are made.
        progress: called with pictures done, pictures in all and a note.
        which: how the command line names the model.

    Raises:
        BadInput: the split is unknown or empty, or a picture cannot be read.
        ModelMismatch: a model was not made for these pictures or classes.
        CorruptModel: a model answers with something that is no number.
    """
    split = split_name(split)
    records, draws = dataset.records(split), draws or Draws()
    models = (model, *baselines)
    for one in models:
        refuse(one.card)
    answers = probabilities(models, dataset.load(split, progress), progress)
    material = material_of(records)
    found = measure([one.card for one in models], material, answers, draws)
    for one in baselines:
        found["baselines"][one.card.name] |= _origin(one.card, dataset, records)
    figures = {
        "model": model.card.name,
        "dataset": dataset.name,
        "split": split,
        ACCURACY: found[ACCURACY],
        **found,
        **_origin(model.card, dataset, records),
        **_unseen(model.card, material, answers[0], draws),
        "absent": 0,
        "note": "",
        "speed": milliseconds_per_picture(model),
        "command": (
            f"landcover evaluate ROOT --dataset {dataset.name} --split {split} {which} "
            f"--bootstraps {draws.resamples}" + (" --unit block" if draws.unit == "block" else "")
        ),
        "date": datetime.now(UTC).date().isoformat(),
        "landcover": __version__,
    }
    figures["note"] = " ".join([*_learnt_note(figures), *_place_note(records)])
    return Evaluation(
        figures=figures,
        predictions=Predictions(
            ids=material.ids,
            countries=material.countries,
            truth=material.truth,
            probability=answers[0],
            places=tuple(map(str, material.places)),
        ),
    )


def refuse(card: Card) -> None:
    """Raise unless a card's model is for EuroSAT's pictures.

    Raises:
        ModelMismatch: it is for something else.
    """
    if card.level != RGB or set(card.classes) != set(EUROSAT_CLASSES):
        raise ModelMismatch(
            f"{card.title} was not made for EuroSAT: it looks at {card.level} and knows "
            f"{len(card.classes)} classes, so evaluate eurosat-rgb."
        )


def material_of(records: Sequence[EuroSatRecord]) -> Material:
    """What figures need of EuroSAT's pictures."""
    column = [EUROSAT_CLASSES.index(record.label) for record in records]
    return Material(
        ids=tuple(record.name for record in records),
        classes=EUROSAT_CLASSES,
        truth=np.eye(len(EUROSAT_CLASSES), dtype=bool)[column],
        countries=("",) * len(records),
        places=np.unique([_block(record) for record in records], return_inverse=True)[1],
        exclusive=True,
    )


def _block(record: EuroSatRecord) -> str:
    """The block of 12 km that a picture lies in; one of its own where it has no place."""
    if math.isnan(record.latitude):
        return record.name
    row = math.floor(record.latitude * _DEGREE_KM / BLOCK_KM)
    narrow = math.cos(math.radians(row * BLOCK_KM / _DEGREE_KM))
    return f"{row},{math.floor(record.longitude * _DEGREE_KM * narrow / BLOCK_KM)}"


def probabilities(
    models: Sequence[Model], store: RgbStore, progress: Progress | None = None
) -> list[FloatArray]:
    """Each model's probabilities, float32 ``(picture, class)``, classes in EuroSAT's order.

    Raises:
        CorruptModel: a model answers with something that is no number.
    """
    answers = [np.empty((len(store), len(EUROSAT_CLASSES)), dtype=np.float32) for _ in models]
    few = store.pixels(range(min(2, len(store))))
    # In float32, or the figures of a card could not be had again on another machine.
    scorers = [Scorer(model.net, _bands(model, few), "float32") for model in models]
    for start in range(0, len(store), BATCH):
        rows = range(start, min(start + BATCH, len(store)))
        pixels = store.pixels(rows)
        for model, scorer, answer in zip(models, scorers, answers, strict=True):
            found = model.probabilities(scorer(_bands(model, pixels))).numpy()
            answer[rows.start : rows.stop] = in_order(model, found, EUROSAT_CLASSES)
        if progress:
            progress(rows.stop, len(store), "pictures")
    return answers


def _bands(model: Model, pixels: Tensor) -> Tensor:
    """Red, green and blue in the order of the model's card."""
    return pixels[:, [RGB_BANDS.index(band) for band in model.card.bands]]


def learnt(card: Card, names: Sequence[str]) -> BoolArray | None:
    """Of which pictures a model has learnt, by their names; None where its card does not tell."""
    if card.training.get("dataset") != EuroSat.title:
        return None
    return is_named(names, card.training.get("names"))


def milliseconds_per_picture(model: Model, n: int = 9) -> dict[str, Any]:
    """Median time of one warm classification of one picture, with what it was measured on."""
    side = model.card.pixels
    pixels = torch.from_numpy(np.random.default_rng(0).random((1, 3, side, side), np.float32))
    return timed(model, lambda: model.predict_pixels(pixels), n)


def _origin(card: Card, dataset: EuroSat, records: Sequence[EuroSatRecord]) -> dict[str, Any]:
    """Which weights, and how far from these pictures they have learnt."""
    splits = [str(name) for name in card.training.get("splits", ())]
    known = learnt(card, [record.name for record in records])
    near: list[float] = []
    for name in splits if known is not None else ():
        if name in dataset.splits:
            found = distance_km(dataset.records(name), records)
            near += [] if found is None else [found]
    return {
        "card_hash": card.hash,
        "seen_in_training": None if known is None else bool(known.any()),
        "learnt": None if known is None else int(known.sum()),
        "learnt_rule": "by the names of the pictures",
        "training_splits": splits,
        "training_distance_m": round(1000 * min(near)) if near else None,
    }


def _unseen(card: Card, material: Material, answer: FloatArray, draws: Draws) -> dict[str, Any]:
    """The figures without the pictures that the model has learnt from, where there are both."""
    known = learnt(card, material.ids)
    if known is None or known.all() or not known.any():
        return {}
    return {
        "unseen": part(material, ~known, answer, thresholds_of(card, material.classes), draws),
        "unseen_rule": "pictures whose names are not among those that the card was fitted to",
    }


def _learnt_note(figures: dict[str, Any]) -> list[str]:
    rest = figures.get("unseen")
    if rest is None:
        return []
    said = f"It has learnt from {figures['learnt']:,} of these {figures['n']:,} pictures."
    if rest[ACCURACY] is None:
        return [said]
    low, high = rest["confidence_intervals"][ACCURACY]
    right = f"{rest[ACCURACY]:.4f} [{low:.4f}, {high:.4f}]"
    return [said, f"Its accuracy on the other {rest['n']:,} is {right}."]


def _place_note(records: Sequence[EuroSatRecord]) -> list[str]:
    unplaced = sum(math.isnan(record.latitude) for record in records)
    if not unplaced:
        return []
    said = (
        f"{unplaced:,} of these {len(records):,} pictures have no place, so nothing says how far "
        "they lie from those that the model has learnt from."
    )
    return [said]
