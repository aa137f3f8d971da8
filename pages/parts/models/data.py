"""Cards, reports and training histories for the Models page, read and cached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import streamlit as st

from landcover.core.classes import cover_of
from landcover.core.errors import LandcoverError
from landcover.core.text import readable
from landcover.datasets.own import NAME as OWN
from landcover.evaluate import report_files
from landcover.evaluate.report import Baseline, Evaluation, EvaluationReport
from landcover.metrics import scores
from landcover.models import registry
from landcover.models.card import WEIGHTS_FILE, Card
from landcover.train.history import HISTORY_FILE, Epoch, read_csv

DATASETS: Final = {
    "bigearthnet": "BigEarthNet",
    "bigearthnet-v1": "BigEarthNet v1",
    "bigearthnet-v2": "BigEarthNet v2",
    "eurosat": "EuroSAT",
    "folder": "Own data",
}


def title_of(dataset: str) -> str:
    """Return the name of a data set to read."""
    return DATASETS.get(dataset, dataset)


@dataclass(frozen=True)
class Metric:
    """A metric over all classes: its display name, and whether lower is better."""

    title: str
    lower: bool = False

    @property
    def axis(self) -> str:
        """Title of an axis."""
        return f"{self.title} ({'lower' if self.lower else 'higher'} is better)"


METRICS: Final[dict[str, Metric]] = {
    "macro_ap": Metric("Macro AP"),
    "micro_ap": Metric("Micro AP"),
    "accuracy": Metric("Accuracy"),
    "macro_f1": Metric("Macro F1"),
    "micro_f1": Metric("Micro F1"),
    "macro_f2": Metric("Macro F2"),
    "micro_f2": Metric("Micro F2"),
    "macro_precision": Metric("Macro precision"),
    "micro_precision": Metric("Micro precision"),
    "macro_recall": Metric("Macro recall"),
    "micro_recall": Metric("Micro recall"),
    "sample_ap": Metric("Sample AP"),
    "subset_accuracy": Metric("All labels correct"),
    "hamming_loss": Metric("Hamming loss", lower=True),
    "one_error": Metric("One error", lower=True),
    "coverage_error": Metric("Coverage error", lower=True),
    "ranking_loss": Metric("Ranking loss", lower=True),
    "ece": Metric("Calibration error", lower=True),
    "ace": Metric("Adaptive ECE", lower=True),
    "brier": Metric("Brier score", lower=True),
}
"""In the order in which they are offered; older reports lack some."""
FIRST: Final = ("macro_ap", "micro_ap", "accuracy", "macro_f1", "micro_f1", "ece")
"""Metrics that are shown by default."""
PER_CLASS: Final = {
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "f2": "F2",
    "brier": "Brier",
    "ece": "Calibration error",
    "ace": "Adaptive ECE",
    "threshold": "Threshold",
}


@dataclass(frozen=True, order=True)
class Split:
    """A split of a data set that models were evaluated on.

    Attributes:
        dataset: as ``--dataset`` takes it.
        name: of the split.
        own: title of a data set of one's own; there may be several, with other classes.
    """

    dataset: str
    name: str
    own: str = ""

    @property
    def data(self) -> str:
        """The data set's name to read."""
        return f"{title_of(self.dataset)}, {self.own}" if self.own else title_of(self.dataset)

    @property
    def address(self) -> str:
        """The same for the address of the page."""
        return "/".join(filter(None, (self.dataset, self.name, self.own)))


@dataclass(frozen=True)
class Entry:
    """A registered model and its report on the chosen split, if there is one."""

    name: str
    card: Card
    weights_bytes: int
    report: Evaluation | None

    @property
    def stale(self) -> bool:
        """Whether the report was made with another card or other weights."""
        return self.report is not None and self.report.metrics.card_hash != self.card.hash


