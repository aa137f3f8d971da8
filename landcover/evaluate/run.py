"""How good a model is on labelled patches: figures, intervals, baselines, and the files of them.

Patches go through the same door as a user's: read, brought to 10 m, checked against the
card, classified. Pixels are read a batch at a time, so a split of any size fits.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from landcover import __version__
from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, CorruptModel, ModelMismatch
from landcover.core.raster import BoolArray, FloatArray, Provenance, Raster, grid
from landcover.datasets.labelled import (
    ALL,
    Dataset,
    Record,
    batches,
    read_records,
    split_name,
    targets_of,
)
from landcover.datasets.split_distance import (
    Nearness,
    blocks,
    refuse_leaks,
    split_distances,
    to_learnt,
)
from landcover.decide import conformal
from landcover.evaluate.report_metrics import Draws, Material, measure, part, thresholds_of
from landcover.evaluate.report_text import as_text
from landcover.io.band_files import to_patch
from landcover.metrics.scores import ACCURACY, SUMMARY
from landcover.models import registry
from landcover.models.card import WEIGHTS_FILE, Card, read_card
from landcover.models.model import Model
from landcover.models.registry import DEFAULT_MODEL

__all__ = [
    "Draws",
    "Evaluation",
    "Material",
    "Predictions",
    "as_text",
    "describe",
    "evaluate",
    "has_seen",
    "material_of",
    "measure",
    "milliseconds_per_patch",
    "probabilities",
    "read_report",
    "refuse",
    "report_name",
    "reports",
    "write_report",
]

Progress = Callable[[int, int, str], None]

FOLDER: Final = "evaluation"
"""Where reports lie in a model folder."""
_BATCH: Final = 32
_MAX_REPORT_BYTES: Final = 20_000_000
_PLACE: Final = "block"
_TRUTH: Final = "truth: "
_PROBABILITY: Final = "probability: "


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What is true and what a model says of each patch of a split.

    Attributes:
        ids: of the patches.
        countries: of the patches, empty where unknown.
        truth: bool ``(patch, class)``, classes in the order of the report's ``per_class``.
        probability: float32 in the same shape, 0 to 1.
        places: the block that each patch lies in; empty in older reports.
    """

    ids: tuple[str, ...]
    countries: tuple[str, ...]
    truth: BoolArray
    probability: FloatArray
    places: tuple[str, ...] = ()

    @property
    def blocks(self) -> tuple[str, ...]:
        """The block of 12 km that each patch lies in, by its name where no report says it."""
        return self.places or tuple(map(str, blocks(self.ids)))


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The figures of one model on one split, and the predictions they come from."""

    figures: dict[str, Any]
    predictions: Predictions

    @property
    def classes(self) -> tuple[str, ...]:
        """Names along the class axis."""
        return tuple(self.figures["per_class"])

    @property
    def exclusive(self) -> bool:
        """Whether a patch has exactly one of the classes."""
        return self.figures.get(ACCURACY) is not None

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON-ready values; what is undefined is None."""
        return self.figures

    def thresholds(self) -> tuple[float, ...]:
        """The threshold of each class, in the order of :attr:`classes`."""
        return tuple(float(item["threshold"]) for item in self.figures["per_class"].values())


