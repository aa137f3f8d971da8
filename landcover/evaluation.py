"""How good a model is on labelled patches: figures, intervals, baselines, and the files of them.

Patches go through the same door as a user's: read, brought to 10 m, checked against the
card, classified. Pixels are read a batch at a time, so a split of any size fits.
"""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from landcover import __version__, registry
from landcover.bootstrap import CONFIDENCE, Resampled, interval, resample
from landcover.card import WEIGHTS_FILE, Card, read_card
from landcover.datasets.bigearthnet import distance_m
from landcover.datasets.labelled import (
    ALL,
    Dataset,
    batches,
    read_records,
    split_name,
    targets_of,
)
from landcover.errors import BadInput, CorruptModel, ModelMismatch
from landcover.metrics import (
    ECE_BINS,
    MIN_POSITIVES,
    SUMMARY,
    THRESHOLD_RULE,
    Doubles,
    choose_thresholds,
    counted_classes,
    none_if_nan,
    overall,
    per_class,
    summary,
)
from landcover.model import Model
from landcover.nomenclature import BY_NAME, CLASS_NAMES
from landcover.patch import BoolArray, FloatArray, Patch, Provenance, grid
from landcover.registry import DEFAULT_MODEL
from landcover.sentinel2 import BAND_NAMES
from landcover.sources.folder import to_patch

# What recipes need for a card is reached through this module.
__all__ = [
    "THRESHOLD_RULE",
    "Evaluation",
    "Predictions",
    "as_text",
    "choose_thresholds",
    "describe",
    "evaluate",
    "milliseconds_per_patch",
    "probabilities",
    "read_report",
    "reports",
    "summary",
    "write_report",
]

Progress = Callable[[int, int, str], None]

FOLDER: Final = "evaluation"
"""Where reports lie in a model folder."""
_BATCH: Final = 32
_DIGITS: Final = 6
_MAX_REPORT_BYTES: Final = 20_000_000
_TRUTH: Final = "truth: "
_PROBABILITY: Final = "probability: "


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What is true and what a model says of each patch of a split.

    Attributes:
        ids: of the patches.
        countries: of the patches, empty where unknown.
        truth: bool ``(patch, class)`` in the order of ``CLASS_NAMES``.
        probability: float32 in the same shape, 0 to 1.
    """

    ids: tuple[str, ...]
    countries: tuple[str, ...]
    truth: BoolArray
    probability: FloatArray


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The figures of one model on one split, and the predictions they come from."""

    figures: dict[str, Any]
    predictions: Predictions

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON-ready values; what is undefined is None."""
        return self.figures

    def thresholds(self) -> tuple[float, ...]:
        """The threshold of each class, in the order of ``CLASS_NAMES``."""
        return tuple(float(self.figures["per_class"][name]["threshold"]) for name in CLASS_NAMES)


def evaluate(
    model: Model,
    dataset: Dataset,
    split: str,
    baselines: Sequence[Model] = (),
    *,
    bootstraps: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model, and baselines beside it, on one split.

    Macro figures average the classes with at least five positives in the split. Intervals
    hold 95 % of the bootstrap over patches (:mod:`landcover.bootstrap`); a baseline's
    ``margin`` is the model's figure minus the baseline's, on the same resamples.

    Args:
        model: what is measured.
        dataset: labelled patches.
        split: ``train``, ``validation``, ``test`` or ``all``.
        baselines: measured on the same patches.
        bootstraps: how many resamples.
        seed: of the resamples.
        progress: called with patches done, patches in all and a note.

    Raises:
        BadInput: the split is unknown or empty, or a patch cannot be read.
        ModelMismatch: a model was not made for these patches or classes.
        CorruptModel: a model answers with something that is no number.
    """
    split = split_name(split)
    records = dataset.records(split)
    models = (model, *baselines)
    answers = probabilities(models, dataset, split, progress)
    truth = targets_of(records).numpy().astype(bool)
    drawn = [
        resample(truth, answer, _thresholds(one.card), resamples=bootstraps, seed=seed)
        for one, answer in zip(models, answers, strict=True)
    ]
    figures = {
        "model": model.card.name,
        "dataset": dataset.name,
        "split": split,
        "n": len(records),
        **_summary_figures(model.card, truth, answers[0], drawn[0]),
        "per_class": _class_figures(model.card, truth, answers[0], drawn[0]),
        "baselines": {
            other.card.name: {
                **_summary_figures(other.card, truth, answer, draws),
                "margin": _margins((truth, model.card, answers[0]), drawn[0], other, answer, draws),
                **_origin(other.card, dataset, split),
            }
            for other, answer, draws in zip(baselines, answers[1:], drawn[1:], strict=True)
        },
        "macro_classes": [CLASS_NAMES[k] for k in counted_classes(truth)],
        "macro_rule": f"classes with at least {MIN_POSITIVES} positives in this split",
        **_origin(model.card, dataset, split),
        "bootstrap": {
            "resamples": bootstraps,
            "seed": seed,
            "unit": "patch",
            "confidence": CONFIDENCE,
            "method": "percentile",
        },
        "ece_bins": ECE_BINS,
        "absent": dataset.absent,
        "note": dataset.note,
        "speed": milliseconds_per_patch(model),
        "command": (
            f"landcover evaluate ROOT --dataset {dataset.name} --split {split} "
            f"{_which(model.card)} --bootstraps {bootstraps}"
        ),
        "date": datetime.now(UTC).date().isoformat(),
        "landcover": __version__,
    }
    return Evaluation(
        figures=figures,
        predictions=Predictions(
            ids=tuple(record.patch_id for record in records),
            countries=tuple(record.country for record in records),
            truth=truth,
            probability=answers[0],
        ),
    )


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
        for model, part in zip(models, parts, strict=True):
            part.append(_answer(model, patches))
        done += len(batch)
        if progress:
            progress(done, len(records), "patches")
    return [np.concatenate(part) for part in parts]