@dataclass(frozen=True)
class Row:
    """The metrics of a model over all classes; ``number`` determines its chart style."""

    number: int
    name: str
    title: str
    metrics: EvaluationReport | Baseline
    card: Card | None
    weights_bytes: int | None

    def value(self, key: str) -> float | None:
        """Return a metric; None if the report lacks it or it is undefined."""
        return self.metrics.value(key)

    def span(self, key: str) -> tuple[float, float] | None:
        """Return the 95 % interval of a metric; None in the same cases."""
        return self.metrics.interval(key)

    @property
    def report(self) -> EvaluationReport | None:
        """The model's own report; None if it was measured only as another's baseline."""
        return self.metrics if isinstance(self.metrics, EvaluationReport) else None

    @property
    def milliseconds(self) -> float | None:
        """Time per patch in milliseconds; None if not measured."""
        speed = self.report.speed if self.report else None
        return None if speed is None else speed.milliseconds_per_patch


def cards() -> tuple[dict[str, Card], list[str]]:
    """Return the cards of all usable models, and an error message for each other one."""
    found, broken = {}, []
    for name in registry.default().names():
        try:
            found[name] = registry.default().card(name)
        except LandcoverError as error:
            broken.append(str(error))
    return found, broken


def split_of(report: Evaluation) -> Split:
    """Return the split that a report is of."""
    metrics = report.metrics
    return Split(metrics.dataset, metrics.split, metrics.own_data)


def splits(names: Sequence[str]) -> list[Split]:
    """Return all splits that some model was evaluated on; test splits first."""
    folders = [registry.default().folder(name) for name in names]
    found = {split for folder in folders for split in _splits_of(folder)}
    return sorted(found, key=lambda split: (split.name != "test", split))


def _splits_of(folder: Path) -> list[Split]:
    """Return the splits on which a model has reports."""
    return [
        Split(dataset, name, _own_data(folder, dataset, name, _stamp(folder, dataset, name)))
        for dataset, name in report_files.reports(folder)
    ]


@st.cache_data(max_entries=200, show_spinner=False)
def _own_data(folder: Path, dataset: str, name: str, stamp: tuple[int, ...]) -> str:  # noqa: ARG001 - part of the cache's key
    """Return the title of the data of one's own that a report is of; "" if it is of others."""
    if dataset != OWN:
        return ""
    try:
        return report_files.read_metrics(folder, dataset, name).own_data
    except LandcoverError:  # whoever reads the report says what is wrong with it
        return ""


def entries(models: dict[str, Card], split: Split | None) -> tuple[list[Entry], list[str]]:
    """Return each model with its report on a split, and a message per damaged report."""
    found, broken = [], []
    for name, card in models.items():
        report = None
        folder = registry.default().folder(name)
        if split is not None and split in _splits_of(folder):
            where = (split.dataset, split.name)
            try:
                report = _report(folder, *where, _stamp(folder, *where))
            except LandcoverError as error:
                broken.append(str(error))
        weights = folder / WEIGHTS_FILE
        size = weights.stat().st_size if weights.is_file() else 0
        found.append(Entry(name, card, size, report))
    return found, broken


def _stamp(folder: Path, dataset: str, name: str) -> tuple[int, ...]:
    """Return a cache key that changes when a report is written again."""
    paths = sorted((folder / report_files.FOLDER).glob(f"{dataset}-{name}.*"))
    return tuple(value for p in paths for value in (p.stat().st_mtime_ns, p.stat().st_size))


@st.cache_resource(max_entries=24, show_spinner="Reading the report …")
def _report(folder: Path, dataset: str, split: str, stamp: tuple[int, ...]) -> Evaluation:  # noqa: ARG001 - part of the cache's key
    return report_files.read_report(folder, dataset, split)


def command(name: str, split: Split | None) -> str:
    """Return the command that makes a missing report."""
    where = split or Split("bigearthnet", "test")
    return (
        f"landcover evaluate ROOT --dataset {where.dataset} --split {where.name} --model {name} "
        "--save"
    )