def evaluate(
    model: Model,
    dataset: Dataset,
    split: str,
    baselines: Sequence[Model] = (),
    *,
    bootstraps: int = 1000,
    draws: Draws | None = None,
    allow_touching: bool = False,
    strict: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model, and baselines beside it, on one split (``report_metrics.measure``).

    Args:
        model: what is measured.
        dataset: labelled patches.
        split: ``train``, ``validation``, ``test`` or ``all``.
        baselines: measured on the same patches.
        bootstraps: how many resamples of patches.
        draws: how intervals are made, where not by resamples of patches.
        allow_touching: let a test split touch the training split.
        strict: refuse any split that touches what the model has learnt from; see
            :mod:`landcover.datasets.split_distance`.
        progress: called with patches done, patches in all and a note.

    Raises:
        BadInput: the split is unknown or empty, lies too near to what the model has learnt
            from, or a patch cannot be read.
        ModelMismatch: a model was not made for these patches or classes.
        CorruptModel: a model answers with something that is no number.
    """
    split = split_name(split)
    refuse(model.card, dataset, split, allow_touching=allow_touching, strict=strict)
    records = dataset.records(split)
    models = (model, *baselines)
    answers = probabilities(models, dataset, split, progress)
    draws = draws or Draws(resamples=bootstraps)
    return _compose(models, dataset, split, material_of(records), answers, draws=draws)


def material_of(records: Sequence[Record]) -> Material:
    """What figures need of BigEarthNet's patches."""
    return Material(
        ids=tuple(record.patch_id for record in records),
        classes=CLASS_NAMES,
        truth=targets_of(records).numpy().astype(bool),
        countries=tuple(record.country for record in records),
        places=blocks([record.patch_id for record in records]),
    )


def learnt_splits(card: Card, dataset: Dataset) -> tuple[str, ...]:
    """The splits of a data set that a model was fitted to; none where that was another one."""
    if card.training.get("dataset") != dataset.title:
        return ()
    return tuple(str(name) for name in card.training.get("splits", ()))


def has_seen(card: Card, dataset: Dataset, split: str) -> bool | None:
    """Whether a model was fitted to patches of a split; None where its data was another's.

    Other data sets may show the same places, so that "no" would claim too much.
    """
    if card.training.get("dataset") != dataset.title:
        return None
    names = learnt_splits(card, dataset)
    return split == ALL or bool({split, ALL} & set(names))


def refuse(
    card: Card, dataset: Dataset, split: str, *, allow_touching: bool = False, strict: bool = False
) -> None:
    """Raise if a split is no test of a model: ``split_distance.refuse_leaks``.

    Raises:
        BadInput: the split is unknown, or lies too near to what the model has learnt from.
    """
    refuse_leaks(
        dataset,
        split_name(split),
        learnt_splits(card, dataset),
        allow_touching=allow_touching,
        strict=strict,
    )


def _compose(
    models: Sequence[Model],
    dataset: Dataset,
    split: str,
    material: Material,
    answers: Sequence[FloatArray],
    *,
    draws: Draws,
) -> Evaluation:
    """A report of answers that are there: figures, and whose they are."""
    card = models[0].card
    found = measure([one.card for one in models], material, answers, draws)
    near = {
        names: to_learnt(dataset, split, names)
        for names in dict.fromkeys(learnt_splits(one.card, dataset) for one in models)
    }
    for one in models[1:]:
        found["baselines"][one.card.name] |= _origin(one.card, dataset, split, near)
    unit = "" if draws.unit == "patch" else f" --unit {draws.unit}"
    figures = {
        "model": card.name,
        "dataset": dataset.name,
        "split": split,
        **found,
        **_origin(card, dataset, split, near),
        **_apart(card, material, answers[0], near[learnt_splits(card, dataset)], draws=draws),
        **_label_sets(card, material, answers[0]),
        "split_distances_m": split_distances(dataset),
        "absent": dataset.absent,
        "note": dataset.note,
        "speed": milliseconds_per_patch(models[0]),
        "command": (
            f"landcover evaluate ROOT --dataset {dataset.name} --split {split} "
            f"{_which(card)} --bootstraps {draws.resamples}{unit}"
        ),
        "date": datetime.now(UTC).date().isoformat(),
        "landcover": __version__,
    }
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


def _label_sets(card: Card, material: Material, answer: FloatArray) -> dict[str, Any]:
    """The coverage that the card's label sets had; nothing where it has none."""
    if not card.label_sets:
        return {}
    observed = conformal.observe(
        card.label_sets, answer, material.truth, material.countries, material.classes
    )
    return {"label_set_coverage": observed}


def probabilities(
    models: Sequence[Model], dataset: Dataset, split: str, progress: Progress | None = None
) -> list[FloatArray]:
    """Each model's probabilities on a split, float32 ``(patch, class)``, classes in our order.

    Raises:
        BadInput: the split is unknown or empty, or a patch cannot be read.
        ModelMismatch: a model was not made for these patches or classes.
        CorruptModel: a model answers with something that is no number.
    """
    for model in models:
        if set(model.card.classes) != set(CLASS_NAMES):
            raise ModelMismatch(
                f"{model.card.title} knows {len(model.card.classes)} classes, and this data set "
                f"has {len(CLASS_NAMES)}: evaluate a model of all of them."
            )
    records = dataset.records(split)
    parts: list[list[FloatArray]] = [[] for _ in models]
    done = 0
    for batch in batches(records, _BATCH):
        patches = [to_patch(native, native.name) for native in read_records(batch)]
        for model, own in zip(models, parts, strict=True):
            own.append(_answer(model, patches))
        done += len(batch)
        if progress:
            progress(done, len(records), "patches")
    return [np.concatenate(own) for own in parts]


def _answer(model: Model, patches: Sequence[Raster]) -> FloatArray:
    with torch.inference_mode():
        scores = model.scores(torch.stack([model.tensor(patch) for patch in patches])).float()
        answer: FloatArray = model.probabilities(scores).cpu().numpy()
    return in_order(model, answer, CLASS_NAMES)


def in_order(model: Model, answer: FloatArray, classes: Sequence[str]) -> FloatArray:
    """A model's probabilities ``(n, class)`` in the order of ``classes``.

    Raises:
        CorruptModel: one of them is no number.
    """
    if not np.isfinite(answer).all():
        raise CorruptModel(
            f"{model.card.title} answers with something that is no number: train it anew."
        )
    return answer[:, [model.card.classes.index(name) for name in classes]]


def milliseconds_per_patch(model: Model, n: int = 15) -> dict[str, Any]:
    """Median time of one warm classification of one patch, with what it was measured on."""
    pixels = np.full((len(BAND_NAMES), model.card.pixels, model.card.pixels), 0.1, np.float32)
    pixels += np.random.default_rng(0).normal(0, 0.02, pixels.shape).astype(np.float32)
    patch = Raster(
        data=pixels,
        valid=np.ones(pixels.shape[1:], dtype=bool),
        bands=BAND_NAMES,
        crs="EPSG:32633",
        transform=grid(600_000, 5_300_000),
        provenance=Provenance(source="noise", level=model.card.level),
    )
    return timed(model, lambda: model.predict(patch), n)


def timed(model: Model, classify: Callable[[], object], n: int) -> dict[str, Any]:
    """Median time of ``n`` calls after two to warm up, with what it was measured on."""
    times = []
    for _ in range(n + 2):
        begin = time.perf_counter()
        classify()
        times.append(1000 * (time.perf_counter() - begin))
    return {
        "milliseconds_per_patch": round(median(times[2:]), 2),
        "runs": n,
        "device": model.device.type,
        "threads": torch.get_num_threads(),
    }


def _origin(
    card: Card, dataset: Dataset, split: str, near: Mapping[tuple[str, ...], Nearness | None]
) -> dict[str, Any]:
    """Which weights, and how far from these patches they have learnt."""
    names = learnt_splits(card, dataset)
    found = near[names]
    return {
        "card_hash": card.hash,
        "seen_in_training": has_seen(card, dataset, split),
        "training_splits": [str(name) for name in card.training.get("splits", ())],
        "training_distance_m": None if found is None else found.nearest_m,
    }


def _apart(
    card: Card, material: Material, answer: FloatArray, found: Nearness | None, *, draws: Draws
) -> dict[str, Any]:
    """How many patches touch what was learnt, and the figures of the others.

    ``touching`` and ``apart`` are None where nothing is known of what the model has learnt;
    ``apart`` also where all patches touch it or none does.
    """
    if found is None or found.unknown:
        return {"touching": None, "apart": None}
    touching = found.touching
    mixed = touching.any() and not touching.all()
    limits = thresholds_of(card, material.classes)
    return {
        "touching": int(touching.sum()),
        "apart": part(material, ~touching, answer, limits, draws) if mixed else None,
    }


def _which(card: Card) -> str:
    shipped = card.name in registry.names() and registry.card(card.name).hash == card.hash
    return f"--model {card.name}" if shipped else "--card DIR"


def write_report(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write figures (JSON) and predictions (Parquet) into a model folder.

    The same model, patches and seed give the same files, save for ``date`` and ``speed``.

    Returns:
        the files, under ``folder/evaluation``.
    """
    figures, found = evaluation.figures, evaluation.predictions
    stem = f"{figures['dataset']}-{figures['split']}"
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    paths = [folder / FOLDER / f"{stem}.json", folder / FOLDER / f"{stem}.parquet"]
    text = json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False)
    paths[0].write_text(text + "\n", encoding="utf-8")
    columns: dict[str, Any] = {"patch_id": list(found.ids), "country": list(found.countries)}
    if found.places:
        columns[_PLACE] = list(found.places)
    for k, name in enumerate(evaluation.classes):
        columns[_TRUTH + name] = found.truth[:, k]
        columns[_PROBABILITY + name] = found.probability[:, k]
    pd.DataFrame(columns).to_parquet(paths[1], index=False)
    return paths


def reports(folder: Path) -> list[tuple[str, str]]:
    """Data set and split of each report in a model folder."""
    stems = (path.stem.rpartition("-") for path in sorted((folder / FOLDER).glob("*-*.json")))
    return [(dataset, split) for dataset, _, split in stems]


def report_name(folder: Path, dataset: str) -> str:
    """What a model folder's reports call a data set: by its own name or by one without version."""
    known = {name for name, _ in reports(folder)}
    versions = sorted((name for name in known if name.startswith(f"{dataset}-v")), reverse=True)
    return dataset if dataset in known or not versions else versions[0]


def read_report(folder: Path, dataset: str, split: str) -> Evaluation:
    """Read what :func:`write_report` wrote.

    Raises:
        BadInput: there is no such report.
        CorruptModel: its files are damaged or do not belong together.
    """
    path = folder / FOLDER / f"{dataset}-{split}.json"
    if (dataset, split) not in reports(folder):
        raise BadInput(
            f"'{folder.name}' has no report on {dataset}, split {split}: "
            "make one with `landcover evaluate --save`."
        )
    try:
        figures = json.loads(_read(path))
        table = pd.read_parquet(io.BytesIO(_read(path.with_suffix(".parquet"))))
        predictions = _predictions(table, list(figures["per_class"]))
        report = Evaluation(figures=dict(figures), predictions=predictions)
        whole = report.figures["n"] == len(table) and len(report.thresholds()) > 1
    except (OSError, ValueError, KeyError, TypeError, RecursionError, pa.ArrowException):
        whole = False
    if not whole:
        raise CorruptModel(
            f"The report {path.name} of '{folder.name}' is damaged: "
            "make it anew with `landcover evaluate --save`."
        )
    return report


def describe(folder: Path) -> dict[str, Any]:
    """What a model folder holds, JSON-ready: card facts, weights' size, figures of its reports.

    Raises:
        CorruptModel: the card or a report cannot be trusted.
    """
    card = read_card(folder)
    weights = folder / WEIGHTS_FILE
    figures = [read_report(folder, *report).figures for report in reports(folder)]
    return {
        "name": card.name,
        "title": card.title,
        "default": card.name == DEFAULT_MODEL,
        "summary": card.summary,
        "card_hash": card.hash,
        "parameters": card.parameters,
        "weights_bytes": weights.stat().st_size if weights.is_file() else None,
        "bands": list(card.bands),
        "explainable": card.explainable,
        "evaluations": [
            {name: each[name] for name in ("dataset", "split", "n", *SUMMARY)}
            | {name: each[name] for name in (ACCURACY,) if name in each}
            | {"confidence_intervals": each["confidence_intervals"]}
            for each in figures
        ],
    }


def _read(path: Path) -> bytes:
    if path.stat().st_size > _MAX_REPORT_BYTES:
        raise ValueError(path.name)
    return path.read_bytes()


def _predictions(table: pd.DataFrame, classes: Sequence[str]) -> Predictions:
    return Predictions(
        ids=tuple(map(str, table["patch_id"])),
        countries=tuple(map(str, table["country"])),
        truth=table[[_TRUTH + name for name in classes]].to_numpy(dtype=bool),
        probability=table[[_PROBABILITY + name for name in classes]].to_numpy(np.float32),
        places=tuple(map(str, table[_PLACE])) if _PLACE in table else (),
    )