def _answer(model: Model, patches: Sequence[Patch]) -> FloatArray:
    with torch.inference_mode():
        scores = model.scores(torch.stack([model.tensor(patch) for patch in patches])).float()
        answer: FloatArray = model.probabilities(scores).cpu().numpy()
    if not np.isfinite(answer).all():
        raise CorruptModel(
            f"{model.card.title} answers with something that is no number: train it anew."
        )
    return answer[:, [model.card.classes.index(name) for name in CLASS_NAMES]]


def milliseconds_per_patch(model: Model, n: int = 15) -> dict[str, Any]:
    """Median time of one warm classification of one patch, with what it was measured on."""
    pixels = np.full((len(BAND_NAMES), model.card.pixels, model.card.pixels), 0.1, np.float32)
    pixels += np.random.default_rng(0).normal(0, 0.02, pixels.shape).astype(np.float32)
    patch = Patch(
        reflectance=pixels,
        valid=np.ones(pixels.shape[1:], dtype=bool),
        crs="EPSG:32633",
        transform=grid(600_000, 5_300_000),
        provenance=Provenance(source="noise", level=model.card.level),
    )
    times = []
    for _ in range(n + 2):
        begin = time.perf_counter()
        model.predict(patch)
        times.append(1000 * (time.perf_counter() - begin))
    return {
        "milliseconds_per_patch": round(median(times[2:]), 2),
        "runs": n,
        "device": model.device.type,
        "threads": torch.get_num_threads(),
    }


def _thresholds(card: Card) -> list[float]:
    return [card.thresholds[name] for name in CLASS_NAMES]


def _number(value: float) -> float | None:
    found = none_if_nan(value)
    return None if found is None else round(found, _DIGITS)


def _span(values: Doubles) -> list[float] | None:
    low, high = interval(values)
    return None if math.isnan(low) else [round(low, _DIGITS), round(high, _DIGITS)]


def _summary_figures(
    card: Card, truth: BoolArray, answer: FloatArray, drawn: Resampled
) -> dict[str, Any]:
    values = overall(truth, answer, _thresholds(card))
    return {
        **{name: _number(values[name]) for name in SUMMARY},
        "confidence_intervals": {name: _span(drawn.overall[name]) for name in SUMMARY},
    }


def _class_figures(
    card: Card, truth: BoolArray, answer: FloatArray, drawn: Resampled
) -> dict[str, Any]:
    found = per_class(truth, answer, _thresholds(card))
    return {
        name: {
            **{key: _number(value) for key, value in asdict(item).items()},
            "support": item.support,
            # Whole, since decisions are made anew from it.
            "threshold": item.threshold,
            "ap_interval": _span(drawn.ap[:, k]),
        }
        for k, (name, item) in enumerate(zip(CLASS_NAMES, found, strict=True))
    }


def _margins(
    model: tuple[BoolArray, Card, FloatArray],
    drawn: Resampled,
    other: Model,
    answer: FloatArray,
    draws: Resampled,
) -> dict[str, Any]:
    truth, card, ours = model
    first = overall(truth, ours, _thresholds(card))
    second = overall(truth, answer, _thresholds(other.card))
    return {
        name: {
            "difference": _number(first[name] - second[name]),
            "interval": _span(drawn.overall[name] - draws.overall[name]),
        }
        for name in ("macro_ap", "micro_ap")
    }