def rows(found: Sequence[Entry]) -> list[Row]:
    """Return all models with metrics: those with reports, then their baselines."""
    ready = {entry.name: entry.report for entry in found if entry.report is not None}
    known = {entry.name: entry for entry in found}
    metrics: dict[str, EvaluationReport | Baseline] = {
        name: report.metrics for name, report in ready.items()
    }
    for report in ready.values():
        for name, item in report.metrics.baselines.items():
            metrics.setdefault(name, item)
    order = [*(name for name in known if name in metrics), *(n for n in metrics if n not in known)]
    return [_row(order.index(name), name, metrics[name], known.get(name)) for name in order]


def _row(number: int, name: str, metrics: EvaluationReport | Baseline, entry: Entry | None) -> Row:
    return Row(
        number=number,
        name=name,
        title=registry.default().title(name) if entry else readable(name),
        metrics=metrics,
        card=entry.card if entry else None,
        weights_bytes=entry.weights_bytes if entry else None,
    )


def ready(found: Sequence[Entry]) -> list[tuple[Row, Evaluation]]:
    """Return the models that have their own report, with the report."""
    reports = {entry.name: entry.report for entry in found}
    out = []
    for row in rows(found):
        report = reports.get(row.name)
        if report is not None:
            out.append((row, report))
    return out


def suits(entry: Entry, found: Sequence[Entry]) -> bool:
    """Return whether a model could have a report here: it has the classes of the others."""
    reports = [other.report for other in found if other.report is not None]
    return not reports or set(entry.card.classes) == set(reports[0].classes)


def short(name: str) -> str:
    """Return a class's short name."""
    return cover_of(name).short


def shorts(report: Evaluation) -> list[str]:
    """Return the short names of a report's classes."""
    return [short(name) for name in report.classes]


def identity(report: Evaluation) -> tuple[str, ...]:
    """Return a key that identifies a report, for caches."""
    metrics = report.metrics
    return tuple(
        str(getattr(metrics, key))
        for key in ("model", "card_hash", "dataset", "split", "date", "n", "macro_ap", "ece")
    )


def number_of(value: object) -> float | None:
    """Return a finite number, else None: reports may come from anyone."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def with_span(value: float | None, span: Sequence[float] | None, sign: str = "") -> str:
    """Format such as ``0.732 [0.690, 0.771]``; a dash if there is no value."""
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:{sign}.3f}"
    return f"{text} [{span[0]:{sign}.3f}, {span[1]:{sign}.3f}]" if span else text


def class_table(report: Evaluation) -> pd.DataFrame:
    """Return one row per class: support, AP with interval, precision, recall, F1, F2, threshold."""
    out = []
    for name, item in report.metrics.per_class.items():
        low, high = item.ap_interval or (None, None)
        row = {
            "Class": short(name),
            "Theme": cover_of(name).theme,
            "Support": item.support,
            "AP": item.ap,
            "AP low": low,
            "AP high": high,
        }
        for key, title in PER_CLASS.items():
            if key in item.model_fields_set:
                row[title] = item.value(key)
        out.append({**row, "In macro": name in report.metrics.macro_classes})
    return pd.DataFrame(out)


def predicted(report: Evaluation) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which classes the model predicts, bool ``(patch, class)``."""
    return scores.decisions(
        report.predictions.probability, report.thresholds(), exclusive=report.exclusive
    )


def confusion_table(
    report: Evaluation, decided: np.ndarray[Any, np.dtype[np.bool_]] | None = None
) -> pd.DataFrame:
    """Return one row per class with the four counts of its 2 × 2 table."""
    found = predicted(report) if decided is None else decided
    tables = scores.confusions(report.predictions.truth, found)
    columns = {
        "Present, predicted": tables[:, 1, 1],
        "Present, missed": tables[:, 1, 0],
        "Absent, predicted": tables[:, 0, 1],
        "Absent, not predicted": tables[:, 0, 0],
    }
    return pd.DataFrame({"Class": shorts(report), **columns})


def history(name: str) -> tuple[Epoch, ...]:
    """Return the epochs of a model's training; empty if none are known or they cannot be read."""
    return read_csv(registry.default().folder(name) / HISTORY_FILE)