def _origin(card: Card, dataset: Dataset, split: str) -> dict[str, Any]:
    """Which weights, and how far from these patches they have learnt."""
    learnt = [str(name) for name in card.training.get("splits", ())]
    same = card.training.get("dataset") == dataset.title
    near: list[int] = []
    for name in learnt if same else ():
        if name in dataset.splits:
            found = distance_m(dataset.records(name), dataset.records(split))
            near += [] if found is None else [found]
    return {
        "card_hash": card.hash,
        # Other data sets may show the same places, so that "no" would claim too much.
        "seen_in_training": bool({split, ALL} & set(learnt) or split == ALL) if same else None,
        "training_splits": learnt,
        "training_distance_m": min(near, default=None),
    }


def as_text(evaluation: Evaluation) -> str:
    """The figures as a person reads them in a terminal."""
    figures = evaluation.figures
    seen = {True: "yes: these figures flatter it", False: "no", None: "unknown"}
    speed = figures["speed"]
    where = f"{figures['dataset']}, split {figures['split']}: {figures['n']} patches"
    head = [
        f"{figures['model']} ({figures['card_hash']}) on {where}",
        f"learnt from these patches: {seen[figures['seen_in_training']]}",
    ]
    place = f"{speed['device']}, {speed['threads']} threads"
    tail = [f"{speed['milliseconds_per_patch']:.1f} ms a patch on {place}."]
    note = [figures["note"]] if figures["note"] else []
    parts = (head + note, _summary_lines(figures), _class_lines(figures), tail)
    return "\n\n".join("\n".join(lines) for lines in parts)


def _summary_lines(figures: dict[str, Any]) -> list[str]:
    lines = [" " * 18 + "".join(f"{name:>22}" for name in SUMMARY), _row(figures["model"], figures)]
    lines += [_row(name, other) for name, other in figures["baselines"].items()]
    for name, other in figures["baselines"].items():
        margins = ", ".join(
            f"{key} {_with_span(item['difference'], item['interval'], sign='+')}"
            for key, item in other["margin"].items()
        )
        lines.append(f"above {name}: {margins}")
    resamples, counted = figures["bootstrap"]["resamples"], len(figures["macro_classes"])
    lines.append(f"Brackets hold 95 % of {resamples} bootstrap resamples of patches.")
    lines.append(f"Macro figures average {counted} {figures['macro_rule']} (*).")
    return lines


def _class_lines(figures: dict[str, Any]) -> list[str]:
    heads = ("precision", "recall", "F1", "threshold")
    lines = [f"  {'class':<24}{'support':>8}{'AP':>22}" + "".join(f"{h:>11}" for h in heads)]
    for name, item in figures["per_class"].items():
        mark = "*" if name in figures["macro_classes"] else " "
        values = (item[key.lower()] for key in heads)
        lines.append(
            f"{mark} {BY_NAME[name].short:<24}{item['support']:>8}"
            f"{_with_span(item['ap'], item['ap_interval']):>22}"
            + "".join(f"{_figure(value):>11}" for value in values)
        )
    return lines


def _which(card: Card) -> str:
    shipped = card.name in registry.names() and registry.card(card.name).hash == card.hash
    return f"--model {card.name}" if shipped else "--card DIR"


def _row(name: str, figures: dict[str, Any]) -> str:
    spans = figures["confidence_intervals"]
    return f"{name:<18}" + "".join(f"{_with_span(figures[k], spans[k]):>22}" for k in SUMMARY)


def _figure(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.3f}"


def _with_span(value: float | None, span: list[float] | None, sign: str = "") -> str:
    if span is None:
        return _figure(value, sign)
    return f"{_figure(value, sign)} [{_figure(span[0], sign)}, {_figure(span[1], sign)}]"


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
    for k, name in enumerate(CLASS_NAMES):
        columns[_TRUTH + name] = found.truth[:, k]
        columns[_PROBABILITY + name] = found.probability[:, k]
    pd.DataFrame(columns).to_parquet(paths[1], index=False)
    return paths


def reports(folder: Path) -> list[tuple[str, str]]:
    """Data set and split of each report in a model folder."""
    stems = (path.stem.rpartition("-") for path in sorted((folder / FOLDER).glob("*-*.json")))
    return [(dataset, split) for dataset, _, split in stems]


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
        report = Evaluation(figures=dict(figures), predictions=_predictions(table))
        whole = report.figures["n"] == len(table) and len(report.thresholds()) == len(CLASS_NAMES)
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
            | {"confidence_intervals": each["confidence_intervals"]}
            for each in figures
        ],
    }


def _read(path: Path) -> bytes:
    if path.stat().st_size > _MAX_REPORT_BYTES:
        raise ValueError(path.name)
    return path.read_bytes()


def _predictions(table: pd.DataFrame) -> Predictions:
    return Predictions(
        ids=tuple(map(str, table["patch_id"])),
        countries=tuple(map(str, table["country"])),
        truth=table[[_TRUTH + name for name in CLASS_NAMES]].to_numpy(dtype=bool),
        probability=table[[_PROBABILITY + name for name in CLASS_NAMES]].to_numpy(np.float32),
    )
